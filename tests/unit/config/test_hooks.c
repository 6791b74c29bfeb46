/* What a config says of webhooks, linked; what is wrong with it is in test_hook_checks.c. */
#include "auth/inbound/webhook_scheme.h"
#include "auth/secrets/secret_store.h"
#include "base/embedded.h"
#include "tests/unit/config/config_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(hooks, .init = setup, .fini = teardown);

static const struct hook *load(const char *hooks)
{
    char text[8000];
    (void)snprintf(text, sizeof(text), "version: 1\nsecrets: [{type: env}]\n%s\n", hooks);
    parse_text(text);
    cr_assert_not_null(snapshot, "%s: %s", hooks, problem_at(0));
    return snapshot->hook_count == 0 ? NULL : snapshot->hooks[0];
}

#define STRIPE "webhooks: {stripe: {secrets: s, deliver: {to: \"http://a\", secret: t}}}"

static void expect_text(struct slice text, const char *wanted)
{
    cr_expect(slice_equal(text, slice_from(wanted)), "\"%.*s\" is \"%s\"", SLICE_ARG(text), wanted);
}

Test(hooks, there_are_none_by_default)
{
    cr_expect_null(load(""));
    cr_expect_null(snapshot->queue.path);
    cr_expect_eq(snapshot->gateway.webhook_listen_count, 0U);
    cr_expect_eq(snapshot->gateway.trusted_proxy_count, 0U);
    cr_expect_not(snapshot->gateway.proxy_protocol);
}

Test(hooks, a_provider_a_secret_and_a_target_are_enough)
{
    const struct hook *hook = load(STRIPE);
    cr_expect_str_eq(hook->name, "stripe");
    expect_text(hook->path, "/hooks/stripe");
    cr_expect_eq(hook->host.len, 0U);
    expect_text(hook->scheme->name, "stripe");
    cr_expect_eq(hook->public_url.len, 0U);
    cr_expect_eq(hook->secret_count, 1U);
    cr_expect_str_eq(hook->secrets[0].name, "s");
    cr_expect_null(hook->verify_token.name);
    cr_expect_eq(hook->events.count, 0U);
    cr_expect_not(hook->drop_untyped);
    cr_expect_eq(hook->body_bytes, 5242880U);
    cr_expect_eq(hook->rate.count, 100U);
    cr_expect_eq(hook->rate.period, 900 * SEC);
    cr_expect_eq(hook->counting, HOOK_COUNT_UNVERIFIED);
    cr_expect_eq(hook->dedupe, HOOK_DEDUPE_NORMAL);
    cr_expect_eq(hook->source_count, 0U);
    cr_expect_eq(hook->target_count, 1U);
    cr_expect_eq(problems.warning_count, 0U);
}

Test(hooks, a_target_has_defaults)
{
    static const usec_t waits[] = {0, 5, 300, 1800, 7200, 18000, 36000, 36000};
    const struct hook_target *target = load(STRIPE)->targets;
    cr_expect_str_eq(target->name, "default");
    cr_expect_eq(target->index, 0U);
    cr_expect_not(target->origin.tls);
    cr_expect_str_eq(target->origin.host, "a");
    cr_expect_eq(target->origin.port, 80U);
    expect_text(target->path, "/");
    cr_expect_eq(target->timeout, 15 * SEC);
    cr_assert_eq(target->schedule_count, sizeof(waits) / sizeof(waits[0]));
    for (unsigned i = 0; i < target->schedule_count; i++) {
        cr_expect_eq(target->schedule[i], waits[i] * SEC);
    }
    cr_expect_eq(target->order, HOOK_ORDER_NONE);
    cr_expect_eq(target->events.count, 0U);
    cr_expect_eq(target->secret_count, 1U);
    cr_expect_str_eq(target->secrets[0].name, "t");
    cr_expect_eq(target->concurrency, 10U);
    cr_expect_eq(target->rate.count, 0U);
    cr_expect_eq(target->breaker.failure_rate, 50U);
    cr_expect_not(target->breaker.off);
    cr_expect_eq(target->edit_count, 0U);
}

