#include "base/buffer.h"

#include <stdint.h>

#include <criterion/criterion.h>

static void expect_bytes(const struct buffer *buffer, const char *text)
{
    cr_expect(slice_equal(buffer_bytes(buffer), slice_from(text)), "'%.*s'",
              SLICE_ARG(buffer_bytes(buffer)));
}

Test(buffer, an_empty_one_owns_nothing)
{
    struct buffer buffer;
    buffer_init(&buffer, 10);
    cr_expect_null(buffer.ptr);
    cr_expect_eq(buffer_len(&buffer), 0);
    cr_expect_eq(buffer_room(&buffer), 10);
    cr_expect_not_null(buffer_bytes(&buffer).ptr);
    buffer_fini(&buffer);
}

Test(buffer, appends_at_the_back_and_consumes_from_the_front)
{
    struct buffer buffer;
    buffer_init(&buffer, 100);
    cr_assert_eq(buffer_append(&buffer, SLICE("hello ")), STATUS_OK);
    cr_assert_eq(buffer_append(&buffer, SLICE("world")), STATUS_OK);
    cr_assert_eq(buffer_append(&buffer, SLICE("")), STATUS_OK);
    buffer_consume(&buffer, 6);
    expect_bytes(&buffer, "world");
    cr_assert_eq(buffer_print(&buffer, " %d", 42), STATUS_OK);
    expect_bytes(&buffer, "world 42");
    buffer_consume(&buffer, 8);
    cr_expect_eq(buffer.start, 0, "an empty buffer begins at its front");
    buffer_fini(&buffer);
}

Test(buffer, maximum_holds_to_the_byte_and_refusals_change_nothing)
{
    struct buffer buffer;
    buffer_init(&buffer, 5);
    cr_assert_eq(buffer_append(&buffer, SLICE("123")), STATUS_OK);
    cr_expect_eq(buffer_append(&buffer, SLICE("456")), STATUS_TOO_LARGE);
    cr_expect_eq(buffer_print(&buffer, "%s", "456"), STATUS_TOO_LARGE);
    cr_expect_eq(buffer_reserve(&buffer, SIZE_MAX), STATUS_TOO_LARGE);
    expect_bytes(&buffer, "123");
    cr_expect_eq(buffer_print(&buffer, "%s", "45"), STATUS_OK);
    expect_bytes(&buffer, "12345");
    cr_expect_eq(buffer.max, 5);
    cr_expect_eq(buffer_room(&buffer), 0);
    cr_expect_eq(buffer_append(&buffer, SLICE("6")), STATUS_TOO_LARGE);
    buffer_consume(&buffer, 1);
    cr_expect_eq(buffer_append(&buffer, SLICE("6")), STATUS_OK);
    expect_bytes(&buffer, "23456");
    buffer_fini(&buffer);
}

Test(buffer, bytes_survive_growing_and_moving)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    char next_in = 0;
    char next_out = 0;
    for (unsigned round = 0; round < 500; round++) {
        char bytes[37];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = next_in++;
        }
        cr_assert_eq(buffer_append(&buffer, slice_make(bytes, sizeof(bytes))), STATUS_OK);
        for (unsigned i = 0; i < round % 50 && buffer_len(&buffer) > 0; i++) {
            cr_assert_eq(buffer_bytes(&buffer).ptr[0], next_out++);
            buffer_consume(&buffer, 1);
        }
    }
    while (buffer_len(&buffer) > 0) {
        cr_assert_eq(buffer_bytes(&buffer).ptr[0], next_out++);
        buffer_consume(&buffer, 1);
    }
    cr_expect_eq(next_in, next_out);
    buffer_fini(&buffer);
}

Test(buffer, reserved_room_is_written_in_place)
{
    struct buffer buffer;
    buffer_init(&buffer, 2000);
    cr_assert_eq(buffer_reserve(&buffer, 1000), STATUS_OK);
    cr_expect_geq(buffer_tail_room(&buffer), 1000);
    memset(buffer_tail(&buffer), 'x', 1000);
    buffer_commit(&buffer, 3);
    expect_bytes(&buffer, "xxx");
    buffer_fini(&buffer);
}

Test(buffer, reset_gives_memory_back_and_keeps_the_maximum)
{
    struct buffer buffer;
    buffer_init(&buffer, 5);
    cr_assert_eq(buffer_append(&buffer, SLICE("12345")), STATUS_OK);
    buffer_reset(&buffer);
    cr_expect_null(buffer.ptr);
    cr_expect_eq(buffer_append(&buffer, SLICE("123456")), STATUS_TOO_LARGE);
    cr_expect_eq(buffer_append(&buffer, SLICE("54321")), STATUS_OK);
    expect_bytes(&buffer, "54321");
    buffer_fini(&buffer);
}

Test(buffer, wiped_is_empty_and_may_be_so_twice)
{
    struct buffer buffer;
    buffer_init(&buffer, 100);
    cr_assert_eq(buffer_append(&buffer, SLICE("secret")), STATUS_OK);
    buffer_wipe(&buffer);
    cr_expect_null(buffer.ptr);
    buffer_wipe(&buffer);
    cr_expect_eq(buffer_len(&buffer), 0);
}
