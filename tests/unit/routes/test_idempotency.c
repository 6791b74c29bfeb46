#include "base/buffer.h"
#include "routes/idempotency.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

/* ---- which calls ---- */

static const struct slice methods[] = {SLICE_INIT("POST"), SLICE_INIT("DELETE")};
static const struct slice paths[] = {SLICE_INIT("/v1/*/refunds"), SLICE_INIT("/orders/*")};

Test(idempotency, calls_are_told_by_method_and_path)
{
    static const struct {
        const char *method, *path;
        bool anywhere, listed; /* without and with paths */
    } cases[] = {
        {"POST", "/v1/a/refunds", true, true},    {"DELETE", "/orders/1/items", true, true},
        {"POST", "/orders/", true, true},         {"POST", "/orders", true, false},
        {"POST", "/v1/a/b/refunds", true, false}, {"POST", "", true, false},
        {"GET", "/v1/a/refunds", false, false},   {"post", "/v1/a/refunds", false, false},
    };
    struct profile profile = {.name = "p"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice method = slice_from(cases[i].method);
        struct slice path = slice_from(cases[i].path);
        profile.idempotency = (struct idempotency_facts){
            .header = SLICE("Idempotency-Key"), .methods = methods, .method_count = 2};
        cr_expect_eq(idempotency_applies(&profile, method, path), cases[i].anywhere, "%s %s",
                     cases[i].method, cases[i].path);
        profile.idempotency.paths = paths;
        profile.idempotency.path_count = 2;
        cr_expect_eq(idempotency_applies(&profile, method, path), cases[i].listed, "%s %s",
                     cases[i].method, cases[i].path);
        profile.idempotency.header = SLICE("");
        cr_expect_not(idempotency_applies(&profile, method, path));
        profile.idempotency.member = SLICE("idempotency_key");
        cr_expect_eq(idempotency_applies(&profile, method, path), cases[i].listed);
    }
}

Test(idempotency, a_provider_that_documents_none_takes_none)
{
    const struct profile profile = {.name = "p"};
    cr_expect_not(idempotency_applies(&profile, SLICE("POST"), SLICE("/")));
}

/* ---- keys ---- */

static void expect_key(struct slice tenant, struct slice given, const char *expected)
{
    char key[IDEMPOTENCY_KEY_MAX];
    cr_assert_eq(idempotency_key_of(tenant, given, 255, key), strlen(expected));
    cr_expect(slice_equal(slice_make(key, sizeof(key)), slice_from(expected)), "%.43s", key);
}

/* Made with Python's hashlib and integers: base62(SHA-256(tenant, 0, key)), 43 digits. */
Test(idempotency, keys_are_those_of_the_contract)
{
    expect_key(SLICE("checkout"), SLICE("order-1"), "aDrZkDmPbN5vui81yYHIpCxKL83evFhR22oChRR5scM");
    expect_key(SLICE("billing"), SLICE("order-1"), "PCo9wddLQ5YD6p5ypqUuLirYCv3wOT2ClPVwZfcEAPC");
    expect_key(SLICE("check"), SLICE("out-order-1"), "qf1xbk3tKzTbvfNliK5mWD5QmkT2TodyisSpbfELHmk");
    expect_key(SLICE("checkout"), SLICE(""), "8tWYc7IqmyiK2jUEByaO5CaRQwBXbyLFEfcO9Yg5KNJ");
    /* One that begins with a zero: it is not left out. */
    expect_key(SLICE("checkout"), SLICE("order-47"), "0moJ6Bkzuut5pYhH8B7rkJLzR4rRduegTBEWuVu6Mqo");
}

Test(idempotency, the_longest_names_and_keys_fit)
{
    char tenant[64];
    char given[IDEMPOTENCY_GIVEN_MAX];
    memset(tenant, 't', sizeof(tenant));
    memset(given, 0xff, sizeof(given));
    expect_key(slice_make(tenant, sizeof(tenant)), slice_make(given, sizeof(given)),
               "7frfe689r21yex7SKk0pCe3AHkGGYCxpNiskQrfwuD6");
}

