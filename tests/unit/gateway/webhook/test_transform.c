#include "base/buffer.h"
#include "base/memory.h"
#include "config/hook.h"
#include "gateway/webhook/transform.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { OUT_MAX = 64 * 1024 };

/* "-/a/b" drops, "/a>/b" renames. */
static unsigned read_edits(const char *text, struct hook_edit *edits)
{
    unsigned count = 0;
    struct slice rest = slice_from(text);
    while (rest.len > 0) {
        struct slice word = slice_make(rest.ptr, slice_find(rest, ' '));
        rest = slice_skip(rest, word.len + 1);
        size_t arrow = slice_find(word, '>');
        edits[count++] = word.ptr[0] == '-'
                             ? (struct hook_edit){.kind = HOOK_DROP, .from = slice_skip(word, 1)}
                             : (struct hook_edit){.kind = HOOK_RENAME,
                                                  .from = slice_make(word.ptr, arrow),
                                                  .to = slice_skip(word, arrow + 1)};
    }
    return count;
}

struct example {
    const char *edits;
    const char *body;
    const char *expected; /* NULL: as it is */
};

static void check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *example = &examples[i];
        struct hook_edit edits[HOOK_EDITS_MAX];
        struct buffer out CLEANUP(buffer_fini);
        bool changed = example->expected == NULL;
        buffer_init(&out, OUT_MAX);
        cr_assert_eq(transform_body(edits, read_edits(example->edits, edits),
                                    slice_from(example->body), &out, &changed),
                     STATUS_OK);
        struct slice text = buffer_bytes(&out);
        cr_assert_eq(changed, example->expected != NULL, "example %zu: %s", i, example->body);
        cr_assert(slice_equal(text, slice_from(example->expected)), "example %zu: %.*s", i,
                  SLICE_ARG(text));
    }
}

#define CHECK(examples) check(examples, sizeof(examples) / sizeof((examples)[0]))

Test(transform, drops_members_and_items)
{
    static const struct example EXAMPLES[] = {
        {"-/a", "{\"a\":1,\"b\":2}", "{\"b\":2}"},
        {"-/b", "{\"a\":1,\"b\":2}", "{\"a\":1}"},
        {"-/a", "{\"a\":1}", "{}"},
        {"-/a -/b", "{\"a\":1,\"b\":2}", "{}"},
        {"-/a/b", "{\"a\":{\"b\":{\"c\":[1]},\"d\":2},\"e\":3}", "{\"a\":{\"d\":2},\"e\":3}"},
        {"-/a/1", "{\"a\":[10,20,30]}", "{\"a\":[10,30]}"},
        {"-/a/0 -/a/0", "{\"a\":[10,20,30]}", "{\"a\":[30]}"},
        {"-/1/x", "[0,{\"x\":1,\"y\":2}]", "[0,{\"y\":2}]"},
        {"-/a", "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2}"}, /* what is dropped is gone */
        {"-/", "{\"\":1,\"b\":2}", "{\"b\":2}"},
    };
    CHECK(EXAMPLES);
}

Test(transform, renames_members)
{
    static const struct example EXAMPLES[] = {
        {"/a>/z", "{\"a\":1,\"b\":2}", "{\"z\":1,\"b\":2}"}, /* in its place */
        {"/a>/b", "{\"a\":1,\"b\":2}", "{\"b\":1}"},
        {"/b>/a", "{\"a\":1,\"b\":2}", "{\"a\":2}"},
        {"/a>/z", "{\"a\":1,\"a\":2}", "{\"z\":2}"},
        {"/a>/", "{\"\":1,\"a\":2,\"\":3}", "{\"\":2}"},
        {"/>/a", "{\"\":1,\"b\":2,\"\":3}", "{\"b\":2,\"a\":3}"},
        {"/a/b>/c", "{\"a\":{\"b\":[1,2]},\"x\":0}", "{\"a\":{},\"x\":0,\"c\":[1,2]}"},
        {"/a>/b/c", "{\"a\":1,\"b\":{\"c\":5,\"d\":6}}", "{\"b\":{\"d\":6,\"c\":1}}"},
        {"/a/b>/a", "{\"a\":{\"b\":{\"c\":1},\"d\":2}}", "{\"a\":{\"c\":1}}"},
        {"/a/1>/b", "{\"a\":[1,2,3]}", "{\"a\":[1,3],\"b\":2}"},
        {"/a>/b /b>/c", "{\"a\":1}", "{\"c\":1}"}, /* in this order */
        {"/a>/t /b>/a /t>/b", "{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}"},
        {"/a>/q\"\\", "{\"a\":1}", "{\"q\\\"\\\\\":1}"},
    };
    CHECK(EXAMPLES);
}

