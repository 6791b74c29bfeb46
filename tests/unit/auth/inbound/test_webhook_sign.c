#include "auth/inbound/webhook_sign.h"
#include "tests/support/webhook_vectors.h"

static void set_up(void)
{
    vectors_open(WEBHOOK_DATA "/vectors.json");
}

TestSuite(webhook_sign, .init = set_up, .fini = vectors_close);

/* What is signed here is accepted there, for every scheme that shares a secret. */
Test(webhook_sign, what_is_signed_verifies)
{
    unsigned count = 0;
    for (unsigned i = 0; i < webhook_schemes_count(schemes); i++) {
        const struct webhook_scheme *scheme = webhook_schemes_at(schemes, i);
        struct arena arena = {0};
        struct webhook_sign_result fields;
        struct webhook_result result;
        struct slice secrets[] = {SLICE("00112233445566778899aabbccddeeff"), SLICE("aabbccdd")};
        struct webhook_request request = {.method = SLICE("POST"),
                                          .url = SLICE("https://hooks.example.com/a?b=c"),
                                          .body = SLICE("{\"id\":\"e1\",\"a\":\"b\"}"),
                                          .now = 1760000000,
                                          .secrets = secrets,
                                          .secret_count = 2};
        if (webhook_sign(scheme, &request, SLICE("msg_1"), &arena, &fields, NULL) == STATUS_OK &&
            scheme->timestamp.kind != WEBHOOK_IN_JSON &&
            scheme->body_hash.kind == WEBHOOK_NOWHERE) {
            struct http1_field sent[WEBHOOK_SIGN_FIELDS] = {0};
            for (unsigned j = 0; j < fields.count; j++) {
                sent[j].name = fields.field[j].name;
                sent[j].value = fields.field[j].value;
            }
            request.fields = sent;
            request.field_count = fields.count;
            webhook_verify(scheme, &request, &arena, &result);
            cr_expect_eq(result.outcome, WEBHOOK_ACCEPTED, "%.*s: %s", SLICE_ARG(scheme->name),
                         webhook_reason_name(result.reason));
            count++;
        }
        arena_fini(&arena);
    }
    cr_expect_gt(count, 25U, "%u", count);
}

Test(webhook_sign, the_published_example_of_standard_webhooks_comes_out)
{
    struct vector vector;
    struct webhook_sign_result fields;
    struct slice id = SLICE("");
    struct slice wanted = SLICE("");
    open_named(&vector, "standard-webhooks/published_docs");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("webhook-id"))) {
            id = vector.fields[i].value;
        } else if (slice_equal_nocase(vector.fields[i].name, SLICE("webhook-timestamp"))) {
            uint64_t now = 0;
            cr_assert(slice_number(vector.fields[i].value, UINT32_MAX, &now));
            vector.request.now = (int64_t)now;
        } else if (slice_equal_nocase(vector.fields[i].name, SLICE("webhook-signature"))) {
            wanted = vector.fields[i].value;
        }
    }
    cr_assert_eq(webhook_sign(vector.scheme, &vector.request, id, &vector.arena, &fields, NULL),
                 STATUS_OK);
    cr_expect_eq(fields.count, 3U);
    cr_expect(slice_equal(fields.field[0].value, wanted), "%.*s", SLICE_ARG(fields.field[0].value));
    vector_close(&vector);
}

Test(webhook_sign, what_cannot_be_signed_is_said)
{
    static const char *const names[] = {"aws-sns", "paypal", "plaid", "discord", "adyen"};
    struct slice secret = SLICE("00112233445566778899aabbccddeeff");
    struct webhook_request request = {.method = SLICE("POST"),
                                      .url = SLICE("https://a/"),
                                      .now = 1760000000,
                                      .secrets = &secret,
                                      .secret_count = 1};
    struct webhook_sign_result fields;
    struct arena arena = {0};
    struct error err = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const struct webhook_scheme *scheme = webhook_schemes_find(schemes, slice_from(names[i]));
        cr_expect_eq(webhook_sign(scheme, &request, SLICE("a"), &arena, &fields, &err),
                     STATUS_INVALID, "%s", names[i]);
    }
    const struct webhook_scheme *standard =
        webhook_schemes_find(schemes, SLICE("standard-webhooks"));
    cr_expect_eq(webhook_sign(standard, &request, SLICE("a\r\nb"), &arena, &fields, &err),
                 STATUS_INVALID);
    secret = SLICE("whsec_not base64");
    cr_expect_eq(webhook_sign(standard, &request, SLICE("a"), &arena, &fields, &err),
                 STATUS_INVALID);
    request.secret_count = 0;
    cr_expect_eq(webhook_sign(standard, &request, SLICE("a"), &arena, &fields, &err),
                 STATUS_INVALID);
    arena_fini(&arena);
}
