#include "auth/outbound/signer.h"
#include "auth/outbound/signer_internal.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>

/* ---- a request of a test ---- */

struct scene {
    struct signing_rule rule;
    struct slice secret;
    struct signing_keys *keys;
    char hash[2 * SHA256_BYTES];
    struct buffer out;
    struct sigv4_seed seed;
};

static void begin(struct scene *scene)
{
    *scene = (struct scene){
        .rule = {.scheme = SIGNER_AWS_SIGV4,
                 .region = SLICE("us-east-1"),
                 .service = SLICE("service")},
        .secret = SLICE("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        .keys = signing_keys_new(),
    };
    buffer_init(&scene->out, (size_t)64 * 1024);
}

static void end(struct scene *scene)
{
    signing_keys_free(scene->keys);
    buffer_fini(&scene->out);
}

static enum status sign(struct scene *scene, struct slice head, struct slice body, usec_t now)
{
    struct signing_field fields[SIGNING_FIELDS_MAX];
    struct signing_request request = {.body = body, .now = now};
    unsigned char hash[SHA256_BYTES];
    digest_sha256(body, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), scene->hash);
    request.payload = slice_make(scene->hash, sizeof(scene->hash));
    cr_assert(signer_read_head(head, fields, &request) == STATUS_OK);
    buffer_consume(&scene->out, buffer_len(&scene->out));
    return signer_sign(&scene->rule, scene->secret, scene->keys, &request, &scene->out,
                       &scene->seed);
}

static const usec_t suite_time = 1440938160 * SEC;

/* The value behind `mark` in the lines that were written, up to a comma or the line's end. */
static struct slice said(const struct scene *scene, const char *mark)
{
    struct slice text = buffer_bytes(&scene->out);
    struct slice wanted = slice_from(mark);
    while (text.len > 0 && !slice_starts_with(text, wanted)) {
        text = slice_skip(text, 1);
    }
    text = slice_skip(text, wanted.len);
    size_t end = 0;
    while (end < text.len && text.ptr[end] != ',' && text.ptr[end] != '\r') {
        end++;
    }
    return slice_make(text.ptr, end);
}

static void expect_said(const struct scene *scene, const char *mark, const char *value,
                        const char *what)
{
    struct slice found = said(scene, mark);
    cr_expect(slice_equal(found, slice_from(value)), "%s: %s%.*s, not %s", what, mark,
              SLICE_ARG(found), value);
}

/* The path and the query as they are signed, and the fields. */
static void expect_canonical(struct slice head, bool as_s3, const char *expected)
{
    struct signing_rule rule = {.scheme = SIGNER_AWS_SIGV4, .as_s3 = as_s3};
    struct signing_field fields[SIGNING_FIELDS_MAX];
    struct signing_request request = {.payload = SLICE("x")};
    struct slice names;
    struct buffer out;
    buffer_init(&out, (size_t)64 * 1024);
    cr_assert(signer_read_head(head, fields, &request) == STATUS_OK);
    cr_assert(sigv4_canonical(&rule, &request, fields, request.field_count, &out, &names) ==
              STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(expected)), "%.*s\nis\n%.*s\nnot\n%s",
              SLICE_ARG(head), SLICE_ARG(buffer_bytes(&out)), expected);
    buffer_fini(&out);
}

/* ---- published examples ---- */

static struct slice text_of(const struct cJSON *object, const char *name)
{
    struct slice text = {NULL, 0};
    (void)json_string(json_get(object, name), &text);
    return text;
}

