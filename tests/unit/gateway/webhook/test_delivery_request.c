#include "auth/inbound/webhook_scheme.h"
#include "auth/inbound/webhook_signature.h"
#include "base/buffer.h"
#include "base/http1.h"
#include "base/memory.h"
#include "gateway/webhook/delivery_request.h"

#include <criterion/criterion.h>

enum { FIELDS_MAX = 64 };

static struct webhook_schemes *schemes;
static struct hook_target target;
static struct queue_delivery delivery;
static struct slice secrets[2];
static struct delivery_request request;
static struct buffer head;
static struct http1_field fields[FIELDS_MAX];
static struct http1_request parsed;

static void set_up(void)
{
    struct error err;
    cr_assert_eq(webhook_schemes_new(&schemes, &err), STATUS_OK);
    target = (struct hook_target){.path = SLICE("/in?a=b"),
                                  .origin = {.authority = "billing.internal:8080"}};
    delivery = (struct queue_delivery){.id = "msg_0123456789abcdef0123456789abcdef",
                                       .attempts = 2,
                                       .event_id = SLICE("evt_1"),
                                       .type = SLICE("invoice.paid"),
                                       .fields = SLICE("Content-Type: application/json\r\n"),
                                       .body = SLICE("{\"id\":\"evt_1\"}")};
    secrets[0] = SLICE("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    secrets[1] = SLICE("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    request = (struct delivery_request){
        .scheme = webhook_schemes_find(schemes, SLICE("standard-webhooks")),
        .hook = "stripe",
        .target = &target,
        .delivery = &delivery,
        .body = delivery.body,
        .now = 1760000000,
        .secrets = secrets,
    };
}

static void tear_down(void)
{
    buffer_fini(&head);
    webhook_schemes_free(schemes);
}

TestSuite(delivery_request, .init = set_up, .fini = tear_down);

/* As strictly as the gateway reads requests itself. */
static void write_head(void)
{
    struct error err;
    struct http1_fault fault = {0};
    static const struct http1_limits limits = {
        .head_bytes = 1 << 20, .uri_bytes = 1 << 16, .field_count = FIELDS_MAX};
    buffer_init(&head, delivery_request_size(&request));
    cr_assert_eq(delivery_request_write(&request, &head, &err), STATUS_OK, "%s", err.message);
    parsed = (struct http1_request){.fields = fields};
    cr_assert_eq(http1_read_request(buffer_bytes(&head), &limits, &parsed, &fault), HTTP1_DONE,
                 "%s", fault.reason);
    cr_assert_eq(parsed.head_len, buffer_len(&head));
}

static unsigned count_of(const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < parsed.field_count; i++) {
        count += slice_equal_nocase(fields[i].name, slice_from(name)) ? 1 : 0;
    }
    return count;
}

/* Of a field that is there once. */
static void assert_field(const char *name, const char *value)
{
    const struct http1_field *field =
        http1_find_field(fields, parsed.field_count, slice_from(name));
    cr_assert_eq(count_of(name), 1, "%s: %u in %.*s", name, count_of(name),
                 SLICE_ARG(buffer_bytes(&head)));
    cr_assert_not_null(field);
    cr_assert(slice_equal(field->value, slice_from(value)), "%s: %.*s", name,
              SLICE_ARG(field->value));
}

Test(delivery_request, says_what_it_is)
{
    write_head();
    cr_assert(slice_equal(parsed.method_text, SLICE("POST")));
    cr_assert(slice_equal(parsed.target, SLICE("/in?a=b")));
    cr_assert_eq(parsed.content_length, delivery.body.len);
    assert_field("Host", "billing.internal:8080");
    assert_field("Content-Type", "application/json");
    assert_field("User-Agent", "sallyport-webhooks");
    assert_field("webhook-id", "msg_0123456789abcdef0123456789abcdef");
    assert_field("webhook-timestamp", "1760000000");
    assert_field("X-Sallyport-Webhook-Hook", "stripe");
    assert_field("X-Sallyport-Webhook-Type", "invoice.paid");
    assert_field("X-Sallyport-Webhook-Event-Id", "evt_1");
    assert_field("X-Sallyport-Webhook-Attempt", "3");
    cr_assert_eq(count_of("webhook-signature"), 0);
}

