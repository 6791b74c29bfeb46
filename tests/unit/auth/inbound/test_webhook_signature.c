/* webhook_verify() by every case there is, and what else it promises. */
#include "auth/inbound/webhook_crypto.h"
#include "tests/support/webhook_vectors.h"

static void set_up(void)
{
    vectors_open(WEBHOOK_DATA "/vectors.json");
}

TestSuite(webhook_signature, .init = set_up, .fini = vectors_close);

Test(webhook_signature, every_vector_is_answered_as_it_wants)
{
    unsigned count = 0;
    unsigned other_reasons = 0;
    for (const struct cJSON *json = json_first(vectors); json != NULL; json = json_next(json)) {
        struct vector vector;
        vector_open(&vector, json);
        struct webhook_result result = ask(&vector);
        const char *said = webhook_reason_name(result.reason);
        bool accepted = result.outcome == WEBHOOK_ACCEPTED;
        bool wanted = slice_equal(text_of(json, "expect"), SLICE("accept"));
        cr_expect_eq(accepted, wanted, "%.*s: %s", SLICE_ARG(text_of(json, "id")), said);
        if (!slice_equal(text_of(json, "reason"), slice_from(said))) {
            other_reasons++;
            (void)printf("%.*s: %s\n", SLICE_ARG(text_of(json, "id")), said);
        }
        count++;
        vector_close(&vector);
    }
    cr_expect_eq(count, 950U);
    cr_expect_leq(other_reasons, 60U, "%u reasons differ", other_reasons);
}

/* ---- what an answer holds ---- */

#define EXPECT_TEXT(text, wanted)                                                                  \
    cr_expect(slice_equal(text, SLICE(wanted)), "\"%.*s\"", SLICE_ARG(text))

Test(webhook_signature, an_accepted_one_says_its_id_type_and_time)
{
    struct vector vector;
    open_named(&vector, "stripe/valid");
    struct webhook_result result = ask(&vector);
    EXPECT_TEXT(result.event_id, "evt_1P0test");
    EXPECT_TEXT(result.event_type, "invoice.paid");
    cr_expect(result.event_id_signed);
    cr_expect_eq(result.timestamp, 1760000000);
    vector_close(&vector);
}

Test(webhook_signature, an_id_that_no_signature_covers_is_not_called_signed)
{
    struct vector vector;
    open_named(&vector, "github/valid");
    struct webhook_result result = ask(&vector);
    cr_expect_gt(result.event_id.len, 0U);
    cr_expect_not(result.event_id_signed);
    vector_close(&vector);
}

/* It says which key is asked for, so the gateway asks for none. */
Test(webhook_signature, a_token_without_kid_is_malformed)
{
    struct vector vector;
    open_named(&vector, "plaid/valid");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("plaid-verification"))) {
            /* {"alg":"ES256"}, {}, 64 zero bytes */
            vector.fields[i].value = SLICE("eyJhbGciOiJFUzI1NiJ9.e30."
                                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        }
    }
    vector.request.fetched_state = WEBHOOK_NOT_ASKED;
    struct webhook_result result = ask(&vector);
    cr_expect_eq(result.outcome, WEBHOOK_REFUSED);
    cr_expect_eq(result.reason, WEBHOOK_HEADER_MALFORMED);
    vector_close(&vector);
}

Test(webhook_signature, the_id_of_sns_is_the_signed_one_not_the_header)
{
    struct vector vector;
    open_named(&vector, "aws-sns/valid_version_2");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("x-amz-sns-message-id"))) {
            vector.fields[i].value = SLICE("another");
        }
    }
    struct webhook_result result = ask(&vector);
    cr_expect_eq(result.outcome, WEBHOOK_ACCEPTED);
    EXPECT_TEXT(result.event_id, "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324");
    cr_expect(result.event_id_signed);
    vector_close(&vector);
}

Test(webhook_signature, a_refused_one_says_nothing_of_the_event)
{
    struct vector vector;
    open_named(&vector, "stripe/wrong_secret");
    struct webhook_result result = ask(&vector);
    cr_expect_eq(result.outcome, WEBHOOK_REFUSED);
    cr_expect_eq(result.event_id.len, 0U);
    cr_expect_eq(result.timestamp, 0);
    vector_close(&vector);
}

