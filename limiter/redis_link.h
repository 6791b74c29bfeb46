/*
 * redis_link: one connection to a Redis server: connects, authenticates, selects the database, and
 * matches replies to commands in their order. Only redis_link* know libevent and hiredis.
 *
 * It does not know what the commands mean, keeps no queue (what was sent when a connection broke is
 * the owner's to repeat), and never blocks: names are resolved by evdns. One loop, one thread. The
 * process must ignore SIGPIPE. The parts: redis_link_{dial,resolve,tls,login,reader}.
 */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/timer.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct redis_link;
struct ssl_ctx_st;

struct redis_address {
    const char *url_shown; /* for messages, with the password masked */
    const char *host;      /* NULL: unix socket */
    const char *unix_path;
    unsigned port;
    const char *user;     /* NULL: none (AUTH with a password alone) */
    const char *password; /* NULL: no AUTH */
    unsigned database;    /* 0: no SELECT */
    bool tls;             /* verified against `ca` or the system's, and the host's name */
    const char *ca;       /* PEM file; NULL: the system's */
};

/* Once a process, from the address; NULL without TLS. */
MUST_USE enum status redis_tls_new(const struct redis_address *address, struct ssl_ctx_st **ret,
                                   struct error *err);
void redis_tls_free(struct ssl_ctx_st *tls); /* takes NULL */

enum {
    REDIS_OUTPUT_MAX = 16 * 1024 * 1024,
    REDIS_REPLY_MAX = 64 * 1024 * 1024,
    REDIS_ITEMS_MAX = 1024 * 1024, /* of a list */
};

enum redis_reply_kind {
    REDIS_NIL,
    REDIS_TEXT, /* status or bulk string */
    REDIS_NUMBER,
    REDIS_ERROR, /* text says "NOSCRIPT ...", "ERR ..." */
    REDIS_LIST,  /* items: `count` texts or numbers in `items` */
};

struct redis_reply {
    enum redis_reply_kind kind;
    struct slice text;
    int64_t number;
    const struct redis_reply *items; /* of REDIS_LIST; one level deep */
    unsigned count;
};

/* Called from the loop, never from inside a call. In each of them every function of this file may
 * be called, free and close included; then nothing follows of what was there. The loop may not be
 * run in them. */
struct redis_link_ops {
    /* Connected, authenticated, database selected: commands may be written. */
    void (*up)(void *ctx);
    /* The reply to the oldest command that has none yet. Valid during the call. */
    void (*reply)(void *ctx, const struct redis_reply *reply);
    /* Could not connect, or the connection is gone: what is unanswered will stay so. Once for each
     * open, if at all: not for redis_link_close(). The link is closed, and may be opened in there.
     * `why` names the server and what to do; it has no password. */
    void (*down)(void *ctx, const char *why);
};

struct redis_link_settings {
    struct event_base *base;             /* borrowed */
    struct timer_queue *timers;          /* borrowed: the loop's */
    usec_t (*now)(void);                 /* the loop's clock */
    const struct redis_address *address; /* borrowed */
    struct ssl_ctx_st *tls;              /* borrowed; NULL: plain */
    usec_t connect_timeout;              /* for all until `up` */
    const struct redis_link_ops *ops;
    void *ctx;
};

/* Does not connect yet. */
struct redis_link *redis_link_new(const struct redis_link_settings *settings);
void redis_link_free(struct redis_link *link); /* takes NULL; nothing is called back */

/* Begins to connect, from the closed state; `up` or `down` follows, never from inside the call. */
void redis_link_open(struct redis_link *link);
/* Drops the connection at once, with what was not sent; may be opened again. */
void redis_link_close(struct redis_link *link);
/* False from the moment on that the connection is lost, which may be before `down` is called. */
bool redis_link_is_up(const struct redis_link *link);

/* Where commands are written, in RESP; each whole one makes one reply due: say so. While the link
 * is not up nothing may be written. */
struct buffer *redis_link_output(struct redis_link *link);
void redis_link_expect(struct redis_link *link, unsigned replies);
/* Sends what was written, with one write where the socket takes it. Bytes that the server does not
 * take are bounded by the output's maximum (REDIS_OUTPUT_MAX). */
void redis_link_flush(struct redis_link *link);
/* Waits at most `most` until the server has taken all that was written, without the loop; answers
 * are not read any more. Only close or free it afterwards. */
void redis_link_drain(struct redis_link *link, usec_t most);
