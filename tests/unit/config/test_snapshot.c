#include "auth/secrets/secret_slot.h"
#include "base/problems.h"
#include "config/snapshot.h"
#include "routes/allow.h"
#include "tests/unit/config/problem_line.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#define HASH_1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static struct problems problems;
static struct snapshot *snapshot;

static void setup(void)
{
    problems = (struct problems){0};
    snapshot = NULL;
    cr_assert_eq(setenv("SNAPSHOT_PRIVATE", "hush-hush", 1), 0);
}

static void teardown(void)
{
    snapshot_unref(snapshot);
    problems_fini(&problems);
}

TestSuite(snapshot, .init = setup, .fini = teardown);

static void load(const char *text)
{
    snapshot_unref(snapshot);
    snapshot = NULL;
    problems_fini(&problems);
    enum status status = snapshot_parse("conf/f", slice_from(text), NULL, &problems, &snapshot);
    cr_assert_eq(status == STATUS_OK, problems.count == 0);
    cr_assert_eq(status == STATUS_OK, snapshot != NULL);
}

static const char *line_of(unsigned index)
{
    return problem_line(problems.list, problems.count, index);
}

static void expect_valid(void)
{
    cr_assert_eq(problems.count, 0U, "%s", line_of(0));
}

static void expect_lines(const char *const *expected)
{
    unsigned count = 0;
    for (; expected[count] != NULL; count++) {
        cr_expect_str_eq(line_of(count), expected[count], "%s", line_of(count));
    }
    cr_expect_eq(problems.count, count, "more: %s", line_of(count));
}

static void expect_line(const char *text, const char *expected)
{
    load(text);
    cr_expect_eq(problems.count, 1U, "%u problems of: %s", problems.count, text);
    cr_expect_str_eq(line_of(0), expected, "%s", line_of(0));
}

Test(snapshot, defaults_are_those_of_the_contract)
{
    load("version: 1\n");
    expect_valid();
    const struct gateway_settings *gateway = &snapshot->gateway;
    cr_expect_eq(snapshot->generation, 1U);
    cr_assert_eq(gateway->listen_count, 1U);
    cr_expect_str_eq(gateway->listen[0], "127.0.0.1:8080");
    cr_expect_gt(gateway->workers, 0U);
    cr_expect_null(gateway->tls_cert);
    cr_expect_null(gateway->public_url);
    cr_expect_str_eq(gateway->access_log, "stdout");
    cr_expect_null(gateway->audit_log);
    cr_expect_eq(gateway->limits.header_bytes, 64U * 1024);
    cr_expect_eq(gateway->limits.header_count, 128U);
    cr_expect_eq(gateway->limits.uri_bytes, 16U * 1024);
    cr_expect_eq(gateway->limits.body_bytes, 32U * 1024 * 1024);
    cr_expect_eq(gateway->limits.buffered_bytes, 256U * 1024 * 1024);
    cr_expect_eq(gateway->limits.connections, 20000U);
    cr_expect_eq(gateway->timeouts.header, 10 * SEC);
    cr_expect_eq(gateway->timeouts.body_idle, 30 * SEC);
    cr_expect_eq(gateway->timeouts.write_idle, 30 * SEC);
    cr_expect_eq(gateway->timeouts.keep_alive, 75 * SEC);
    cr_expect_eq(gateway->timeouts.drain, 30 * SEC);
    cr_expect_str_eq(snapshot->admin.listen, "127.0.0.1:9901");
    cr_expect_eq(snapshot->secret_source_count, 0U);
    cr_expect_eq(snapshot->egress.allowed_count, 0U);
    cr_expect_eq(snapshot->route_count, 0U);
    cr_expect_eq(snapshot->tenant_count, 0U);
}

