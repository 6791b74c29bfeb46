#include "gateway/upstream/link.h"

#include "base/memory.h"
#include "base/secret.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/connect_group.h"
#include "gateway/upstream/trust.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TLS_RECORD_BYTES = 16 * 1024, /* most plain text in one record: RFC 8446, 5.1 */
    TLS_WRITE_BYTES_A_TURN = 256 * 1024,
};

/* ---- events ---- */

static void set_read_armed(struct link *link, bool armed)
{
    if (armed != link->read_armed) {
        int failed = armed ? event_add(&link->read_event, NULL) : event_del(&link->read_event);
        assert(failed == 0);
        (void)failed;
        link->read_armed = armed;
    }
}

static void set_write_armed(struct link *link, bool armed)
{
    if (armed != link->write_armed) {
        int failed = armed ? event_add(&link->write_event, NULL) : event_del(&link->write_event);
        assert(failed == 0);
        (void)failed;
        link->write_armed = armed;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct link *link = ctx;
    (void)fd;
    (void)what;
    if (link->readable) { /* told before, and not taken: its owner does not want to read now */
        set_read_armed(link, false);
        return;
    }
    link->readable = true;
    link->news(link);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct link *link = ctx;
    (void)fd;
    (void)what;
    set_write_armed(link, false);
    link->writable = true;
    link->news(link);
}

/* ---- life ---- */

struct link *link_new(struct loop *loop, unsigned *open_count)
{
    struct link *link = MEMORY_NEW(struct link);
    link->loop = loop;
    link->fd = -1;
    link->open_count = open_count;
    return link;
}

static void open_with(struct link *link, int fd)
{
    link->fd = fd;
    link->writable = true;
    link->opened_at = link->loop->now;
    ++*link->open_count;
    int failed = event_assign(&link->read_event, link->loop->base, fd, EV_READ | EV_PERSIST,
                              on_readable, link);
    failed |= event_assign(&link->write_event, link->loop->base, fd, EV_WRITE | EV_PERSIST,
                           on_writable, link);
    assert(failed == 0);
    (void)failed;
    set_read_armed(link, true);
}

void link_open_plain(struct link *link, int take_fd)
{
    open_with(link, take_fd);
}

void link_open_tls(struct link *link, CURL *take_easy, struct connect_group *group,
                   struct trust *trust, int fd)
{
    link->tls = true;
    link->easy = take_easy;
    link->group = group;
    link->trust = trust;
    open_with(link, fd);
}

void link_close(struct link *link)
{
    if (link->fd >= 0) {
        set_read_armed(link, false);
        set_write_armed(link, false);
        --*link->open_count;
    }
    if (link->easy != NULL) {
        connect_group_remove(link->group, link->easy);
        curl_easy_cleanup(link->easy);
        trust_give_back(link->trust);
    } else if (link->fd >= 0) {
        (void)close(link->fd);
    }
    memory_free(link);
}

void link_set_owner(struct link *link, void (*news)(struct link *link), void *owner)
{
    link->news = news;
    link->owner = owner;
}

/* ---- reading ---- */

/* A session ticket, as any handshake message, makes OpenSSL allocate 16 KiB to write to, which it
 * would give back with the next write: never, on a stream that is only read. */
static void free_buffers(struct link *link)
{
    if (link->buffers_linger && SSL_free_buffers(link->ssl) == 1) {
        link->buffers_linger = false;
    }
}

/* A record that was read ahead waits without the socket being readable. */
static bool nothing_buffered(const struct link *link)
{
    return link->ssl != NULL && SSL_has_pending(link->ssl) == 0;
}

static enum link_io read_tls(struct link *link, char *into, size_t size, size_t *ret)
{
    if (link->has_first_byte) { /* more may wait behind it without an event */
        link->has_first_byte = false;
        link->readable = true;
        *into = link->first_byte;
        *ret = 1;
        return LINK_OK;
    }
    CURLcode code = curl_easy_recv(link->easy, into, size, ret);
    if (code == CURLE_AGAIN) {
        link->readable = false;
        free_buffers(link);
        return LINK_AGAIN;
    }
    if (code != CURLE_OK) {
        return LINK_LOST;
    }
    if (*ret < size && nothing_buffered(link)) { /* no need to see EAGAIN */
        link->readable = false;
        free_buffers(link);
    }
    return *ret > 0 ? LINK_OK : LINK_EOF;
}

static enum link_io read_plain(struct link *link, char *into, size_t size, size_t *ret)
{
    ssize_t count = recv(link->fd, into, size, 0);
    if (count > 0) {
        *ret = (size_t)count;
        if (*ret < size) { /* all that was there: no need to see EAGAIN */
            link->readable = false;
        }
        return LINK_OK;
    }
    if (count == 0) {
        return LINK_EOF;
    }
    if (errno == EAGAIN || errno == EINTR) {
        link->readable = errno == EINTR;
        return LINK_AGAIN;
    }
    return LINK_LOST;
}

enum link_io link_read(struct link *link, char *into, size_t size, size_t *ret)
{
    return link->tls ? read_tls(link, into, size, ret) : read_plain(link, into, size, ret);
}

void link_want_read(struct link *link)
{
    set_read_armed(link, true);
}

bool link_drained(struct link *link)
{
    char byte;
    size_t count;
    if (!link->readable && (!link->tls || nothing_buffered(link))) {
        return true;
    }
    if (link->tls) {
        return link_read(link, &byte, sizeof(byte), &count) == LINK_AGAIN;
    }
    return recv(link->fd, &byte, sizeof(byte), MSG_PEEK) < 0 && errno == EAGAIN;
}

/* ---- writing ---- */

static enum link_io blocked(struct link *link)
{
    link->writable = false;
    set_write_armed(link, true);
    return LINK_AGAIN;
}

static enum link_io write_plain(struct link *link, const struct iovec *pieces, unsigned count,
                                size_t *ret)
{
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
    ssize_t sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR ? blocked(link) : LINK_LOST;
    }
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        total += pieces[i].iov_len;
    }
    *ret = (size_t)sent;
    if (*ret < total) {
        (void)blocked(link);
    }
    return LINK_OK;
}

