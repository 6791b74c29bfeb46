#include "base/memory.h"
#include "base/secret.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <criterion/criterion.h>

enum { LONGEST = 20000 };

static char pattern(size_t i)
{
    return (char)(i * 7 % 251);
}

Test(secret, keeps_bytes_of_every_size)
{
    static const size_t sizes[] = {0,    1,    63,   64,   65,   255,  256,    257,
                                   1023, 1024, 1025, 4095, 4096, 4097, LONGEST};
    static char bytes[LONGEST];
    for (size_t i = 0; i < LONGEST; i++) {
        bytes[i] = pattern(i);
    }
    struct secret *all[sizeof(sizes) / sizeof(sizes[0])];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        all[i] = secret_new(slice_make(bytes, sizes[i]));
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cr_expect(slice_equal(secret_reveal(all[i]), slice_make(bytes, sizes[i])), "size %zu",
                  sizes[i]);
        secret_free(all[i]);
    }
}

/* Pieces of one page must not overlap, and freed ones are used again. */
Test(secret, many_live_side_by_side)
{
    enum { COUNT = 1000 };
    static struct secret *all[COUNT];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            char text[32];
            int len = snprintf(text, sizeof(text), "secret %d of %d", i, round);
            all[i] = secret_new(slice_make(text, (size_t)len));
        }
        for (int i = 0; i < COUNT; i++) {
            char text[32];
            int len = snprintf(text, sizeof(text), "secret %d of %d", i, round);
            cr_assert(slice_equal(secret_reveal(all[i]), slice_make(text, (size_t)len)));
            secret_free(all[i]);
        }
    }
}

Test(secret, is_wiped_when_it_is_freed)
{
    struct secret *secret = secret_new(SLICE("0123456789abcdef0123456789abcdef0123456789"));
    /* The piece stays mapped for the next secret, so it can be looked at. */
    const char *bytes = secret_reveal(secret).ptr;
    secret_free(secret);
    for (size_t i = sizeof(void *); i < 42; i++) { /* the front links the free pieces */
        cr_expect_eq(bytes[i], 0, "byte %zu", i);
    }
}

/* Of the mapping at an address, the line of /proc/self/smaps that begins like `field`. */
static bool smaps_line(const void *address, const char *field, char *out, int size)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    unsigned long start = 0;
    unsigned long end = 0;
    bool inside = false;
    bool found = false;
    while (file != NULL && !found && fgets(out, size, file) != NULL) {
        if (sscanf(out, "%lx-%lx ", &start, &end) == 2) {
            inside = (unsigned long)address >= start && (unsigned long)address < end;
        }
        found = inside && strncmp(out, field, strlen(field)) == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* A sanitizer may swallow mlock(), and a limit refuse it. */
static bool pages_can_be_locked(void)
{
    char line[512];
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    bool locked = mlock(page, 4096) == 0 && smaps_line(page, "VmFlags:", line, sizeof(line)) &&
                  strstr(line, " lo") != NULL;
    (void)munmap(page, 4096);
    return locked;
}

Test(secret, lies_in_pages_that_are_not_dumped_and_locked_where_possible)
{
    char line[512];
    static char long_one[LONGEST];
    bool lockable = pages_can_be_locked();
    struct secret *all[] = {secret_new(SLICE("short")),
                            secret_new(slice_make(long_one, sizeof(long_one)))};
    for (size_t i = 0; i < 2; i++) {
        cr_assert(smaps_line(secret_reveal(all[i]).ptr, "VmFlags:", line, sizeof(line)));
        cr_expect_not_null(strstr(line, " dd"), "will be dumped: %s", line);
        if (lockable) {
            cr_expect_not_null(strstr(line, " lo"), "not locked: %s", line);
        }
        secret_free(all[i]);
    }
}

Test(secret, goes_on_where_nothing_can_be_locked)
{
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0}), 0);
    struct secret *secret = secret_new(SLICE("kept all the same"));
    cr_expect(slice_equal(secret_reveal(secret), SLICE("kept all the same")));
    secret_free(secret);
}

Test(secret, equal_compares_length_and_bytes)
{
    cr_expect(secret_equal(SLICE("abc"), SLICE("abc")));
    cr_expect(secret_equal(slice_make(NULL, 0), SLICE("")));
    cr_expect_not(secret_equal(SLICE("abc"), SLICE("abd")));
    cr_expect_not(secret_equal(SLICE("abc"), SLICE("Abc")));
    cr_expect_not(secret_equal(SLICE("abc"), SLICE("abcd")));
    cr_expect_not(secret_equal(SLICE("abc"), SLICE("")));
}

Test(secret, wipe_takes_what_is_given)
{
    char bytes[] = "0123456789";
    secret_wipe(bytes + 2, 6);
    secret_wipe(NULL, 0);
    cr_expect_eq(memcmp(bytes,
                        "01\0\0\0\0\0\0"
                        "89",
                        10),
                 0);
}

Test(secret, free_takes_null)
{
    secret_free(NULL);
}

Test(secret, protected_process_leaves_no_core)
{
    struct rlimit limit;
    secret_protect_process();
    cr_assert_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    cr_expect_eq(limit.rlim_cur, 0U);
    cr_expect_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

static void *churn(void *ctx)
{
    bool *intact = ctx;
    for (int i = 0; i < 5000; i++) {
        char text[80];
        int len = snprintf(text, sizeof(text), "%p holds the secret number %d", ctx, i);
        struct secret *secret = secret_new(slice_make(text, (size_t)len));
        if (!slice_equal(secret_reveal(secret), slice_make(text, (size_t)len))) {
            *intact = false;
        }
        secret_free(secret);
    }
    return NULL;
}

Test(secret, threads_share_the_pages)
{
    pthread_t threads[4];
    bool intact[4] = {true, true, true, true};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, churn, &intact[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_expect(intact[i]);
    }
}
