/*
 * live_environment: preloaded into the gateway, takes its secrets' environment variables from files
 * of the same name in $LIVE_ENVIRONMENT, so that they can change while it runs. A byte is added to
 * the file reads/NAME for each time that one is looked at.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef char *lookup(const char *name);

static char value[4096];

static void note(const char *folder, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/reads/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!write(fd, "x", 1);
        (void)close(fd);
    }
}

char *getenv(const char *name)
{
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getenv");
    if (strncmp(name, "SALLYPORT_SECRET_", strlen("SALLYPORT_SECRET_")) != 0) {
        return real(name);
    }
    const char *folder = real("LIVE_ENVIRONMENT");
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    ssize_t len = read(fd, value, sizeof(value) - 1);
    (void)close(fd);
    note(folder, name);
    value[len > 0 ? len : 0] = '\0';
    return value;
}
