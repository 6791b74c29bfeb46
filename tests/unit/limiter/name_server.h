/*
 * name_server: a name server of a test's own, on a free UDP port, in the test's loop. It answers
 * each family as the test says.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/event.h>

enum { NAME_OK = 0, NAME_UNKNOWN = 3, NAME_REFUSED = 5, NAME_SILENT = -1 };

struct name_answer {
    int code; /* NAME_… */
    const char *addresses[12];
};

struct name_server {
    int fd;
    struct event *readable;
    char address[32]; /* "127.0.0.1:PORT" */
    struct name_answer v4;
    struct name_answer v6;
    unsigned asked;
};

/* RFC 1035, section 4: the question goes back as it came, then the answers. */
static inline size_t name_server_answer(const struct name_answer *answer, int family,
                                        uint8_t *message, size_t len)
{
    uint16_t count = 0;
    message[2] = 0x81;
    message[3] = (uint8_t)(0x80 | answer->code);
    for (; answer->addresses[count] != NULL; count++) {
        const uint16_t size = family == AF_INET ? 4 : 16;
        const uint8_t head[] = {
            0xc0, 12, 0, family == AF_INET ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, (uint8_t)size};
        memcpy(message + len, head, sizeof(head));
        len += sizeof(head);
        cr_assert_eq(inet_pton(family, answer->addresses[count], message + len), 1);
        len += size;
    }
    message[7] = (uint8_t)count;
    return len;
}

static inline void name_server_read(evutil_socket_t fd, short what, void *ctx)
{
    struct name_server *server = ctx;
    uint8_t message[1024] = {0};
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    (void)what;
    ssize_t len = recvfrom(fd, message, 512, 0, (struct sockaddr *)&from, &from_len);
    cr_assert_gt(len, 16);
    server->asked++;
    bool v4 = message[len - 3] == 1; /* the question's type is the last but one number */
    const struct name_answer *answer = v4 ? &server->v4 : &server->v6;
    if (answer->code != NAME_SILENT) {
        size_t size = name_server_answer(answer, v4 ? AF_INET : AF_INET6, message, (size_t)len);
        (void)sendto(fd, message, size, 0, (struct sockaddr *)&from, from_len);
    }
}

static inline void name_server_start(struct name_server *server, struct event_base *base)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(server->address, sizeof(server->address), "127.0.0.1:%u",
                   ntohs(address.sin_port));
    server->readable = event_new(base, server->fd, EV_READ | EV_PERSIST, name_server_read, server);
    (void)event_add(server->readable, NULL);
}

static inline void name_server_stop(struct name_server *server)
{
    event_free(server->readable);
    (void)close(server->fd);
}
