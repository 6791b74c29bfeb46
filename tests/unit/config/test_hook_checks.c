/* What is wrong with webhooks in a config, and what only will hardly be meant. */
#include "config/sections.h"
#include "tests/unit/config/config_scene.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

TestSuite(hook_checks, .init = setup, .fini = teardown);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A hook called stripe with these members. */
#define HOOK(members)   "webhooks: {stripe: {" members "}}"
#define TO              "deliver: {to: \"http://a\", secret: t}"
#define TARGET(members) HOOK("secrets: s, deliver: {to: \"http://a\", " members "}")
#define SCHEME(members) HOOK("scheme: {" members "}, secrets: s, " TO)
#define OWN             "algorithm: hmac-sha256, signature: header X, signed: \"{body}\""

struct one {
    const char *section;
    const char *line; /* begins with this: place and message */
};

static void load(const char *section)
{
    char text[8000];
    (void)snprintf(text, sizeof(text), "version: 1\nsecrets: [{type: env}]\n%s\n", section);
    parse_text(text);
}

/* "f:3:12: " is taken off a line. */
static const char *message_of(const char *line)
{
    const char *space = strchr(line, ' ');
    return space == NULL ? line : space + 1;
}

static void expect_problems(const struct one *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        load(cases[i].section);
        cr_expect_eq(problems.count, 1U, "%s: %u: %s", cases[i].section, problems.count,
                     problem_at(0));
        const char *message = message_of(problem_at(0));
        cr_expect_eq(strncmp(message, cases[i].line, strlen(cases[i].line)), 0, "%s: %s",
                     cases[i].section, message);
    }
}

static void expect_warnings(const struct one *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        load(cases[i].section);
        cr_expect_eq(problems.count, 0U, "%s: %s", cases[i].section, problem_at(0));
        cr_expect_eq(problems.warning_count, 1U, "%s: %u", cases[i].section,
                     problems.warning_count);
        const char *message =
            message_of(problem_line(problems.warnings, problems.warning_count, 0));
        cr_expect_eq(strncmp(message, cases[i].line, strlen(cases[i].line)), 0, "%s: %s",
                     cases[i].section, message);
    }
}