Test(hooks, what_a_hook_says_is_taken)
{
    const struct hook *hook =
        load("webhooks:\n  b:\n    path: /in/b\n    host: hooks.example.com\n    provider: twilio\n"
             "    public_url: https://hooks.example.com/in/b/\n    secrets: [s, s-old]\n"
             "    events: [\"invoice.*\", x]\n    untyped: drop\n    body_bytes: 1MiB\n"
             "    rate: {requests: 5, per: 1m, each: ip, count: all}\n    dedupe: strict\n"
             "    sources: [10.0.0.0/8, \"fd00::/8\"]\n"
             "    deliver: {to: \"http://a\", secret: t}\n");
    expect_text(hook->path, "/in/b");
    expect_text(hook->host, "hooks.example.com");
    expect_text(hook->scheme->name, "twilio");
    expect_text(hook->public_url, "https://hooks.example.com/in/b/");
    cr_expect_eq(hook->secret_count, 2U);
    cr_expect_str_eq(hook->secrets[1].name, "s-old");
    cr_assert_eq(hook->events.count, 2U);
    expect_text(hook->events.pattern[0], "invoice.*");
    cr_expect(hook->drop_untyped);
    cr_expect_eq(hook->body_bytes, 1048576U);
    cr_expect_eq(hook->rate.count, 5U);
    cr_expect_eq(hook->rate.period, 60 * SEC);
    cr_expect_eq(hook->counting, HOOK_COUNT_ALL);
    cr_expect_eq(hook->dedupe, HOOK_DEDUPE_STRICT);
    cr_assert_eq(hook->source_count, 2U);
    cr_expect_eq(hook->sources[1].prefix, 8U);
}

Test(hooks, a_rate_can_be_off)
{
    cr_expect_eq(load("webhooks: {stripe: {secrets: s, rate: off, deliver: {to: \"http://a\"}}}")
                     ->rate.count,
                 0U);
}

Test(hooks, what_a_target_says_is_taken)
{
    const struct hook_target *target =
        load("webhooks:\n  stripe:\n    secrets: s\n    deliver:\n"
             "      to: https://Billing.internal:8443/in/?a=b%20c\n      name: billing\n"
             "      timeout: 2s\n      schedule: [1s, 1m]\n      order: object\n"
             "      order_key: /data/object/id\n      events: invoice.paid\n"
             "      secrets: [t, t-old]\n      concurrency: 3\n"
             "      rate: {requests: 50, per: 2s}\n      breaker: off\n"
             "      transform: {drop: [/a/b, /c~1d], rename: {/old: /new, /x: /y}}\n")
            ->targets;
    cr_expect_str_eq(target->name, "billing");
    cr_expect(target->origin.tls);
    cr_expect_str_eq(target->origin.host, "billing.internal");
    cr_expect_eq(target->origin.port, 8443U);
    cr_expect_str_eq(target->origin.authority, "billing.internal:8443");
    expect_text(target->path, "/in/?a=b%20c");
    cr_expect_eq(target->timeout, 2 * SEC);
    cr_expect_eq(target->schedule_count, 2U);
    cr_expect_eq(target->schedule[1], 60 * SEC);
    cr_expect_eq(target->order, HOOK_ORDER_OBJECT);
    expect_text(target->order_key, "/data/object/id");
    cr_expect_eq(target->events.count, 1U);
    cr_expect_eq(target->secret_count, 2U);
    cr_expect_eq(target->concurrency, 3U);
    cr_expect_eq(target->rate.count, 50U);
    cr_expect_eq(target->rate.period, 2 * SEC);
    cr_expect(target->breaker.off);
    cr_assert_eq(target->edit_count, 4U);
    cr_expect_eq(target->edits[0].kind, HOOK_DROP);
    expect_text(target->edits[1].from, "/c~1d");
    cr_expect_eq(target->edits[2].kind, HOOK_RENAME);
    expect_text(target->edits[2].from, "/old");
    expect_text(target->edits[2].to, "/new");
}

Test(hooks, the_path_of_a_target_is_as_written)
{
    static const char *const cases[][2] = {
        {"http://a", "/"},         {"http://a/", "/"},
        {"http://a/b", "/b"},      {"http://a/b/", "/b/"},
        {"http://a?x=1", "/?x=1"}, {"http://[2001:db8::1]:81/b?x=http://y/z", "/b?x=http://y/z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        (void)snprintf(text, sizeof(text),
                       "webhooks: {stripe: {secrets: s, deliver: {to: \"%s\"}}}", cases[i][0]);
        expect_text(load(text)->targets[0].path, cases[i][1]);
    }
}

