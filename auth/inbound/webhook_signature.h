/*
 * webhook_signature: is this webhook from who it says? Pure: no clock, no network, nothing logged.
 *
 * The signature is checked over the raw bytes, in constant time, with each of the secrets. What a
 * provider's signature covers is in its scheme (webhook_scheme.h). Where a key must be fetched, the
 * answer is WEBHOOK_NEEDS: whoever asked fetches it and asks again with it.
 *
 * Certificates are taken from the URL that the message names, if the scheme allows its host, over
 * https; their time of validity is checked, their chain is not.
 */
#pragma once

#include "auth/inbound/webhook_scheme.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct http1_field;

enum webhook_fetched {
    WEBHOOK_NOT_ASKED,
    WEBHOOK_FETCHED, /* `fetched` is the answer to the last need */
    WEBHOOK_NOT_TO_BE_HAD,
};

/* All borrowed, for the call. */
struct webhook_request {
    struct slice method; /* upper case */
    struct slice url;    /* the public one, whole, as the provider called it */
    const struct http1_field *fields;
    unsigned field_count;
    struct slice body; /* raw; may hold NUL */
    int64_t now;       /* Unix seconds */

    const struct slice *secrets; /* as configured; empty ones never match */
    unsigned secret_count;
    /* What is pinned; a scheme with a pin accepts nothing without it. */
    const struct slice *topics; /* ARNs */
    unsigned topic_count;
    struct slice audience;
    struct slice email;

    enum webhook_fetched fetched_state;
    struct slice fetched; /* a certificate as PEM; a JWK set, or one JWK */
};

enum webhook_outcome { WEBHOOK_ACCEPTED, WEBHOOK_REFUSED, WEBHOOK_NEEDS };

enum webhook_reason {
    WEBHOOK_OK,
    WEBHOOK_SIGNATURE_MISMATCH,
    WEBHOOK_TOKEN_MISMATCH,
    WEBHOOK_HEADER_MISSING, /* or what stands in its place in the body */
    WEBHOOK_HEADER_MALFORMED,
    WEBHOOK_TIMESTAMP_MALFORMED,
    WEBHOOK_TIMESTAMP_EXPIRED,
    WEBHOOK_TIMESTAMP_FUTURE,
    WEBHOOK_BODY_MALFORMED,
    WEBHOOK_BODY_HASH_MISMATCH,
    WEBHOOK_ALGORITHM_REFUSED,
    WEBHOOK_CLAIM_MISMATCH, /* audience, e-mail, issuer or topic */
    WEBHOOK_CERT_URL_REFUSED,
    WEBHOOK_CERT_UNAVAILABLE, /* not to be had, no certificate, or out of its time */
    WEBHOOK_KEY_UNKNOWN,
    WEBHOOK_REASONS /* not a reason; keep last */
};

enum webhook_need { WEBHOOK_NEEDS_NOTHING, WEBHOOK_NEEDS_CERTIFICATE, WEBHOOK_NEEDS_KEY };

enum { WEBHOOK_ID_MAX_BYTES = 255 };

/* The texts are in the arena that was given. */
struct webhook_result {
    enum webhook_outcome outcome;
    enum webhook_reason reason; /* WEBHOOK_OK unless refused */

    enum webhook_need need;
    struct slice need_name; /* the certificate's URL, or the key's id (visible ASCII, no quotes) */

    /* If accepted. */
    struct slice event_id; /* empty: it has none of 1 to WEBHOOK_ID_MAX_BYTES bytes */
    bool event_id_signed;  /* false: anyone who saw one delivery can send it with another id */
    struct slice event_type;
    int64_t timestamp; /* Unix seconds; 0: none */
    /* SHA-256 of what identifies the delivery where no signed id does: of the body where the
     * signature covers it, or nothing of the message at all (tokens, JWTs); else of the signed
     * bytes. */
    unsigned char content_hash[32];
};

void webhook_verify(const struct webhook_scheme *scheme, const struct webhook_request *request,
                    struct arena *arena, struct webhook_result *ret);

/* "signature_mismatch", ... for logs and metrics. */
const char *webhook_reason_name(enum webhook_reason reason);
