/*
 * connection_internal: what the files of connection share. Not for anyone else.
 *
 * connection.c: life, events, deadlines, which phase comes next. connection_input.c: where the
 * bytes that come are kept; connection_proxy.c, connection_head.c, connection_body.c: what they
 * mean.
 * connection_output.c: the bytes that go, and how it ends.
 *
 * The socket's events are edge-triggered: each is told once and noted in a flag, which is cleared
 * when a read or write finds that there is no more. So nothing is armed and disarmed while reading
 * is paused, unread bytes cause no events, and the client's leaving is an event all the same.
 */
#pragma once

#include "base/address.h"
#include "base/buffer.h"
#include "base/timer.h"
#include "base/waiter.h"
#include "gateway/client/channel.h"
#include "gateway/client/connection.h"
#include "gateway/client/listener.h"
#include "gateway/loop/loop.h"

#include <sys/socket.h>

#include <event2/event_struct.h>

enum {
    INPUT_BLOCK_BYTES = 4096,     /* the first block: most requests fit */
    INPUT_BODY_BYTES = 32 * 1024, /* for what does not fit behind the head */
    INPUT_BYTES_A_TURN = 64 * 1024,
    INPUT_SKIP_BYTES = 64 * 1024, /* of a body that nobody wants */
    SPARE_BLOCKS = 16,
    SPARE_OUTPUT_BYTES = 16 * 1024,
    OUTPUT_MAX_BYTES = 1024 * 1024, /* far more than the room and a head: see connection_write() */
};

/* All listeners and connections of a worker. */
struct client_side {
    struct client_side_settings settings;
    struct listening *listening;    /* owned list */
    struct connection *connections; /* owned list */
    unsigned count;
    uint64_t accepted;
    uint64_t refused;
    uint64_t proxies_refused; /* without a valid PROXY header */
    usec_t proxies_said;      /* when the log was told of one */
    bool draining;
    struct http1_field *fields;       /* owned; a head's fields are read into it, then copied */
    unsigned field_count;             /* its size */
    void *spare_blocks[SPARE_BLOCKS]; /* owned; of INPUT_BLOCK_BYTES */
    unsigned spare_block_count;
    struct buffer spare_output; /* for the next who writes */
};

enum phase {
    PHASE_PROXY,     /* waits for a trusted proxy's header */
    PHASE_HANDSHAKE, /* TLS */
    PHASE_HEAD,      /* waits for a head, or for the rest of one */
    PHASE_SERVE,     /* the owner has it */
    PHASE_SKIP,      /* the rest of a body that nobody wants */
    PHASE_SEND,      /* the rest of the last answer */
    PHASE_LINGER,    /* our side is shut down; reads until the client's is */
    PHASE_CLOSED,    /* about to be reaped */
};

/* Bytes read and not used yet. While a request is served they stay where they are: slices into
 * them are out. */
struct input {
    char *block; /* owned; NULL while idle and empty */
    size_t size;
    size_t limit; /* bytes are read up to here; fields may lie behind it */
    size_t floor; /* and from here on, when all were used: the end of the head */
    size_t start;
    size_t end;
};

/* Of whom a trusted proxy got a request. */
struct forwarded {
    uint8_t address[ADDRESS_BYTES];
    char text[ADDRESS_TEXT_BYTES];
};

struct connection {
    struct client_side *side; /* borrowed: outlives it */
    struct connection *next;
    struct connection *prev;
    struct channel channel;
    struct event came;        /* EV_READ and EV_CLOSED, for life */
    struct event takes;       /* EV_WRITE, from the first answer on that was not taken at once */
    struct waiter waiter;     /* our own: resumed with what the events have noted */
    struct waiter *owner;     /* borrowed; NULL: nobody */
    struct timer read_timer;  /* handshake, head, body idle, keep-alive or linger: by phase */
    struct timer write_timer; /* write idle */
    struct reapable reapable;
    char peer[ADDRESS_TEXT_BYTES];
    uint8_t address[ADDRESS_BYTES]; /* the peer's, if has_address */
    struct forwarded *forwarded;    /* owned; NULL: no request came with one yet */

