/*
 * redis_link_reader: bytes of a server become replies (RESP2), with hiredis's parser, bounded in
 * every way that a server could make it grow. Of redis_link alone.
 */
#pragma once

#include "base/slice.h"
#include "limiter/redis_link.h"

struct redis_reader;

struct redis_reader *redis_reader_new(void);
void redis_reader_free(struct redis_reader *reader); /* takes NULL */
/* For a new connection. The reply that was read last stays valid until the next is asked for. */
void redis_reader_reset(struct redis_reader *reader);

/* At most REDIS_FEED_MAX bytes a time, then take all replies. */
enum { REDIS_FEED_MAX = 16 * 1024 };
void redis_reader_feed(struct redis_reader *reader, struct slice bytes);

enum redis_read {
    REDIS_READ_MORE,   /* no further whole reply */
    REDIS_READ_REPLY,  /* *ret is good until the next call */
    REDIS_READ_BROKEN, /* *ret_why says why, without any of the bytes; nothing more can be read */
};
enum redis_read redis_reader_next(struct redis_reader *reader, struct redis_reply *ret,
                                  const char **ret_why);