/* Copies up to a record's worth from the pieces, `skip` bytes behind their beginning. */
static size_t gather(const struct iovec *pieces, unsigned count, size_t skip,
                     char out[TLS_RECORD_BYTES])
{
    size_t len = 0;
    for (unsigned i = 0; i < count && len < TLS_RECORD_BYTES; i++) {
        if (skip >= pieces[i].iov_len) {
            skip -= pieces[i].iov_len;
            continue;
        }
        size_t take = pieces[i].iov_len - skip;
        take = take < TLS_RECORD_BYTES - len ? take : TLS_RECORD_BYTES - len;
        memcpy(out + len, (const char *)pieces[i].iov_base + skip, take);
        len += take;
        skip = 0;
    }
    return len;
}

/* One record a call. A record that is blocked is written again with the same bytes at another
 * address, which SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER allows (trust.c sets it). */
static enum link_io write_tls(struct link *link, const struct iovec *pieces, unsigned count,
                              size_t *ret)
{
    char record[TLS_RECORD_BYTES];
    enum link_io io = LINK_OK;
    size_t most = 0;
    *ret = 0;
    while (*ret < TLS_WRITE_BYTES_A_TURN) {
        size_t sent = 0;
        size_t len = gather(pieces, count, *ret, record);
        if (len == 0) {
            break;
        }
        most = len > most ? len : most;
        CURLcode code = curl_easy_send(link->easy, record, len, &sent);
        if (code != CURLE_OK) {
            io = code == CURLE_AGAIN ? blocked(link) : LINK_LOST;
            break;
        }
        *ret += sent;
    }
    secret_wipe(record, most);
    /* What had left before a loss counts, for it may have been executed; the next write tells. */
    return *ret > 0 ? LINK_OK : io;
}

enum link_io link_write(struct link *link, const struct iovec *pieces, unsigned count, size_t *ret)
{
    return link->tls ? write_tls(link, pieces, count, ret) : write_plain(link, pieces, count, ret);
}
