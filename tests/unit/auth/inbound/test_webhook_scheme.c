#include "auth/inbound/webhook_scheme.h"
#include "base/memory.h"

#include <criterion/criterion.h>

static struct webhook_schemes *load(void)
{
    struct webhook_schemes *schemes = NULL;
    struct error err = {0};
    cr_assert_eq(webhook_schemes_new(&schemes, &err), STATUS_OK, "%s", err.message);
    return schemes;
}

Test(webhook_scheme, all_that_are_built_in_are_whole)
{
    struct webhook_schemes *schemes = load();
    cr_expect_eq(webhook_schemes_count(schemes), 41U);
    for (unsigned i = 0; i < webhook_schemes_count(schemes); i++) {
        const struct webhook_scheme *scheme = webhook_schemes_at(schemes, i);
        cr_expect_eq(webhook_schemes_find(schemes, scheme->name), scheme);
        cr_expect(slice_starts_with(scheme->doc, SLICE("https://")), "%.*s",
                  SLICE_ARG(scheme->name));
        cr_expect_gt(scheme->title.len, 0U, "%.*s", SLICE_ARG(scheme->name));
    }
    cr_expect_eq(webhook_schemes_find(schemes, SLICE("nobody")), NULL);
    webhook_schemes_free(schemes);
}

static bool signs(const struct webhook_scheme *scheme, enum webhook_part_kind kind)
{
    for (unsigned i = 0; i < scheme->part_count; i++) {
        if (scheme->parts[i].kind == kind) {
            return true;
        }
    }
    return false;
}

Test(webhook_scheme, what_has_to_be_configured_is_told)
{
    static const struct {
        const char *scheme;
        bool secret, url;
    } cases[] = {
        {"stripe", true, false}, {"twilio", true, true},    {"hubspot", true, true},
        {"square", true, true},  {"aws-sns", false, false}, {"google-pubsub", false, false},
        {"paypal", true, false}, /* a certificate's, but the webhook's id is in what is signed */
        {"plaid", true, false},  /* its keys are asked for with them */
    };
    struct webhook_schemes *schemes = load();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct webhook_scheme *scheme =
            webhook_schemes_find(schemes, slice_from(cases[i].scheme));
        cr_expect_eq(webhook_scheme_wants_secret(scheme), cases[i].secret, "%s", cases[i].scheme);
        cr_expect_eq(webhook_scheme_signs_url(scheme), cases[i].url, "%s", cases[i].scheme);
    }
    webhook_schemes_free(schemes);
}

/* An id that is called signed, and is not, would let one delivery through again and again. */
Test(webhook_scheme, an_id_that_is_called_signed_is_part_of_what_is_signed)
{
    struct webhook_schemes *schemes = load();
    for (unsigned i = 0; i < webhook_schemes_count(schemes); i++) {
        const struct webhook_scheme *scheme = webhook_schemes_at(schemes, i);
        for (unsigned j = 0; j < scheme->event_ids.count; j++) {
            const struct webhook_place *place = &scheme->event_ids.place[j];
            bool in_body = place->kind == WEBHOOK_IN_JSON &&
                           (signs(scheme, WEBHOOK_PART_BODY) || signs(scheme, WEBHOOK_PART_SNS));
            bool in_id = place->kind == WEBHOOK_IN_HEADER && signs(scheme, WEBHOOK_PART_ID) &&
                         slice_equal(place->name, scheme->id.name);
            cr_expect(!place->is_signed || in_body || in_id, "%.*s", SLICE_ARG(scheme->name));
        }
    }
    webhook_schemes_free(schemes);
}

/* A time that is checked must be covered: by {t}, by the body that it is in, by the JWT. */
Test(webhook_scheme, a_time_that_is_checked_is_signed)
{
    struct webhook_schemes *schemes = load();
    for (unsigned i = 0; i < webhook_schemes_count(schemes); i++) {
        const struct webhook_scheme *scheme = webhook_schemes_at(schemes, i);
        bool in_body = scheme->timestamp.kind == WEBHOOK_IN_JSON &&
                       (signs(scheme, WEBHOOK_PART_BODY) || signs(scheme, WEBHOOK_PART_SNS));
        bool is_signed = in_body || signs(scheme, WEBHOOK_PART_TIMESTAMP) ||
                         scheme->timestamp.kind == WEBHOOK_IN_CLAIM;
        cr_expect(scheme->tolerance == WEBHOOK_NO_TOLERANCE || is_signed, "%.*s",
                  SLICE_ARG(scheme->name));
    }
    webhook_schemes_free(schemes);
}

/* ---- what is refused ---- */

