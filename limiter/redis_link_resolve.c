#include "limiter/redis_link_resolve.h"

#include "base/address.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include <event2/dns.h>
#include <event2/event.h>

enum { EACH_FAMILY = REDIS_ADDRESSES_MAX / 2, HOSTS_LINE = 1024 };

/* The question for one family. */
struct question {
    struct redis_lookup *lookup; /* borrowed: it is part of that */
    int family;
    bool answered;
    int result; /* DNS_ERR_… */
};

struct redis_lookup {
    struct evdns_base *names; /* owned */
    struct event *burial;     /* owned; only to be finalized with */
    struct question v4;
    struct question v6;
    struct redis_addresses found[2]; /* v4, v6 */
    unsigned port;
    void (*told)(void *ctx); /* NULL: freed, and waits for its burial */
    void *ctx;
};

socklen_t redis_address_len(const struct sockaddr_storage *address)
{
    switch (address->ss_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return sizeof(struct sockaddr_un);
    }
}

/* `bytes` is a struct in_addr or in6_addr. */
static void add_address(struct redis_addresses *addresses, int family, const void *bytes,
                        unsigned port)
{
    if (addresses->count == REDIS_ADDRESSES_MAX) {
        return;
    }
    struct sockaddr_storage *address = &addresses->list[addresses->count++];
    *address = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)address;
        v4->sin_port = htons((uint16_t)port);
        memcpy(&v4->sin_addr, bytes, sizeof(v4->sin_addr));
    } else {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
        v6->sin6_port = htons((uint16_t)port);
        memcpy(&v6->sin6_addr, bytes, sizeof(v6->sin6_addr));
    }
}

static bool add_numeric(struct redis_addresses *addresses, struct slice text, unsigned port)
{
    struct in6_addr bytes;
    int family = AF_INET;
    if (!address_parse(family, text, &bytes)) {
        family = AF_INET6;
        if (!address_parse(family, text, &bytes)) {
            return false;
        }
    }
    add_address(addresses, family, &bytes, port);
    return true;
}

/* The next word of a line of the hosts file; empty at its end or before a comment. */
static struct slice next_word(struct slice *line)
{
    while (line->len > 0 && (unsigned char)line->ptr[0] <= ' ') {
        *line = slice_skip(*line, 1);
    }
    size_t len = 0;
    while (len < line->len && (unsigned char)line->ptr[len] > ' ' && line->ptr[len] != '#') {
        len++;
    }
    struct slice word = slice_make(line->ptr, len);
    *line = slice_skip(*line, len);
    return word;
}

/* hosts(5): an address and its names. */
static void read_hosts_line(struct slice line, struct slice host, unsigned port,
                            struct redis_addresses *addresses)
{
    struct slice address = next_word(&line);
    struct slice name;
    while ((name = next_word(&line)).len > 0) {
        if (slice_equal_nocase(name, host)) {
            (void)add_numeric(addresses, address, port); /* others are not for us */
            return;
        }
    }
}

static void close_file(FILE **file)
{
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

bool redis_addresses_known(const char *host, unsigned port, const char *hosts_file,
                           struct redis_addresses *ret)
{
    struct redis_addresses addresses = {.count = 0};
    struct slice name = slice_from(host);
    if (add_numeric(&addresses, name, port)) {
        *ret = addresses;
        return true;
    }
    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    FILE *file CLEANUP(close_file) = fopen(hosts_file, "re");
    char line[HOSTS_LINE];
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        read_hosts_line(slice_from(line), name, port, &addresses);
    }
    if (addresses.count == 0 && slice_equal_nocase(name, SLICE("localhost"))) { /* RFC 6761 */
        (void)add_numeric(&addresses, SLICE("127.0.0.1"), port);
        (void)add_numeric(&addresses, SLICE("::1"), port);
    }
    if (addresses.count == 0) {
        return false;
    }
    *ret = addresses;
    return true;
}

static void on_answer(int result, char type, int count, int ttl, void *bytes, void *ctx)
{
    struct question *question = ctx;
    struct redis_lookup *lookup = question->lookup;
    (void)type;
    (void)ttl;
    if (lookup->told == NULL) {
        return;
    }
    question->answered = true;
    question->result = result;
    bool v6 = question->family == AF_INET6;
    size_t size = v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
    for (int i = 0; result == DNS_ERR_NONE && i < count && i < EACH_FAMILY; i++) {
        add_address(&lookup->found[v6], question->family, (const char *)bytes + (size_t)i * size,
                    lookup->port);
    }
    lookup->told(lookup->ctx);
}