Test(transform, what_is_not_there_is_no_error)
{
    static const struct example EXAMPLES[] = {
        {"-/c -/a/b -/a/b/c", "{\"a\":1}", NULL},
        {"-/a/3 -/a/01 -/a/- -/a/x", "{\"a\":[1,2,3]}", NULL},
        {"/c>/d", "{\"a\":1}", NULL},
        {"/a>/b/c", "{\"a\":1}", NULL},            /* no such parent */
        {"/a>/b/c", "{\"a\":1,\"b\":[1]}", NULL},  /* an array has no names */
        {"/a>/a/b", "{\"a\":{\"c\":1}}", NULL},    /* into itself */
        {"/a>/a/b/c", "{\"a\":{\"b\":{}}}", NULL}, /* likewise */
        {"-/a", "\"text\"", NULL},
        {"-/a", "17", NULL},
        {"-/a", "[{\"a\":1}]", NULL},
        {"", "{\"a\":1}", NULL},
    };
    CHECK(EXAMPLES);
}

Test(transform, what_is_no_json_passes_as_it_is)
{
    static const struct example EXAMPLES[] = {
        {"-/a", "", NULL},           {"-/a", "a=1&b=2", NULL},    {"-/a", "{\"a\":1", NULL},
        {"-/a", "{\"a\":1}x", NULL}, {"-/a", "{\"a\":01}", NULL}, {"-/a", "{\"a\":\"\xff\"}", NULL},
    };
    CHECK(EXAMPLES);
}

Test(transform, every_value_keeps_its_bytes)
{
    static const struct example EXAMPLES[] = {
        {"-/x", "{\"x\":0,\"id\":12345678901234567890123,\"d\":0.10000000000000000001,\"e\":1E400}",
         "{\"id\":12345678901234567890123,\"d\":0.10000000000000000001,\"e\":1E400}"},
        {"/n>/m", "{\"n\":-0.0,\"s\":\"\\u00e9\\/\\ud83d\\ude00\"}",
         "{\"m\":-0.0,\"s\":\"\\u00e9\\/\\ud83d\\ude00\"}"},
        {"-/x", " { \"x\" : 1 , \"y\" : { \"z\" : [ 1 , 2 ] } , \"w\":null }\r\n",
         "{\"y\":{ \"z\" : [ 1 , 2 ] },\"w\":null}"},
        {"-/a/x", "{\"a\":{\"x\":1,\"y\":  2},\"b\": { \"x\" : 1 }}",
         "{\"a\":{\"y\":2},\"b\":{ \"x\" : 1 }}"},
    };
    CHECK(EXAMPLES);
}

Test(transform, names_are_compared_as_what_they_mean)
{
    static const struct example EXAMPLES[] = {
        {"-/a", "{\"\\u0061\":1,\"b\":2}", "{\"b\":2}"},
        {"-/a~1b", "{\"a/b\":1,\"c\":2}", "{\"c\":2}"},
        {"-/a~1b", "{\"a\\/b\":1,\"c\":2}", "{\"c\":2}"},
        {"-/a~0b", "{\"a~b\":1,\"c\":2}", "{\"c\":2}"},
        {"-/~01", "{\"~1\":1,\"/\":2}", "{\"/\":2}"},
        {"-/\xc3\xa9", "{\"\\u00e9\":1,\"c\":2}", "{\"c\":2}"},
        {"-/A", "{\"a\":1}", NULL},
    };
    CHECK(EXAMPLES);
}

Test(transform, a_long_name_is_never_found)
{
    char edit[400];
    char body[400];
    struct example example = {edit, body, NULL};
    (void)snprintf(edit, sizeof(edit), "-/%0300d", 1);
    (void)snprintf(body, sizeof(body), "{\"%0300d\":1}", 1);
    check(&example, 1);
}

/* So what one body may take of memory is bounded. */
Test(transform, too_many_members_are_refused)
{
    size_t count = TRANSFORM_MEMBERS_MAX + 1;
    char *body = memory_alloc(2 * count + 2);
    body[0] = '[';
    for (size_t i = 0; i < count; i++) {
        memcpy(body + 1 + 2 * i, "1,", 2);
    }
    body[2 * count] = ']';
    struct hook_edit edit = {.kind = HOOK_DROP, .from = SLICE("/0")};
    struct buffer out CLEANUP(buffer_fini);
    bool changed;
    buffer_init(&out, 4 * count);
    struct slice text = slice_make(body, 2 * count + 1);
    cr_assert_eq(transform_body(&edit, 1, text, &out, &changed), STATUS_TOO_LARGE);
    memory_free(body);
}

Test(transform, a_full_buffer_is_said)
{
    struct hook_edit edit = {.kind = HOOK_DROP, .from = SLICE("/a")};
    struct buffer out CLEANUP(buffer_fini);
    bool changed;
    buffer_init(&out, 5);
    cr_assert_eq(transform_body(&edit, 1, SLICE("{\"a\":1,\"b\":2}"), &out, &changed),
                 STATUS_TOO_LARGE);
}