Test(hook_checks, how_it_is_verified)
{
    static const struct one cases[] = {
        {HOOK("provider: strpie, secrets: s, " TO),
         "webhooks.stripe.provider: no webhook scheme is called \"strpie\"; did you mean "
         "\"stripe\"?"},
        {HOOK("provider: unheard-of, secrets: s, " TO),
         "webhooks.stripe.provider: no webhook scheme is called \"unheard-of\"; write one of: "
         "adyen-platform, adyen, "},
        {"webhooks: {my-hook: {secrets: s, " TO "}}",
         "webhooks.my-hook: provider is missing, and no webhook scheme is called \"my-hook\"; "
         "write provider: standard-webhooks, or scheme: {...}"},
        {HOOK("provider: stripe, scheme: {" OWN "}, secrets: s, " TO),
         "webhooks.stripe.scheme: there is a provider, too; take one of them out"},
        {HOOK(TO), "webhooks.stripe: secrets is missing, by which stripe is verified; write "
                   "secrets: [NAME]"},
        {HOOK("secrets: [], " TO), "webhooks.stripe.secrets: secrets is missing"},
        {HOOK("secrets: [a, a], " TO),
         "webhooks.stripe.secrets[1]: this secret is listed already; take one out"},
        {HOOK("secrets: [a, b, c, d, e, f, g, h, i], " TO),
         "webhooks.stripe.secrets: 9 secrets, and 8 are the most"},
        {HOOK("secrets: .x, " TO), "webhooks.stripe.secrets: a secret's name has letters"},
        {HOOK("provider: aws-sns, secrets: s, topics: [\"arn:aws:sns:a:1:b\"], " TO),
         "webhooks.stripe.secrets: aws-sns signs with keys that are published, and has no secret; "
         "take this out"},
        {HOOK("provider: aws-sns, " TO),
         "webhooks.stripe: topics is missing: aws-sns proves only the platform, which anyone can "
         "use; write topics: [\"arn:aws:sns:eu-west-1:123456789012:orders\"]"},
        {HOOK("provider: aws-sns, topics: [], " TO), "webhooks.stripe.topics: topics is missing"},
        {HOOK("provider: aws-sns, topics: orders, " TO),
         "webhooks.stripe.topics: this is no topic; write its ARN"},
        {HOOK("provider: google-pubsub, service_account: a@b, " TO),
         "webhooks.stripe: audience is missing: google-pubsub proves only the platform"},
        {HOOK("provider: google-pubsub, audience: \"https://a\", " TO),
         "webhooks.stripe: service_account is missing: google-pubsub proves only the platform"},
        {HOOK("secrets: s, topics: [\"arn:aws:sns:a:1:b\"], " TO),
         "webhooks.stripe.topics: stripe has nothing that is compared with this; take it out"},
        {HOOK("secrets: s, audience: x, " TO),
         "webhooks.stripe.audience: stripe has nothing that is compared with this"},
        {HOOK("provider: twilio, secrets: s, " TO),
         "webhooks.stripe: public_url is missing, which twilio signs; write public_url: "
         "https://hooks.example.com/hooks/stripe, as the provider has it"},
        {HOOK("provider: hubspot, secrets: s, " TO),
         "webhooks.stripe: public_url is missing, which hubspot signs"},
        {HOOK("secrets: s, public_url: hooks.example.com, " TO),
         "webhooks.stripe.public_url: write a URL that begins with https://"},
        {HOOK("secrets: s, public_url: \"https://a/b?c\", " TO),
         "webhooks.stripe.public_url: a URL here ends with its path"},
        {HOOK("provider: meta, secrets: s, verify_token: .x, " TO),
         "webhooks.stripe.verify_token: a secret's name has letters"},
    };
    expect_problems(cases, COUNT_OF(cases));
}

Test(hook_checks, a_secret_needs_a_source)
{
    parse_text("version: 1\n" HOOK("secrets: s, deliver: {to: \"http://a\"}"));
    cr_expect_eq(problems.count, 1U);
    cr_expect_not_null(strstr(problem_at(0), "there is no source that could have this secret"));
}

Test(hook_checks, a_scheme_of_ones_own)
{
    static const struct one cases[] = {
        {SCHEME("algorithm: hmac-sha256"), "webhooks.stripe.scheme: signature is missing"},
        {SCHEME("algorithm: md5, signature: header X, signed: \"{body}\""),
         "webhooks.stripe.scheme: algorithm: unknown word \"md5\""},
        {SCHEME(OWN ", sigend: x"),
         "webhooks.stripe.scheme.sigend: unknown key; did you mean \"signed\"?"},
        {SCHEME("algorithm: hmac-sha256, signature: X, signed: \"{body}\""),
         "webhooks.stripe.scheme: \"X\" is no place such as \"header X-Name\""},
        {SCHEME("algorithm: hmac-sha256, signature: header X"),
         "webhooks.stripe.scheme: all but tokens and JWTs say what is signed"},
        {SCHEME("algorithm: hmac-sha256, signature: header X, signed: \"{t}{body}\""),
         "webhooks.stripe.scheme: {t} wants a timestamp"},
        {SCHEME(OWN ", grammar: pairs"), "webhooks.stripe.scheme: pairs have a separator"},
        {SCHEME(OWN ", timestamp: json /t, tolerance: 86401"),
         "webhooks.stripe.scheme.tolerance: \"86401\" is too"},
        {SCHEME(OWN ", event_id: [json /a, json /b, json /c, json /d, json /e]"),
         "webhooks.stripe.scheme: event_id: a list of at most 4 is expected"},
        {SCHEME(OWN ", event_id: [[x]]"),
         "webhooks.stripe.scheme.event_id[0]: expected a single value"},
        {SCHEME("algorithm: \"${env:PATH}\", signature: header X"),
         "webhooks.stripe.scheme: what ${...} stands for here makes no scheme"},
        {SCHEME(OWN ", tolerance: 300"),
         "webhooks.stripe.scheme: tolerance is a timestamp's; write timestamp: PLACE"},
        {SCHEME(OWN ", timestamp: header X-T"),
         "webhooks.stripe.scheme: the timestamp is not in what is signed"},
        {SCHEME("algorithm: token, signature: header X, timestamp: json /t"),
         "webhooks.stripe.scheme: the timestamp is not in what is signed"},
        {SCHEME(OWN ", event_id: signed header X-Id"),
         "webhooks.stripe.scheme: an event_id is called signed, and is not in what is signed"},
        {SCHEME("algorithm: token, signature: header X, event_id: signed json /id"),
         "webhooks.stripe.scheme: an event_id is called signed, and is not in what is signed"},
        {HOOK("scheme: own, secrets: s, " TO),
         "webhooks.stripe.scheme: expected a map, found a single value"},
        {HOOK("scheme: {" OWN ", pin: topic}, secrets: s, " TO),
         "webhooks.stripe: topics is missing: stripe proves only the platform"},
    };
    expect_problems(cases, COUNT_OF(cases));
}