static void nothing(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
}

static struct evdns_base *new_names(struct event_base *base, const char *name_server)
{
    struct evdns_base *names = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (names == NULL) {
        return NULL;
    }
    if (name_server != NULL) {
        (void)evdns_base_nameserver_ip_add(names, name_server);
    } else {
        /* Without such a file it takes the one on this machine. */
        (void)evdns_base_resolv_conf_parse(
            names, DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC,
            "/etc/resolv.conf");
    }
    /* A lost packet is repeated in time. Some servers do not give the case back as it was. And a
     * name server that failed is not to be probed, for evdns does it with a stranger's name. */
    (void)evdns_base_set_option(names, "timeout:", "1");
    (void)evdns_base_set_option(names, "randomize-case:", "0");
    (void)evdns_base_set_option(names, "initial-probe-timeout:", "3600");
    return names;
}

struct redis_lookup *redis_lookup_new(const struct redis_lookup_settings *settings)
{
    struct redis_lookup *lookup = MEMORY_NEW(struct redis_lookup);
    lookup->v4 = (struct question){.lookup = lookup, .family = AF_INET};
    lookup->v6 = (struct question){.lookup = lookup, .family = AF_INET6};
    lookup->port = settings->port;
    lookup->told = settings->told;
    lookup->ctx = settings->ctx;
    lookup->burial = event_new(settings->base, -1, 0, nothing, lookup);
    lookup->names = new_names(settings->base, settings->name_server);
    if (lookup->names == NULL ||
        evdns_base_resolve_ipv4(lookup->names, settings->host, 0, on_answer, &lookup->v4) == NULL) {
        lookup->v4.answered = true;
        lookup->v4.result = DNS_ERR_FORMAT;
    }
    if (lookup->names == NULL ||
        evdns_base_resolve_ipv6(lookup->names, settings->host, 0, on_answer, &lookup->v6) == NULL) {
        lookup->v6.answered = true;
        lookup->v6.result = DNS_ERR_FORMAT;
    }
    return lookup;
}

static void bury(struct event *event, void *ctx)
{
    (void)event;
    memory_free(ctx);
}

void redis_lookup_free(struct redis_lookup *lookup)
{
    if (lookup == NULL) {
        return;
    }
    lookup->told = NULL;
    if (lookup->names != NULL) {
        evdns_base_free(lookup->names, 0); /* without calling back */
    }
    /* But an answer that is there already still comes, from the queue of what is due in this turn:
     * so the memory goes behind it in that queue. Freed with its base, it is run, too. */
    if (event_free_finalize(0, lookup->burial, bury) != 0) {
        memory_free(lookup);
    }
}

bool redis_lookup_done(const struct redis_lookup *lookup)
{
    return lookup->v4.answered && lookup->v6.answered;
}

void redis_lookup_found(const struct redis_lookup *lookup, struct redis_addresses *ret)
{
    *ret = lookup->found[0];
    for (unsigned i = 0; i < lookup->found[1].count && ret->count < REDIS_ADDRESSES_MAX; i++) {
        ret->list[ret->count++] = lookup->found[1].list[i];
    }
}

const char *redis_lookup_failure(const struct redis_lookup *lookup)
{
    if (lookup->v4.result == DNS_ERR_NOTEXIST || lookup->v6.result == DNS_ERR_NOTEXIST) {
        return "there is no such name";
    }
    bool both = lookup->v4.result == DNS_ERR_NODATA && lookup->v6.result == DNS_ERR_NODATA;
    if (both) {
        return "the name has no address";
    }
    int result = lookup->v4.result == DNS_ERR_NODATA ? lookup->v6.result : lookup->v4.result;
    switch (result) {
    case DNS_ERR_FORMAT:
        return "it is no valid name";
    case DNS_ERR_TIMEOUT:
        return "the name servers do not answer";
    case DNS_ERR_TRUNCATED:
        return "the name has too many addresses";
    default:
        return "the name servers refuse to answer";
    }
}
