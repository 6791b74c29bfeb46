/*
 * fixture: a peer with a script, plain or TLS, and a rig that calls it; for the tests of attempts.
 */
#pragma once

#include "tests/unit/gateway/upstream/certificates.h"
#include "tests/unit/gateway/upstream/rig.h"

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct rig rig;
static struct peer peer;
static struct authority authority;
static const char *ca_file; /* NULL: plain */
static struct call call;    /* static, for it is large */

/* `call` is a GET then. */
static inline void prepare(struct call *of)
{
    call_prepare(of, &rig, "127.0.0.1", peer.port, ca_file);
}

/* Neither repeatable nor with another body than the one held. */
static inline void prepare_post(struct call *of, const char *head, const char *body)
{
    prepare(of);
    of->request.method = HTTP1_POST;
    of->request.repeatable = false;
    of->request.head = slice_from(head);
    of->request.body = slice_from(body);
    of->request.framing = HTTP1_LENGTH;
}

static inline void set_up(void (*script)(struct peer_connection *connection), bool tls)
{
    authority_init(&authority, "test CA");
    ca_file = tls ? authority.file : NULL;
    peer_start(&peer, script,
               tls ? authority_server(&authority, "DNS:localhost,IP:127.0.0.1") : NULL);
    rig_init(&rig);
    prepare(&call);
}

/* Nothing is left but kept connections. */
static inline void tear_down(void)
{
    struct upstream_counts counts = upstream_side_counts(rig.side);
    cr_assert_eq(counts.open, counts.idle);
    cr_assert_eq(counts.connecting, 0);
    rig_fini(&rig);
    peer_stop(&peer);
    authority_fini(&authority);
    cr_assert_not(atomic_load(&peer.failed), "the peer saw something wrong");
}