#define ROUTE(members) "routes: {r: {provider: http, base_url: \"https://a\", " members "}}\n"

Test(hook_checks, where_it_comes_in)
{
    static const struct one cases[] = {
        {HOOK("path: hooks, secrets: s, " TO), "webhooks.stripe.path: a path begins with '/'"},
        {HOOK("path: \"/a?b\", secrets: s, " TO), "webhooks.stripe.path: a path may have"},
        {HOOK("path: /a/, secrets: s, " TO), "webhooks.stripe.path: take the '/' at"},
        {HOOK("host: \"A.example.com\", secrets: s, " TO),
         "webhooks.stripe.host: write the host in lower case"},
        {"webhooks: {a: {provider: stripe, path: /x, secrets: s, " TO "}, b: {provider: stripe, "
         "path: /x, secrets: s, " TO "}}",
         "webhooks.b.path: webhooks.a has the same path and host; give one of them another path"},
        {"webhooks: {a: {provider: stripe, path: /x, host: h.x, secrets: s, " TO
         "}, b: {provider: stripe, path: /x, host: h.x, secrets: s, " TO "}}",
         "webhooks.b.path: webhooks.a has the same path and host"},
        {ROUTE("path: /hooks") HOOK("secrets: s, " TO),
         "webhooks.stripe: routes.r covers this hook's path on the same host; give one of them "
         "another path or host"},
        {ROUTE("path: /") HOOK("path: /in, secrets: s, " TO),
         "webhooks.stripe.path: routes.r covers this hook's path"},
        {ROUTE("path: /in") HOOK("path: /in, secrets: s, " TO),
         "webhooks.stripe.path: routes.r covers this hook's path"},
        {ROUTE("host: h.x") HOOK("host: h.x, secrets: s, " TO),
         "webhooks.stripe.host: routes.r covers this hook's path"},
        {ROUTE("host: h.x, path: /hooks") HOOK("host: h.x, secrets: s, " TO),
         "webhooks.stripe.host: routes.r covers this hook's path"},
        {HOOK("secrets: s, sources: [10.0.0.1/8], " TO), "webhooks.stripe.sources[0]: "},
        {HOOK("secrets: s, sources: [], " TO), "webhooks.stripe.sources: nobody may send"},
        {HOOK("secrets: s, events: [], " TO),
         "webhooks.stripe.events: 0 types of events; write 1 to 100 of them, or take this out for "
         "all"},
        {HOOK("secrets: s, body_bytes: 65MiB, " TO),
         "webhooks.stripe.body_bytes: \"65MiB\" is too large; the most is 64MiB"},
        {HOOK("secrets: s, rate: {requests: 0}, " TO), "webhooks.stripe.rate.requests: \"0\" is"},
        {HOOK("secrets: s, rate: {each: tenant}, " TO),
         "webhooks.stripe.rate.each: \"tenant\" is unknown; write one of: ip"},
        {HOOK("secrets: s, rate: no, " TO), "webhooks.stripe.rate: expected a map"},
        {HOOK("secrets: s, dedup: strict, " TO),
         "webhooks.stripe.dedup: unknown key; did you mean \"dedupe\"?"},
    };
    expect_problems(cases, COUNT_OF(cases));
}