Test(hooks, targets_are_several_by_name)
{
    const struct hook *hook = load("webhooks: {stripe: {secrets: s, deliver: [{to: \"http://a\", "
                                   "name: x}, {to: \"http://b\", name: y}]}}");
    cr_assert_eq(hook->target_count, 2U);
    cr_expect_eq(hook->targets[1].index, 1U);
    cr_expect_eq(hook_target_named(hook, SLICE("y")), &hook->targets[1]);
    cr_expect_null(hook_target_named(hook, SLICE("default")));
}

Test(hooks, are_sorted_by_name_and_found_by_it)
{
    (void)load("webhooks: {stripe: {secrets: s, deliver: {to: \"http://a\"}}, "
               "github: {secrets: s, deliver: {to: \"http://a\"}}}");
    cr_assert_eq(snapshot->hook_count, 2U);
    cr_expect_str_eq(snapshot->hooks[0]->name, "github");
    cr_expect_eq(snapshot->hooks[1]->index, 1U);
    cr_expect_eq(hook_table_named(&snapshot->hook_table, SLICE("stripe")), snapshot->hooks[1]);
    cr_expect_null(hook_table_named(&snapshot->hook_table, SLICE("strip")));
}

Test(hooks, the_queue_has_defaults_and_settings)
{
    (void)load(STRIPE);
    cr_expect_str_eq(snapshot->queue.path, "webhooks.db");
    cr_expect_eq(snapshot->queue.keep, 7 * 86400 * SEC);
    cr_expect_eq(snapshot->queue.max_age, 7 * 86400 * SEC);
    cr_expect_eq(snapshot->queue.max_events, 1000000U);
    cr_expect_eq(snapshot->queue.max_bytes, 4294967296U);
    (void)load("webhook_queue: {url: \"sqlite:/q.db\", keep: 1d, max_age: 2d, max_events: 5, "
               "max_size: 2MiB}");
    cr_expect_str_eq(snapshot->queue.path, "/q.db");
    cr_expect_eq(snapshot->queue.keep, 86400 * SEC);
    cr_expect_eq(snapshot->queue.max_age, 2 * 86400 * SEC);
    cr_expect_eq(snapshot->queue.max_events, 5U);
    cr_expect_eq(snapshot->queue.max_bytes, 2097152U);
}

Test(hooks, what_faces_the_internet_is_taken)
{
    (void)load("gateway: {listen: 127.0.0.1:1, webhook_listen: [0.0.0.0:2, \"[::1]:3\"], "
               "trusted_proxies: [10.0.0.0/8], proxy_protocol: on}\n" STRIPE);
    const struct gateway_settings *gateway = &snapshot->gateway;
    cr_expect_eq(gateway->listen_count, 1U);
    cr_expect_str_eq(gateway->listen[0], "127.0.0.1:1");
    cr_assert_eq(gateway->webhook_listen_count, 2U);
    cr_expect_str_eq(gateway->webhook_listen[1], "[::1]:3");
    cr_assert_eq(gateway->trusted_proxy_count, 1U);
    cr_expect_eq(gateway->trusted_proxies[0].prefix, 104U);
    cr_expect(gateway->proxy_protocol);
}

Test(hooks, a_scheme_can_be_in_the_config)
{
    const struct webhook_scheme *scheme =
        load("webhooks: {own: {scheme: {algorithm: hmac-sha256, signature: header X-Sig, prefix: "
             "\"v1=\", signed: \"{t}.{body}\", timestamp: header X-T, event_id: signed json /id, "
             "event_type: [json /type, header X-Type], url_ports: true}, secrets: s, "
             "deliver: {to: \"http://a\"}}}")
            ->scheme;
    expect_text(scheme->name, "own");
    expect_text(scheme->title, "own");
    cr_expect_eq(scheme->algorithm, WEBHOOK_HMAC_SHA256);
    cr_expect_eq(scheme->grammar, WEBHOOK_BARE);
    cr_expect_eq(scheme->encoding, WEBHOOK_HEX);
    cr_expect_eq(scheme->part_count, 3U);
    expect_text(scheme->prefix, "v1=");
    cr_expect_eq(scheme->tolerance, 300);
    cr_expect(scheme->url_ports);
    cr_expect_eq(scheme->event_ids.count, 1U);
    cr_expect(scheme->event_ids.place[0].is_signed);
    cr_expect_eq(scheme->event_types.count, 2U);
}