Test(snapshot, settings_are_taken_and_paths_start_from_the_file)
{
    load("version: 1\n"
         "gateway:\n"
         "  listen: [127.0.0.1:0, \"[::1]:8081\", unix:/run/gw.sock]\n"
         "  workers: 3\n"
         "  public_url: https://GW.internal:8443/base/\n"
         "  access_log: logs/access.json\n"
         "  audit_log: logs/audit.json\n"
         "  limits: {header_bytes: 8KiB, uri_bytes: 4KiB, connections: 1k}\n"
         "  timeouts: {drain: 0s}\n"
         "admin: {listen: off, hosts: [gw.internal]}\n"
         "secrets:\n"
         "  - {type: sealed, path: s.sealed, key_file: /k}\n"
         "  - {type: env}\n"
         "  - {type: env, prefix: P_}\n"
         "  - {type: directory, path: d}\n"
         "egress: {allow_private: [10.1.0.0/16, \"fd00::/8\"]}\n");
    expect_valid();
    cr_expect_eq(snapshot->gateway.listen_count, 3U);
    cr_expect_str_eq(snapshot->gateway.listen[2], "unix:/run/gw.sock");
    cr_expect_eq(snapshot->gateway.workers, 3U);
    cr_expect_str_eq(snapshot->gateway.public_url, "https://gw.internal:8443/base");
    cr_expect_str_eq(snapshot->gateway.access_log, "conf/logs/access.json");
    cr_expect_str_eq(snapshot->gateway.audit_log, "conf/logs/audit.json");
    cr_expect_eq(snapshot->gateway.limits.connections, 1000U);
    cr_expect_eq(snapshot->gateway.timeouts.drain, 0);
    cr_expect_null(snapshot->admin.listen);
    cr_expect_eq(snapshot->admin.host_count, 1U);
    cr_assert_eq(snapshot->secret_source_count, 4U);
    cr_expect_eq(snapshot->secret_sources[0].kind, SECRET_SOURCE_SEALED);
    cr_expect_str_eq(snapshot->secret_sources[0].path, "conf/s.sealed");
    cr_expect_str_eq(snapshot->secret_sources[0].key_file, "/k");
    cr_expect_str_eq(snapshot->secret_sources[1].prefix, "SALLYPORT_SECRET_");
    cr_expect_str_eq(snapshot->secret_sources[2].prefix, "P_");
    cr_expect_eq(snapshot->secret_sources[3].kind, SECRET_SOURCE_DIRECTORY);
    cr_expect_eq(snapshot->egress.allowed_count, 2U);
}

#define ROUTES                                                                                     \
    "version: 1\n"                                                                                 \
    "gateway: {public_url: \"https://gw.internal\"}\n"                                             \
    "secrets: [{type: env}]\n"                                                                     \
    "routes:\n"                                                                                    \
    "  stripe: {host: stripe.gw.internal, credential: {secret: stripe-key}}\n"                     \
    "  openai: {credential: {secret: openai-key}, timeouts: {total: 5m}}\n"                        \
    "  local:\n"                                                                                   \
    "    provider: http\n"                                                                         \
    "    path: /tools/local\n"                                                                     \
    "    base_url: \"http://[::1]:8000/v2/\"\n"                                                    \
    "    credential: {secret: local}\n"                                                            \
    "    inject: {query: api_key}\n"                                                               \
    "  bare: {provider: http, base_url: \"HTTPS://Example.COM:443\"}\n"

Test(snapshot, routes_have_defaults_from_profile_and_name)
{
    load(ROUTES);
    expect_valid();
    cr_assert_eq(snapshot->route_count, 4U);
    static const char *const names[] = {"bare", "local", "openai", "stripe"};
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_str_eq(snapshot->routes[i]->name, names[i]);
        cr_expect_eq(snapshot->routes[i]->index, i);
    }
    const struct route *openai = snapshot->routes[2];
    cr_expect_str_eq(openai->profile->name, "openai");
    cr_expect(slice_equal(openai->path, SLICE("/openai")));
    cr_expect_eq(openai->host.len, 0U);
    cr_expect(openai->origin.tls);
    cr_expect_str_eq(openai->origin.host, "api.openai.com");
    cr_expect_eq(openai->origin.port, 443U);
    cr_expect_str_eq(openai->origin.authority, "api.openai.com");
    cr_expect_eq(openai->injections.list[0].place, INJECT_HEADER);
    cr_expect_str_eq(openai->credentials[0].secret_name, "openai-key");
    cr_expect_null(openai->credentials[0].slot); /* no store was given */
    cr_expect_eq(openai->timeouts.connect, 5 * SEC);
    cr_expect_eq(openai->timeouts.first_byte, 60 * SEC);
    cr_expect_eq(openai->timeouts.idle, 60 * SEC);
    cr_expect_eq(openai->timeouts.total, 300 * SEC);
    cr_expect(slice_equal(openai->public_base, SLICE("https://gw.internal/openai")));

    const struct route *stripe = snapshot->routes[3];
    cr_expect_eq(stripe->path.len, 0U);
    cr_expect(slice_equal(stripe->host, SLICE("stripe.gw.internal")));
    cr_expect(slice_equal(stripe->public_base, SLICE("https://stripe.gw.internal")));
}