    enum phase phase : 8;
    /* Noted by events. */
    bool readable : 1;
    bool writable : 1;
    bool peer_left : 1;
    bool came_unread : 1; /* bytes or a reset: without reading they look the same */
    bool read_expired : 1;
    bool write_expired : 1;
    /* What is known. */
    bool has_address : 1;  /* the peer; a unix socket's has none */
    bool is_forwarded : 1; /* `forwarded` says who sent this request */
    bool takes_armed : 1;
    bool blocked : 1;      /* the socket takes no more output for now */
    bool was_full : 1;     /* the owner saw no room: it is woken when there is */
    bool gone : 1;         /* the client, while it was served */
    bool head_begun : 1;   /* its deadline runs */
    bool fields_apart : 1; /* request.fields are an allocation of their own */
    bool continued : 1;    /* 100 Continue was sent */
    bool body_wanted : 1;  /* the owner was told PENDING */
    bool body_over : 1;    /* its end was told */
    bool body_bad : 1;     /* `fault` says why */

    /* Input. */
    struct input input;
    char *head_block; /* owned; the head's, when the body has got a block of its own */
    size_t head_block_size;
    size_t parsed;  /* bytes of a partial head that were parsed */
    size_t scanned; /* bytes of a partial head that were looked through for its end */
    size_t budget;  /* bytes that may be read before others have their turn */
    struct http1_request request;
    struct http1_body body;
    struct http1_fault fault;
    struct slice piece; /* decoded, not consumed */
    usec_t request_start;
    size_t skipped; /* bytes read to be thrown away: skipping or lingering */

    /* Output. */
    struct buffer output;
    size_t uncounted; /* at the front of the output: they are no part of the answer */
    uint64_t sent;
};

/* connection.c */

/* Takes `fd`, and its place among the open connections, in a callback of the listener. `tls` is
 * borrowed. */
void connection_open(struct client_side *side, int fd, struct ssl_ctx_st *tls,
                     const struct sockaddr *peer);
/* The next phase is TLS, or the first head. */
void connection_begin(struct connection *connection);
/* Ends it at once; it is freed when the turn is over. */
void connection_close(struct connection *connection, enum channel_farewell farewell);
/* The client left, or is of no use: tells the owner, if there is one, else closes. */
void connection_lost(struct connection *connection);
const struct connection_limits *connection_limits(const struct connection *connection);
/* Sets and stops the read deadline. */
void connection_expect(struct connection *connection, usec_t within);
void connection_expect_nothing(struct connection *connection);
/* EV_WRITE tells from now on when the socket takes bytes again. */
void connection_await_room(struct connection *connection);

/* connection_input.c */

static inline struct slice input_unread(const struct input *input)
{
    return input->block == NULL
               ? slice_make("", 0)
               : slice_make(input->block + input->start, input->end - input->start);
}

/* An empty block, new or spare. */
void input_take_block(struct client_side *side, struct input *input);
void input_drop_block(struct connection *connection);
void input_drop_head_block(struct connection *connection);
void input_drop_fields(struct connection *connection);
/* Gives all of the input's memory back. */
void connection_drop_input(struct connection *connection);
/* One read behind the unread bytes, where there must be room. */
enum channel_result input_fill(struct connection *connection);

/* connection_proxy.c */

/* PHASE_PROXY: looks for the header; goes on when it is whole, or closes. */
void connection_read_proxy(struct connection *connection);
void connection_proxy_late(struct connection *connection);

/* connection_head.c */

/* PHASE_HEAD: reads what is there; begins a request when its head is whole. */
void connection_read_head(struct connection *connection);
/* The head did not come in time. */
void connection_head_late(struct connection *connection);
/* Forgets the request that was served, and begins with the next. */
void connection_next_head(struct connection *connection);

/* connection_body.c */

/* PHASE_SKIP. */
void connection_skip(struct connection *connection);

/* connection_output.c */

/* Sends what can be sent. false: the connection was lost. */
bool connection_send(struct connection *connection);
/* The last answer is complete: PHASE_SEND, then PHASE_LINGER. */
void connection_end(struct connection *connection);
void connection_linger(struct connection *connection);
void connection_drop_output(struct connection *connection);
