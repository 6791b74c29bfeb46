/*
 * redis_protocol: commands in Redis' protocol (RESP2), written in place, no printf. Internal to
 * redis_commands and redis_scripts.
 */
#pragma once

#include "base/buffer.h"
#include "base/digest.h"
#include "limiter/redis_commands.h"

#include <stdbool.h>

struct redis_scripts {
    char *texts[SCRIPTS]; /* owned */
    char hashes[SCRIPTS][2 * SHA1_BYTES + 1];
};

/* One command being written; after resp_end() it is there, or nothing of it. */
struct resp {
    struct buffer *out;
    size_t start;    /* bytes that were there before */
    char *at, *edge; /* where it goes on, and where the room ends; NULL: none yet */
    bool full;
};

/* "*words\r\n" */
void resp_begin(struct resp *resp, struct buffer *out, unsigned words);
/* The same with EVALSHA and the hash (hex), which are two of them. */
void resp_begin_script(struct resp *resp, struct buffer *out, unsigned words, const char *hash);
void resp_text(struct resp *resp, struct slice text);
void resp_number(struct resp *resp, int64_t number);
/* The name of a key: "{store:tenant}:v2:" or, tenant being empty, "{store}:v2:", then two parts. */
void resp_key(struct resp *resp, struct slice store, struct slice tenant, struct slice name,
              struct slice rest);
/* What was written before by these functions. */
void resp_words(struct resp *resp, struct slice words);
MUST_USE enum status resp_end(struct resp *resp);