Test(snapshot, upstreams_injection_and_table_are_as_written)
{
    load(ROUTES);
    expect_valid();
    const struct route *local = snapshot->routes[1];
    cr_expect_not(local->origin.tls);
    cr_expect_str_eq(local->origin.host, "::1");
    cr_expect_eq(local->origin.port, 8000U);
    cr_expect_str_eq(local->origin.authority, "[::1]:8000");
    cr_expect(slice_equal(local->base_path, SLICE("/v2")));
    cr_expect_eq(local->injections.list[0].place, INJECT_QUERY);
    cr_expect(slice_equal(local->injections.list[0].name, SLICE("api_key")));
    const struct injection *at = &local->injections.list[0];
    cr_expect_eq(at->pieces[0].before.len + at->after.len, 0U);

    const struct route *bare = snapshot->routes[0];
    cr_expect(bare->origin.tls);
    cr_expect_str_eq(bare->origin.authority, "example.com");
    cr_expect_eq(bare->base_path.len, 0U);
    cr_expect_eq(bare->credential_count, 0);
    cr_expect_eq(bare->injections.count, 0);
    cr_expect_str_neq(bare->origin.key, local->origin.key);

    const struct route_table *table = &snapshot->route_table;
    cr_expect_eq(route_table_find(table, SLICE("x"), SLICE("/tools/local/y")), local);
    cr_expect_eq(route_table_find(table, SLICE("stripe.gw.internal"), SLICE("/v1")),
                 snapshot->routes[3]);
    cr_expect_null(route_table_find(table, SLICE("x"), SLICE("/tools")));
}

