/*
 * connection: a client's connection, from accept to close: heads, bodies, answers, deadlines.
 *
 * It reads a head strictly, gives it to the owner (an exchange) and then serves it: body bytes on
 * demand, answer bytes with back-pressure. It belongs to one loop. The owner is told of news by
 * its waiter only; no call of this header runs the owner's code.
 *
 * The client is gone at end of file, reset, or write_idle, at any moment, also while nothing is
 * read from it. The owner then sees connection_gone() and must still call connection_finish().
 */
#pragma once

#include "base/clock.h"
#include "base/http1.h"
#include "base/status.h"
#include "gateway/client/forwarded.h"

#include <stdbool.h>

struct connection;
struct listener;
struct loop;
struct waiter;

struct connection_limits {
    struct http1_limits head;
    usec_t header_timeout;     /* from the first byte (or accept) to the whole head: 408 */
    usec_t body_idle_timeout;  /* without a body byte, while the owner wants some: 408 */
    usec_t write_idle_timeout; /* without the client taking a byte: gone */
    usec_t keep_alive_timeout; /* between two requests: closed silently */
    struct trusted_proxies proxies;
    bool proxy_protocol; /* connections from them begin with a PROXY header */
};

/* The owner's side; called from the loop's ready list, never from inside connection_*(). */
struct connection_ops {
    /* A whole and valid head is here. Returns the waiter to wake at news. The owner may call all
     * functions below from now on, inside this call too, until connection_finish(). */
    struct waiter *(*begin)(void *ctx, struct connection *connection);
    /* A head was refused, or did not come in time (status 408). The callee answers with
     * connection_write() and must then call connection_finish(CONNECTION_CLOSE). `request` holds
     * what could be read of it: method and target may be empty. */
    void (*refuse)(void *ctx, struct connection *connection, const struct http1_fault *fault);
    /* The limits in force; asked before each head. */
    const struct connection_limits *(*limits)(void *ctx);
};

enum connection_body {
    CONNECTION_BODY_DATA,    /* *ret_data: consume some of it, then ask again */
    CONNECTION_BODY_PENDING, /* the waiter is woken when there is more */
    CONNECTION_BODY_END,
    CONNECTION_BODY_BAD, /* broken framing (400) or too slow (408): *fault; answer and close */
};

enum connection_after { CONNECTION_KEEP, CONNECTION_CLOSE };

/* The head; valid until connection_finish(). Never moves. */
const struct http1_request *connection_request(const struct connection *connection);
/* "192.0.2.7", "2001:db8::1", or "unix": who connected, or for whom a trusted proxy did, as its
 * PROXY header says. Static for the connection's life. */
const char *connection_peer(const struct connection *connection);
/* Who sent this request: where trusted proxies forwarded it, whom they got it from; else the peer.
 * Valid until connection_finish(). */
const char *connection_source(const struct connection *connection);
/* The same as an address; false, and nothing set: it has none. */
bool connection_source_address(const struct connection *connection, uint8_t ret[ADDRESS_BYTES]);
bool connection_is_tls(const struct connection *connection);
/* When the first byte of this head was read. */
usec_t connection_request_start(const struct connection *connection);
bool connection_gone(const struct connection *connection);

/* The next body bytes, decoded. They lie still until they are consumed. The client is only read
 * while the owner asks (and far enough ahead to notice that it left). */
enum connection_body connection_read(struct connection *connection, struct slice *ret_data,
                                     struct http1_fault *fault);
void connection_consume(struct connection *connection, size_t count);

/* Sends "100 Continue", if the client waits for it and has sent nothing of its body yet. */
void connection_continue(struct connection *connection);

enum { CONNECTION_OUTPUT_BYTES = 64 * 1024 };

/* Bytes that may be written without holding more than CONNECTION_OUTPUT_BYTES; 0: wait, the waiter
 * is woken when at least half of it is free again. */
size_t connection_room(const struct connection *connection);

/* Queues answer bytes. May exceed the room by one head (limited by the caller). After the client is
 * gone they are dropped. Nothing is sent before connection_flush() or connection_finish(). */
void connection_write(struct connection *connection, struct slice bytes);

/* Space for `count` bytes of answer to write in place; then connection_wrote() with how many. */
char *connection_reserve(struct connection *connection, size_t count);
void connection_wrote(struct connection *connection, size_t count);

/* Sends what is queued, as far as the client takes it; the rest goes when it does. */
void connection_flush(struct connection *connection);

/* Answer bytes that have left for the socket so far, of this exchange. */
uint64_t connection_bytes_sent(const struct connection *connection);

/* Would connection_finish(KEEP) close all the same, as with a body that is left unread and long, or
 * may never come? Then the answer should say so (RFC 9112, section 9.6). */
bool connection_must_close(const struct connection *connection);

/* The answer is complete (and flushed from here on). The owner is forgotten. With KEEP the next
 * head is read, if the body was read to its end; an unread rest of up to 64 KiB is skipped first,
 * more of it closes. With CLOSE: sends all, then closes lingering, so that the client can read it.
 */
void connection_finish(struct connection *connection, enum connection_after after);

/* Cuts: closes at once, without completing anything. The owner is forgotten. */
void connection_cut(struct connection *connection);

/* Draining: idle connections close now, others after their answer (which says so, as soon as
 * connection_draining() is true). */
bool connection_draining(const struct connection *connection);