Test(idempotency, keys_are_cut_to_what_the_provider_takes)
{
    static const struct {
        unsigned max_length;
        size_t expected;
    } cases[] = {{20, 20}, {36, 36}, {42, 42}, {43, 43}, {44, 43}, {255, 43}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[IDEMPOTENCY_KEY_MAX];
        cr_expect_eq(
            idempotency_key_of(SLICE("checkout"), SLICE("order-1"), cases[i].max_length, key),
            cases[i].expected);
        cr_expect(slice_starts_with(SLICE("aDrZkDmPbN5vui81yYHIpCxKL83evFhR22oChRR5scM"),
                                    slice_make(key, cases[i].expected)));
    }
}

/* ---- keys in the body ---- */

static const struct slice member = SLICE_INIT("idempotency_key");

Test(idempotency, a_key_is_read_from_the_top_of_the_body)
{
    static const struct {
        const char *body, *key;
    } cases[] = {
        {"{\"idempotency_key\":\"abc\"}", "abc"},
        {" {\"a\":[1,{}], \"idempotency_key\" : \"a b\" }", "a b"},
        {"{\"idempotency\\u005fkey\":\"x\"}", "x"},
        {"{\"idempotency_key\":\"\\u00e9\\n\\\"\\\\\\/\\ud83d\\ude00\"}",
         "\xc3\xa9\n\"\\/\xf0\x9f\x98\x80"},
        {"{}", ""},
        {"{\"idempotency_key\":\"\"}", ""},
        {"{\"idempotency_key\":null}", ""},
        {"{\"a\":{\"idempotency_key\":\"x\"},\"b\":\"idempotency_key\"}", ""},
        {"{\"IDEMPOTENCY_KEY\":\"x\"}", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer key CLEANUP(buffer_fini);
        struct error err = {0};
        buffer_init(&key, IDEMPOTENCY_GIVEN_MAX);
        cr_assert_eq(idempotency_body_key(slice_from(cases[i].body), member, &key, &err), STATUS_OK,
                     "%s: %s", cases[i].body, err.message);
        cr_expect(slice_equal(buffer_bytes(&key), slice_from(cases[i].key)), "%s", cases[i].body);
    }
}

Test(idempotency, a_body_that_can_be_read_in_two_ways_is_refused)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"", "the body: no JSON: the value is not complete"},
        {"idempotency_key=x", "the body: no JSON: a value is expected"},
        {"[\"idempotency_key\",\"x\"]", "the body: no JSON object"},
        {"\"idempotency_key\"", "the body: no JSON object"},
        {"12", "the body: no JSON object"},
        {"{\"idempotency_key\":\"x\"", "the body: no JSON: the value is not complete"},
        {"{\"idempotency_key\":\"x\"}{}", "the body: no JSON: something follows the value"},
        {"{\"idempotency_key\":\"x\",\"idempotency_key\":\"y\"}",
         "the body: \"idempotency_key\" is there twice, and that can be read in two ways: send it "
         "once"},
        {"{\"idempotency_key\":null,\"idempotency\\u005Fkey\":\"y\"}",
         "the body: \"idempotency_key\" is there twice, and that can be read in two ways: send it "
         "once"},
        {"{\"idempotency_key\":7}", "the body's \"idempotency_key\" is no string"},
        {"{\"idempotency_key\":true}", "the body's \"idempotency_key\" is no string"},
        {"{\"idempotency_key\":{\"a\":\"x\"}}", "the body's \"idempotency_key\" is no string"},
        {"{\"idempotency_key\":[\"x\"]}", "the body's \"idempotency_key\" is no string"},
        {"{\"idempotency_key\":\"a\\u0000b\"}", "the body's \"idempotency_key\" has a zero byte"},
        {"{\"idempotency_key\":\"\\ud83d\"}", "the body: no JSON: half a pair of surrogates"},
        {"{\"idempotency_key\":\"\xc3\"}", "the body: no JSON: not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer key CLEANUP(buffer_fini);
        struct error err = {0};
        buffer_init(&key, IDEMPOTENCY_GIVEN_MAX);
        cr_expect_eq(idempotency_body_key(slice_from(cases[i].body), member, &key, &err),
                     STATUS_INVALID, "%s", cases[i].body);
        cr_expect_str_eq(err.message, cases[i].message, "%s: %s", cases[i].body, err.message);
        cr_expect_eq(buffer_len(&key), 0U);
    }
}

