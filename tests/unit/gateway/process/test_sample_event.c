#include "auth/inbound/webhook_signature.h"
#include "base/memory.h"
#include "gateway/sample_event.h"

#include <criterion/criterion.h>

#define NOW 1764201600

static struct arena arena;
static struct webhook_schemes *schemes;

static void begin(void)
{
    struct error err;
    cr_assert_eq(webhook_schemes_new(&schemes, &err), STATUS_OK, "%s", err.message);
}

static void finish(void)
{
    webhook_schemes_free(schemes);
    arena_fini(&arena);
}

TestSuite(sample_event, .init = begin, .fini = finish);

/* One that is text, hex and base64 at once. */
static const struct slice secret = SLICE_INIT("0123456789abcdef0123456789abcdef");

static struct sample_event_wish wish_of(const char *provider)
{
    return (struct sample_event_wish){
        .scheme = webhook_schemes_find(schemes, slice_from(provider)),
        .secrets = &secret,
        .secret_count = 1,
        .url = SLICE("https://hooks.example.com/hooks/x"),
        .chance = SLICE("00112233445566778899aabbccddeeff"),
        .now = NOW,
    };
}

static struct webhook_result verified(const struct sample_event_wish *wish,
                                      const struct sample_event *event)
{
    struct webhook_result result;
    const struct webhook_request request = {
        .method = SLICE("POST"),
        .url = slice_from(
            arena_print(&arena, "%.*s%.*s", SLICE_ARG(wish->url), SLICE_ARG(event->query))),
        .fields = event->fields,
        .field_count = event->field_count,
        .body = event->body,
        .now = wish->now,
        .secrets = wish->secrets,
        .secret_count = 1,
    };
    webhook_verify(wish->scheme, &request, &arena, &result);
    return result;
}

static void expect_text(struct slice text, struct slice expected, struct slice provider)
{
    cr_expect(slice_equal(text, expected), "%.*s: \"%.*s\" instead of \"%.*s\"",
              SLICE_ARG(provider), SLICE_ARG(text), SLICE_ARG(expected));
}

/* Those that are not made are the ones whose key is the provider's, or whose signature stands in
 * the body. */
Test(sample_event, each_provider_that_shares_a_secret_has_one)
{
    static const char *const refused[] = {
        "adyen",           "aws-sns", "discord", "google-pubsub", "mailgun",
        "microsoft-graph", "paypal",  "plaid",   "sendgrid",      "standard-webhooks-asymmetric",
    };
    unsigned made = 0;
    for (unsigned i = 0; i < webhook_schemes_count(schemes); i++) {
        const struct webhook_scheme *scheme = webhook_schemes_at(schemes, i);
        struct sample_event_wish wish = wish_of(arena_copy(&arena, scheme->name).ptr);
        struct sample_event event;
        struct error err;
        bool expected = true;
        for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
            expected = expected && !slice_equal(scheme->name, slice_from(refused[k]));
        }
        enum status status = sample_event_make(&wish, &arena, &event, &err);
        cr_expect_eq(status == STATUS_OK, expected, "%.*s: %s", SLICE_ARG(scheme->name),
                     status == STATUS_OK ? "made" : err.message);
        if (status == STATUS_OK) {
            struct webhook_result result = verified(&wish, &event);
            cr_expect_eq(result.outcome, WEBHOOK_ACCEPTED, "%.*s", SLICE_ARG(scheme->name));
            expect_text(result.event_id, event.id, scheme->name);
            expect_text(result.event_type, event.type, scheme->name);
            made++;
        }
    }
    cr_expect_eq(made + sizeof(refused) / sizeof(refused[0]), webhook_schemes_count(schemes));
}