Test(snapshot, every_way_to_inject_is_split_at_the_secret)
{
    static const struct {
        const char *inject;
        enum injection_place place;
        const char *name, *before, *after;
    } cases[] = {
        {"{header: X-Key, value: \"Key {secret};v=1\"}", INJECT_HEADER, "X-Key", "Key ", ";v=1"},
        {"{header: X-Key}", INJECT_HEADER, "X-Key", "", ""},
        {"{query: k, value: \"{secret}\"}", INJECT_QUERY, "k", "", ""},
        {"{path: \"bot{secret}\"}", INJECT_PATH, "", "bot", ""},
        {"{path: \"/bot{secret}/x\"}", INJECT_PATH, "", "bot", "/x"},
        {"{basic: \"{secret}\"}", INJECT_BASIC, "Authorization", "", ""},
        {"{basic: \"api:{secret}\"}", INJECT_BASIC, "Authorization", "api:", ""},
        {"{body: api_key}", INJECT_BODY, "api_key", "", ""},
        {"[{body: token, value: \"t-{secret}\"}]", INJECT_BODY, "token", "t-", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[400];
        (void)snprintf(text, sizeof(text),
                       "version: 1\nsecrets: [{type: env}]\nroutes:\n  r: {provider: http, "
                       "base_url: \"http://x\", credential: {secret: s}, inject: %s}\n",
                       cases[i].inject);
        load(text);
        expect_valid();
        cr_assert_eq(snapshot->routes[0]->injections.count, 1);
        const struct injection *injection = &snapshot->routes[0]->injections.list[0];
        cr_expect_eq(injection->place, cases[i].place, "%s", cases[i].inject);
        cr_expect(slice_equal(injection->name, slice_from(cases[i].name)));
        cr_expect(slice_equal(injection->pieces[0].before, slice_from(cases[i].before)));
        cr_expect(slice_equal(injection->after, slice_from(cases[i].after)));
    }
}

#define BARE                                                                                       \
    "version: 1\nroutes: {a: {provider: http, base_url: \"http://x\"}, "                           \
    "b: {provider: http, base_url: \"http://x\"}}\n"

Test(snapshot, tenants_are_found_by_key_and_have_their_rules_by_route)
{
    load(BARE "tenants:\n"
              "  two: {keys: [\"" HASH_2 "\"]}\n"
              "  one: {keys: [\"" HASH_1 "\"], allow: [\"b:GET /v1/*\", \"b:POST /x\"]}\n");
    expect_valid();
    cr_assert_eq(snapshot->tenant_count, 2U);
    struct api_key_hash hash;
    cr_assert(api_key_hash_parse(SLICE(HASH_1), &hash));
    const struct tenant_key_entry *entry = tenant_table_find(&snapshot->tenant_table, &hash);
    cr_assert_not_null(entry);
    const struct tenant *one = entry->tenant;
    cr_expect_str_eq(one->name, "one");
    cr_expect_eq(one->index, 0U);
    cr_expect_null(tenant_rules(one, 0));
    const struct allow_rule *rules = tenant_rules(one, 1);
    cr_assert_not_null(rules);
    cr_expect(allow_any(rules, SLICE("GET"), SLICE("/v1/models")));
    cr_expect(allow_any(rules, SLICE("POST"), SLICE("/x")));
    cr_expect_not(allow_any(rules, SLICE("POST"), SLICE("/v1/models")));

    cr_assert(api_key_hash_parse(SLICE(HASH_2), &hash));
    entry = tenant_table_find(&snapshot->tenant_table, &hash);
    cr_assert_not_null(entry);
    const struct tenant *two = entry->tenant;
    cr_expect_null(tenant_rules(two, 0));
    hash.bytes[0] ^= 1;
    cr_expect_null(tenant_table_find(&snapshot->tenant_table, &hash));
}

Test(snapshot, many_routes_and_tenants_are_all_found)
{
    enum { ROUTE_COUNT = 300, TENANT_COUNT = 1500 };
    struct arena arena = {0};
    size_t size = 512 * 1024;
    char *text = arena_alloc(&arena, size);
    size_t used = (size_t)snprintf(text, size, "version: 1\nroutes:\n");
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        used += (size_t)snprintf(text + used, size - used,
                                 "  r%u: {provider: http, base_url: \"http://x\"}\n", i);
    }
    used += (size_t)snprintf(text + used, size - used, "tenants:\n");
    for (unsigned i = 0; i < TENANT_COUNT; i++) {
        used +=
            (size_t)snprintf(text + used, size - used,
                             "  t%u: {keys: [\"sha256:%064x\"], allow: [r%u, \"r%u:GET /x\"]}\n", i,
                             i, i % ROUTE_COUNT, (i + 5) % ROUTE_COUNT);
    }
    cr_assert_lt(used, size);
    load(text);
    expect_valid();
    for (unsigned i = 0; i < TENANT_COUNT; i++) {
        struct api_key_hash hash;
        char path[20];
        (void)snprintf(text, size, "sha256:%064x", i);
        cr_assert(api_key_hash_parse(slice_from(text), &hash));
        const struct tenant_key_entry *entry = tenant_table_find(&snapshot->tenant_table, &hash);
        cr_assert_not_null(entry);
        const struct tenant *tenant = entry->tenant;
        (void)snprintf(path, sizeof(path), "/r%u/y", i % ROUTE_COUNT);
        const struct route *route =
            route_table_find(&snapshot->route_table, SLICE("h"), slice_from(path));
        cr_assert_not_null(route);
        cr_expect_not_null(tenant_rules(tenant, route->index));
        cr_expect_eq(snapshot->routes[route->index], route);
    }
    arena_fini(&arena);
}

Test(snapshot, all_problems_of_a_file_are_reported_at_once_in_order)
{
    load("gateway:\n"
         "  listn: x\n"
         "  timeouts: {header: 10}\n"
         "  tls: {cert: missing.pem}\n"
         "admin: {listen: 0.0.0.0:9901}\n"
         "routes:\n"
         "  openai: {}\n"
         "  other: {provider: opneai}\n"
         "tenants:\n"
         "  t: {keys: [x], allow: [oepnai, \"openai:get /\"]}\n"
         "mysterious: {}\n");
    static const char *const expected[] = {
        "conf/f:1:1: version is missing; write version: 1",
        "conf/f:2:3: gateway.listn: unknown key; did you mean \"listen\"?",
        "conf/f:3:22: gateway.timeouts.header: \"10\": no unit; write a duration such as 250ms, "
        "10s, 5m, 1h or 1d",
        "conf/f:4:3: gateway.tls: key is missing; write key: /etc/sallyport/tls.key",
        "conf/f:4:15: gateway.tls.cert: cannot use the file \"conf/missing.pem\": no such file",
        "conf/f:5:17: admin.listen: elsewhere than on loopback tokens need TLS: write admin.tls: "
        "{cert: FILE, key: FILE}, or a loopback address such as 127.0.0.1:9901",
        "conf/f:7:3: routes.openai: credential is missing; write credential: {secret: NAME}, or "
        "credential: none if this upstream needs none",
        "conf/f:8:21: routes.other.provider: no provider is called \"opneai\"; did you mean "
        "\"openai\"?",
        "conf/f:10:14: tenants.t.keys[0]: no key's hash; write \"sha256:\" and 64 hex digits, as "
        "`sallyport keys new --tenant t` prints them",
        "conf/f:10:26: tenants.t.allow[0]: no route is called \"oepnai\"; did you mean \"openai\"?",
        "conf/f:10:34: tenants.t.allow[1]: \"get\" is no method; write one such as GET, or * for "
        "any",
        "conf/f:11:1: mysterious: unknown key; known here: version, gateway, admin, store, ledger, "
        "otlp, secrets, egress, providers, routes, tenants, quotas, webhook_queue, webhooks",
        NULL,
    };
    expect_lines(expected);
}

