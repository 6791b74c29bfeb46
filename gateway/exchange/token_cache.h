/*
 * token_cache: tokens that were verified, by their SHA-256, so that one that comes again costs a
 * hash. A worker's own, of fixed size.
 *
 * What was found holds up to the token's end, with the config and the issuer's key set that it was
 * found with: a reload, or a set with another content, makes the token verified anew.
 */
#pragma once

#include "base/clock.h"
#include "base/digest.h"

#include <stdint.h>

struct jwt_issuer;
struct tenant;
struct token_cache;

enum { TOKEN_CACHE_PLACES = 4096, TOKEN_CACHE_WAYS = 4 };

struct token_entry {
    unsigned char hash[SHA256_BYTES];
    uint64_t generation; /* of the snapshot that the pointers are of; 0: empty place */
    uint64_t version;    /* of the key set; 0: the config's own */
    usec_t until;        /* wall clock */
    const struct tenant *tenant;
    const struct jwt_issuer *issuer;
};

struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache); /* takes NULL */
/* NULL: it is not there, of another config, or over. The key set's version is the caller's to
 * compare. Until the next call. */
const struct token_entry *token_cache_get(const struct token_cache *cache,
                                          const unsigned char hash[SHA256_BYTES],
                                          uint64_t generation, usec_t wall);
/* In place of the same token's, of one that is of no use any more, or of the first to end. */
void token_cache_put(struct token_cache *cache, const struct token_entry *entry, usec_t wall);
