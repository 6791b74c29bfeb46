/*
 * What a trusted proxy says before anything else: the PROXY header, in clear before TLS, too. It is
 * looked at in the socket and taken out when it is whole, so that not a byte of what follows (a
 * ClientHello, a head) is read with it.
 */
#include "gateway/client/connection_internal.h"
#include "gateway/client/proxy_header.h"
#include "gateway/observe/log.h"

#include <stdio.h>

#define SAID_EVERY SEC /* a proxy without the header comes again and again */

static void give_up(struct connection *connection, const char *why)
{
    struct client_side *side = connection->side;
    usec_t now = side->settings.loop->now;
    side->proxies_refused++;
    if (side->proxies_said == 0 || now - side->proxies_said >= SAID_EVERY) {
        log_warn("gateway.proxy_protocol: the connection from %s, a trusted proxy, is closed: %s; "
                 "let it send the PROXY protocol, version 1 or 2, or set proxy_protocol: off "
                 "(%llu closed so far)",
                 connection->peer, why, (unsigned long long)side->proxies_refused);
        side->proxies_said = now;
    }
    connection_close(connection, CHANNEL_RESET);
}

static void accept_source(struct connection *connection, const struct proxy_header *header)
{
    switch (header->source) {
    case PROXY_HEADER_OWN:
        break;
    case PROXY_HEADER_ADDRESS:
        memcpy(connection->address, header->address, sizeof(connection->address));
        address_print(connection->address, connection->peer);
        break;
    case PROXY_HEADER_UNIX:
        connection->has_address = false;
        (void)snprintf(connection->peer, sizeof(connection->peer), "unix");
        break;
    }
}

/* Nothing more will come. A load balancer's health check may connect and leave without a word. */
static void left(struct connection *connection, bool said_something)
{
    if (said_something) {
        give_up(connection, "it left before its header was whole");
    } else {
        connection_close(connection, CHANNEL_CLOSE);
    }
}

void connection_read_proxy(struct connection *connection)
{
    char bytes[PROXY_HEADER_BYTES];
    size_t count = 0;
    struct proxy_header header;
    const char *why = NULL;
    enum channel_result result = channel_peek(&connection->channel, bytes, sizeof(bytes), &count);
    if (result == CHANNEL_EOF || result == CHANNEL_ERROR) {
        left(connection, false);
        return;
    }
    switch (proxy_header_read(slice_make(bytes, count), &header, &why)) {
    case PROXY_HEADER_PARTIAL:
        if (connection->peer_left) {
            left(connection, count > 0);
        }
        return;
    case PROXY_HEADER_BAD:
        give_up(connection, why);
        return;
    case PROXY_HEADER_DONE:
        break;
    }
    result = channel_discard(&connection->channel, bytes, header.len, &count);
    if (result != CHANNEL_DONE || count != header.len || connection->peer_left) {
        connection_close(connection, CHANNEL_CLOSE);
        return;
    }
    accept_source(connection, &header);
    connection_begin(connection);
}

void connection_proxy_late(struct connection *connection)
{
    give_up(connection, "no PROXY header came in time");
}
