/*
 * hanging_resolver: preloaded into the gateway, makes lookups of names below .hang.test take as
 * long as a resolver that nobody answers: a minute. Names below .here.test are this machine's; so
 * are those below .slow.test, after 700 ms; those below .half.test have two addresses, of which
 * nobody listens on the first; there are none below .none.test. All others are looked up as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { HANGS_SECONDS = 60, SLOW_USEC = 700 * 1000 };

typedef int lookup(const char *name, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret);

static int is_below(const char *name, const char *suffix)
{
    size_t len = name == NULL ? 0 : strlen(name);
    return len >= strlen(suffix) && strcmp(name + len - strlen(suffix), suffix) == 0;
}

/* 127.0.0.2, where tests do not listen, then this machine's. The C library frees one by one. */
static int look_up_half(lookup *real, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret)
{
    int failed = real("127.0.0.2", service, hints, ret);
    if (failed != 0) {
        return failed;
    }
    struct addrinfo *last = *ret;
    while (last->ai_next != NULL) {
        last = last->ai_next;
    }
    return real("127.0.0.1", service, hints, &last->ai_next);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    if (is_below(name, ".hang.test")) {
        (void)sleep(HANGS_SECONDS);
        return EAI_AGAIN;
    }
    if (is_below(name, ".none.test")) {
        return EAI_NONAME;
    }
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (is_below(name, ".half.test")) {
        return look_up_half(real, service, hints, ret);
    }
    bool slow = is_below(name, ".slow.test");
    if (slow) {
        (void)usleep(SLOW_USEC);
    }
    return real(slow || is_below(name, ".here.test") ? "127.0.0.1" : name, service, hints, ret);
}