Test(hook_checks, places_that_only_look_alike_are_fine)
{
    static const char *const cases[] = {
        ROUTE("path: /hook") HOOK("secrets: s, " TO),
        ROUTE("path: /hooks/stripe/more") HOOK("secrets: s, " TO),
        ROUTE("path: /hooks") HOOK("host: h.x, secrets: s, " TO),
        ROUTE("host: h.x") HOOK("secrets: s, " TO),
        ROUTE("host: h.x") HOOK("host: h.y, secrets: s, " TO),
        "webhooks: {a: {provider: stripe, path: /x, secrets: s, " TO "}, b: {provider: stripe, "
        "path: /x, host: h.x, secrets: s, " TO "}}",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i]);
        cr_expect_eq(problems.count, 0U, "%s: %s", cases[i], problem_at(0));
    }
}

Test(hook_checks, whom_it_goes_to)
{
    static const struct one cases[] = {
        {HOOK("secrets: s"), "webhooks.stripe: deliver is missing; write deliver: {to: "},
        {HOOK("secrets: s, deliver: []"), "webhooks.stripe.deliver: there is nobody to deliver to"},
        {HOOK("secrets: s, deliver: "), "webhooks.stripe.deliver: there is nobody to deliver to"},
        {HOOK("secrets: s, deliver: {secret: t}"), "webhooks.stripe.deliver: to is missing"},
        {HOOK("secrets: s, deliver: http"),
         "webhooks.stripe.deliver: expected a map, or a list of such"},
        {HOOK("secrets: s, deliver: {to: \"http://u:p@a\"}"),
         "webhooks.stripe.deliver.to: a URL may not have a user or password in it"},
        {HOOK("secrets: s, deliver: {to: \"ftp://a\"}"),
         "webhooks.stripe.deliver.to: write a URL that begins with https:// or http://"},
        {HOOK("secrets: s, deliver: {to: \"http://a/b#c\"}"),
         "webhooks.stripe.deliver.to: a URL here ends"},
        {HOOK("secrets: s, deliver: {to: \"http://a/b?c#d\"}"),
         "webhooks.stripe.deliver.to: the query has a byte that must be percent-encoded"},
        {HOOK("secrets: s, deliver: {to: \"http://a?c d\"}"),
         "webhooks.stripe.deliver.to: the query has a byte"},
        {HOOK("secrets: s, deliver: {to: \"http://a/%2e\"}"), "webhooks.stripe.deliver.to: a path"},
        {TARGET("tls: {ca: /proc/self/status}"),
         "webhooks.stripe.deliver.tls.ca: the target is plain http; write https://"},
        {HOOK("secrets: s, deliver: [{to: \"http://a\"}, {to: \"http://b\", name: b}]"),
         "webhooks.stripe.deliver[0]: name is missing"},
        {HOOK("secrets: s, deliver: [{to: \"http://a\", name: b}, {to: \"http://b\", name: b}]"),
         "webhooks.stripe.deliver[1].name: another target of this hook has this name"},
        {TARGET("name: A"), "webhooks.stripe.deliver.name: a name has only a-z"},
        {TARGET("timeout: 10ms"), "webhooks.stripe.deliver.timeout: \"10ms\" is too small"},
        {TARGET("concurrency: 0"), "webhooks.stripe.deliver.concurrency: \"0\" is too small"},
        {TARGET("rate: {per: 1s}"), "webhooks.stripe.deliver.rate: requests is missing"},
        {TARGET("events: []"), "webhooks.stripe.deliver.events: 0 types of events"},
        {TARGET("schedule: []"), "webhooks.stripe.deliver.schedule: 0 attempts; write 1 to 20"},
        {TARGET("schedule: [0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s,0s]"),
         "webhooks.stripe.deliver.schedule: 21 attempts; write 1 to 20"},
        {TARGET("schedule: [0s, soon]"), "webhooks.stripe.deliver.schedule[1]: \"soon\": "},
        {TARGET("schedule: [0s, 31d]"),
         "webhooks.stripe.deliver.schedule[1]: \"31d\" is too large; the most is 30d"},
        {TARGET("order: object"), "webhooks.stripe.deliver.order: order_key is missing"},
        {TARGET("order_key: /a"),
         "webhooks.stripe.deliver.order_key: belongs to order: object; write that"},
        {TARGET("order: object, order_key: a"),
         "webhooks.stripe.deliver.order_key: this is no JSON pointer"},
        {TARGET("order: object, order_key: /a~2"),
         "webhooks.stripe.deliver.order_key: this is no JSON pointer"},
        {TARGET("order: object, order_key: /a~"),
         "webhooks.stripe.deliver.order_key: this is no JSON pointer"},
        {TARGET("transform: {drop: [a]}"),
         "webhooks.stripe.deliver.transform.drop[0]: this is no JSON pointer"},
        {TARGET("transform: {rename: {a: /b}}"),
         "webhooks.stripe.deliver.transform.rename.a: this is no JSON pointer"},
        {TARGET("transform: {rename: {/a: b}}"),
         "webhooks.stripe.deliver.transform.rename./a: this is no JSON pointer"},
        {TARGET("transform: {rename: {/a: /a}}"),
         "webhooks.stripe.deliver.transform.rename./a: a member cannot be moved to where it is"},
        {TARGET("transform: {rename: {/a: /a/b}}"),
         "webhooks.stripe.deliver.transform.rename./a: a member cannot be moved"},
        {TARGET("secret: a, secrets: [b]"),
         "webhooks.stripe.deliver.secret: there are secrets, too; take one of them out"},
        {TARGET("secrets: [a, b, c]"),
         "webhooks.stripe.deliver.secrets: 3 secrets, and 2 are the most"},
        {TARGET("secrets: [a, a]"), "webhooks.stripe.deliver.secrets[1]: this secret is listed"},
        {TARGET("breaker: {open: 5m}"), "webhooks.stripe.deliver.breaker.open: open is longer"},
    };
    expect_problems(cases, COUNT_OF(cases));
}