/* The unsigned header changes, what the hash is of does not. */
Test(webhook_signature, the_content_hash_does_not_depend_on_what_is_not_signed)
{
    struct vector one;
    struct vector two;
    open_named(&one, "mailgun/valid");
    open_named(&two, "mailgun/event_data_changed");
    struct webhook_result first = ask(&one);
    struct webhook_result second = ask(&two);
    cr_expect_eq(second.outcome, WEBHOOK_ACCEPTED);
    cr_expect_arr_eq(first.content_hash, second.content_hash, sizeof(first.content_hash));
    vector_close(&one);
    vector_close(&two);
}

/* ---- secrets ---- */

Test(webhook_signature, without_a_secret_nothing_is_accepted)
{
    static const char *const ids[] = {"stripe/valid",  "gitlab/valid", "paypal/valid",
                                      "discord/valid", "adyen/valid",  "hubspot-v2/valid"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        struct vector vector;
        open_named(&vector, ids[i]);
        cr_expect_eq(ask(&vector).outcome, WEBHOOK_ACCEPTED, "%s", ids[i]);
        vector.request.secret_count = 0;
        cr_expect_eq(ask(&vector).outcome, WEBHOOK_REFUSED, "%s without", ids[i]);
        vector.request.secret_count = 1;
        vector.secrets[0] = SLICE("");
        cr_expect_eq(ask(&vector).outcome, WEBHOOK_REFUSED, "%s empty", ids[i]);
        vector_close(&vector);
    }
}

/* A mac with no key is anyone's. */
Test(webhook_signature, a_secret_that_is_only_a_prefix_is_none)
{
    static const char signed_text[] = "m.1760000000.{}";
    unsigned char mac[WEBHOOK_MAC_BYTES];
    char value[3 + 2 * WEBHOOK_MAC_BYTES] = "v1,";
    struct http1_field fields[] = {
        {.name = SLICE("webhook-id"), .value = SLICE("m")},
        {.name = SLICE("webhook-timestamp"), .value = SLICE("1760000000")},
        {.name = SLICE("webhook-signature")}};
    struct slice secret = SLICE("whsec_");
    struct webhook_request request = {.body = SLICE("{}"),
                                      .now = 1760000000,
                                      .fields = fields,
                                      .field_count = 3,
                                      .secrets = &secret,
                                      .secret_count = 1};
    struct webhook_result result;
    struct arena arena = {0};
    size_t len = webhook_mac(WEBHOOK_HMAC_SHA256, SLICE(""), slice_from(signed_text), mac);
    len = encode_base64(slice_make((const char *)mac, len), value + 3);
    fields[2].value = slice_make(value, 3 + len);
    webhook_verify(webhook_schemes_find(schemes, SLICE("standard-webhooks")), &request, &arena,
                   &result);
    cr_expect_eq(result.reason, WEBHOOK_SIGNATURE_MISMATCH);
    arena_fini(&arena);
}

Test(webhook_signature, while_a_secret_is_rolled_both_the_old_and_the_new_match)
{
    struct vector vector;
    open_named(&vector, "github/valid");
    struct slice old = vector.secrets[0];
    vector.secrets[0] = SLICE("the-new-one");
    vector.request.secret_count = 1;
    cr_expect_eq(ask(&vector).reason, WEBHOOK_SIGNATURE_MISMATCH);
    vector.secrets[1] = old;
    vector.request.secret_count = 2;
    cr_expect_eq(ask(&vector).reason, WEBHOOK_OK);
    vector_close(&vector);
}

/* ---- headers ---- */

Test(webhook_signature, a_signature_header_that_stands_twice_is_refused)
{
    struct vector vector;
    open_named(&vector, "github/valid");
    unsigned last = vector.request.field_count;
    for (unsigned i = 0; i < last; i++) {
        vector.fields[last + i] = vector.fields[i];
    }
    vector.request.field_count = 2 * last;
    cr_expect_eq(ask(&vector).reason, WEBHOOK_HEADER_MALFORMED);
    vector_close(&vector);
}

