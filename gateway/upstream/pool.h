/*
 * pool: kept idle links, by endpoint. The one used last is given first, so that the others can age.
 *
 * A kept link that becomes readable is closed: the provider has ended it, or has said something
 * that nobody asked for. (A TLS link may have got a session ticket; then it is kept.)
 */
#pragma once

#include "base/clock.h"
#include "base/timer.h"
#include "base/waiter.h"

enum {
    POOL_MOST_IDLE = 1024, /* a worker */
    POOL_MOST_IDLE_AN_ENDPOINT = 256,
};
#define POOL_MOST_IDLE_AGE (55 * SEC)  /* below what most servers and balancers allow: 60 s */
#define POOL_MOST_LIFE     (600 * SEC) /* so that a change in DNS arrives */

struct endpoint;
struct link;
struct loop;

struct pool {
    struct timer expiry; /* first: see on_expiry() */
    struct waiter news;  /* to look at the doubtful */
    struct loop *loop;   /* borrowed */
    struct link *newest; /* of all idle ones */
    struct link *oldest;
    struct link *doubtful; /* became readable; by `newer` */
    unsigned idle_count;
};

void pool_init(struct pool *pool, struct loop *loop);
void pool_fini(struct pool *pool);

/* NULL if there is none; else the caller's, who sets its owner. */
struct link *pool_take(struct pool *pool, struct endpoint *endpoint);
/* Keeps it for at most `idle`, or closes it: too old, or it has something to read. `endpoint` is
 * in use by the caller. */
void pool_put(struct pool *pool, struct endpoint *endpoint, struct link *take_link, usec_t idle);
void pool_close_all(struct pool *pool);
