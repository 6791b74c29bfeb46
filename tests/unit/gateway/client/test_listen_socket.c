#include "gateway/client/listen_socket.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

static char folder[] = "/tmp/sallyport-test-XXXXXX";
static char path[64];
static char address[80];

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    (void)snprintf(address, sizeof(address), "unix:%s", path);
}

static void tear_down(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

TestSuite(listen_socket, .init = set_up, .fini = tear_down);

static int open_it(const char *at)
{
    struct error err;
    int fd = -1;
    cr_assert_eq(listen_socket_open(at, true, &fd, &err), STATUS_OK, "%s", err.message);
    return fd;
}

static void refused(const char *at, enum status status, const char *said)
{
    struct error err;
    int fd = -1;
    cr_assert_eq(listen_socket_open(at, true, &fd, &err), status, "%s", at);
    cr_assert_not_null(strstr(err.message, said), "%s", err.message);
    cr_assert_eq(fd, -1);
}

Test(listen_socket, tcp_gets_a_free_port)
{
    static const char *const addresses[] = {"127.0.0.1:0", "localhost:0", "0.0.0.0:0"};
    for (size_t i = 0; i < 3; i++) {
        int fd = open_it(addresses[i]);
        cr_assert_gt(listen_socket_port(fd), 0);
        cr_assert_neq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        cr_assert_neq(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        (void)close(fd);
    }
}

Test(listen_socket, a_taken_port_is_found_although_ports_are_shared)
{
    struct error err;
    char text[32];
    int fd = open_it("127.0.0.1:0");
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", listen_socket_port(fd));
    refused(text, STATUS_UNAVAILABLE,
            "is taken; stop what listens there (ss -ltnp), or write another port");
    int second;
    cr_assert_eq(listen_socket_open(text, false, &second, &err), STATUS_OK, "%s", err.message);
    (void)close(second);
    (void)close(fd);
    (void)close(open_it(text)); /* free again */
}

Test(listen_socket, addresses_are_checked)
{
    static const char *const bad[] = {"",           "8080",     ":8080",       "127.0.0.1",
                                      "127.0.0.1:", "::1:8080", "[::1]",       "127.0.0.1:http",
                                      "a:-1",       "[]:1",     "a:123456789", "127.0.0.1:65536"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused(bad[i], STATUS_INVALID, "is no address to listen on; write host:port");
    }
    refused("no.such.host.invalid:1", STATUS_INVALID, "write an address of this machine");
    refused("unix:relative", STATUS_INVALID, "write unix:/path");
    refused("192.0.2.1:8080", STATUS_UNAVAILABLE, "this machine has no such address");
}

Test(listen_socket, a_stale_unix_socket_is_replaced)
{
    (void)close(open_it(address)); /* the file stays */
    struct stat found;
    cr_assert_eq(stat(path, &found), 0);
    int fd = open_it(address);
    cr_assert_eq(listen_socket_port(fd), 0);
    (void)close(fd);
}

Test(listen_socket, a_live_unix_socket_is_in_use)
{
    int fd = open_it(address);
    refused(address, STATUS_UNAVAILABLE, "is in use");
    (void)close(fd);
}

Test(listen_socket, a_file_that_is_no_socket_is_left_alone)
{
    FILE *file = fopen(path, "w");
    (void)fclose(file);
    refused(address, STATUS_INVALID, "a file that is no socket is there");
    cr_assert_eq(access(path, F_OK), 0);
    refused("unix:/nonexistent/s", STATUS_UNAVAILABLE, "the folder must exist");
}
