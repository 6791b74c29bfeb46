#include "base/memory.h"

#include <stdalign.h>
#include <stdint.h>

#include <criterion/criterion.h>

Test(memory, allocations_are_zeroed_and_copies_end_with_nul)
{
    static const size_t sizes[] = {1, 1000, 1024, 1025, 4000}; /* one kind is used again */
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        CLEANUP(memory_free_at) unsigned char *used = memory_resize(NULL, sizes[k]);
        (void)memset(used, 7, sizes[k]);
        memory_free(TAKE(used));
        CLEANUP(memory_free_at) unsigned char *zeroed = memory_alloc(sizes[k]);
        for (size_t i = 0; i < sizes[k]; i++) {
            cr_assert_eq(zeroed[i], 0);
        }
    }
    CLEANUP(memory_free_at) void *nothing = memory_alloc(0);
    cr_expect_not_null(nothing);
    CLEANUP(memory_free_at) char *copy = memory_copy(SLICE("a\0b"));
    cr_expect_eq(memcmp(copy, "a\0b", 4), 0);
    CLEANUP(memory_free_at) char *empty = memory_copy((struct slice){0});
    cr_expect_str_eq(empty, "");
    memory_free(NULL);
}

struct half_zeroed {
    uint64_t first, second;
    char rest[2048];
};

Test(memory, a_part_is_zeroed)
{
    for (unsigned i = 0; i < 100; i++) {
        struct half_zeroed *made = MEMORY_NEW_UPTO(struct half_zeroed, rest);
        cr_expect_eq(made->first, 0U);
        cr_expect_eq(made->second, 0U);
        memset(made, 0xff, sizeof(*made));
        memory_free(made);
    }
}

Test(memory, grown_arrays_keep_what_they_have)
{
    size_t size = 0;
    size_t count = 0;
    size_t *numbers = NULL;
    for (; count < 1000; count++) {
        MEMORY_GROW(numbers, count, &size);
        numbers[count] = count;
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(numbers[i], i);
    }
    cr_expect_geq(size, 1000);
    memory_free(numbers);
}

Test(memory, arenas_give_aligned_pieces_that_do_not_overlap)
{
    enum { PIECES = 300 };
    struct arena arena = {0};
    unsigned char *pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        size_t len = i % 50 == 49 ? 10000 : i;
        pieces[i] = arena_alloc(&arena, len);
        cr_assert_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        for (size_t at = 0; at < len; at++) {
            cr_assert_eq(pieces[i][at], 0, "piece %zu is zeroed and its own", i);
        }
        memset(pieces[i], (int)(i % 255) + 1, len);
    }
    for (size_t i = 1; i < PIECES; i++) {
        cr_assert_eq(pieces[i][0], i % 255 + 1, "piece %zu was overwritten", i);
    }
    arena_fini(&arena);
    cr_expect_null(arena.blocks);
}

Test(memory, arenas_copy_and_print)
{
    struct arena arena = {0};
    struct slice copy = arena_copy(&arena, SLICE("abc"));
    cr_expect(slice_equal(copy, SLICE("abc")));
    cr_expect_eq(copy.ptr[3], '\0');
    cr_expect_str_eq(arena_copy(&arena, (struct slice){0}).ptr, "");
    cr_expect_str_eq(arena_print(&arena, "%s-%d", "x", 7), "x-7");
    const char *large = arena_print(&arena, "%6000d", 1);
    cr_expect_eq(strlen(large), 6000);
    cr_expect(slice_equal(copy, SLICE("abc")), "a large piece leaves the others where they are");
    arena_fini(&arena);
}