Test(snapshot, a_key_of_later_versions_is_unknown)
{
    static const char *const cases[] = {
        "routes: {a: {provider: http, base_url: \"http://x\", http3: true}}",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        (void)snprintf(text, sizeof(text), "version: 1\n%s\n", cases[i]);
        load(text);
        cr_expect_eq(problems.count, 1U, "%s: %s", cases[i], line_of(0));
        cr_expect_not_null(strstr(line_of(0), ": unknown key"), "%s", line_of(0));
    }
}

Test(snapshot, the_audit_log_has_a_file_of_its_own)
{
    load("version: 1\ngateway: {access_log: a.json, audit_log: a.json}\n");
    cr_assert_eq(problems.count, 1U);
    cr_expect_str_eq(line_of(0), "conf/f:2:42: gateway.audit_log: this is the access log's file; "
                                 "name one of its own");
}

#define HTTP_ROUTE "version: 1\nsecrets: [{type: env}]\nroutes:\n  r: {provider: http, "
#define UPSTREAM   HTTP_ROUTE "base_url: \"http://x\", "

Test(snapshot, each_thing_that_cannot_be_meant_has_its_sentence)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"version: 2\n", "conf/f:1:10: version: \"2\" is too large; the most is 1"},
        {"- a\n", "conf/f:1:1: a config is a map of keys; it begins with: version: 1"},
        {"version: 1\ngateway: {listen: [127.0.0.1]}\n",
         "conf/f:2:20: gateway.listen[0]: write an address and a port, such as 127.0.0.1:8080 or "
         "\"[::1]:8080\""},
        {"version: 1\ngateway: {listen: []}\n",
         "conf/f:2:19: gateway.listen: there is no address; write [127.0.0.1:8080]"},
        {"version: 1\ngateway: {listen: [unix:x]}\n",
         "conf/f:2:20: gateway.listen[0]: the path of a unix socket begins with '/': "
         "unix:/run/gw.sock"},
        {"version: 1\ngateway: {listen: [127.0.0.1:1, 127.0.0.1:1]}\n",
         "conf/f:2:33: gateway.listen[1]: this address is listed already; take one out"},
        {"version: 1\ngateway: {limits: {header_bytes: 1KiB, uri_bytes: 2KiB}}\n",
         "conf/f:2:51: gateway.limits.uri_bytes: a target is part of the head; write header_bytes "
         "(1KiB) or less"},
        {"version: 1\nadmin: {listen: \"[::]:1\"}\n",
         "conf/f:2:17: admin.listen: elsewhere than on loopback tokens need TLS: write admin.tls: "
         "{cert: FILE, key: FILE}, or a loopback address such as 127.0.0.1:9901"},
        {"version: 1\nadmin: {listen: \"127.0.0.1:8080\"}\n",
         "conf/f:2:17: admin.listen: clients are served at this address; write another port, such "
         "as 127.0.0.1:9901"},
        {"version: 1\ngateway: {webhook_listen: unix:/y}\nadmin: {listen: unix:/y}\n",
         "conf/f:3:17: admin.listen: clients are served at this address; write another port, such "
         "as 127.0.0.1:9901"},
        {"version: 1\nadmin: {listen: unix:/x, tls: {cert: /etc/passwd, key: /etc/passwd}}\n",
         "conf/f:2:26: admin.tls: a unix socket has no use for TLS; take it out"},
        {"version: 1\nsecrets: [{type: env}]\nadmin: {token_file: a, token: {secret: b}}\n",
         "conf/f:3:40: admin.token.secret: there is a token_file, too; take one of them out, for "
         "one token may do all"},
        {"version: 1\nsecrets: [{type: env}]\nadmin: {token: {secret: b}, read_token: {secret: "
         "b}}\n",
         "conf/f:3:50: admin.read_token.secret: this secret is the token that may do all; name "
         "another one"},
        {"version: 1\nadmin: {read_token: {secret: b}}\n",
         "conf/f:2:30: admin.read_token.secret: there is no source that could have this secret; "
         "write secrets: [{type: env}], or another source, at the top of the file"},
        {"version: 1\nsecrets: [{type: sealed, path: x}]\n",
         "conf/f:2:11: secrets[0]: key_file is missing; write key_file: master.key"},
        {"version: 1\nsecrets: [{type: env, path: x}]\n",
         "conf/f:2:23: secrets[0].path: belongs to type: sealed or directory; take it out"},
        {"version: 1\nroutes: {nope: {}}\n",
         "conf/f:2:10: routes.nope: provider is missing, and \"nope\" is none; write provider: "
         "http, or one of those that `sallyport providers` shows"},
        {"version: 1\nroutes: {Openai: {credential: none, provider: openai}}\n",
         "conf/f:2:10: routes.Openai: a name has only a-z, 0-9, '.', '_' and '-', begins with a "
         "letter or digit, and is 64 bytes long at most"},
        {"version: 1\nroutes: {openai: {credential: {secret: k}}}\n",
         "conf/f:2:40: routes.openai.credential.secret: there is no source that could have this "
         "secret; write secrets: [{type: env}], or another source, at the top of the file"},
        {"version: 1\nroutes: {a: {provider: http}}\n",
         "conf/f:2:10: routes.a: base_url is missing, which provider http does not know; write "
         "base_url: https://api.example.com"},
        {HTTP_ROUTE "base_url: \"https://u:p@x\"}\n",
         "conf/f:4:33: routes.r.base_url: a URL may not have a user or password in it; a "
         "credential is a secret that is injected: see credential and inject"},
        {HTTP_ROUTE "base_url: \"https://x?a=b\"}\n",
         "conf/f:4:33: routes.r.base_url: a URL here ends with its path: no '?' and no '#'"},
        {HTTP_ROUTE "base_url: \"https://127.1\"}\n",
         "conf/f:4:33: routes.r.base_url: the host is neither a name nor an IPv4 address of four "
         "numbers; write one such as api.example.com"},
        {UPSTREAM "path: x}\n", "conf/f:4:51: routes.r.path: a path begins with '/'"},
        {UPSTREAM "path: /x/}\n", "conf/f:4:51: routes.r.path: take the '/' at the path's end out"},
        {UPSTREAM "path: /x/../y}\n",
         "conf/f:4:51: routes.r.path: the path has a segment \".\" or \"..\""},
        {UPSTREAM "path: /x%2fy}\n",
         "conf/f:4:51: routes.r.path: a path may have letters, digits and -._~!$&'()*+,;=:@ in its "
         "segments; no query, no percent-encoding"},
        {UPSTREAM "host: \"x:1\"}\n",
         "conf/f:4:51: routes.r.host: write the host alone, without scheme and port"},
        {UPSTREAM "host: X.y}\n", "conf/f:4:51: routes.r.host: write the host in lower case"},
        {UPSTREAM "tls: {ca: /proc/self/status}}\n",
         "conf/f:4:51: routes.r.tls.ca: base_url is plain http; write https://, or take this out"},
        {UPSTREAM "credential: {secret: k}}\n",
         "conf/f:4:3: routes.r: inject is missing: provider http does not say where the credential "
         "goes; write inject: {header: Authorization, value: \"Bearer {secret}\"}"},
        {UPSTREAM "credential: {secret: ../k}, inject: {header: a}}\n",
         "conf/f:4:66: routes.r.credential.secret: a secret's name has letters, digits, '-', '_' "
         "and '.', does not begin with '.', and is 64 bytes long at most"},
        {UPSTREAM "inject: {header: a}}\n",
         "conf/f:4:45: routes.r.inject: there is no credential to inject; write credential: "
         "{secret: NAME}, or take this out"},
        {UPSTREAM "credential: {secret: k}, inject: {header: a, query: b}}\n",
         "conf/f:4:90: routes.r.inject.query: there is another of header, query, path, basic and "
         "body; "
         "keep one of them, or make a list of several places"},
        {UPSTREAM "credential: {secret: k}, inject: {value: \"{secret}\"}}\n",
         "conf/f:4:70: routes.r.inject: one of header, query, path, basic and body must be given; "
         "write "
         "inject: {header: Authorization, value: \"Bearer {secret}\"}"},
        {UPSTREAM "credential: {secret: k}, inject: {header: a, value: x}}\n",
         "conf/f:4:97: routes.r.inject.value: write {secret} where the secret goes, as in "
         "\"Bearer {secret}\""},
        {UPSTREAM "credential: {secret: k}, inject: {header: a, value: \"{scret}\"}}\n",
         "conf/f:4:97: routes.r.inject.value: only {secret}, {user} and {password} are filled in, "
         "as "
         "in \"Bearer {secret}\""},
        {UPSTREAM "credential: {secret: k}, inject: [{header: a}, {body: b}, {header: A}]}\n",
         "conf/f:4:103: routes.r.inject[2]: another of the list goes to the same place; keep one "
         "of "
         "them"},
        {UPSTREAM
         "credential: {secret: k}, inject: [{header: a}, {header: b}, {header: c}, {header: d}, "
         "{header: e}]}\n",
         "conf/f:4:70: routes.r.inject: 5 places, and 4 are the most"},
        {UPSTREAM "credential: {secret: k}, inject: []}\n",
         "conf/f:4:70: routes.r.inject: the list is empty; write inject: {header: Authorization, "
         "value: \"Bearer {secret}\"}"},
        {UPSTREAM "credential: {secret: k}, inject: {body: \"a b\"}}\n",
         "conf/f:4:85: routes.r.inject.body: a member's name here has letters, digits, '-', '.', "
         "'_' "
         "and '~'"},
        {UPSTREAM "credential: {secret: k}, inject: {header: Host}}\n",
         "conf/f:4:87: routes.r.inject.header: the gateway alone writes this header; take another"},
        {UPSTREAM "headers: {set: {Content-Length: 5}}}\n",
         "conf/f:4:61: routes.r.headers.set.Content-Length: the gateway alone writes this header; "
         "take it out"},
        {UPSTREAM "headers: {set: {authorization: x}}}\n",
         "conf/f:4:61: routes.r.headers.set.authorization: this header carries credentials; those "
         "are secrets that are injected: see credential and inject"},
        {UPSTREAM "headers: {set: {\"a b\": x}}}\n",
         "conf/f:4:61: routes.r.headers.set.a b: no header can have this name"},
        {UPSTREAM "headers: {set: {a: \"x\\r\\ny\"}}}\n",
         "conf/f:4:64: routes.r.headers.set.a: no header can have this value: line breaks and "
         "control characters, and blanks at its ends"},
        {UPSTREAM "headers: {set: {a: x, A: y}}}\n",
         "conf/f:4:67: routes.r.headers.set.A: this header is set already; keep one of them"},
        {UPSTREAM "headers: {drop: [cookie], pass: [Cookie]}}\n",
         "conf/f:4:78: routes.r.headers.pass[0]: this header is in drop, too; keep one of them"},
        {UPSTREAM "headers: {pass: [X-HTTP-Method-Override]}}\n",
         "conf/f:4:62: routes.r.headers.pass[0]: this header makes a call another one than the "
         "rules allowed; take it out"},
        {BARE "tenants: {t: {allow: [a]}}\n",
         "conf/f:3:11: tenants.t: keys is missing; write keys: [\"sha256:...\"], or jwt or mtls"},
        {BARE "tenants: {t: {keys: [sp_000]}}\n",
         "conf/f:3:22: tenants.t.keys[0]: this is a key itself, which no config may hold; write "
         "its hash, and make a new one if others could read this: sallyport keys new --tenant t"},
        {BARE "tenants:\n  s: {keys: [\"" HASH_1 "\"]}\n  t: {keys: [\"" HASH_1 "\"]}\n",
         "conf/f:5:14: tenants.t.keys[0]: this key is listed already, for tenant \"s\" at line 4; "
         "make a key for each: sallyport keys new --tenant t"},
        {BARE "tenants: {t: {keys: [], allow: [zzz]}}\n",
         "conf/f:3:33: tenants.t.allow[0]: no route is called \"zzz\"; write the name of one below "
         "routes"},
        {"version: 1\negress: {proxy: \"socks5://x\"}\n",
         "conf/f:2:17: egress.proxy: a proxy is reached over http; write http://HOST:PORT"},
        {"version: 1\negress: {proxy_credential: {secret: k}}\nsecrets: [{type: env}]\n",
         "conf/f:2:37: egress.proxy_credential.secret: there is no proxy to send it to; write "
         "proxy: http://HOST:PORT next to it, or take this out"},
        {"version: 1\negress: {proxy: \"http://u:p@x\", proxy_credential: {secret: k}}\n"
         "secrets: [{type: env}]\n",
         "conf/f:2:60: egress.proxy_credential.secret: the proxy's URL has a user and a password "
         "already; take one of the two out"},
        {UPSTREAM "proxy: none, proxy_credential: {secret: k}}\n",
         "conf/f:4:85: routes.r.proxy_credential.secret: there is no proxy to send it to; write "
         "proxy: http://HOST:PORT next to it, or take this out"},
        {"version: 1\negress: {allow_private: [10.0.0.1/8]}\n",
         "conf/f:2:26: egress.allow_private[0]: \"10.0.0.1/8\" has bits behind its prefix; write "
         "10.0.0.0/8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_line(cases[i].text, cases[i].expected);
    }
}

