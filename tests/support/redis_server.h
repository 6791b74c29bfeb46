/*
 * redis_server: a real redis-server of a test's own: on a free port, with a folder of its own,
 * ended by its process id. It dies with the test program, whatever happens to that.
 *
 * Each listens on TCP (plain or TLS) and on a unix socket; over the latter redis_server_cli() talks
 * to it. One for a whole program is started in ReportHook(PRE_ALL), which runs in another process
 * than the tests: redis_server_share() there, redis_server_shared() in a test.
 */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REDIS_SERVER_ARGS = 64, REDIS_SERVER_EXTRA = 12 };

struct redis_server_settings {
    const char *password; /* NULL: none is asked for */
    const char *user;     /* an ACL user with that password; the default user is then off */
    bool tls;             /* instead of plain TCP; `ca` is then set */
    const char *names;    /* of its certificate; NULL: "DNS:localhost,IP:127.0.0.1" */
    /* Further arguments, as in {"--maxmemory", "10mb"}. */
    const char *extra[REDIS_SERVER_EXTRA];
};

struct redis_server {
    pid_t pid; /* 0: not running */
    unsigned port;
    char folder[40];
    char unix_path[64];
    char ca[64]; /* "" without TLS */
    char password[64];
    char user[64];
    char extra[REDIS_SERVER_EXTRA][64];
};

static inline void redis_server_fail(const char *what)
{
    (void)fprintf(stderr, "redis_server: %s: %s\n", what, strerrordesc_np(errno));
    abort();
}

static inline void redis_server_nap(void)
{
    struct timespec nap = {.tv_nsec = 2 * 1000 * 1000};
    (void)nanosleep(&nap, NULL);
}

/* A port of 127.0.0.1 that nobody listens on. */
static inline unsigned redis_server_free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        redis_server_fail("no free port");
    }
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* The program's exit status; what it prints goes to `out`, NUL-terminated, unless NULL. */
static inline int redis_server_program(const char *const *args, char *out, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0) {
        redis_server_fail("pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        if (out == NULL) {
            (void)dup2(ends[1], STDERR_FILENO);
        }
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execvp(args[0], (char *const *)args);
        _exit(127);
    }
    (void)close(ends[1]);
    char thrown_away[256];
    size_t used = 0;
    for (;;) {
        bool kept = out != NULL && used + 1 < size;
        ssize_t count = kept ? read(ends[0], out + used, size - used - 1)
                             : read(ends[0], thrown_away, sizeof(thrown_away));
        if (count == 0 || (count < 0 && errno != EINTR)) {
            break;
        }
        used += kept && count > 0 ? (size_t)count : 0;
    }
    (void)close(ends[0]);
    if (out != NULL) {
        out[used] = '\0';
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* FOLDER/ca.pem signs FOLDER/server.pem for `names`. */
static inline void redis_server_certify(const char *folder, const char *names)
{
    char files[4][64];
    char subject_names[256];
    const char *const name[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(files[i], sizeof(files[i]), "%s/%s", folder, name[i]);
    }
    (void)snprintf(subject_names, sizeof(subject_names), "subjectAltName=%s", names);
    const char *const authority[] = {"openssl",
                                     "req",
                                     "-x509",
                                     "-newkey",
                                     "ec",
                                     "-pkeyopt",
                                     "ec_paramgen_curve:P-256",
                                     "-nodes",
                                     "-days",
                                     "2",
                                     "-subj",
                                     "/CN=a test",
                                     "-keyout",
                                     files[1],
                                     "-out",
                                     files[0],
                                     NULL};
    const char *const server[] = {"openssl",
                                  "req",
                                  "-x509",
                                  "-newkey",
                                  "ec",
                                  "-pkeyopt",
                                  "ec_paramgen_curve:P-256",
                                  "-nodes",
                                  "-days",
                                  "2",
                                  "-subj",
                                  "/CN=a server",
                                  "-CA",
                                  files[0],
                                  "-CAkey",
                                  files[1],
                                  "-addext",
                                  "basicConstraints=critical,CA:FALSE",
                                  "-addext",
                                  subject_names,
                                  "-keyout",
                                  files[3],
                                  "-out",
                                  files[2],
                                  NULL};
    if (redis_server_program(authority, NULL, 0) != 0 ||
        redis_server_program(server, NULL, 0) != 0) {
        redis_server_fail("openssl made no certificates");
    }
}

static inline bool redis_server_answers(const struct redis_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->unix_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char reply; /* it listens before it has read its ACLs, and may end then */
    bool answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                   send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, &reply, 1, 0) == 1;
    (void)close(fd);
    return answers;
}