Test(hook_checks, what_is_signed_may_be_called_so)
{
    static const char *const cases[] = {
        SCHEME(OWN ", timestamp: json /t, event_id: signed json /id"),
        SCHEME("algorithm: hmac-sha1, signature: header X, signed: \"{t}{id}\", id: header I, "
               "timestamp: form t, event_id: [signed header I, header J]"),
        SCHEME("algorithm: hmac-sha1, signature: header X, signed: \"{url}{form}\", timestamp: "
               "query t, event_id: signed form id, "
               "event_type: json /t"),
        SCHEME("algorithm: hmac-sha1, signature: header X, signed: \"{header:X-I}{json:/t}\", "
               "timestamp: json /t, event_id: signed header x-i"),
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i]);
        cr_expect(problems.count == 0 || strstr(problem_at(0), "public_url") != NULL, "%s: %s",
                  cases[i], problem_at(0));
    }
}

Test(hook_checks, a_member_may_be_moved_beside_itself)
{
    load(TARGET("secret: t, transform: {rename: {/a: /ab, /b/c: /b}}"));
    cr_expect_eq(problems.count, 0U, "%s", problem_at(0));
}

/* `count` times `before`, a number and `after`. */
struct many {
    const char *begin, *before, *after, *end;
    unsigned count;
    const char *problem; /* NULL: none */
};