static void run_case(const struct cJSON *root, const struct cJSON *item)
{
    struct scene scene;
    begin(&scene);
    struct slice name = text_of(item, "name");
    bool s3 = json_get(item, "s3") != NULL;
    const struct cJSON *whose = json_get(root, s3 ? "s3" : "suite");
    struct slice token = text_of(item, "token");
    uint64_t time = 0;
    cr_assert(json_uint(json_get(whose, "time"), &time));
    scene.rule.region = text_of(whose, "region");
    scene.rule.service = text_of(whose, "service");
    scene.rule.as_s3 = s3;

    struct buffer secret;
    struct buffer head;
    buffer_init(&secret, 1024);
    buffer_init(&head, (size_t)16 * 1024);
    cr_assert(buffer_print(&secret, "%.*s:%.*s%s%.*s", SLICE_ARG(text_of(whose, "id")),
                           SLICE_ARG(text_of(whose, "secret")), token.len > 0 ? ":" : "",
                           SLICE_ARG(token)) == STATUS_OK);
    cr_assert(buffer_print(&head, "%.*s HTTP/1.1\r\n", SLICE_ARG(text_of(item, "start"))) ==
              STATUS_OK);
    for (const struct cJSON *field = json_first(json_get(item, "fields")); field != NULL;
         field = json_next(field)) {
        struct slice line = {NULL, 0};
        cr_assert(json_string(field, &line));
        cr_assert(buffer_print(&head, "%.*s\r\n", SLICE_ARG(line)) == STATUS_OK);
    }
    scene.secret = buffer_bytes(&secret);
    cr_expect(sign(&scene, buffer_bytes(&head), text_of(item, "body"), (usec_t)time * SEC) ==
              STATUS_OK);
    expect_said(&scene, "SignedHeaders=", text_of(item, "signed").ptr, name.ptr);
    expect_said(&scene, "Signature=", text_of(item, "signature").ptr, name.ptr);
    buffer_fini(&secret);
    buffer_fini(&head);
    end(&scene);
}

Test(sigv4, agrees_with_published_examples)
{
    static const struct json_limits limits = {
        .bytes = (size_t)256 * 1024, .depth = 8, .names = JSON_NAMES_ONCE};
    struct error err;
    struct buffer text;
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    buffer_init(&text, (size_t)256 * 1024);
    cr_assert(file_read(SIGNATURE_DATA "/aws-sigv4.json", FILE_REGULAR, &text, &err) == STATUS_OK,
              "%s", err.message);
    cr_assert(json_parse(buffer_bytes(&text), &limits, &root, &err) == STATUS_OK, "%s",
              err.message);
    unsigned count = 0;
    for (const struct cJSON *item = json_first(json_get(root, "cases")); item != NULL;
         item = json_next(item)) {
        run_case(root, item);
        count++;
    }
    cr_expect(count > 25);
    buffer_fini(&text);
}

/* ---- paths ---- */

