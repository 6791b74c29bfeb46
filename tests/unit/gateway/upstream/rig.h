/*
 * rig: a loop with an upstream side on the test's own thread, and calls that run until they end.
 */
#pragma once

#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/attempt.h"
#include "routes/egress.h"
#include "routes/origin.h"
#include "tests/unit/gateway/upstream/peer.h"

#include <stdio.h>

#include <criterion/criterion.h>

struct rig {
    struct loop loop;
    struct upstream_side *side;
    struct egress_network loopback[2];
    struct egress_policy egress;
};

/* One call, and what came of it. */
struct call {
    struct rig *rig;
    struct waiter waiter;
    bool woken;
    struct origin origin;
    char authority[80];
    char key[200];
    struct attempt_request request;
    struct attempt *attempt;

    unsigned status; /* 0: no answer */
    char body[64 * 1024];
    size_t body_len;
    enum attempt_result result; /* ATTEMPT_END or ATTEMPT_FAILED */
    struct attempt_failure failure;
    unsigned interim; /* the last 1xx that was given */
};

static inline void rig_init(struct rig *rig)
{
    struct error err;
    upstream_global_init();
    cr_assert_eq(loop_init(&rig->loop, &err), STATUS_OK);
    rig->side = upstream_side_new(&rig->loop);
    cr_assert_eq(egress_network_parse(SLICE("127.0.0.0/8"), &rig->loopback[0], &err), STATUS_OK);
    cr_assert_eq(egress_network_parse(SLICE("::1"), &rig->loopback[1], &err), STATUS_OK);
    rig->egress = (struct egress_policy){.allowed = rig->loopback, .allowed_count = 2};
}

static inline void rig_fini(struct rig *rig)
{
    upstream_side_free(rig->side);
    loop_fini(&rig->loop);
}

struct rig_guard {
    struct timer timer;
    bool over;
};

static inline void rig_on_guard(struct timer *timer)
{
    ((struct rig_guard *)timer)->over = true;
}

/* Runs turns until `*flag`, or for `most`. Returns *flag. */
static inline bool rig_run(struct rig *rig, const bool *flag, usec_t most)
{
    struct rig_guard guard = {0};
    timer_init(&guard.timer, rig_on_guard);
    rig->loop.now = clock_now();
    loop_timer(&rig->loop, &guard.timer, most);
    while (!*flag && !guard.over) {
        loop_turn(&rig->loop, LOOP_WAIT);
    }
    timer_cancel(&rig->loop.timers, &guard.timer);
    return *flag;
}

static inline void rig_pass(struct rig *rig, usec_t time)
{
    const bool never = false;
    (void)rig_run(rig, &never, time);
}

static inline void call_on_wake(struct waiter *waiter)
{
    ((struct call *)((char *)waiter - offsetof(struct call, waiter)))->woken = true;
}

/* GET / on `host`, over TLS where a CA file is given. Change call->request before call_start(). */
static inline void call_prepare(struct call *call, struct rig *rig, const char *host, unsigned port,
                                const char *ca_file)
{
    *call = (struct call){.rig = rig};
    waiter_init(&call->waiter, &rig->loop.ready, call_on_wake);
    (void)snprintf(call->authority, sizeof(call->authority), "%s:%u", host, port);
    (void)snprintf(call->key, sizeof(call->key), "%s %s", call->authority,
                   ca_file == NULL ? "-" : ca_file);
    call->origin = (struct origin){
        .tls = ca_file != NULL,
        .host = host,
        .port = port,
        .authority = call->authority,
        .ca_file = ca_file,
        .key = call->key,
    };
    call->request = (struct attempt_request){
        .origin = &call->origin,
        .egress = &rig->egress,
        .timeouts = {.connect = 5 * SEC, .first_byte = 5 * SEC, .idle = 5 * SEC},
        .method = HTTP1_GET,
        .head = SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        .framing = HTTP1_NO_BODY,
        .body_whole = true,
        .repeatable = true,
        .waiter = &call->waiter,
    };
}

static inline void call_start(struct call *call)
{
    call->attempt = attempt_start(call->rig->side, &call->request);
}

static inline void call_note_end(struct call *call, enum attempt_result result)
{
    call->result = result;
    if (result == ATTEMPT_FAILED) {
        call->failure = *attempt_failure(call->attempt);
    }
}

/* Until a final head or a failure; false on failure. */
static inline bool call_await_head(struct call *call)
{
    const struct http1_response *response;
    for (;;) {
        switch (attempt_head(call->attempt, &response)) {
        case ATTEMPT_READY:
            if (response->status >= 200) {
                call->status = response->status;
                return true;
            }
            call->interim = response->status;
            attempt_next_head(call->attempt);
            break;
        case ATTEMPT_PENDING:
            call->woken = false;
            cr_assert(rig_run(call->rig, &call->woken, 10 * SEC), "nothing happens");
            break;
        case ATTEMPT_END:
        case ATTEMPT_FAILED:
            call_note_end(call, ATTEMPT_FAILED);
            return false;
        }
    }
}

/* One attempt_read(), with waiting; takes at most `most` bytes. False at the end. */
static inline bool call_read(struct call *call, size_t most)
{
    struct slice data;
    for (;;) {
        enum attempt_result result = attempt_read(call->attempt, &data);
        if (result == ATTEMPT_PENDING) {
            call->woken = false;
            cr_assert(rig_run(call->rig, &call->woken, 10 * SEC), "nothing happens");
            continue;
        }
        if (result != ATTEMPT_READY) {
            call_note_end(call, result);
            return false;
        }
        size_t len = data.len < most ? data.len : most;
        size_t room = sizeof(call->body) - call->body_len;
        size_t kept = len < room ? len : room;
        memcpy(call->body + call->body_len, data.ptr, kept);
        call->body_len += kept;
        attempt_consume(call->attempt, len);
        return true;
    }
}

static inline void call_end(struct call *call)
{
    attempt_end(call->attempt);
    call->attempt = NULL;
    waiter_cancel(&call->waiter);
}

/* The whole of it. */
static inline void call_perform(struct call *call)
{
    call_start(call);
    if (call_await_head(call)) {
        while (call_read(call, SIZE_MAX)) {
        }
    }
    call_end(call);
}

#define ASSERT_ANSWER(call, expected_status, expected_body)                                        \
    do {                                                                                           \
        cr_assert_eq((call).result, ATTEMPT_END, "failed: %s", (call).failure.message);            \
        cr_assert_eq((call).status, (expected_status));                                            \
        cr_assert_eq((call).body_len, strlen(expected_body));                                      \
        cr_assert_arr_eq((call).body, (expected_body), (call).body_len);                           \
    } while (0)

#define ASSERT_FAULT(call, expected)                                                               \
    do {                                                                                           \
        cr_assert_eq((call).result, ATTEMPT_FAILED);                                               \
        cr_assert_eq((call).failure.fault, (expected), "fault %d: %s", (int)(call).failure.fault,  \
                     (call).failure.message);                                                      \
    } while (0)
