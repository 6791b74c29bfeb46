/*
 * link: one open connection to a provider, plain or TLS, and whether it can be read and written.
 *
 * A plain link is a socket of ours, which libcurl has only opened. A TLS link stays libcurl's: its
 * easy handle lives in its multi as long as the link does, for libcurl finds the connection there.
 * Both read and write without waiting; events are noted here and told to the owner. The read event
 * stays armed until it has told something twice that nobody took, so that a kept link costs no
 * system call but its reads and writes.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

struct connect_group;
struct endpoint;
struct loop;
struct trust;

enum link_io {
    LINK_OK,    /* *ret bytes were read or written, > 0 */
    LINK_AGAIN, /* not now; the owner is told when */
    LINK_EOF,   /* the peer has ended; reading only */
    LINK_LOST,  /* broken */
};

struct link {
    struct event read_event;
    struct event write_event;
    struct loop *loop; /* borrowed */
    int fd;            /* owned if plain, else the easy handle's; -1: not connected yet */
    bool tls;
    bool readable; /* an event said so, and no read has found the end since */
    bool writable; /* the last write took all */
    bool read_armed;
    bool write_armed;
    char first_byte; /* read before the link was adopted */
    bool has_first_byte;
    int alert;           /* why the peer has ended the TLS session: RFC 8446, 6.2; 0: it did not */
    bool close_notify;   /* the peer ended the TLS session, not only the connection */
    bool buffers_linger; /* OpenSSL holds a write buffer since the last handshake message */

    CURL *easy;                  /* owned; TLS only */
    struct connect_group *group; /* borrowed; that of `easy` */
    SSL *ssl;                    /* borrowed: the easy handle's */
    struct trust *trust;         /* used; TLS only */
    unsigned *open_count;        /* borrowed; counts open links */

    void (*news)(struct link *link); /* an event was noted; must not close the link */
    void *owner;                     /* borrowed */

    usec_t opened_at;
    unsigned generation; /* of the side, when it was opened */

    /* While it is kept idle; see pool.h. */
    struct endpoint *endpoint; /* borrowed */
    usec_t idle_since;
    usec_t idle_until;
    struct link *newer, *older;         /* in its endpoint's list */
    struct link *all_newer, *all_older; /* in the pool's */
};

/* Not connected; counted as open from link_open_plain() or link_open_tls() on. */
struct link *link_new(struct loop *loop, unsigned *open_count);
void link_open_plain(struct link *link, int take_fd);
/* `trust` is given back when the link is closed. */
void link_open_tls(struct link *link, CURL *take_easy, struct connect_group *group,
                   struct trust *trust, int fd);
/* In any state. Never from libcurl's callbacks nor from news(). */
void link_close(struct link *link);

/* Who is told. */
void link_set_owner(struct link *link, void (*news)(struct link *link), void *owner);

enum link_io link_read(struct link *link, char *into, size_t size, size_t *ret);
/* Writes what it can of the pieces. After LINK_AGAIN or a part, the next write must begin with the
 * same bytes, as many or more; they may have moved. */
enum link_io link_write(struct link *link, const struct iovec *pieces, unsigned count, size_t *ret);
/* Tell the owner of readable bytes. */
void link_want_read(struct link *link);
/* Is nothing there to be read, nor held by the TLS session? What is on its way will be an event. */
bool link_drained(struct link *link);
