/* webhook_challenge: every case of challenges.json, and what must not be answered. */
#include "auth/inbound/webhook_challenge.h"
#include "tests/support/webhook_vectors.h"

static void set_up(void)
{
    vectors_open(WEBHOOK_DATA "/challenges.json");
}

TestSuite(webhook_challenge, .init = set_up, .fini = vectors_close);

/* As the ingress does: unsigned handshakes, the signature, signed ones; else it is an event. */
static struct webhook_challenge_answer answer_of(struct vector *vector)
{
    struct webhook_challenge_answer answer;
    struct slice token = text_of(json_get(vector->json, "config"), "verify_token");
    webhook_challenge(vector->scheme, &vector->request, WEBHOOK_UNVERIFIED, token, &vector->arena,
                      &answer);
    if (answer.is_challenge) {
        return answer;
    }
    if (ask(vector).outcome != WEBHOOK_ACCEPTED) {
        answer.status = 401;
        return answer;
    }
    webhook_challenge(vector->scheme, &vector->request, WEBHOOK_VERIFIED, token, &vector->arena,
                      &answer);
    answer.status = answer.is_challenge ? answer.status : 200;
    return answer;
}

static void expect_json(struct slice body, const struct cJSON *wanted, const char *id)
{
    static const struct json_limits limits = {
        .bytes = DATA_BYTES, .depth = 8, .names = JSON_NAMES_ONCE};
    struct cJSON *json = NULL;
    struct buffer text;
    cr_assert_eq(json_parse(body, &limits, &json, NULL), STATUS_OK, "%s", id);
    buffer_init(&text, DATA_BYTES);
    cr_assert_eq(json_write(wanted, &text), STATUS_OK);
    cr_expect(slice_equal(body, buffer_bytes(&text)), "%s: %.*s", id, SLICE_ARG(body));
    buffer_fini(&text);
    json_free(json);
}

Test(webhook_challenge, every_handshake_is_answered_as_it_wants)
{
    unsigned count = 0;
    for (const struct cJSON *json = json_first(vectors); json != NULL; json = json_next(json)) {
        const struct cJSON *wanted = json_get(json, "expect");
        struct slice text;
        struct vector vector;
        uint64_t status = 0;
        vector_open(&vector, json);
        const char *id = arena_copy(&vector.arena, text_of(json, "id")).ptr;
        struct webhook_challenge_answer answer = answer_of(&vector);
        cr_expect(json_uint(json_get(wanted, "status"), &status));
        cr_expect_eq(answer.status, status, "%s: %u", id, answer.status);
        if (json_string(json_get(wanted, "body"), &text)) {
            cr_expect(slice_equal(answer.body, text), "%s: %.*s", id, SLICE_ARG(answer.body));
        }
        if (json_string(json_get(wanted, "content_type"), &text)) {
            cr_expect(slice_equal(answer.media_type, text), "%s", id);
        }
        if (json_get(wanted, "json") != NULL) {
            expect_json(answer.body, json_get(wanted, "json"), id);
        }
        count++;
        vector_close(&vector);
    }
    cr_expect_eq(count, 13U);
}

static struct webhook_challenge_answer ask_url(struct vector *vector, const char *url,
                                               const char *token)
{
    struct webhook_challenge_answer answer;
    vector->request.url = slice_from(url);
    webhook_challenge(vector->scheme, &vector->request, WEBHOOK_UNVERIFIED, slice_from(token),
                      &vector->arena, &answer);
    return answer;
}

Test(webhook_challenge, without_a_configured_token_none_is_right)
{
    static const char url[] = "https://a/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=";
    struct vector vector;
    open_named(&vector, "meta/hub_challenge");
    cr_expect_eq(ask_url(&vector, url, "").status, 403U);
    cr_expect_eq(ask_url(&vector, "https://a/?hub.mode=subscribe&hub.challenge=1", "").status,
                 403U);
    vector_close(&vector);
}

/* Else anyone could have an event signed. */
Test(webhook_challenge, no_mac_is_made_of_what_could_be_an_event)
{
    struct vector vector;
    open_named(&vector, "twitter/crc");
    cr_expect_eq(ask_url(&vector, "https://a/?crc_token=abc", "").status, 200U);
    struct webhook_challenge_answer answer =
        ask_url(&vector, "https://a/?crc_token=%7B%22for_user_id%22%3A%221%22%7D", "");
    cr_expect_eq(answer.status, 400U);
    cr_expect_eq(answer.body.len, 0U);
    vector.request.secret_count = 0;
    cr_expect_eq(ask_url(&vector, "https://a/?crc_token=abc", "").status, 400U);
    vector_close(&vector);
}

Test(webhook_challenge, a_signed_handshake_is_not_answered_before_its_signature_was_right)
{
    struct webhook_challenge_answer answer;
    struct vector vector;
    open_named(&vector, "slack/url_verification");
    webhook_challenge(vector.scheme, &vector.request, WEBHOOK_UNVERIFIED, SLICE(""), &vector.arena,
                      &answer);
    cr_expect_not(answer.is_challenge);
    vector_close(&vector);
}

Test(webhook_challenge, what_is_echoed_into_json_cannot_leave_its_string)
{
    struct webhook_challenge_answer answer;
    struct vector vector;
    open_named(&vector, "okta/one_time_verification");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("X-Okta-Verification-Challenge"))) {
            vector.fields[i].value = SLICE("a\",\"b\":\"c");
        }
    }
    webhook_challenge(vector.scheme, &vector.request, WEBHOOK_VERIFIED, SLICE(""), &vector.arena,
                      &answer);
    cr_expect(slice_equal(answer.body, SLICE("{\"verification\":\"a\\\",\\\"b\\\":\\\"c\"}")),
              "%.*s", SLICE_ARG(answer.body));
    vector_close(&vector);
}

Test(webhook_challenge, a_confirmation_is_fetched_from_the_schemes_hosts_only)
{
    static const struct {
        struct slice body;
        unsigned status;
    } cases[] = {
        {SLICE_INIT("{\"Type\":\"SubscriptionConfirmation\",\"SubscribeURL\":"
                    "\"https://sns.us-west-2.amazonaws.com/?Action=Confirm&Token=1\"}"),
         200},
        {SLICE_INIT("{\"Type\":\"SubscriptionConfirmation\",\"SubscribeURL\":"
                    "\"https://evil.example/?Action=Confirm\"}"),
         400},
        {SLICE_INIT("{\"Type\":\"SubscriptionConfirmation\",\"SubscribeURL\":"
                    "\"https://sns.us-west-2.amazonaws.com@evil.example/\"}"),
         400},
        {SLICE_INIT("{\"Type\":\"SubscriptionConfirmation\"}"), 400},
    };
    struct webhook_schemes *all = schemes;
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct webhook_challenge_answer answer;
        struct webhook_request request = {.method = SLICE("POST"), .body = cases[i].body};
        webhook_challenge(webhook_schemes_find(all, SLICE("aws-sns")), &request, WEBHOOK_VERIFIED,
                          SLICE(""), &arena, &answer);
        cr_expect(answer.is_challenge);
        cr_expect_eq(answer.status, cases[i].status, "%zu", i);
        cr_expect_eq(answer.confirm_url.len > 0, cases[i].status == 200, "%zu", i);
    }
    arena_fini(&arena);
}
