#include "gateway/admin/access.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

/* The name or address of "name", "name:port", "[v6]" or "[v6]:port". */
static struct slice without_port(struct slice host)
{
    if (host.len > 0 && host.ptr[0] == '[') {
        size_t end = slice_find(host, ']');
        return slice_make(host.ptr + 1, end < host.len ? end - 1 : 0);
    }
    return slice_make(host.ptr, slice_find(host, ':'));
}

static bool is_address(struct slice name)
{
    struct in6_addr address;
    return address_parse(AF_INET, name, &address) || address_parse(AF_INET6, name, &address);
}

/* A name that an attacker's DNS can point at us is none of these. */
bool access_host_is_ours(const char *host, const struct admin_hosts *hosts)
{
    struct slice name = without_port(slice_from(host));
    if (name.len == 0) {
        return false;
    }
    if (slice_equal_nocase(name, SLICE("localhost")) || is_address(name)) {
        return true;
    }
    for (unsigned i = 0; i < hosts->count; i++) {
        if (slice_equal_nocase(name, slice_from(hosts->names[i]))) {
            return true;
        }
    }
    return false;
}

/* RFC 6454: "scheme://host:port" as the Host field has it; "null" is nobody. */
bool access_origin_is_ours(const char *origin, const char *host)
{
    if (origin == NULL) {
        return true;
    }
    const char *authority = strstr(origin, "://");
    return authority != NULL && slice_equal_nocase(slice_from(authority + 3), slice_from(host));
}

/* ---- addresses ---- */

static const struct in_addr *ipv4_of(const struct sockaddr *peer)
{
    if (peer != NULL && peer->sa_family == AF_INET) {
        return &((const struct sockaddr_in *)(const void *)peer)->sin_addr;
    }
    if (peer != NULL && peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
        return IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)
                   ? (const struct in_addr *)(const void *)&v6->sin6_addr.s6_addr[12]
                   : NULL;
    }
    return NULL;
}

const char *access_peer(const struct sockaddr *peer, char out[ACCESS_PEER_SIZE])
{
    const struct in_addr *v4 = ipv4_of(peer);
    const char *printed = NULL;
    if (v4 != NULL) {
        printed = inet_ntop(AF_INET, v4, out, ACCESS_PEER_SIZE);
    } else if (peer != NULL && peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
        printed = inet_ntop(AF_INET6, &v6->sin6_addr, out, ACCESS_PEER_SIZE);
    }
    return printed == NULL ? "unix" : printed;
}

bool access_peer_is_local(const struct sockaddr *peer)
{
    const struct in_addr *v4 = ipv4_of(peer);
    if (peer == NULL) {
        return false; /* not known: who may not, may not */
    }
    if (v4 != NULL) {
        return (ntohl(v4->s_addr) >> 24) == 127;
    }
    if (peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    return peer->sa_family == AF_UNIX;
}

/* ---- wrong tokens ---- */

/* Who has one IPv6 address has its /64. */
static void network_of(const char *peer, unsigned char out[16])
{
    struct slice text = slice_from(peer);
    memset(out, 0, 16);
    if (address_parse(AF_INET, text, out + 12)) {
        memset(out + 10, 0xff, 2);
    } else if (address_parse(AF_INET6, text, out)) {
        memset(out + 8, 0, 8);
        out[15] = 1; /* ::1 and a unix socket are two */
    }
}

static const struct access_failure *find(const struct access_failures *failures, const char *peer)
{
    unsigned char network[16];
    network_of(peer, network);
    for (unsigned i = 0; i < ACCESS_ADDRESSES_MAX; i++) {
        const struct access_failure *failure = &failures->list[i];
        if (failure->until > 0 && memcmp(failure->network, network, sizeof(network)) == 0) {
            return failure;
        }
    }
    return NULL;
}

#define PAUSE (ACCESS_FAILURE_SECONDS * SEC)

unsigned access_wait_seconds(const struct access_failures *failures, const char *peer, usec_t now)
{
    const struct access_failure *failure = find(failures, peer);
    usec_t owed = failure == NULL ? 0 : failure->until - now;
    usec_t most = (ACCESS_FAILURES_MAX - 1) * PAUSE;
    return owed <= most ? 0 : (unsigned)((owed - most + SEC - 1) / SEC);
}

void access_failed(struct access_failures *failures, const char *peer, usec_t now)
{
    unsigned place = 0;
    const struct access_failure *found = find(failures, peer);
    for (unsigned i = 1; found == NULL && i < ACCESS_ADDRESSES_MAX; i++) {
        if (failures->list[i].until < failures->list[place].until) {
            place = i;
        }
    }
    struct access_failure *failure =
        found == NULL ? &failures->list[place] : &failures->list[found - failures->list];
    usec_t from = found != NULL && found->until > now ? found->until : now;
    network_of(peer, failure->network);
    failure->until = from + PAUSE;
}

/* ---- what a request may ---- */

/* RFC 6750: "Bearer TOKEN". */
static bool bearer(const char *authorization, struct slice *ret_token)
{
    struct slice field = slice_from(authorization);
    if (!slice_starts_with_nocase(field, SLICE("Bearer "))) {
        return false;
    }
    *ret_token = slice_skip(field, SLICE("Bearer ").len);
    return true;
}

enum access_verdict access_decide(const struct access_request *request, enum admin_right needed,
                                  struct access_failures *failures, const struct admin_ops *ops,
                                  void *ctx, unsigned *ret_wait)
{
    struct slice token;
    if (needed == ADMIN_NOTHING || (needed == ADMIN_READS && request->local)) {
        return ACCESS_GRANTED;
    }
    if (!bearer(request->authorization, &token)) {
        return ACCESS_TOKEN_MISSING;
    }
    /* Before the token is looked at: else a right one among many would still be found. */
    *ret_wait = access_wait_seconds(failures, request->peer, request->now);
    if (*ret_wait > 0) {
        return ACCESS_TOO_OFTEN;
    }
    enum admin_right right = ops->right(ctx, token);
    if (right == ADMIN_NOTHING) {
        access_failed(failures, request->peer, request->now);
        return ACCESS_TOKEN_WRONG;
    }
    return right >= needed ? ACCESS_GRANTED : ACCESS_TOKEN_READS;
}
