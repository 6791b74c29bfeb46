/* Heads between HTTP/1.1's form and HTTP/2's fields. */
#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/upstream/h2_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

/* "name: value|" for each field. */
static void said(const struct h2_head *head, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < head->count; i++) {
        const nghttp2_nv *field = &head->fields[i];
        used += (size_t)snprintf(out + used, size - used, "%.*s: %.*s|", (int)field->namelen,
                                 (const char *)field->name, (int)field->valuelen,
                                 (const char *)field->value);
    }
}

Test(h2_head, a_request_is_said_in_fields)
{
    char text[] = "POST /a%20b?x=1 HTTP/1.1\r\nHost: api.example.com:8443\r\nX-Mixed: Case\r\n"
                  "Connection: keep-alive, X-Hop\r\nX-Hop: y\r\nKeep-Alive: timeout=5\r\n"
                  "Transfer-Encoding: chunked\r\nTE: trailers\r\nUpgrade: h2c\r\n"
                  "HTTP2-Settings: AAA\r\nAuthorization: Bearer s\r\n\r\n";
    struct h2_head head;
    char out[1000];
    cr_assert_eq(h2_head_make(text, sizeof(text) - 1, true, &head), STATUS_OK);
    said(&head, out, sizeof(out));
    cr_expect_str_eq(out, ":method: POST|:scheme: https|:authority: api.example.com:8443|"
                          ":path: /a%20b?x=1|x-mixed: Case|authorization: Bearer s|te: trailers|");
    for (size_t i = 3; i < head.count - 1; i++) {
        cr_expect_neq(head.fields[i].flags & NGHTTP2_NV_FLAG_NO_INDEX, 0, "%zu", i);
    }
    h2_head_fini(&head);
}

Test(h2_head, what_is_no_head_is_refused)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n:path: /admin\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct h2_head head;
        char *text = memory_copy(slice_from(cases[i]));
        cr_expect_eq(h2_head_make(text, strlen(text), true, &head), STATUS_INVALID, "%s", cases[i]);
        h2_head_fini(&head);
        memory_free(text);
    }
}

static const char *read_answer(const char *status, const char *name, const char *value,
                               enum http1_method asked, struct http1_response *response)
{
    static struct http1_field fields[256];
    static struct buffer head;
    buffer_fini(&head);
    buffer_init(&head, (size_t)64 * 1024);
    response->fields = fields;
    if (h2_head_add(&head, SLICE(":status"), slice_from(status)) != STATUS_OK ||
        (name != NULL && h2_head_add(&head, slice_from(name), slice_from(value)) != STATUS_OK)) {
        return "no room";
    }
    return h2_head_read(&head, asked, response);
}

Test(h2_head, an_answer_is_framed_by_its_length_or_its_stream)
{
    static const struct {
        const char *status, *name, *value;
        enum http1_method asked;
        enum http1_framing expected;
    } cases[] = {
        {"200", NULL, NULL, HTTP1_GET, HTTP1_CHUNKED},
        {"200", "content-length", "5", HTTP1_GET, HTTP1_LENGTH},
        {"200", "content-length", "0", HTTP1_GET, HTTP1_NO_BODY},
        {"200", "content-length", "5", HTTP1_HEAD, HTTP1_NO_BODY},
        {"204", NULL, NULL, HTTP1_GET, HTTP1_NO_BODY},
        {"304", "content-length", "5", HTTP1_GET, HTTP1_NO_BODY},
        {"103", NULL, NULL, HTTP1_GET, HTTP1_NO_BODY},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http1_response response = {0};
        const char *wrong =
            read_answer(cases[i].status, cases[i].name, cases[i].value, cases[i].asked, &response);
        cr_expect_null(wrong, "%zu: %s", i, wrong);
        cr_expect_eq(response.framing, cases[i].expected, "%zu: %d", i, (int)response.framing);
        cr_expect_eq(response.status, (unsigned)strtoul(cases[i].status, NULL, 10));
    }
}

Test(h2_head, an_answer_is_read_as_strictly_as_over_http1)
{
    static const char *const cases[][3] = {
        {"101", NULL, NULL},
        {"20", NULL, NULL},
        {"2000", NULL, NULL},
        {"200", "x y", "a"},
        {"200", "", "a"},
        {"200", "content-length", "5x"},
        {"200", "content-length", "-1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http1_response response = {0};
        const char *wrong =
            read_answer(cases[i][0], cases[i][1], cases[i][2], HTTP1_GET, &response);
        cr_expect_not_null(wrong, "%zu", i);
    }
}

Test(h2_head, trailers_are_checked)
{
    struct buffer section;
    struct slice trailers = {"", 0};
    buffer_init(&section, 1000);
    cr_assert_eq(h2_head_add(&section, SLICE("x-sum"), SLICE("42")), STATUS_OK);
    cr_assert_null(h2_head_read_trailers(&section, &trailers));
    cr_expect(slice_equal(trailers, SLICE("x-sum: 42\r\n")));
    memory_free((char *)trailers.ptr);
    cr_assert_eq(h2_head_add(&section, SLICE("content-length"), SLICE("4")), STATUS_OK);
    cr_expect_not_null(h2_head_read_trailers(&section, &trailers));
    buffer_fini(&section);
}