/* Each of the secrets alone verifies it, and over another body none does. */
Test(delivery_request, is_signed_with_each_secret)
{
    request.secret_count = 2;
    write_head();
    for (unsigned i = 0; i < 3; i++) {
        struct arena arena = {0};
        struct webhook_result result;
        struct slice other = SLICE("whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB");
        const struct webhook_request received = {
            .method = SLICE("POST"),
            .fields = fields,
            .field_count = parsed.field_count,
            .body = delivery.body,
            .now = 1760000000,
            .secrets = i < 2 ? &secrets[i] : &other,
            .secret_count = 1,
        };
        webhook_verify(request.scheme, &received, &arena, &result);
        cr_assert_eq(result.outcome, i < 2 ? WEBHOOK_ACCEPTED : WEBHOOK_REFUSED, "%u: %s", i,
                     webhook_reason_name(result.reason));
        arena_fini(&arena);
    }
}

Test(delivery_request, a_secret_that_is_none_signs_nothing)
{
    struct error err;
    secrets[0] = SLICE("not base64 !");
    request.secret_count = 1;
    buffer_init(&head, delivery_request_size(&request));
    cr_assert_eq(delivery_request_write(&request, &head, &err), STATUS_INVALID);
    cr_assert_null(strstr(err.message, "base64 !"));
}

Test(delivery_request, what_is_the_providers_has_another_name)
{
    delivery.fields =
        SLICE("webhook-id: theirs\r\nWebhook-Timestamp: 1\r\nwebhook-signature: v1,x\r\n"
              "User-Agent: Svix/1\r\nsvix-id: theirs\r\n");
    request.secret_count = 1;
    write_head();
    assert_field("webhook-id", delivery.id);
    assert_field("webhook-timestamp", "1760000000");
    assert_field("User-Agent", "sallyport-webhooks");
    cr_assert_eq(count_of("webhook-signature"), 1);
    assert_field("X-Original-webhook-id", "theirs");
    assert_field("X-Original-Webhook-Timestamp", "1");
    assert_field("X-Original-webhook-signature", "v1,x");
    assert_field("X-Original-User-Agent", "Svix/1");
    assert_field("X-Original-Svix-Id", "theirs"); /* Svix' libraries look for it first */
    cr_assert_eq(count_of("svix-id"), 0);
}

Test(delivery_request, what_was_kept_cannot_change_the_request)
{
    delivery.fields = SLICE(
        "Host: evil\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        "Cookie: a=b\r\nAuthorization: Bearer x\r\nProxy-Authorization: x\r\nExpect: "
        "100-continue\r\n"
        "X-Sallyport-Webhook-Hook: another\r\nno colon\r\n bad name: x\r\n: y\r\nX-Nul: a\001b\r\n"
        "X-Last: stays");
    write_head();
    assert_field("Host", "billing.internal:8080");
    cr_assert_eq(parsed.content_length, delivery.body.len);
    cr_assert_eq(parsed.framing, HTTP1_LENGTH);
    assert_field("X-Sallyport-Webhook-Hook", "stripe");
    assert_field("X-Last", "stays");
    static const char *const GONE[] = {"Cookie", "Authorization", "Proxy-Authorization",
                                       "Expect", "Connection",    "X-Nul"};
    for (size_t i = 0; i < sizeof(GONE) / sizeof(GONE[0]); i++) {
        cr_assert_eq(count_of(GONE[i]), 0, "%s", GONE[i]);
    }
}

Test(delivery_request, a_text_that_is_no_headers_is_left_out)
{
    delivery.type = SLICE("a\r\nInjected: yes");
    delivery.event_id = SLICE("\xc3\xa9");
    write_head();
    cr_assert_eq(count_of("Injected"), 0);
    cr_assert_eq(count_of("X-Sallyport-Webhook-Type"), 0);
    cr_assert_eq(count_of("X-Sallyport-Webhook-Event-Id"), 0);
}

Test(delivery_request, the_room_suffices_for_the_longest)
{
    static char text[60000];
    memset(text, 'x', sizeof(text));
    memcpy(text, "X-Long: ", 8);
    delivery.fields = slice_make(text, sizeof(text));
    delivery.type = slice_make(text + 8, 8000);
    delivery.event_id = slice_make(text + 8, 8000);
    request.secret_count = 2;
    write_head();
}
