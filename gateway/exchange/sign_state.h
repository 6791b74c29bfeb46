/*
 * sign_state: what an exchange keeps for its signature. For gateway/exchange/sign*.c alone.
 */
#pragma once

#include "auth/outbound/signer.h"
#include "base/buffer.h"

struct sigv4_chunks;

/* What x-amz-content-sha256 says. */
enum sign_payload {
    PAYLOAD_NOT_SAID,
    PAYLOAD_HASH,
    PAYLOAD_UNSIGNED,
    PAYLOAD_CHUNKS,                /* not signed, with trailers: they pass as they are */
    PAYLOAD_SIGNED_CHUNKS,         /* signed anew */
    PAYLOAD_SIGNED_CHUNKS_TRAILER, /* likewise, with a signed trailer */
    PAYLOAD_UNKNOWN,
};

struct sign_state {
    enum sign_payload payload;
    struct slice said;           /* the field's value, in the request */
    char hash[2 * SHA256_BYTES]; /* of `hashed` */
    struct slice hashed;
    struct sigv4_seed seed;      /* of the head that was signed last; wiped once it is used */
    struct sigv4_chunks *chunks; /* owned; NULL: none are signed anew */
    struct buffer body;          /* chunks signed anew, of a body that is held */
    bool bound;                  /* that is what goes upstream, with this head alone */
    bool compares;               /* what streams is compared with `said` */
    struct sha256 digest;        /* of it */
    bool time_learnt;            /* this request was tried again for the upstream's clock */
    size_t held;                 /* counted for a chunk that streams, within held_bytes */
};