Test(sigv4, a_path_of_s3_is_encoded_once_and_kept)
{
    static const char *const cases[][2] = {
        {"/a%20b", "/a%20b"},       {"/a+b", "/a%2Bb"},     {"/a%2bb", "/a%2Bb"},
        {"//a//b", "//a//b"},       {"/100%25", "/100%25"}, {"/%C3%A4", "/%C3%A4"},
        {"/%7Ea", "/~a"},           {"/a/b%2Fc", "/a/b/c"}, {"/a/./b", "/a/./b"},
        {"/a'(b)", "/a%27%28b%29"}, {"/a%zz", "/a%25zz"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char head[128];
        char expected[256];
        (void)snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: h\r\n", cases[i][0]);
        (void)snprintf(expected, sizeof(expected), "GET\n%s\n\nhost:h\n\nhost\nx", cases[i][1]);
        expect_canonical(slice_from(head), true, expected);
    }
}

Test(sigv4, a_path_of_other_services_is_resolved_and_encoded_twice)
{
    static const char *const cases[][2] = {
        {"/a%20b", "/a%2520b"},
        {"/model/anthropic.claude-v2%3A1/invoke", "/model/anthropic.claude-v2%253A1/invoke"},
        {"//a//b/", "/a/b/"},
        {"/a/../../b", "/b"},
        {"/a/..", "/"},
        {"/a/b/.", "/a/b/"},
        {"/", "/"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char head[128];
        char expected[256];
        (void)snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: h\r\n", cases[i][0]);
        (void)snprintf(expected, sizeof(expected), "GET\n%s\n\nhost:h\n\nhost\nx", cases[i][1]);
        expect_canonical(slice_from(head), false, expected);
    }
}

/* ---- queries ---- */

Test(sigv4, a_query_is_decoded_encoded_and_sorted)
{
    static const char *const cases[][2] = {
        {"b=2&a=1", "a=1&b=2"},
        {"a=%2f&a=.", "a=%2F&a=."}, /* sorted as they are encoded */
        {"a=2&a=1&a=10", "a=1&a=10&a=2"},
        {"acl", "acl="},
        {"a=&b", "a=&b="},
        {"&&a=1&", "a=1"},
        {"q=a+b", "q=a%20b"},
        {"q=a%20b", "q=a%20b"},
        {"q=a%2Bb", "q=a%2Bb"},
        {"q=a=b", "q=a%3Db"},
        {"q=%zz", "q=%25zz"},
        {"q=~%7e", "q=~~"},
        {"a-b=1&a=2", "a=2&a-b=1"}, /* by name, not by the whole pair */
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char head[128];
        char expected[256];
        (void)snprintf(head, sizeof(head), "GET /?%s HTTP/1.1\r\nHost: h\r\n", cases[i][0]);
        (void)snprintf(expected, sizeof(expected), "GET\n/\n%s\nhost:h\n\nhost\nx", cases[i][1]);
        expect_canonical(slice_from(head), true, expected);
    }
}

Test(sigv4, a_query_of_many_parameters_is_sorted_as_one_of_few)
{
    char head[1024] = "GET /?";
    char expected[1024] = "GET\n/\n";
    for (int i = 39; i >= 0; i--) {
        (void)snprintf(head + strlen(head), 32, "k%02d=%d%s", i, i, i > 0 ? "&" : "");
    }
    for (int i = 0; i < 40; i++) {
        (void)snprintf(expected + strlen(expected), 32, "k%02d=%d%s", i, i, i < 39 ? "&" : "");
    }
    (void)strcat(head, " HTTP/1.1\r\nHost: h\r\n");
    (void)strcat(expected, "\nhost:h\n\nhost\nx");
    expect_canonical(slice_from(head), true, expected);
}

/* ---- fields ---- */

Test(sigv4, fields_are_lower_case_sorted_and_folded)
{
    expect_canonical(SLICE("GET / HTTP/1.1\r\nX-B:  two   blanks\t here \r\nHost: h\r\nX-A: 1\r\n"
                           "x-b: again\r\nX-C:\r\n"),
                     false,
                     "GET\n/\n\nhost:h\nx-a:1\nx-b:two blanks here,again\nx-c:\n\n"
                     "host;x-a;x-b;x-c\nx");
}

Test(sigv4, what_those_on_the_way_may_change_is_not_signed)
{
    expect_canonical(SLICE("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: x\r\nVia: x\r\n"
                           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                           "X-Amzn-Trace-Id: x\r\nX-Forwarded-For: x\r\nSec-Fetch-Mode: x\r\n"
                           "traceparent: x\r\nX-Amz-Target: T\r\n"),
                     false, "GET\n/\n\nhost:h\nx-amz-target:T\n\nhost;x-amz-target\nx");
}

/* ---- secrets ---- */

Test(sigv4, a_secret_that_could_end_a_header_or_a_scope_is_refused)
{
    static const struct slice bad[] = {
        SLICE_INIT(""),
        SLICE_INIT("AKID"),
        SLICE_INIT(":secret"),
        SLICE_INIT("AKID:"),
        SLICE_INIT("AK\r\nX: y:s"),
        SLICE_INIT("AK/ID:s"),
        SLICE_INIT("AK,ID:s"),
        SLICE_INIT("AK ID:s"),
        SLICE_INIT("AKID:s\n"),
        SLICE_INIT("AKID:s:t\r\nX-Evil: 1"),
        SLICE_INIT("AKID::token"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct scene scene;
        struct error err;
        begin(&scene);
        scene.secret = bad[i];
        cr_expect(signer_check_secret(&scene.rule, bad[i], &err) == STATUS_INVALID, "%zu", i);
        cr_expect(sign(&scene, SLICE("GET / HTTP/1.1\r\nHost: h\r\n"), SLICE(""), suite_time) ==
                  STATUS_INVALID);
        cr_expect(buffer_len(&scene.out) == 0);
        end(&scene);
    }
}

Test(sigv4, a_message_about_a_secret_shows_none_of_it)
{
    struct scene scene;
    struct error err;
    begin(&scene);
    cr_expect(signer_check_secret(&scene.rule, SLICE("hunter2hunter2"), &err) == STATUS_INVALID);
    cr_expect(strstr(err.message, "hunter2") == NULL);
    end(&scene);
}

/* ---- derived keys ---- */

static void expect_signature(struct scene *scene, usec_t now, char out[64])
{
    cr_assert(sign(scene, SLICE("GET / HTTP/1.1\r\nHost:example.amazonaws.com\r\n"), SLICE(""),
                   now) == STATUS_OK);
    struct slice found = said(scene, "Signature=");
    cr_assert(found.len == 64);
    memcpy(out, found.ptr, 64);
}

Test(sigv4, a_kept_key_is_of_one_day_and_one_secret)
{
    static const struct {
        struct slice secret, region;
        usec_t later;
    } steps[] = {
        {SLICE_INIT("AKIDEXAMPLE:one"), SLICE_INIT("r1"), 0},
        {SLICE_INIT("AKIDEXAMPLE:one"), SLICE_INIT("r1"), 0},
        {SLICE_INIT("AKIDEXAMPLE:two"), SLICE_INIT("r1"), 0},
        {SLICE_INIT("AKIDEXAMPLE:two"), SLICE_INIT("r1"), 86400 * SEC},
        {SLICE_INIT("AKIDEXAMPLE:two"), SLICE_INIT("r2"), 86400 * SEC},
        {SLICE_INIT("AKIDEXAMPLE:one"), SLICE_INIT("r1"), 0},
    };
    struct scene kept;
    begin(&kept);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char from_kept[64];
        char from_fresh[64];
        struct scene fresh;
        begin(&fresh);
        struct scene *both[] = {&kept, &fresh};
        for (unsigned j = 0; j < 2; j++) {
            both[j]->secret = steps[i].secret;
            both[j]->rule.region = steps[i].region;
        }
        expect_signature(&kept, suite_time + steps[i].later, from_kept);
        expect_signature(&fresh, suite_time + steps[i].later, from_fresh);
        cr_expect(memcmp(from_kept, from_fresh, 64) == 0, "step %zu", i);
        end(&fresh);
    }
    end(&kept);
}

Test(sigv4, more_credentials_than_keys_are_kept_are_all_signed_right)
{
    struct scene scene;
    char secret[32];
    begin(&scene);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 100; i++) {
            char found[64];
            char expected[64];
            struct scene fresh;
            begin(&fresh);
            (void)snprintf(secret, sizeof(secret), "AKIDEXAMPLE:secret%u", i);
            scene.secret = slice_from(secret);
            fresh.secret = scene.secret;
            expect_signature(&scene, suite_time, found);
            expect_signature(&fresh, suite_time, expected);
            cr_expect(memcmp(found, expected, 64) == 0, "%u", i);
            end(&fresh);
        }
    }
    end(&scene);
}

