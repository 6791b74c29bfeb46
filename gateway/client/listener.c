#include "gateway/client/listener.h"

#include "base/memory.h"
#include "gateway/client/connection_internal.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <evhtp/evhtp.h>
#include <openssl/ssl.h>

/* After accept() failed for want of descriptors or memory: trying at once would fail again. */
#define ACCEPT_PAUSE (100 * MSEC)

struct listening {
    struct listening *next;
    struct client_side *side; /* borrowed */
    evhtp_t *htp;             /* owned */
    SSL_CTX *tls;             /* ref; NULL: plain */
    struct timer resume;
};

/* ---- accepting ---- */

/* Takes the descriptor out of what libevhtp has made of it. */
static int take_over(evhtp_connection_t *accepted)
{
    struct bufferevent *events = evhtp_connection_take_ownership(accepted);
    int fd = bufferevent_getfd(events);
    int failed = bufferevent_setfd(events, -1); /* else it would be closed with it */
    assert(failed == 0);
    (void)failed;
    bufferevent_free(events);
    return fd;
}

/* Until then the kernel keeps those that come, and other workers take them. */
static void pause_accepting(struct listening *listening, usec_t time)
{
    (void)evconnlistener_disable(listening->htp->server);
    loop_timer(listening->side->settings.loop, &listening->resume, time);
}

/* Given back by connection_close(). */
static bool take_place(struct client_side *side)
{
    if (atomic_fetch_add(side->settings.open_connections, 1) < side->settings.max_connections) {
        return true;
    }
    atomic_fetch_sub(side->settings.open_connections, 1);
    return false;
}

static evhtp_res on_accept(evhtp_connection_t *accepted, void *ctx)
{
    struct listening *listening = ctx;
    struct client_side *side = listening->side;
    loop_woken(side->settings.loop);
    int fd = take_over(accepted);
    if (take_place(side)) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        connection_open(side, fd, listening->tls, accepted->saddr);
    } else {
        side->refused++;
        (void)close(fd);
    }
    if (loop_used_up(side->settings.loop)) { /* the others have to wait for the next turn */
        pause_accepting(listening, 0);
    }
    return EVHTP_RES_ERROR; /* so that it frees its own part, which is of no use any more */
}

/* libevhtp's acceptor has the evhtp as its context. */
static void on_accept_failed(struct evconnlistener *acceptor, void *ctx)
{
    struct listening *listening = ((evhtp_t *)ctx)->arg;
    (void)acceptor;
    loop_woken(listening->side->settings.loop);
    pause_accepting(listening, ACCEPT_PAUSE);
}

static void on_resume(struct timer *timer)
{
    struct listening *listening =
        (struct listening *)((char *)timer - offsetof(struct listening, resume));
    (void)evconnlistener_enable(listening->htp->server);
}

static void stop_accepting(struct listening *listening)
{
    timer_cancel(&listening->side->settings.loop->timers, &listening->resume);
    if (listening->htp->server != NULL) {
        evhtp_unbind_socket(listening->htp); /* closes it, too */
    }
}

static void free_listening(struct listening *listening)
{
    stop_accepting(listening);
    evhtp_free(listening->htp);
    SSL_CTX_free(listening->tls);
    memory_free(listening);
}

enum status client_side_listen(struct client_side *side, int fd, struct ssl_ctx_st *tls,
                               struct error *err)
{
    struct listening *listening = MEMORY_NEW(struct listening);
    listening->side = side;
    timer_init(&listening->resume, on_resume);
    listening->htp = evhtp_new(side->settings.loop->base, listening);
    listen_socket_tune(fd);
    if (listening->htp == NULL || evhtp_accept_socket(listening->htp, fd, 0) != 0) {
        (void)close(fd);
        if (listening->htp != NULL) {
            evhtp_free(listening->htp);
        }
        memory_free(listening);
        FAIL(err, STATUS_UNAVAILABLE,
             "cannot accept on descriptor %d: it must be a listening "
             "socket",
             fd);
    }
    evhtp_set_post_accept_cb(listening->htp, on_accept, listening);
    evconnlistener_set_error_cb(listening->htp->server, on_accept_failed);
    if (tls != NULL) {
        (void)SSL_CTX_up_ref(tls);
        listening->tls = tls;
    }
    listening->next = side->listening;
    side->listening = listening;
    return STATUS_OK;
}

void client_side_set_tls(struct client_side *side, struct ssl_ctx_st *tls)
{
    for (struct listening *at = side->listening; at != NULL; at = at->next) {
        if (at->tls != NULL) {
            (void)SSL_CTX_up_ref(tls);
            SSL_CTX_free(at->tls);
            at->tls = tls;
        }
    }
}

/* ---- life ---- */

struct client_side *client_side_new(const struct client_side_settings *settings)
{
    struct client_side *side = MEMORY_NEW(struct client_side);
    side->settings = *settings;
    buffer_init(&side->spare_output, SPARE_OUTPUT_BYTES);
    return side;
}

void client_side_free(struct client_side *side)
{
    if (side == NULL) {
        return;
    }
    while (side->listening != NULL) {
        struct listening *first = side->listening;
        side->listening = first->next;
        free_listening(first);
    }
    while (side->connections != NULL) {
        connection_close(side->connections, CHANNEL_RESET);
    }
    while (side->spare_block_count > 0) {
        memory_free(side->spare_blocks[--side->spare_block_count]);
    }
    buffer_fini(&side->spare_output);
    memory_free(side->fields);
    memory_free(side);
}

void client_side_drain(struct client_side *side)
{
    side->draining = true;
    for (struct listening *at = side->listening; at != NULL; at = at->next) {
        stop_accepting(at);
    }
    for (struct connection *at = side->connections; at != NULL; at = at->next) {
        if (at->phase == PHASE_HEAD) {
            wake(&at->waiter); /* closes, if no byte of a head is there */
        }
    }
}

unsigned client_side_count(const struct client_side *side)
{
    return side->count;
}

uint64_t client_side_accepted(const struct client_side *side)
{
    return side->accepted;
}

uint64_t client_side_refused(const struct client_side *side)
{
    return side->refused;
}