/* In the child. */
static inline void redis_server_exec(const struct redis_server *server, pid_t parent)
{
    char port[16];
    char cert[64];
    char key[64];
    bool tls = server->ca[0] != '\0';
    (void)snprintf(port, sizeof(port), "%u", server->port);
    (void)snprintf(cert, sizeof(cert), "%s/server.pem", server->folder);
    (void)snprintf(key, sizeof(key), "%s/server.key", server->folder);
    const char *args[REDIS_SERVER_ARGS] = {"redis-server",
                                           tls ? "--tls-port" : "--port",
                                           port,
                                           "--bind",
                                           "127.0.0.1",
                                           "--unixsocket",
                                           server->unix_path,
                                           "--dir",
                                           server->folder,
                                           "--save",
                                           "",
                                           "--logfile",
                                           "redis.log",
                                           "--daemonize",
                                           "no",
                                           "--appendonly",
                                           "no"};
    size_t count = 17;
    if (tls) {
        const char *const more[] = {"--port",
                                    "0",
                                    "--tls-cert-file",
                                    cert,
                                    "--tls-key-file",
                                    key,
                                    "--tls-ca-cert-file",
                                    server->ca,
                                    "--tls-auth-clients",
                                    "no"};
        memcpy(args + count, more, sizeof(more));
        count += sizeof(more) / sizeof(more[0]);
    }
    char password[80];
    if (server->user[0] != '\0') {
        (void)snprintf(password, sizeof(password), ">%s", server->password);
        const char *const more[] = {"--user", server->user, "on",     password,  "~*",
                                    "&*",     "+@all",      "--user", "default", "off"};
        memcpy(args + count, more, sizeof(more));
        count += sizeof(more) / sizeof(more[0]);
    } else if (server->password[0] != '\0') {
        args[count++] = "--requirepass";
        args[count++] = server->password;
    }
    for (size_t i = 0; i < REDIS_SERVER_EXTRA && server->extra[i][0] != '\0'; i++) {
        args[count++] = server->extra[i];
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) {
        (void)execvp(args[0], (char *const *)args);
    }
    _exit(127);
}

/* False: it ended at once, as where the port is taken. */
static inline bool redis_server_spawn(struct redis_server *server)
{
    pid_t parent = getpid();
    (void)unlink(server->unix_path);
    server->pid = fork();
    if (server->pid == 0) {
        redis_server_exec(server, parent);
    }
    for (int i = 0; i < 5000; i++) {
        if (redis_server_answers(server)) {
            return true;
        }
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
        redis_server_nap();
    }
    errno = ETIMEDOUT;
    redis_server_fail("redis-server does not answer");
    return false;
}