/* ---- heads ---- */

Test(sigv4, a_head_that_is_none_is_refused)
{
    static const struct slice bad[] = {
        SLICE_INIT(""),
        SLICE_INIT("GET"),
        SLICE_INIT("GET /"),
        SLICE_INIT("GET / HTTP/1.1\r\nX\r\n"),
    };
    struct signing_field fields[SIGNING_FIELDS_MAX];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct signing_request request = {.body = SLICE("")};
        cr_expect(signer_read_head(bad[i], fields, &request) == STATUS_INVALID, "%zu", i);
    }
}

Test(sigv4, a_target_is_read_as_it_stands)
{
    struct signing_field fields[SIGNING_FIELDS_MAX];
    struct signing_request request = {.body = SLICE("")};
    cr_assert(signer_read_head(SLICE("PUT /a b?c HTTP/1.1\r\nA: b:c \r\n\r\nnot: this\r\n"), fields,
                               &request) == STATUS_OK);
    cr_expect(slice_equal(request.target, SLICE("/a b?c")));
    cr_expect(request.field_count == 1);
    cr_expect(slice_equal(fields[0].value, SLICE("b:c")));
}

Test(sigv4, more_fields_than_fit_are_refused)
{
    struct signing_field fields[SIGNING_FIELDS_MAX];
    struct signing_request request = {.body = SLICE("")};
    struct buffer head;
    buffer_init(&head, (size_t)64 * 1024);
    cr_assert(buffer_append(&head, SLICE("GET / HTTP/1.1\r\n")) == STATUS_OK);
    for (unsigned i = 0; i <= SIGNING_FIELDS_MAX; i++) {
        cr_assert(buffer_append(&head, SLICE("A: b\r\n")) == STATUS_OK);
    }
    cr_expect(signer_read_head(buffer_bytes(&head), fields, &request) == STATUS_TOO_LARGE);
    buffer_fini(&head);
}

Test(sigv4, a_buffer_that_is_full_is_said)
{
    struct scene scene;
    begin(&scene);
    buffer_init(&scene.out, 100);
    cr_expect(sign(&scene, SLICE("GET / HTTP/1.1\r\nHost: h\r\n"), SLICE(""), suite_time) ==
              STATUS_TOO_LARGE);
    end(&scene);
}