Test(sample_event, id_and_type_are_what_is_wished)
{
    static const char *const providers[] = {
        "stripe",         "github",   "gitlab",   "shopify",   "slack",  "standard-webhooks",
        "paddle",         "square",   "linear",   "pagerduty", "sentry", "okta",
        "adyen-platform", "razorpay", "intercom",
    };
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        struct sample_event_wish wish = wish_of(providers[i]);
        struct sample_event event;
        struct error err;
        wish.id = SLICE("the-id-1");
        wish.type = SLICE("the.type");
        cr_assert_eq(sample_event_make(&wish, &arena, &event, &err), STATUS_OK, "%s: %s",
                     providers[i], err.message);
        struct webhook_result result = verified(&wish, &event);
        expect_text(result.event_id, wish.id, wish.scheme->name);
        expect_text(result.event_type, wish.type, wish.scheme->name);
    }
}

Test(sample_event, two_are_two_events)
{
    struct sample_event_wish wish = wish_of("stripe");
    struct sample_event one;
    struct sample_event two;
    struct error err;
    cr_assert_eq(sample_event_make(&wish, &arena, &one, &err), STATUS_OK);
    wish.chance = SLICE("ff112233445566778899aabbccddeeff");
    cr_assert_eq(sample_event_make(&wish, &arena, &two, &err), STATUS_OK);
    cr_expect(!slice_equal(one.id, two.id));
}

Test(sample_event, a_body_of_ones_own_is_sent_as_it_is)
{
    struct sample_event_wish wish = wish_of("stripe");
    struct sample_event event;
    struct error err;
    wish.body = SLICE("{ \"id\" : \"evt_own\", \"type\":\"x.y\"}\n");
    cr_assert_eq(sample_event_make(&wish, &arena, &event, &err), STATUS_OK);
    expect_text(event.body, wish.body, SLICE("stripe"));
    expect_text(verified(&wish, &event).event_id, SLICE("evt_own"), SLICE("stripe"));
}

Test(sample_event, what_has_no_place_is_refused)
{
    static const struct {
        const char *provider, *id, *type, *body, *words;
    } cases[] = {
        {"dropbox", "", "x", "", "no type"},       {"meta", "x", "", "", "no id"},
        {"twilio", "", "x", "", "no type"},        {"stripe", "", "x", "{}", "in the body"},
        {"stripe", "x", "", "{}", "in the body"},  {"github", "a\nb", "", "", "header"},
        {"github", "", "a\r\nX: y", "", "header"}, {"standard-webhooks", "a b", "", "", "visible"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sample_event_wish wish = wish_of(cases[i].provider);
        struct sample_event event;
        struct error err = {0};
        wish.id = slice_from(cases[i].id);
        wish.type = slice_from(cases[i].type);
        wish.body = slice_from(cases[i].body);
        cr_expect_eq(sample_event_make(&wish, &arena, &event, &err), STATUS_INVALID, "%s",
                     cases[i].provider);
        cr_expect_not_null(strstr(err.message, cases[i].words), "%s", err.message);
    }
}

Test(sample_event, texts_that_would_break_json_do_not)
{
    struct sample_event_wish wish = wish_of("stripe");
    struct sample_event event;
    struct error err;
    wish.id = SLICE("\"},\\ \xc3\xa4\n");
    wish.type = SLICE("a\"b");
    cr_assert_eq(sample_event_make(&wish, &arena, &event, &err), STATUS_OK, "%s", err.message);
    struct webhook_result result = verified(&wish, &event);
    expect_text(result.event_id, wish.id, SLICE("stripe"));
    expect_text(result.event_type, wish.type, SLICE("stripe"));
}

Test(sample_event, a_secret_that_is_none_is_told)
{
    static const struct slice texts[] = {SLICE_INIT(""), SLICE_INIT("no base64!")};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sample_event_wish wish = wish_of("standard-webhooks");
        struct sample_event event;
        struct error err;
        wish.secrets = &texts[i];
        cr_expect_eq(sample_event_make(&wish, &arena, &event, &err), STATUS_INVALID);
        cr_expect_not_null(strstr(err.message, "secret"), "%s", err.message);
        cr_expect_null(strstr(err.message, "no base64!"), "%s", err.message);
    }
}
