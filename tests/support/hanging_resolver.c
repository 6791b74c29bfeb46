/*
 * hanging_resolver: preloaded into the gateway, makes lookups of names below .hang.test take as
 * long as a resolver that nobody answers: a minute. Names below .here.test are this machine's. All
 * others are looked up as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

enum { HANGS_SECONDS = 60 };

typedef int lookup(const char *name, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret);

static int is_below(const char *name, const char *suffix)
{
    size_t len = name == NULL ? 0 : strlen(name);
    return len >= strlen(suffix) && strcmp(name + len - strlen(suffix), suffix) == 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    if (is_below(name, ".hang.test")) {
        (void)sleep(HANGS_SECONDS);
        return EAI_AGAIN;
    }
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    return real(is_below(name, ".here.test") ? "127.0.0.1" : name, service, hints, ret);
}