Test(snapshot, two_routes_at_one_place_are_refused_with_both_names)
{
    load("version: 1\nroutes:\n"
         "  a: {provider: http, base_url: \"http://x\", path: /same}\n"
         "  b: {provider: http, base_url: \"http://x\", path: /same}\n"
         "  c: {provider: http, base_url: \"http://x\", path: /same, host: h}\n");
    cr_assert_eq(problems.count, 1U);
    cr_expect_eq(problems.list[0].line, 4U);
    cr_expect_not_null(strstr(problems.list[0].message, "routes.a and routes.b"), "%s", line_of(0));
}

Test(snapshot, messages_never_show_what_a_reference_stands_for)
{
    load("version: \"${env:SNAPSHOT_PRIVATE}\"\n"
         "gateway: {listen: [\"${env:SNAPSHOT_PRIVATE}\"], public_url: "
         "\"${env:SNAPSHOT_PRIVATE}\"}\n"
         "egress: {allow_private: [\"${env:SNAPSHOT_PRIVATE}\"]}\n"
         "secrets: [{type: \"${env:SNAPSHOT_PRIVATE}\"}]\n"
         "routes:\n"
         "  a: {provider: \"${env:SNAPSHOT_PRIVATE}\", base_url: \"${env:SNAPSHOT_PRIVATE}\"}\n"
         "  b: {provider: http, base_url: \"http://x\", path: \"/${env:SNAPSHOT_PRIVATE}\"}\n"
         "  c: {provider: http, base_url: \"http://x\", path: \"/${env:SNAPSHOT_PRIVATE}\"}\n"
         "tenants:\n"
         "  t: {keys: [\"${env:SNAPSHOT_PRIVATE}\"], allow: [\"${env:SNAPSHOT_PRIVATE}\", "
         "\"a:${env:SNAPSHOT_PRIVATE} x\"]}\n");
    cr_expect_eq(problems.count, 11U);
    for (unsigned i = 0; i < problems.count; i++) {
        cr_expect_null(strstr(problems.list[i].message, "hush"), "%s", line_of(i));
    }
}