Test(webhook_signature, more_signatures_than_are_looked_at_are_refused)
{
    static char text[64 * 1024];
    struct vector vector;
    struct slice *value = NULL;
    open_named(&vector, "stripe/valid");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("stripe-signature"))) {
            value = &vector.fields[i].value;
        }
    }
    cr_assert(value != NULL);
    size_t len = value->len;
    memcpy(text, value->ptr, len);
    for (unsigned i = 0; i < 31; i++) {
        memcpy(text + len, ",v1=00", 6);
        len += 6;
    }
    *value = slice_make(text, len);
    cr_expect_eq(ask(&vector).reason, WEBHOOK_OK);
    memcpy(text + len, ",v1=00", 6);
    *value = slice_make(text, len + 6);
    cr_expect_eq(ask(&vector).reason, WEBHOOK_HEADER_MALFORMED);
    vector_close(&vector);
}

Test(webhook_signature, two_timestamps_are_refused)
{
    struct vector vector;
    char text[512];
    open_named(&vector, "stripe/valid");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("stripe-signature"))) {
            (void)snprintf(text, sizeof(text), "%.*s,t=1760000000",
                           SLICE_ARG(vector.fields[i].value));
            vector.fields[i].value = slice_from(text);
        }
    }
    cr_expect_eq(ask(&vector).reason, WEBHOOK_HEADER_MALFORMED);
    vector_close(&vector);
}

/* Readers differ about which of them counts: another could be delivered than the one signed. */
Test(webhook_signature, a_signed_member_that_stands_twice_is_refused)
{
    static const struct slice mark = SLICE_INIT("\"token\":");
    struct vector vector;
    char text[4096];
    open_named(&vector, "mailgun/valid");
    struct slice body = vector.request.body;
    size_t at = 0;
    while (at < body.len && !slice_starts_with(slice_skip(body, at), mark)) {
        at++;
    }
    cr_assert_lt(at, body.len);
    (void)snprintf(text, sizeof(text), "%.*s\"token\":\"another\",%.*s", (int)at, body.ptr,
                   SLICE_ARG(slice_skip(body, at)));
    vector.request.body = slice_from(text);
    cr_expect_eq(ask(&vector).outcome, WEBHOOK_REFUSED);
    vector.request.body = body;
    cr_expect_eq(ask(&vector).outcome, WEBHOOK_ACCEPTED);
    vector_close(&vector);
}

/* ---- pins and fetched keys ---- */

Test(webhook_signature, a_platform_without_its_pin_is_refused_before_anything_is_fetched)
{
    static const char *const ids[] = {"aws-sns/valid_version_2", "google-pubsub/valid"};
    for (size_t i = 0; i < 2; i++) {
        struct vector vector;
        struct webhook_result result;
        open_named(&vector, ids[i]);
        vector.request.topic_count = 0;
        vector.request.audience = SLICE("");
        webhook_verify(vector.scheme, &vector.request, &vector.arena, &result);
        cr_expect_eq(result.outcome, WEBHOOK_REFUSED, "%s", ids[i]);
        cr_expect_eq(result.reason, WEBHOOK_CLAIM_MISMATCH, "%s", ids[i]);
        vector_close(&vector);
    }
}

Test(webhook_signature, a_key_that_is_needed_is_named)
{
    struct vector vector;
    struct webhook_result result;
    open_named(&vector, "plaid/valid");
    webhook_verify(vector.scheme, &vector.request, &vector.arena, &result);
    cr_expect_eq(result.outcome, WEBHOOK_NEEDS);
    cr_expect_eq(result.need, WEBHOOK_NEEDS_KEY);
    EXPECT_TEXT(result.need_name, "bfbd5111-8e33-4643-8ced-b2e642a72f3c");
    vector_close(&vector);
}

Test(webhook_signature, a_certificate_out_of_its_time_is_none)
{
    struct vector vector;
    open_named(&vector, "paypal/valid"); /* its timestamp is not checked */
    cr_expect_eq(ask(&vector).reason, WEBHOOK_OK);
    vector.request.now = 2600000000; /* 2052; it ends with 2049 */
    cr_expect_eq(ask(&vector).reason, WEBHOOK_CERT_UNAVAILABLE);
    vector.request.now = 1500000000; /* 2017; it begins with 2020 */
    cr_expect_eq(ask(&vector).reason, WEBHOOK_CERT_UNAVAILABLE);
    vector_close(&vector);
}
