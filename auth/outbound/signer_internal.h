/*
 * signer_internal: what signer.c and its schemes share. Only for auth/outbound and its tests.
 */
#pragma once

#include "auth/outbound/signer.h"
#include "base/buffer.h"

struct secret;

/* One signature that is being made. */
struct signing {
    const struct signing_rule *rule;
    struct slice secret;
    struct signing_keys *keys;
    const struct signing_request *request;
    struct buffer *out;      /* lines to append to */
    struct buffer *text;     /* what is signed; empty, wiped afterwards */
    struct sigv4_seed *seed; /* may be NULL */
};

/* A secret of two or three parts with colons between them; the last part may have more. */
struct signing_parts {
    struct slice id, key, token; /* token.ptr NULL: there is none */
};
bool signing_split(struct slice secret, unsigned parts, struct signing_parts *ret);

/* The key that was derived from this secret for `purpose`, which begins with the day, or NULL: it
 * is to be put there. */
const struct hmac_key *signing_keys_find(const struct signing_keys *keys, struct slice secret,
                                         struct slice purpose);
/* Copies it; the one of another day, or the oldest, makes room. */
void signing_keys_put(struct signing_keys *keys, struct slice secret, struct slice purpose,
                      const struct hmac_key *key);

/* "name: value\r\n" */
MUST_USE enum status signing_line(struct buffer *out, struct slice name, struct slice value);
/* The next line, without its end. */
struct slice signing_take_line(struct slice *text);
/* The order of bytes; and the same of letters in lower case. */
int signing_compare(struct slice a, struct slice b);
int signing_compare_nocase(struct slice a, struct slice b);
/* The byte at *at, decoded if it is a triplet (what is none stands for itself); steps over it. */
unsigned char signing_take_decoded(struct slice text, size_t *at);
/* In lower case. */
MUST_USE enum status signing_append_lower(struct buffer *out, struct slice text);

/* The schemes. */
MUST_USE enum status sigv4_check(struct slice secret, struct error *err);
MUST_USE enum status sigv4_sign(const struct signing *it);
MUST_USE enum status azure_shared_key_check(struct slice secret, struct error *err);
MUST_USE enum status azure_shared_key_sign(const struct signing *it);
MUST_USE enum status hmac_template_check(struct slice secret, struct error *err);
MUST_USE enum status hmac_template_sign(const struct signing *it);

/* Of aws-sigv4: "20150830T123600Z" and the date alone. */
void sigv4_time(usec_t now, char out[16]);
/* The canonical request, and where its list of signed headers is in it. `fields` are sorted by
 * name; those of one name stay in order. */
MUST_USE enum status sigv4_canonical(const struct signing_rule *rule,
                                     const struct signing_request *request,
                                     struct signing_field *fields, unsigned count,
                                     struct buffer *out, struct slice *ret_signed);
