#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/observe/webhook_log.h"

#include <criterion/criterion.h>

static void expect(const struct webhook_record *record, const char *line)
{
    struct buffer out;
    buffer_init(&out, 64 * 1024);
    cr_assert(webhook_log_format(record, &out));
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(line)), "%.*s",
              SLICE_ARG(buffer_bytes(&out)));
    buffer_fini(&out);
}

Test(webhook_log, a_line_tells_what_came_and_what_became_of_it)
{
    expect(&(struct webhook_record){.id = SLICE("msg_1"),
                                    .source = "192.0.2.1",
                                    .hook = "stripe",
                                    .provider = SLICE("stripe"),
                                    .event_id = SLICE("evt_1"),
                                    .event_type = SLICE("invoice.paid"),
                                    .outcome = "accepted",
                                    .method = SLICE("POST"),
                                    .path = SLICE("/hooks/stripe"),
                                    .status = 200,
                                    .request_bytes = 12,
                                    .duration = 1500},
           "{\"time\":\"1970-01-01T00:00:00.000Z\",\"source\":\"192.0.2.1\",\"hook\":\"stripe\","
           "\"provider\":\"stripe\",\"webhook_id\":\"msg_1\",\"event_id\":\"evt_1\","
           "\"event_type\":\"invoice.paid\",\"outcome\":\"accepted\",\"method\":\"POST\","
           "\"path\":\"/hooks/stripe\",\"status\":200,\"request_bytes\":12,"
           "\"duration_ms\":1.500}\n");
}

Test(webhook_log, what_the_sender_has_written_stays_in_its_text)
{
    expect(&(struct webhook_record){.source = "unix",
                                    .hook = "",
                                    .event_id = SLICE("\"},\n{\x01"),
                                    .event_type = SLICE("\xff\xfe"),
                                    .outcome = "refused",
                                    .reason = "signature_mismatch",
                                    .detail = "",
                                    .duration = -1},
           "{\"time\":\"1970-01-01T00:00:00.000Z\",\"source\":\"unix\","
           "\"event_id\":\"\\\"},\\n{\\u0001\",\"event_type\":\"\xef\xbf\xbd\xef\xbf\xbd\","
           "\"outcome\":\"refused\",\"reason\":\"signature_mismatch\",\"status\":0,"
           "\"request_bytes\":0}\n");
}

Test(webhook_log, long_texts_are_cut_and_fit)
{
    char *path = memory_alloc(100 * 1024);
    struct buffer out;
    memset(path, 1, 100 * 1024);
    buffer_init(&out, 64 * 1024);
    const struct webhook_record record = {.source = "unix",
                                          .hook = "a",
                                          .outcome = "refused",
                                          .method = slice_make(path, 100 * 1024),
                                          .path = slice_make(path, 100 * 1024)};
    cr_assert(webhook_log_format(&record, &out));
    cr_expect_lt(buffer_len(&out), (size_t)(6 * (2048 + 64) + 300));
    buffer_fini(&out);
    buffer_init(&out, 100);
    cr_expect_not(webhook_log_format(&record, &out), "it is lost, whole");
    cr_expect_eq(buffer_len(&out), 0U);
    buffer_fini(&out);
    memory_free(path);
}
