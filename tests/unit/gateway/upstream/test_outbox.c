#include "gateway/upstream/outbox.h"

#include <criterion/criterion.h>

static struct outbox outbox;

/* Sends all that is there, `step` bytes at a time, behind what is in `out`. */
static void send_all(char *out, size_t size, size_t step)
{
    struct iovec pieces[OUTBOX_PIECES];
    while (!outbox_empty(&outbox)) {
        size_t sent = 0;
        unsigned count = outbox_pieces(&outbox, pieces);
        for (unsigned i = 0; i < count && sent < step; i++) {
            size_t len = pieces[i].iov_len < step - sent ? pieces[i].iov_len : step - sent;
            size_t at = strlen(out);
            cr_assert_lt(at + len, size);
            memcpy(out + at, pieces[i].iov_base, len);
            sent += len;
        }
        outbox_sent(&outbox, sent);
    }
}

struct framing_case {
    enum http1_framing framing;
    const char *held;
    const char *streamed[3];
    const char *expected;
};

static const struct framing_case framing_cases[] = {
    {HTTP1_NO_BODY, "", {NULL}, "HEAD"},
    {HTTP1_LENGTH, "held", {NULL}, "HEADheld"},
    {HTTP1_LENGTH, "held", {"more", "", "rest"}, "HEADheldmorerest"},
    {HTTP1_LENGTH, "", {"more", "rest", NULL}, "HEADmorerest"},
    {HTTP1_CHUNKED, "", {NULL}, "HEAD0\r\n\r\n"},
    {HTTP1_CHUNKED, "held", {NULL}, "HEAD4\r\nheld\r\n0\r\n\r\n"},
    {HTTP1_CHUNKED,
     "held",
     {"0123456789abcdef", "", "z"},
     "HEAD4\r\nheld\r\n10\r\n0123456789abcdef\r\n1\r\nz\r\n0\r\n\r\n"},
};

Test(outbox, frames_a_body_in_steps_of_any_size)
{
    for (size_t i = 0; i < sizeof(framing_cases) / sizeof(framing_cases[0]); i++) {
        const struct framing_case *param = &framing_cases[i];
        for (size_t step = 1; step < 60; step++) {
            char out[256] = "";
            outbox_init(&outbox, SLICE("HEAD"), slice_from(param->held), param->framing,
                        param->streamed[0] == NULL);
            send_all(out, sizeof(out), step);
            for (size_t j = 0; j < 3 && param->streamed[j] != NULL; j++) {
                cr_assert_not(outbox_done(&outbox));
                outbox_write(&outbox, slice_from(param->streamed[j]));
                send_all(out, sizeof(out), step);
            }
            outbox_end(&outbox);
            outbox_end(&outbox); /* once is enough */
            send_all(out, sizeof(out), step);
            cr_expect_str_eq(out, param->expected, "case %zu in steps of %zu", i, step);
            cr_expect(outbox_done(&outbox));
            outbox_fini(&outbox);
        }
    }
}

Test(outbox, can_be_sent_once_more)
{
    char out[64] = "";
    outbox_init(&outbox, SLICE("HEAD"), SLICE("body"), HTTP1_LENGTH, true);
    outbox_sent(&outbox, 6);
    outbox_rewind(&outbox);
    cr_assert_not(outbox_done(&outbox));
    send_all(out, sizeof(out), 100);
    cr_assert_str_eq(out, "HEADbody");
    outbox_fini(&outbox);
}

Test(outbox, keeps_streamed_bytes_when_it_is_sent_once_more)
{
    char out[64] = "";
    outbox_init(&outbox, SLICE("HEAD"), SLICE(""), HTTP1_LENGTH, false);
    outbox_write(&outbox, SLICE("stream"));
    outbox_rewind(&outbox);
    outbox_end(&outbox);
    send_all(out, sizeof(out), 100);
    cr_assert_str_eq(out, "HEADstream");
    outbox_fini(&outbox);
}

Test(outbox, is_bounded_and_always_has_room_for_the_end)
{
    static const char bytes[OUTBOX_STREAM_BYTES];
    static const enum http1_framing framings[] = {HTTP1_LENGTH, HTTP1_CHUNKED};
    for (size_t i = 0; i < 2; i++) {
        for (size_t step = 1; step < 3000; step += 97) {
            outbox_init(&outbox, SLICE("HEAD"), SLICE(""), framings[i], false);
            size_t room;
            while ((room = outbox_room(&outbox)) > 0) {
                outbox_write(&outbox, slice_make(bytes, room < step ? room : step));
            }
            outbox_end(&outbox);
            cr_assert_leq(buffer_len(&outbox.stream), OUTBOX_STREAM_BYTES);
            cr_assert_eq(outbox_room(&outbox), 0);
            outbox_fini(&outbox);
        }
    }
}