static void expect_many(const struct many *many)
{
    char text[8000];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", many->begin);
    for (unsigned i = 0; i < many->count; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u%s", many->before, i,
                                many->after);
    }
    (void)snprintf(text + len, sizeof(text) - len, "%s", many->end);
    load(text);
    cr_expect_eq(problems.count, many->problem == NULL ? 0U : 1U, "%s", problem_at(0));
    cr_expect(many->problem == NULL || strstr(problem_at(0), many->problem) != NULL, "%s",
              problem_at(0));
}

/* What the schema's patterns take is what is taken. */
static void expect_pattern(const struct field *fields, const char *name, const char *before,
                           const char *after, const char *value)
{
    char text[400];
    char whole[400];
    regex_t regex;
    while (strcmp(fields->name, name) != 0) {
        fields++;
        cr_assert_not_null(fields->name, "%s", name);
    }
    (void)snprintf(whole, sizeof(whole), "^(%s)$", fields->pattern);
    cr_assert_eq(regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB), 0, "%s", whole);
    bool matches = regexec(&regex, value, 0, NULL, 0) == 0;
    regfree(&regex);
    (void)snprintf(text, sizeof(text), "%s\"%s\"%s", before, value, after);
    load(text);
    cr_expect_eq(problems.count == 0, matches, "%s \"%s\": %s", name, value, problem_at(0));
}

Test(hook_checks, patterns_of_the_schema_are_what_is_read)
{
    static const char *const pointers[] = {"/",    "/a", "/a/b/0", "/a~1b", "/~0", "a",
                                           "/a~2", "/~", "/a b",   "//",    "/é",  "#/a"};
    static const char *const waits[] = {"0s", "5m", "1d", "10ms", "5", "s", "-1s", "1w", "1.5s"};
    static const char *const places[] = {
        "header X", "signed json /a", "json a",    "X",        "signed ",
        "header ",  "cookie a",       "query a b", "pairs v1", "signed signed header X"};
    static const char *const queues[] = {"sqlite:a",   "sqlite:/a/b", "sqlite:", "sqlite:/",
                                         "sqlite://a", "sqlite:a/",   "none",    "a.db"};
    for (size_t i = 0; i < COUNT_OF(pointers); i++) {
        expect_pattern(target_fields, "order_key",
                       "webhooks: {stripe: {secrets: s, deliver: {to: \"http://a\", order: object, "
                       "order_key: ",
                       "}}}", pointers[i]);
    }
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        expect_pattern(target_fields, "schedule",
                       "webhooks: {stripe: {secrets: s, deliver: {to: \"http://a\", schedule: ",
                       "}}}", waits[i]);
    }
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        expect_pattern(
            scheme_fields, "event_type",
            "webhooks: {h: {scheme: {algorithm: token, signature: header X, event_type: ",
            "}, secrets: s, deliver: {to: \"http://a\"}}}", places[i]);
    }
    for (size_t i = 0; i < COUNT_OF(queues); i++) {
        expect_pattern(queue_fields, "url", "webhook_queue: {url: ", "}", queues[i]);
    }
}

