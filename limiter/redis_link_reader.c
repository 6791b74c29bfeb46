#include "limiter/redis_link_reader.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <assert.h>
#include <stdio.h>

#include <hiredis/read.h>

enum {
    LINE_MAX_BYTES = 64 * 1024, /* of a status, an error, a number or a length */
    KEPT_BYTES = 64 * 1024,     /* memory that is kept from one reply to the next */
    KEPT_ITEMS = 1024,
};

/* A reply is built here by the functions that hiredis calls for each part. Texts are copied, for
 * hiredis moves its buffer; until all are there, an item's `number` is where its text begins. */
struct redis_reader {
    struct redisReader *parser; /* owned; NULL: nothing was fed yet */
    struct buffer texts;
    struct redis_reply root;
    struct redis_reply *items; /* owned */
    unsigned count;
    unsigned size;
    size_t bytes;        /* fed for a reply that is not whole */
    bool delivered;      /* what was built is to be thrown away */
    const char *refused; /* why a part was; NULL: none was */
};

static const char too_long[] = "it sent a reply that is too long";

/* NULL tells hiredis that there is no memory, and makes it stop. */
static void *put(struct redis_reader *reader, const redisReadTask *task, struct redis_reply part)
{
    if (task->parent == NULL) {
        reader->root = part;
        return reader;
    }
    if (reader->count == REDIS_ITEMS_MAX) {
        reader->refused = too_long;
        return NULL;
    }
    MEMORY_GROW(reader->items, reader->count, &reader->size);
    reader->items[reader->count++] = part;
    return reader;
}

static void *put_text(const redisReadTask *task, char *text, size_t len)
{
    struct redis_reader *reader = task->privdata;
    struct redis_reply part = {.kind = task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : REDIS_TEXT};
    part.number = (int64_t)buffer_len(&reader->texts);
    part.text.len = len;
    if (buffer_append(&reader->texts, slice_make(text, len)) != STATUS_OK) {
        reader->refused = too_long;
        return NULL;
    }
    return put(reader, task, part);
}

static void *put_list(const redisReadTask *task, int elements)
{
    struct redis_reader *reader = task->privdata;
    if (task->parent != NULL) {
        reader->refused = "it sent lists within a list, which is no reply to any command of ours";
        return NULL;
    }
    if (elements > REDIS_ITEMS_MAX) {
        reader->refused = too_long;
        return NULL;
    }
    return put(reader, task, (struct redis_reply){.kind = REDIS_LIST});
}

static void *put_number(const redisReadTask *task, long long number)
{
    return put(task->privdata, task, (struct redis_reply){.kind = REDIS_NUMBER, .number = number});
}

static void *put_nil(const redisReadTask *task)
{
    return put(task->privdata, task, (struct redis_reply){.kind = REDIS_NIL});
}

static void free_nothing(void *object)
{
    (void)object;
}

/* hiredis takes them without const. */
static redisReplyObjectFunctions functions = {
    .createString = put_text,
    .createArray = put_list,
    .createInteger = put_number,
    .createNil = put_nil,
    .freeObject = free_nothing,
};

static void begin(struct redis_reader *reader)
{
    if (reader->texts.size > KEPT_BYTES) {
        buffer_reset(&reader->texts);
    }
    buffer_consume(&reader->texts, buffer_len(&reader->texts));
    if (reader->size > KEPT_ITEMS) {
        memory_free(reader->items);
        reader->items = NULL;
        reader->size = 0;
    }
    reader->count = 0;
    reader->root = (struct redis_reply){.kind = REDIS_NIL};
    reader->delivered = false;
}

static void find_text(const struct redis_reader *reader, struct redis_reply *part)
{
    if (part->kind == REDIS_TEXT || part->kind == REDIS_ERROR) {
        part->text.ptr = buffer_bytes(&reader->texts).ptr + part->number;
        part->number = 0;
    }
}

/* hiredis looks for a line's end from its beginning whenever bytes come, so that a line without
 * an end would cost time that grows with its square. */
static bool endless_line(const struct redis_reader *reader)
{
    const redisReader *parser = reader->parser;
    size_t len = parser->len - parser->pos;
    return len > LINE_MAX_BYTES &&
           memmem(parser->buf + parser->pos, LINE_MAX_BYTES, "\r\n", 2) == NULL;
}

struct redis_reader *redis_reader_new(void)
{
    struct redis_reader *reader = MEMORY_NEW(struct redis_reader);
    buffer_init(&reader->texts, REDIS_REPLY_MAX);
    return reader;
}

void redis_reader_free(struct redis_reader *reader)
{
    if (reader != NULL) {
        redisReaderFree(reader->parser);
        buffer_fini(&reader->texts);
        memory_free(reader->items);
        memory_free(reader);
    }
}

void redis_reader_reset(struct redis_reader *reader)
{
    redisReaderFree(reader->parser);
    reader->parser = NULL;
    reader->bytes = 0;
    reader->delivered = true;
    reader->refused = NULL;
}

void redis_reader_feed(struct redis_reader *reader, struct slice bytes)
{
    assert(bytes.len <= REDIS_FEED_MAX);
    if (reader->parser == NULL) {
        reader->parser = redisReaderCreateWithFunctions(&functions);
        assert(reader->parser != NULL); /* fails for want of memory only */
        reader->parser->privdata = reader;
    }
    (void)redisReaderFeed(reader->parser, bytes.ptr, bytes.len); /* an error is kept in it */
    reader->bytes += bytes.len;
}

enum redis_read redis_reader_next(struct redis_reader *reader, struct redis_reply *ret,
                                  const char **ret_why)
{
    void *whole = NULL;
    if (reader->delivered) {
        begin(reader);
    }
    if (reader->parser == NULL) {
        return REDIS_READ_MORE;
    }
    if (redisReaderGetReply(reader->parser, &whole) != REDIS_OK) {
        *ret_why = reader->refused != NULL ? reader->refused
                                           : "it sent what is not Redis's protocol (RESP2)";
        return REDIS_READ_BROKEN;
    }
    if (whole == NULL) {
        bool bounded = reader->bytes <= REDIS_REPLY_MAX && !endless_line(reader);
        *ret_why = too_long;
        return bounded ? REDIS_READ_MORE : REDIS_READ_BROKEN;
    }
    for (unsigned i = 0; i < reader->count; i++) {
        find_text(reader, &reader->items[i]);
    }
    find_text(reader, &reader->root);
    reader->root.items = reader->items;
    reader->root.count = reader->count;
    reader->bytes = reader->parser->len - reader->parser->pos;
    reader->delivered = true;
    *ret = reader->root;
    return REDIS_READ_REPLY;
}