extern const struct embedded_file webhook_schemes_data[];

/* Each built-in scheme is taken as one of the config's, and is the same then. */
Test(hooks, the_form_of_a_scheme_in_the_config_is_that_of_the_built_in_ones)
{
    struct webhook_schemes *schemes = NULL;
    cr_assert_eq(webhook_schemes_new(&schemes, NULL), STATUS_OK);
    for (const struct embedded_file *file = webhook_schemes_data; file->name != NULL; file++) {
        struct slice name = slice_make(file->name, strlen(file->name) - strlen(".json"));
        const struct webhook_scheme *wanted = webhook_schemes_find(schemes, name);
        const char *pins = wanted->pin == WEBHOOK_PIN_TOPIC ? "topics: \"arn:a:sns:b:1:c\","
                           : wanted->pin == WEBHOOK_PIN_AUDIENCE
                               ? "audience: a, service_account: b,"
                               : "";
        char *text = NULL;
        cr_assert_gt(asprintf(&text,
                              "webhooks:\n  h: {scheme: %.*s, public_url: \"https://a\", %s%s "
                              "deliver: {to: \"http://a\"}}",
                              (int)file->len, file->bytes, pins,
                              webhook_scheme_wants_secret(wanted) ? "secrets: s," : ""),
                     0);
        const struct webhook_scheme *scheme = load(text)->scheme;
        cr_expect(slice_equal(scheme->title, wanted->title), "%s", file->name);
        cr_expect_eq(scheme->algorithm, wanted->algorithm, "%s", file->name);
        cr_expect_eq(scheme->grammar, wanted->grammar, "%s", file->name);
        cr_expect_eq(scheme->encoding, wanted->encoding, "%s", file->name);
        cr_expect_eq(scheme->key, wanted->key, "%s", file->name);
        cr_expect_eq(scheme->pin, wanted->pin, "%s", file->name);
        cr_expect_eq(scheme->part_count, wanted->part_count, "%s", file->name);
        cr_expect_eq(scheme->timestamp_unit, wanted->timestamp_unit, "%s", file->name);
        cr_expect_eq(scheme->event_ids.count, wanted->event_ids.count, "%s", file->name);
        cr_expect(slice_equal(scheme->challenge_body, wanted->challenge_body), "%s", file->name);
        cr_expect(scheme->tolerance == wanted->tolerance ||
                      wanted->tolerance == WEBHOOK_NO_TOLERANCE,
                  "%s", file->name);
        free(text);
    }
    webhook_schemes_free(schemes);
}

Test(hooks, a_token_of_ones_own_needs_two_lines)
{
    const struct webhook_scheme *scheme =
        load("webhooks: {own: {scheme: {algorithm: token, signature: header X-Token}, secrets: s, "
             "deliver: {to: \"http://a\"}}}")
            ->scheme;
    cr_expect_eq(scheme->algorithm, WEBHOOK_TOKEN);
    cr_expect_eq(scheme->tolerance, WEBHOOK_NO_TOLERANCE);
}

Test(hooks, secrets_are_in_use_as_long_as_the_snapshot)
{
    static const char text[] =
        "version: 1\nsecrets: [{type: env}]\nwebhooks: {meta: {secrets: [a, b], verify_token: v, "
        "deliver: {to: \"http://a\", secret: t}}}\n";
    CLEANUP(problems_fini) struct problems found = {0};
    struct snapshot *parsed = NULL;
    struct secret_store *store = secret_store_new();
    cr_assert_eq(snapshot_parse("f", slice_from(text), store, &found, &parsed), STATUS_OK);
    const struct hook *hook = parsed->hooks[0];
    cr_expect_not_null(hook->secrets[0].slot);
    cr_expect_not_null(hook->secrets[1].slot);
    cr_expect_not_null(hook->verify_token.slot);
    cr_expect_not_null(hook->targets[0].secrets[0].slot);
    snapshot_unref(parsed);
    secret_store_free(store);
}