/* `count` times `written` as the key; true if it was taken. */
static bool takes_key_of(const char *written, unsigned count, size_t *ret_len)
{
    struct buffer body CLEANUP(buffer_fini);
    struct buffer key CLEANUP(buffer_fini);
    struct error err = {0};
    buffer_init(&body, (size_t)64 * 1024);
    buffer_init(&key, IDEMPOTENCY_GIVEN_MAX);
    cr_assert_eq(buffer_append(&body, SLICE("{\"idempotency_key\":\"")), STATUS_OK);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(buffer_append(&body, slice_from(written)), STATUS_OK);
    }
    cr_assert_eq(buffer_append(&body, SLICE("\"}")), STATUS_OK);
    enum status status = idempotency_body_key(buffer_bytes(&body), member, &key, &err);
    *ret_len = buffer_len(&key);
    if (status != STATUS_OK) {
        cr_expect_eq(status, STATUS_INVALID);
        cr_expect_str_eq(err.message, "the body's \"idempotency_key\" is longer than 1024 bytes");
    }
    return status == STATUS_OK;
}

Test(idempotency, a_key_may_be_as_long_as_is_promised_however_it_is_written)
{
    static const struct {
        const char *written;
        unsigned most; /* times */
    } cases[] = {{"x", 1024}, {"\\u0041", 1024}, {"\xc3\xa9", 512}, {"\\ud83d\\ude00", 256}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = 0;
        cr_expect(takes_key_of(cases[i].written, cases[i].most, &len), "%s", cases[i].written);
        cr_expect_eq(len, 1024U);
        cr_expect_not(takes_key_of(cases[i].written, cases[i].most + 1, &len));
        cr_expect_not(takes_key_of(cases[i].written, cases[i].most * 4, &len));
    }
}

Test(idempotency, a_key_is_written_over_what_is_there_or_first)
{
    static const struct {
        const char *body, *written;
    } cases[] = {
        {"{}", "{\"idempotency_key\":\"K1\"}"},
        {"{\"amount\":1}", "{\"idempotency_key\":\"K1\",\"amount\":1}"},
        {"{\"idempotency_key\":\"long and \\\"old\\\"\",\"amount\":1}",
         "{\"idempotency_key\":\"K1\",\"amount\":1}"},
        {"{\"amount\":1,\"idempotency_key\":null}", "{\"amount\":1,\"idempotency_key\":\"K1\"}"},
        {"{\"a\":{\"idempotency_key\":\"x\"}}",
         "{\"idempotency_key\":\"K1\",\"a\":{\"idempotency_key\":\"x\"}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out CLEANUP(buffer_fini);
        struct buffer key CLEANUP(buffer_fini);
        buffer_init(&out, 1000);
        buffer_init(&key, IDEMPOTENCY_GIVEN_MAX);
        cr_assert_eq(idempotency_body_write(slice_from(cases[i].body), member, SLICE("K1"), &out),
                     STATUS_OK);
        struct slice written = buffer_bytes(&out);
        cr_expect(slice_equal(written, slice_from(cases[i].written)), "%.*s", SLICE_ARG(written));
        cr_assert_eq(idempotency_body_key(written, member, &key, NULL), STATUS_OK);
        cr_expect(slice_equal(buffer_bytes(&key), SLICE("K1")));
    }
}

Test(idempotency, a_written_key_cannot_leave_its_string)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 1000);
    cr_assert_eq(idempotency_body_write(SLICE("{\"amount\":1}"), member,
                                        SLICE("x\",\"amount\":9,\"y\":\"\\"), &out),
                 STATUS_OK);
    cr_expect(slice_equal(
        buffer_bytes(&out),
        SLICE("{\"idempotency_key\":\"x\\\",\\\"amount\\\":9,\\\"y\\\":\\\"\\\\\",\"amount\":1}")));
}

Test(idempotency, a_body_is_not_cut_by_a_full_buffer)
{
    for (size_t max = 0; max < strlen("{\"idempotency_key\":\"K1\",\"a\":1}"); max++) {
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, max);
        cr_expect_eq(idempotency_body_write(SLICE("{\"a\":1}"), member, SLICE("K1"), &out),
                     STATUS_TOO_LARGE);
    }
}
