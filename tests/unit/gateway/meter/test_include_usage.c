#include "base/memory.h"
#include "gateway/meter/request_facts.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

enum { WRITTEN_MAX = 1024 };

static const struct call *chat(void)
{
    static struct arena arena;
    static struct profile_set set;
    if (set.count == 0) {
        cr_assert_eq(profile_set_load(&arena, &set, NULL), STATUS_OK);
    }
    return call_find(profile_find(&set, SLICE("openai")), SLICE("POST"),
                     SLICE("/v1/chat/completions"));
}

struct write_case {
    const char *body, *wanted;
};

Test(include_usage, it_is_put_in_and_all_other_bytes_stay)
{
    static const struct write_case cases[] = {
        {"{\"stream\":true}", "{\"stream_options\":{\"include_usage\":true},\"stream\":true}"},
        {" {\r\n \"stream\" : true }\n",
         " {\"stream_options\":{\"include_usage\":true},\r\n \"stream\" : true }\n"},
        {"{\"stream\":true,\"stream_options\":null}",
         "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {"{\"stream_options\" : {}, \"stream\":true}",
         "{\"stream_options\" : {\"include_usage\":true}, \"stream\":true}"},
        {"{\"stream_options\":{ \"include_obfuscation\": false },\"stream\":true}",
         "{\"stream_options\":{\"include_usage\":true, \"include_obfuscation\": false "
         "},\"stream\":true}"},
        {"{\"stream_options\":{\"x\":{\"include_usage\":true}},\"stream\":true}",
         "{\"stream_options\":{\"include_usage\":true,\"x\":{\"include_usage\":true}},\"stream\":"
         "true}"},
        {"{\"stream\":true,\"stream_options\":{\"a\":1,\"include_usage\" : false ,\"b\":2}}",
         "{\"stream\":true,\"stream_options\":{\"a\":1,\"include_usage\" : true ,\"b\":2}}"},
        {"{\"stream\":true,\"stream_options\":{\"include_usage\":null}}",
         "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {"{\"stream\":true,\"stream\\u005foptions\":{\"include\\u005fusage\":false}}",
         "{\"stream\":true,\"stream\\u005foptions\":{\"include\\u005fusage\":true}}"},
        {"{\"messages\":[{\"stream_options\":{}}],\"stream\":true,\"user\":\"\\ud83d\\ude00\"}",
         "{\"stream_options\":{\"include_usage\":true},\"messages\":[{\"stream_options\":{}}],"
         "\"stream\":true,\"user\":\"\\ud83d\\ude00\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request_facts facts;
        struct buffer out CLEANUP(buffer_fini);
        struct slice body = slice_from(cases[i].body);
        buffer_init(&out, body.len + INCLUDE_USAGE_MAX);
        cr_assert_eq(request_facts_read(chat(), body, &facts, NULL), STATUS_OK);
        cr_expect(facts.stream && !facts.include_usage, "%s", cases[i].body);
        cr_assert_eq(request_write_include_usage(body, &out), STATUS_OK);
        struct slice written = buffer_bytes(&out);
        cr_expect(slice_equal(written, slice_from(cases[i].wanted)), "%.*s", SLICE_ARG(written));
        cr_assert_eq(request_facts_read(chat(), written, &facts, NULL), STATUS_OK);
        cr_expect(facts.stream && facts.include_usage, "%.*s", SLICE_ARG(written));
    }
}

/* Such a request is refused by the provider, or by a quota, as it came. */
Test(include_usage, it_is_not_put_into_what_can_be_read_in_two_ways)
{
    static const char *const bodies[] = {
        "{\"stream_options\":3,\"stream\":true}",
        "{\"stream_options\":[{}],\"stream\":true}",
        "{\"stream_options\":\"{}\",\"stream\":true}",
        "{\"stream_options\":{},\"stream\":true,\"stream_options\":{}}",
        "{\"stream_options\":{\"include_usage\":false,\"include_usage\":false},\"stream\":true}",
        "{\"stream\":true",
        "[]",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct request_facts facts;
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, WRITTEN_MAX);
        cr_expect_eq(request_write_include_usage(slice_from(bodies[i]), &out), STATUS_INVALID, "%s",
                     bodies[i]);
        cr_expect_eq(request_facts_read(chat(), slice_from(bodies[i]), &facts, NULL),
                     STATUS_INVALID, "%s", bodies[i]);
    }
}

Test(include_usage, it_is_not_cut_by_a_full_buffer)
{
    static const char body[] = "{\"stream\":true,\"stream_options\":{\"a\":1}}";
    for (size_t max = 0; max < sizeof(body) - 1 + SLICE("\"include_usage\":true,").len; max++) {
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, max);
        cr_expect_eq(request_write_include_usage(slice_from(body), &out), STATUS_TOO_LARGE);
    }
}
