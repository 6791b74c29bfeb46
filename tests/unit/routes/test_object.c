#include "base/memory.h"
#include "routes/object.h"
#include "routes/profile.h"

#include <stdio.h>

#include <criterion/criterion.h>

static enum status read_objects(struct arena *arena, const char *objects, struct profile *ret,
                                struct error *err)
{
    char json[4096];
    int len = snprintf(json, sizeof(json), "{\"title\":\"T\",\"objects\":%s}", objects);
    return profile_read(arena, SLICE("t"), slice_make(json, (size_t)len), ret, err);
}

static const struct object_rule *find(const struct profile_set *set, const char *name,
                                      const char *method, const char *path)
{
    const struct profile *profile = profile_find(set, slice_from(name));
    cr_assert_not_null(profile, "%s", name);
    return object_rule_find(profile, slice_from(method), slice_from(path));
}

Test(object, the_built_in_profiles_know_what_their_calls_make)
{
    static const struct {
        const char *profile, *method, *path, *type; /* type NULL: nothing; "": the answer says */
    } calls[] = {
        {"stripe", "POST", "/v1/payment_intents", ""},
        {"stripe", "POST", "/v1/refunds", ""},
        {"stripe", "DELETE", "/v1/subscriptions/sub_1", ""},
        {"stripe", "GET", "/v1/payment_intents/pi_1", NULL},
        {"sendgrid", "POST", "/v3/mail/send", "email"},
        {"sendgrid", "POST", "/v3/marketing/contacts", NULL},
        {"twilio", "POST", "/2010-04-01/Accounts/AC1/Messages.json", "message"},
        {"twilio", "POST", "/2010-04-01/Accounts/AC1/Calls.json", "call"},
        {"twilio", "POST", "/2010-04-01/Accounts/AC1/Queues.json", NULL},
        {"resend", "POST", "/emails", "email"},
        {"square", "POST", "/v2/payments", "payment"},
        {"square", "POST", "/v2/payments/p1/complete", "payment"},
        {"square", "POST", "/v2/refunds", "refund"},
        {"adyen", "POST", "/v71/payments", "payment"},
        {"adyen", "POST", "/v71/payments/P1/refunds", "refund"},
        {"paypal", "POST", "/v2/checkout/orders", "order"},
        {"github", "POST", "/repos/acme/shop/issues", "issue"},
        {"github", "POST", "/repos/acme/shop/issues/7/comments", "comment"},
        {"openai", "POST", "/v1/chat/completions", ""},
        {"openai", "POST", "/v1/responses", ""},
        {"openai", "POST", "/v1/embeddings", NULL},
        {"openai", "POST", "/v1/images/edits", NULL},
        {"azure-openai", "POST", "/openai/deployments/d/chat/completions", ""},
        {"anthropic", "POST", "/v1/messages", ""},
        {"cohere", "POST", "/v2/chat", "chat"},
        {"aws-ses", "POST", "/v2/email/outbound-emails", "email"},
        {"aws-ses", "POST", "/v2/email/identities", NULL},
        {"aws-sqs", "POST", "/", "message"},
        {"aws-dynamodb", "POST", "/", NULL},
        {"http", "POST", "/anything", NULL},
        {"slack", "POST", "/chat.postMessage", "message"},
        {"slack", "POST", "/auth.test", NULL},
        {"telegram", "POST", "/sendMessage", "message"},
        {"notion", "POST", "/v1/search", NULL},
        {"gitlab", "POST", "/api/v4/projects/1/issues", "issue"},
        {"zendesk", "POST", "/api/v2/tickets.json", "ticket"},
        {"postmark", "POST", "/email", "email"},
        {"replicate", "POST", "/v1/predictions", "prediction"},
        {"hubspot", "POST", "/crm/v3/objects/contacts", "contact"},
        {"hubspot", "POST", "/crm/v3/objects/contacts/search", NULL},
        {"shopify", "POST", "/admin/api/2026-10/orders.json", "order"},
        {"posthog", "POST", "/batch/", NULL},
    };
    struct arena arena = {0};
    struct profile_set set;
    struct error err;
    cr_assert_eq(profile_set_load(&arena, &set, &err), STATUS_OK, "%s", err.message);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const struct object_rule *rule =
            find(&set, calls[i].profile, calls[i].method, calls[i].path);
        cr_assert_eq(rule != NULL, calls[i].type != NULL, "%s %s", calls[i].profile, calls[i].path);
        cr_expect(rule == NULL || slice_equal(rule->type, slice_from(calls[i].type)), "%s %s",
                  calls[i].profile, calls[i].path);
    }
    arena_fini(&arena);
}

Test(object, a_rule_may_be_for_some_methods_only)
{
    struct arena arena = {0};
    struct profile profile;
    struct error err;
    cr_assert_eq(read_objects(&arena,
                              "[{\"methods\":[\"GET\"],\"paths\":[\"/token\"],\"id\":\"/id\"}]",
                              &profile, &err),
                 STATUS_OK);
    cr_expect_not_null(object_rule_find(&profile, SLICE("GET"), SLICE("/token")));
    cr_expect_null(object_rule_find(&profile, SLICE("POST"), SLICE("/token")));
    cr_expect_null(object_rule_find(&profile, SLICE("GET"), SLICE("/tokens")));
    arena_fini(&arena);
}

Test(object, slips_in_a_profile_are_told)
{
    static const struct {
        const char *objects, *words;
    } slips[] = {
        {"{}", "objects"},
        {"[{}]", "objects[0]: without id and id_header"},
        {"[{\"paths\":[\"/a\"],\"type\":\"x\"}]", "without id and id_header"},
        {"[{\"paths\":[\"/a\"],\"amount\":\"/x\"}]", "without id and id_header"},
        {"[{\"id\":\"/id\",\"id_header\":\"x-id\"}]", "either id or id_header"},
        {"[{\"id\":\"id\"}]", "a pointer such as \"/id\""},
        {"[{\"id\":\"/\"}]", "a pointer such as"},
        {"[{\"id\":\"/a//b\"}]", "a pointer such as"},
        {"[{\"id\":\"/a/\"}]", "a pointer such as"},
        {"[{\"id\":\"/a~1b\"}]", "a pointer such as"},
        {"[{\"id\":\"/1/2/3/4/5/6/7\"}]", "up to 6 steps"},
        {"[{\"id\":\"/id\",\"amount\":[\"/a\",1]}]", "amount"},
        {"[{\"id\":\"/id\",\"price\":\"/price\"}]", "price"},
        {"[{\"id\":\"/id\",\"paths\":[\"v1\"]}]", "paths: each begins with /"},
        {"[{\"id_header\":\"X-Id\"}]", "lower case"},
        {"[{\"id_header\":\"x id\"}]", "no header name"},
        {"[{\"id\":[\"/1\",\"/2\",\"/3\",\"/4\",\"/5\",\"/6\",\"/7\",\"/8\",\"/9\"],\"amount\":"
         "[\"/1\",\"/2\",\"/3\",\"/4\",\"/5\",\"/6\",\"/7\",\"/8\"]}]",
         "more than 16 pointers"},
    };
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        struct arena arena = {0};
        struct profile profile;
        struct error err;
        cr_assert_neq(read_objects(&arena, slips[i].objects, &profile, &err), STATUS_OK, "%s",
                      slips[i].objects);
        cr_expect_not_null(strstr(err.message, slips[i].words), "%s: %s", slips[i].objects,
                           err.message);
        arena_fini(&arena);
    }
}
