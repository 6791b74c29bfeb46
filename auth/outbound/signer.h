/*
 * signer: signatures over a request, for providers that want one instead of the secret. A table of
 * schemes, a file each. Pure: the head as it is sent and the time in, further header lines out.
 *
 * Nothing of a request is repaired for it: what is signed is what was written.
 */
#pragma once

#include "base/clock.h"
#include "base/hmac.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct buffer;
struct hmac_recipe;
struct signing_keys;

enum signer_scheme { SIGNER_AWS_SIGV4, SIGNER_AZURE_SHARED_KEY, SIGNER_HMAC, SIGNER_SCHEMES };

/* What a route says of it. Immutable, in a snapshot's arena. */
struct signing_rule {
    enum signer_scheme scheme;
    struct slice region, service; /* aws-sigv4 */
    /* aws-sigv4, of S3 and its like: the path is encoded once and kept as it is, and the payload's
     * hash is a header, too. */
    bool as_s3;
    const struct hmac_recipe *recipe; /* hmac; else NULL */
};

struct signing_field {
    struct slice name, value;
};

enum { SIGNING_FIELDS_MAX = 512 };

/* A request as it is sent. */
struct signing_request {
    struct slice method;
    struct slice target; /* raw, with the query */
    const struct signing_field *fields;
    unsigned field_count; /* at most SIGNING_FIELDS_MAX */
    struct slice body;    /* for hmac; what is not held is empty */
    struct slice payload; /* for aws-sigv4: the body's SHA-256 in lower-case hex, or what stands for
                             it: UNSIGNED-PAYLOAD, STREAMING-... */
    usec_t now;           /* wall clock, as the provider has it */
};

/* What signatures of chunks begin with (sigv4_chunks.h). As secret as a key. */
struct sigv4_seed {
    struct hmac_key key;
    char signature[2 * SHA256_BYTES];
    char time[16];   /* 20150830T123600Z */
    char scope[160]; /* 20150830/us-east-1/s3/aws4_request */
    size_t scope_len;
};

/* Keys that were derived from secrets, each for a day; and memory to work in. Of one thread. */
struct signing_keys *signing_keys_new(void);
void signing_keys_free(struct signing_keys *keys); /* takes NULL; wipes */

/* "aws-sigv4"; and back: SIGNER_SCHEMES if there is none of that name. */
const char *signer_name(enum signer_scheme scheme);
enum signer_scheme signer_find(struct slice name);
/* The names of header fields, in lower case, that it writes itself, the last one empty: a caller's
 * own are to be taken out. */
const struct slice *signer_fields(enum signer_scheme scheme);

/* The start line and the fields of a head as it is written, up to its end or an empty line; into
 * `fields`, of SIGNING_FIELDS_MAX. STATUS_INVALID: it is none; STATUS_TOO_LARGE: more fields. */
MUST_USE enum status signer_read_head(struct slice head, struct signing_field *fields,
                                      struct signing_request *ret);

/* Is the secret of the form that this scheme takes? The message says the form, and nothing of it.
 */
MUST_USE enum status signer_check_secret(const struct signing_rule *rule, struct slice secret,
                                         struct error *err);

/* Appends the header lines. STATUS_INVALID: the secret is not of the form; STATUS_TOO_LARGE: `out`
 * is full. `ret_seed` (aws-sigv4 alone) may be NULL. */
MUST_USE enum status signer_sign(const struct signing_rule *rule, struct slice secret,
                                 struct signing_keys *keys, const struct signing_request *request,
                                 struct buffer *out, struct sigv4_seed *ret_seed);
