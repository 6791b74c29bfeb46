/*
 * channel: bytes to and from a client's socket, plain or through TLS.
 *
 * It holds the descriptor and nothing else: no buffer, no event, no deadline. Every call does what
 * can be done now. One thread.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

struct ssl_ctx_st;
struct ssl_st;

struct channel {
    int fd;             /* owned */
    struct ssl_st *ssl; /* owned; NULL: plain */
    bool wants_write;   /* the last read or handshake waits for room to write, not for bytes */
    bool broken;        /* TLS failed: no close_notify any more */
};

enum channel_result {
    CHANNEL_DONE,  /* at least one byte was moved, or the handshake is over */
    CHANNEL_AGAIN, /* wait for an event */
    CHANNEL_EOF,   /* nothing more will come */
    CHANNEL_ERROR, /* reset, or not TLS */
};

/* Takes `fd`, which must be non-blocking. `tls` NULL: plain. */
void channel_open(struct channel *channel, int fd, struct ssl_ctx_st *tls);

/* Before the handshake: the client is not asked for a certificate here, whatever the settings say.
 */
void channel_ask_nothing(struct channel *channel);

/* TLS only, until it is done. */
enum channel_result channel_handshake(struct channel *channel);

/* `size` > 0. A plain socket that gives less than `size` has no more for now. */
enum channel_result channel_read(struct channel *channel, char *to, size_t size, size_t *ret_count);
enum channel_result channel_write(struct channel *channel, struct slice bytes, size_t *ret_count);

/* What is there is left there: it looks around TLS, before its handshake. */
enum channel_result channel_peek(struct channel *channel, char *to, size_t size, size_t *ret_count);
/* Reads around TLS, to throw away. */
enum channel_result channel_discard(struct channel *channel, char *scratch, size_t size,
                                    size_t *ret_count);

/* Did the other side leave or reset? Looks behind bytes that were not read yet. */
bool channel_left(const struct channel *channel);

/* No more will be written: close_notify, then FIN. */
void channel_shutdown(struct channel *channel);

/* CHANNEL_RESET sends RST, so that an answer that ends here is not taken for a whole one. A unix
 * socket has no such thing: there it is an end of file. */
enum channel_farewell { CHANNEL_CLOSE, CHANNEL_RESET };
void channel_close(struct channel *channel, enum channel_farewell farewell);
