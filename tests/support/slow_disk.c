/*
 * slow_disk: preloaded into the gateway, makes what is synced take $SYNC_SECONDS as long as there
 * is a file $SLOW_WHILE.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

typedef int sync_file(int fd);

static int slowly(const char *name, int fd)
{
    sync_file *real = NULL;
    const char *seconds = getenv("SYNC_SECONDS");
    const char *flag = getenv("SLOW_WHILE");
    *(void **)&real = dlsym(RTLD_NEXT, name);
    if (seconds != NULL && flag != NULL && access(flag, F_OK) == 0) {
        (void)sleep((unsigned)atoi(seconds));
    }
    return real(fd);
}

int fsync(int fd)
{
    return slowly("fsync", fd);
}

int fdatasync(int fd)
{
    return slowly("fdatasync", fd);
}