#define GOOD                                                                                       \
    "\"title\":\"T\",\"doc\":\"https://x\",\"algorithm\":\"hmac-sha256\","                         \
    "\"signature\":\"header X-S\",\"grammar\":\"bare\",\"encoding\":\"hex\",\"key\":\"text\","     \
    "\"signed\":\"{body}\""

static bool reads(const char *json)
{
    struct webhook_scheme scheme;
    struct arena arena = {0};
    struct error err = {0};
    enum status status =
        webhook_scheme_read(SLICE("test"), slice_from(json), &arena, &scheme, &err);
    cr_expect(status == STATUS_OK || err.message[0] != '\0', "%s", json);
    arena_fini(&arena);
    return status == STATUS_OK;
}

Test(webhook_scheme, what_is_unknown_or_does_not_fit_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{" GOOD ",\"tolerence\":300}",
        "{" GOOD ",\"tolerance\":-1}",
        "{" GOOD ",\"tolerance\":\"300\"}",
        "{" GOOD ",\"event_id\":\"json /id\"}",
        "{" GOOD ",\"event_id\":[\"json id\"]}",
        "{" GOOD ",\"event_id\":[\"cookie id\"]}",
        "{" GOOD ",\"event_id\":[\"json /a\",\"json /b\",\"json /c\",\"json /d\",\"json /e\"]}",
        "{" GOOD ",\"separator\":\",\"}",
        "{" GOOD ",\"items\":\"/a\"}",
        "{" GOOD ",\"key_hosts\":[\"a\"]}",
        "{" GOOD ",\"id\":\"header X\"}",
        "{" GOOD ",\"url_ports\":\"yes\"}",
        "{" GOOD ",\"answer_status\":302}",
        "{" GOOD ",\"answer_status\":199}",
        "{" GOOD ",\"answer_status\":\"200\"}",
        "{" GOOD ",\"answer_body\":\"ok\"}",
        "{" GOOD ",\"answer_type\":\"text/plain\"}",
        "{" GOOD ",\"key_set_url\":\"https://x\"}",
        "{\"title\":\"T\"}",
    };
    cr_assert(reads("{" GOOD "}"));
    cr_assert(reads(
        "{" GOOD ",\"answer_status\":202,\"answer_type\":\"text/plain\",\"answer_body\":\"ok\"}"));
    cr_assert(reads("{" GOOD ",\"timestamp\":\"header T\",\"tolerance\":300}"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_expect_not(reads(bad[i]), "%s", bad[i]);
    }
}

#define WITH(algorithm, grammar, key, more)                                                        \
    "{\"title\":\"T\",\"doc\":\"https://x\",\"algorithm\":\"" algorithm                            \
    "\",\"signature\":\"header X-S\",\"grammar\":\"" grammar "\",\"key\":\"" key "\"" more "}"

Test(webhook_scheme, one_that_would_verify_less_than_it_seems_to_is_refused)
{
    cr_expect(reads(WITH("jwt-es256", "jwt", "key-set", "")));
    cr_expect(reads(WITH("jwt-es256", "jwt", "key-set", ",\"key_set_url\":\"https://x/y\"")));
    cr_expect_not(reads(WITH("jwt-es256", "jwt", "key-set", ",\"key_set_url\":\"http://x/y\"")));
    cr_expect_not(reads(WITH("jwt-es256", "jwt", "key-set", ",\"key_set_body\":\"{}\"")));
    cr_expect(reads(WITH("token", "bare", "text", "")));
    cr_expect_not(reads(WITH("jwt-es256", "bare", "key-set", "")));
    cr_expect_not(reads(WITH("jwt-es256", "jwt", "text", "")));
    cr_expect_not(reads(WITH("hmac-sha256", "jwt", "key-set", "")));
    cr_expect_not(reads(WITH("hmac-sha256", "bare", "text", "")), "nothing is signed");
    cr_expect_not(reads(WITH("token", "bare", "text", ",\"signed\":\"{body}\"")));
    cr_expect_not(reads(WITH("sha256", "bare", "text", ",\"signed\":\"{body}\"")), "no secret");
    cr_expect_not(reads(WITH("hmac-sha256", "bare", "text", ",\"signed\":\"{t}{body}\"")));
    cr_expect_not(reads(WITH("hmac-sha256", "bare", "text", ",\"signed\":\"{id}{body}\"")));
    cr_expect_not(reads(WITH("hmac-sha256", "bare", "text", ",\"signed\":\"{bodi}\"")));
    cr_expect_not(reads(WITH("hmac-sha256", "bare", "text", ",\"signed\":\"{body\"")));
    cr_expect_not(reads(WITH("hmac-sha256", "pairs", "text", ",\"signed\":\"{body}\"")));
    cr_expect_not(reads(WITH("rsa-sha256", "bare", "certificate", ",\"signed\":\"{body}\"")),
                  "from anywhere");
}