static unsigned slots_in_use(const struct secret_store *store)
{
    unsigned count = 0;
    for (const struct secret_slot *slot = store->slots; slot != NULL; slot = slot->next) {
        count++;
    }
    return count;
}

Test(snapshot, holds_its_secrets_slots_until_the_last_reference_goes)
{
    struct secret_store *store = secret_store_new();
    enum status status = snapshot_parse("f", slice_from(ROUTES), store, &problems, &snapshot);
    cr_assert_eq(status, STATUS_OK);
    cr_expect_eq(slots_in_use(store), 3U);
    cr_expect_str_eq(snapshot->routes[2]->credentials[0].slot->name, "openai-key");
    cr_expect_eq(snapshot_ref(snapshot), snapshot);
    snapshot_unref(snapshot);
    cr_expect_eq(slots_in_use(store), 3U);
    snapshot_unref(TAKE(snapshot));
    cr_expect_eq(slots_in_use(store), 0U);
    secret_store_free(store);
}

Test(snapshot, a_refused_config_leaves_no_slot_behind)
{
    struct secret_store *store = secret_store_new();
    enum status status =
        snapshot_parse("f", slice_from(ROUTES "nope: 1\n"), store, &problems, &snapshot);
    cr_assert_eq(status, STATUS_INVALID);
    cr_expect_eq(slots_in_use(store), 0U);
    secret_store_free(store);
}
