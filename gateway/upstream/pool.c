#include "gateway/upstream/pool.h"

#include "gateway/loop/loop.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/link.h"

#include <stddef.h>

/* ---- the two lists an idle link is on ---- */

static void list(struct pool *pool, struct endpoint *endpoint, struct link *link)
{
    link->endpoint = endpoint;
    link->newer = NULL;
    link->older = endpoint->newest_idle;
    *(link->older != NULL ? &link->older->newer : &endpoint->oldest_idle) = link;
    endpoint->newest_idle = link;
    endpoint->idle_count++;
    endpoint->users++;

    link->all_newer = NULL;
    link->all_older = pool->newest;
    *(link->all_older != NULL ? &link->all_older->all_newer : &pool->oldest) = link;
    pool->newest = link;
    pool->idle_count++;
}

static void unlist(struct pool *pool, struct link *link)
{
    struct endpoint *endpoint = link->endpoint;
    *(link->older != NULL ? &link->older->newer : &endpoint->oldest_idle) = link->newer;
    *(link->newer != NULL ? &link->newer->older : &endpoint->newest_idle) = link->older;
    endpoint->idle_count--;
    endpoint->users--;
    *(link->all_older != NULL ? &link->all_older->all_newer : &pool->oldest) = link->all_newer;
    *(link->all_newer != NULL ? &link->all_newer->all_older : &pool->newest) = link->all_older;
    pool->idle_count--;
}

static void drop(struct pool *pool, struct link *link)
{
    unlist(pool, link);
    link_close(link);
}

/* ---- ageing ---- */

static void set_expiry(struct pool *pool)
{
    if (pool->oldest != NULL && pool->expiry.due == 0) {
        usec_t due = pool->oldest->idle_since + POOL_MOST_IDLE_AGE;
        timer_set(&pool->loop->timers, &pool->expiry, due);
    }
}

static void on_expiry(struct timer *timer)
{
    struct pool *pool = (struct pool *)timer; /* its first member */
    while (pool->oldest != NULL &&
           pool->loop->now - pool->oldest->idle_since >= POOL_MOST_IDLE_AGE) {
        drop(pool, pool->oldest);
    }
    set_expiry(pool);
}

/* ---- idle links that became readable ---- */

static void on_news(struct link *link)
{
    struct pool *pool = link->owner;
    unlist(pool, link);
    link->endpoint->users++;
    link->newer = pool->doubtful;
    pool->doubtful = link;
    wake(&pool->news);
}

static void look_at_doubtful(struct waiter *waiter)
{
    struct pool *pool = (struct pool *)((char *)waiter - offsetof(struct pool, news));
    while (pool->doubtful != NULL) {
        struct link *link = pool->doubtful;
        pool->doubtful = link->newer;
        link->endpoint->users--;
        if (link->tls && link_drained(link)) {
            list(pool, link->endpoint, link);
        } else {
            link_close(link);
        }
    }
    set_expiry(pool);
}

/* ---- public ---- */

void pool_init(struct pool *pool, struct loop *loop)
{
    *pool = (struct pool){.loop = loop};
    timer_init(&pool->expiry, on_expiry);
    waiter_init(&pool->news, &loop->ready, look_at_doubtful);
}

void pool_fini(struct pool *pool)
{
    pool_close_all(pool);
    timer_cancel(&pool->loop->timers, &pool->expiry);
}

struct link *pool_take(struct pool *pool, struct endpoint *endpoint)
{
    while (endpoint->newest_idle != NULL) {
        struct link *link = endpoint->newest_idle;
        unlist(pool, link);
        if (pool->loop->now < link->idle_until) {
            return link;
        }
        link_close(link);
    }
    return NULL;
}

void pool_put(struct pool *pool, struct endpoint *endpoint, struct link *take_link, usec_t idle)
{
    struct link *link = take_link;
    usec_t now = pool->loop->now;
    usec_t end_of_life = link->opened_at + POOL_MOST_LIFE;
    idle = idle < POOL_MOST_IDLE_AGE ? idle : POOL_MOST_IDLE_AGE;
    link->idle_since = now;
    link->idle_until = now + idle < end_of_life ? now + idle : end_of_life;
    if (link->idle_until <= now || !link_drained(link)) {
        link_close(link);
        return;
    }
    if (endpoint->idle_count >= POOL_MOST_IDLE_AN_ENDPOINT) {
        drop(pool, endpoint->oldest_idle);
    }
    if (pool->idle_count >= POOL_MOST_IDLE) {
        drop(pool, pool->oldest);
    }
    link_set_owner(link, on_news, pool);
    link_want_read(link);
    list(pool, endpoint, link);
    set_expiry(pool);
}

void pool_close_all(struct pool *pool)
{
    while (pool->oldest != NULL) {
        drop(pool, pool->oldest);
    }
    waiter_cancel(&pool->news);
    while (pool->doubtful != NULL) {
        struct link *link = pool->doubtful;
        pool->doubtful = link->newer;
        link->endpoint->users--;
        link_close(link);
    }
}
