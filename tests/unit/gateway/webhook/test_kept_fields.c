#include "auth/inbound/webhook_scheme.h"
#include "base/buffer.h"
#include "gateway/webhook/kept_fields.h"

#include <criterion/criterion.h>

#define HEAD(fields) "POST /hooks/a HTTP/1.1\r\nHost: gw\r\nContent-Length: 2\r\n" fields "\r\n"

static void expect(const char *scheme, const char *head, const char *kept)
{
    struct webhook_schemes *schemes = NULL;
    struct http1_field fields[64];
    struct http1_request request = {.fields = fields};
    struct http1_limits limits = {.head_bytes = 4096, .uri_bytes = 100, .field_count = 64};
    struct http1_fault fault;
    struct buffer out;
    cr_assert_eq(webhook_schemes_new(&schemes, NULL), STATUS_OK);
    cr_assert_eq(http1_read_request(slice_from(head), &limits, &request, &fault), HTTP1_DONE);
    buffer_init(&out, 4096);
    cr_assert_eq(kept_fields_write(webhook_schemes_find(schemes, slice_from(scheme)), fields,
                                   request.field_count, &out),
                 STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(kept)), "%.*s",
              SLICE_ARG(buffer_bytes(&out)));
    buffer_fini(&out);
    webhook_schemes_free(schemes);
}

Test(kept_fields, a_providers_own_are_kept_as_they_came)
{
    expect("github",
           HEAD("X-GitHub-Event:  push \r\nX-Hub-Signature-256: sha256=aa\r\n"
                "Content-Type: application/json\r\nUser-Agent: GitHub\r\nX-GitHub-Event: b\r\n"),
           "X-GitHub-Event: push\r\nX-Hub-Signature-256: sha256=aa\r\n"
           "Content-Type: application/json\r\nUser-Agent: GitHub\r\nX-GitHub-Event: b\r\n");
}

Test(kept_fields, those_of_the_connection_and_of_the_way_are_not)
{
    expect("github",
           HEAD("Connection: close, X-Private\r\nX-Private: 1\r\nTE: trailers\r\nCookie: a=b\r\n"
                "Authorization: Bearer x\r\nProxy-Authorization: x\r\nX-Forwarded-For: 10.0.0.1\r\n"
                "X-FORWARDED-PROTO: https\r\nForwarded: for=1\r\nVia: 1.1 lb\r\nX-Real-IP: 1\r\n"
                "Expect: 100-continue\r\nAccept-Encoding: gzip\r\nX-Sallyport-Route: a\r\n"
                "Proxy-Foo: 1\r\nX-Kept: yes\r\n"),
           "X-Kept: yes\r\n");
}

Test(kept_fields, a_secret_that_is_sent_is_not_kept)
{
    expect("gitlab", HEAD("x-gitlab-token: hunter2\r\nX-Gitlab-Event: Push Hook\r\n"),
           "X-Gitlab-Event: Push Hook\r\n");
}