static inline void redis_server_start(struct redis_server *server,
                                      const struct redis_server_settings *settings)
{
    *server = (struct redis_server){.folder = "/tmp/sallyport-test-XXXXXX"};
    if (mkdtemp(server->folder) == NULL) {
        redis_server_fail("mkdtemp");
    }
    (void)snprintf(server->unix_path, sizeof(server->unix_path), "%s/redis.sock", server->folder);
    if (settings->tls) {
        (void)snprintf(server->ca, sizeof(server->ca), "%s/ca.pem", server->folder);
        redis_server_certify(server->folder, settings->names == NULL ? "DNS:localhost,IP:127.0.0.1"
                                                                     : settings->names);
    }
    if (settings->password != NULL) {
        (void)snprintf(server->password, sizeof(server->password), "%s", settings->password);
    }
    if (settings->user != NULL) {
        (void)snprintf(server->user, sizeof(server->user), "%s", settings->user);
    }
    for (size_t i = 0; i < REDIS_SERVER_EXTRA && settings->extra[i] != NULL; i++) {
        (void)snprintf(server->extra[i], sizeof(server->extra[i]), "%s", settings->extra[i]);
    }
    for (int i = 0; i < 10; i++) { /* another may take the port in between */
        server->port = redis_server_free_port();
        if (redis_server_spawn(server)) {
            return;
        }
    }
    redis_server_fail("redis-server does not start (is it installed?)");
}

/* It takes no byte and answers nothing; connections are still made, by the kernel. */
static inline void redis_server_pause(const struct redis_server *server)
{
    (void)kill(server->pid, SIGSTOP);
}

static inline void redis_server_resume(const struct redis_server *server)
{
    (void)kill(server->pid, SIGCONT);
}

/* At once: its data is lost. */
static inline void redis_server_kill(struct redis_server *server)
{
    if (server->pid != 0) {
        (void)kill(server->pid, SIGKILL);
        while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        server->pid = 0;
    }
}

/* On the same port, empty. */
static inline void redis_server_restart(struct redis_server *server)
{
    redis_server_kill(server);
    for (int i = 0; i < 100; i++) {
        if (redis_server_spawn(server)) {
            return;
        }
        redis_server_nap();
    }
    redis_server_fail("redis-server does not come back on its port");
}

static inline void redis_server_stop(struct redis_server *server)
{
    redis_server_kill(server);
    if (server->folder[0] != '\0') {
        const char *const args[] = {"rm", "-rf", server->folder, NULL};
        (void)redis_server_program(args, NULL, 0);
        server->folder[0] = '\0';
    }
}

/* What redis-cli prints for the words up to NULL, without the last line's end. */
__attribute__((sentinel)) static inline const char *
redis_server_cli(const struct redis_server *server, char *out, size_t size, ...)
{
    const char *args[REDIS_SERVER_ARGS] = {"redis-cli", "-s", server->unix_path,
                                           "--no-auth-warning"};
    size_t count = 4;
    if (server->password[0] != '\0') {
        args[count++] = "--user";
        args[count++] = server->user[0] == '\0' ? "default" : server->user;
        args[count++] = "--pass";
        args[count++] = server->password;
    }
    va_list words;
    va_start(words, size);
    while (count < REDIS_SERVER_ARGS - 1 && (args[count] = va_arg(words, const char *)) != NULL) {
        count++;
    }
    va_end(words);
    args[count] = NULL;
    (void)redis_server_program(args, out, size);
    size_t len = strlen(out);
    if (len > 0 && out[len - 1] == '\n') {
        out[len - 1] = '\0';
    }
    return out;
}

/* A copy for the tests' processes, under a name of the environment. */
static inline void redis_server_share(const struct redis_server *server, const char *name)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * sizeof(*server) + 1];
    for (size_t i = 0; i < sizeof(*server); i++) {
        unsigned char byte = ((const unsigned char *)server)[i];
        text[2 * i] = digits[byte >> 4];
        text[2 * i + 1] = digits[byte & 15];
    }
    text[sizeof(text) - 1] = '\0';
    if (setenv(name, text, 1) != 0) {
        redis_server_fail("setenv");
    }
}

/* Not to be stopped or restarted here: it is another process's child. */
static inline struct redis_server redis_server_shared(const char *name)
{
    struct redis_server server;
    const char *text = getenv(name);
    if (text == NULL || strlen(text) != 2 * sizeof(server)) {
        errno = ENOENT;
        redis_server_fail(name);
    }
    for (size_t i = 0; i < sizeof(server); i++) {
        char pair[] = {text[2 * i], text[2 * i + 1], '\0'};
        ((unsigned char *)&server)[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return server;
}