Test(hook_checks, all_has_a_bound)
{
    static const struct many cases[] = {
        {"webhooks: {stripe: {secrets: s, deliver: [", "{to: \"http://a\", name: n", "},", "]}}",
         HOOK_TARGETS_MAX, NULL},
        {"webhooks: {stripe: {secrets: s, deliver: [", "{to: \"http://a\", name: n", "},", "]}}",
         HOOK_TARGETS_MAX + 1, "17 targets, and 16 are the most of a hook"},
        {"webhooks: {stripe: {secrets: s, deliver: {to: \"http://a\", transform: {drop: [", "/a",
         ",", "], rename: {/a: /b}}}}}", HOOK_EDITS_MAX - 1, NULL},
        {"webhooks: {stripe: {secrets: s, deliver: {to: \"http://a\", transform: {drop: [", "/a",
         ",", "], rename: {/a: /b}}}}}", HOOK_EDITS_MAX, "65 changes, and 64 are the most"},
        {"webhooks: {h: {provider: aws-sns, deliver: {to: \"http://a\"}, topics: [",
         "\"arn:aws:sns:a:1:t", "\",", "]}}", HOOK_TOPICS_MAX, NULL},
        {"webhooks: {h: {provider: aws-sns, deliver: {to: \"http://a\"}, topics: [",
         "\"arn:aws:sns:a:1:t", "\",", "]}}", HOOK_TOPICS_MAX + 1,
         "65 topics, and 64 are the most"},
        {"webhooks: {stripe: {secrets: s, deliver: {to: \"http://a\"}, events: [", "e", ",", "]}}",
         101, "101 types of events; write 1 to 100"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_many(&cases[i]);
    }
}

Test(hook_checks, what_is_around_them)
{
    static const struct one cases[] = {
        {"gateway: {proxy_protocol: on}",
         "gateway.proxy_protocol: nobody is trusted to send a PROXY header"},
        {"gateway: {proxy_protocol: on, trusted_proxies: []}",
         "gateway.proxy_protocol: nobody is trusted to send a PROXY header"},
        {"gateway: {trusted_proxies: [lb.internal]}", "gateway.trusted_proxies[0]: "},
        {"gateway: {listen: \"127.0.0.1:1\", webhook_listen: \"127.0.0.1:1\"}",
         "gateway.webhook_listen: this address is listed already; take one out"},
        {"gateway: {webhook_listen: hooks}", "gateway.webhook_listen: "},
        {"webhook_queue: {url: \"postgresql://a\"}",
         "webhook_queue.url: write sqlite:PATH, such as sqlite:webhooks.db"},
        {"webhook_queue: {url: \"sqlite:\"}", "webhook_queue.url: write sqlite:PATH"},
        {"webhook_queue: {url: \"sqlite:/d/\"}", "webhook_queue.url: write sqlite:PATH"},
        {"ledger: {url: \"sqlite:a.db\"}\nwebhook_queue: {url: \"sqlite:a.db\"}",
         "ledger.url: this is the file of webhook_queue; name one of its own"},
        {"ledger: {url: \"sqlite:webhooks.db\"}\n" HOOK("secrets: s, " TO),
         "ledger.url: this is the file of webhook_queue; name one of its own"},
        {"webhook_queue: {max_age: 1s}", "webhook_queue.max_age: \"1s\" is too small"},
        {"webhook_queue: none", "webhook_queue: expected a map"},
    };
    expect_problems(cases, COUNT_OF(cases));
}

Test(hook_checks, what_will_hardly_be_meant_is_a_warning)
{
    static const struct one cases[] = {
        {HOOK("secrets: s, deliver: {to: \"http://a\"}"),
         "webhooks.stripe.deliver: what is sent is not signed"},
        {HOOK("provider: meta, secrets: s, " TO),
         "webhooks.stripe: verify_token is missing, so that the provider's handshake is refused"},
        {HOOK("secrets: s, verify_token: v, " TO),
         "webhooks.stripe.verify_token: ignored: the handshake of stripe sends no token"},
        {HOOK("secrets: s, untyped: drop, " TO), "webhooks.stripe.untyped: ignored"},
        {"webhook_queue: {max_age: 1d}\n" HOOK("secrets: s, " TO),
         "webhooks.stripe.deliver: the waits of its schedule are longer in all than "
         "webhook_queue.max_age (1d)"},
        {TARGET("secret: t, schedule: [0s, 4d, 4d]"),
         "webhooks.stripe.deliver: the waits of its schedule are longer in all than "
         "webhook_queue.max_age (7d)"},
        {"gateway: {webhook_listen: \"127.0.0.1:1\"}",
         "gateway.webhook_listen: there are no webhooks"},
    };
    expect_warnings(cases, COUNT_OF(cases));
}
