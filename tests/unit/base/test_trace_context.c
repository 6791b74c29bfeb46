#include "base/http1.h"
#include "base/trace_context.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"
#define OWN   "00112233445566778899aabbccddeeff"

static struct http1_field field(const char *name, const char *value)
{
    struct slice text = slice_from(name);
    return (struct http1_field){
        .name = text, .value = slice_from(value), .hash = http1_name_hash(text)};
}

static void expect_text(struct slice text, const char *wanted)
{
    cr_expect(slice_equal(text, slice_from(wanted)), "\"%.*s\" is \"%s\"", SLICE_ARG(text), wanted);
}

Test(trace_context, the_name_s_hash_is_the_codec_s)
{
    cr_expect_eq(http1_name_hash(SLICE("traceparent")), TRACE_PARENT_HASH);
    cr_expect_eq(http1_name_hash(SLICE("TraceParent")), TRACE_PARENT_HASH);
}

struct valid {
    const char *value;
    bool sampled;
};

Test(trace_context, a_traceparent_says_trace_parent_and_flag)
{
    static const struct valid cases[] = {
        {"00-" TRACE "-" SPAN "-01", true},
        {"00-" TRACE "-" SPAN "-00", false},
        {"00-" TRACE "-" SPAN "-03", true}, /* flags that are not known yet */
        {"00-" TRACE "-" SPAN "-fe", false},
        {"01-" TRACE "-" SPAN "-01", true}, /* later versions: what is known of 00, and more */
        {"cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", true},
        {"fe-" TRACE "-" SPAN "-01-", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct trace_parent parent = {0};
        cr_assert(trace_parent_read(slice_from(cases[i].value), &parent), "%s", cases[i].value);
        expect_text(parent.trace_id, TRACE);
        expect_text(parent.span_id, SPAN);
        cr_expect_eq(parent.sampled, cases[i].sampled, "%s", cases[i].value);
    }
}

Test(trace_context, anything_else_is_no_traceparent)
{
    static const char *const cases[] = {
        "",
        "00",
        TRACE,
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01.",
        "00-" TRACE "-" SPAN "-01-more",
        "cc-" TRACE "-" SPAN "-01.more",
        "cc-" TRACE "-" SPAN "-011",
        "ff-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-001",
        "0G-" TRACE "-" SPAN "-01",
        "0A-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-" SPAN "-01x",
        "00-0af7651916cd43dd8448eb211c80319g-" SPAN "-01",
        "00-" TRACE "-b7ad6b716920333.-01",
        "00-" TRACE "-" SPAN "-0x",
        "00-" TRACE "-" SPAN "-0F",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "00-" TRACE "-" SPAN "-01,00-" TRACE "-" SPAN "-01",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct trace_parent parent = {0};
        cr_expect_not(trace_parent_read(slice_from(cases[i]), &parent), "%s", cases[i]);
        cr_expect_eq(parent.trace_id.len, 0U, "nothing was set: %s", cases[i]);
    }
}

Test(trace_context, what_is_written_is_read)
{
    char text[TRACE_PARENT_LEN];
    struct trace_parent parent;
    for (unsigned sampled = 0; sampled < 2; sampled++) {
        trace_parent_write(SLICE(TRACE), SLICE(SPAN), sampled != 0, text);
        cr_assert(trace_parent_read(slice_make(text, sizeof(text)), &parent));
        expect_text(parent.trace_id, TRACE);
        expect_text(parent.span_id, SPAN);
        cr_expect_eq(parent.sampled, sampled != 0);
        cr_expect_eq(text[1], '0');
    }
}

Test(trace_context, a_trace_is_continued)
{
    const struct http1_field fields[] = {field("Host", "a"),
                                         field("TraceParent", "00-" TRACE "-" SPAN "-01")};
    struct trace_context context;
    trace_context_read(fields, COUNT(fields), OWN, &context);
    expect_text(context.trace_id, TRACE);
    expect_text(context.parent_id, SPAN);
    expect_text(context.span_id, "0011223344556677");
    expect_text(context.call_id, "8899aabbccddeeff");
    cr_expect(context.sampled);
}

static void expect_begun(const struct http1_field *fields, unsigned count)
{
    struct trace_context context;
    char state[TRACE_STATE_MAX];
    trace_context_read(fields, count, OWN, &context);
    expect_text(context.trace_id, OWN);
    expect_text(context.span_id, "0011223344556677");
    cr_expect_eq(context.parent_id.len, 0U);
    cr_expect_not(context.sampled);
    cr_expect_eq(trace_state_read(fields, count, state), 0U);
}

Test(trace_context, a_trace_begins_where_none_or_a_broken_or_a_double_one_came)
{
    const struct http1_field none[] = {field("tracestate", "a=1")};
    const struct http1_field broken[] = {field("traceparent", "00-" TRACE "-" SPAN "-1"),
                                         field("tracestate", "a=1")};
    const struct http1_field twice[] = {field("traceparent", "00-" TRACE "-" SPAN "-01"),
                                        field("tracestate", "a=1"),
                                        field("Traceparent", "00-" TRACE "-" SPAN "-01")};
    expect_begun(none, 0);
    expect_begun(none, COUNT(none));
    expect_begun(broken, COUNT(broken));
    expect_begun(twice, COUNT(twice));
}

static void expect_state(const char *first, const char *second, const char *wanted)
{
    const struct http1_field fields[] = {field("tracestate", first),
                                         field("traceparent", "00-" TRACE "-" SPAN "-00"),
                                         field("TraceState", second)};
    char state[TRACE_STATE_MAX];
    size_t len = trace_state_read(fields, COUNT(fields), state);
    expect_text(slice_make(state, len), wanted);
}

Test(trace_context, a_tracestate_stays_as_it_is)
{
    expect_state("", "", "");
    expect_state("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "",
                 "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
    expect_state("a=1", "b=2", "a=1,b=2");
    expect_state("a=1, b=2 ,\t,", " ,c=3", "a=1,b=2,c=3");
    expect_state("a=\xc3\xa9", "b=2", "");
    expect_state("a=1", "b=\x7f", "");
}

/* `count` bytes in members of ten: "aaaaaaaaa,". */
static void fill(char *out, size_t count)
{
    memset(out, 'a', count);
    for (size_t i = 9; i < count; i += 10) {
        out[i] = ',';
    }
    out[count] = '\0';
}

Test(trace_context, a_long_tracestate_loses_whole_members_at_its_end)
{
    char text[2 * TRACE_STATE_MAX + 1];
    char state[TRACE_STATE_MAX];
    for (size_t len = TRACE_STATE_MAX - 20; len <= sizeof(text) - 1; len++) {
        fill(text, len);
        const struct http1_field fields[] = {field("traceparent", "00-" TRACE "-" SPAN "-00"),
                                             field("tracestate", text)};
        size_t got = trace_state_read(fields, COUNT(fields), state);
        size_t wanted = len <= TRACE_STATE_MAX ? len - (text[len - 1] == ',') : 509;
        cr_assert_eq(got, wanted, "%zu of %zu", got, len);
        cr_assert_eq(memcmp(state, text, got), 0);
    }
    memset(text, 'a', sizeof(text) - 1);
    const struct http1_field whole[] = {field("traceparent", "00-" TRACE "-" SPAN "-00"),
                                        field("tracestate", text)};
    cr_expect_eq(trace_state_read(whole, COUNT(whole), state), 0U);
}
