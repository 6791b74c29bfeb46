#include "base/buffer.h"
#include "base/json.h"
#include "gateway/upstream/standing.h"
#include "routes/deny.h"
#include "standing_fixture.h"

#include <criterion/criterion.h>

#define START (1000 * SEC)

static struct standings *standings;
static struct fixture_config config;

static void begin(void)
{
    standings = standings_new();
    fixture_fill(&config, 2);
    standings_join(standings, &config.snapshot);
}

static void end(void)
{
    standings_free(standings);
}

TestSuite(standing, .init = begin, .fini = end);

static bool call(const struct route *route, enum breaker_outcome outcome, usec_t now)
{
    struct breaker_permit permit;
    usec_t after = -1;
    if (!route_standing_admit(route->standing, &route->breaker, now, &permit, &after)) {
        cr_expect(after >= 0);
        return false;
    }
    route_standing_report(route->standing, &route->breaker, &permit, outcome, MSEC, now, 0);
    cr_expect_not(permit.held);
    return true;
}

static void fail_connects(const struct route *route, usec_t now)
{
    for (unsigned i = 0; i < route->breaker.consecutive; i++) {
        cr_assert(call(route, BREAKER_CONNECT_FAILURE, now));
    }
    cr_assert_not(route_standing_would_admit(route->standing, &route->breaker, now));
}

/* What was told, one line each. */
struct told {
    char text[8192];
    size_t len;
    unsigned count, lost;
};

static void tell(void *ctx, const struct standing_news *news)
{
    struct told *told = ctx;
    int len = snprintf(told->text + told->len, sizeof(told->text) - told->len, "%s%s%s: %s\n",
                       news->route, news->secret == NULL ? "" : "/",
                       news->secret == NULL ? "" : news->secret, news->text);
    told->len += (size_t)len;
    told->count++;
}

static struct told listen(void)
{
    struct told told = {0};
    standings_news(standings, &told, tell, &told.lost);
    return told;
}

static void expect_told(const char *text)
{
    struct told told = listen();
    cr_expect_str_eq(told.text, text);
    cr_expect_eq(told.lost, 0);
}

/* ---- joining ---- */

Test(standing, a_new_config_finds_what_the_old_one_left_by_name)
{
    struct fixture_config next;
    fail_connects(&config.routes[1], START);
    cr_assert(tenant_standing_enter(config.tenant.standing, 0));
    fixture_fill(&next, 2);
    next.routes[2].name = "new";
    standings_join(standings, &next.snapshot);
    cr_expect_eq(next.routes[1].standing, config.routes[1].standing);
    cr_expect_neq(next.routes[2].standing, config.routes[2].standing);
    cr_expect_eq(next.tenant.standing, config.tenant.standing);
    cr_expect_eq(next.keys[0][1].standing, config.keys[0][1].standing);
    cr_expect_not(
        route_standing_would_admit(next.routes[1].standing, &next.routes[1].breaker, START));
    cr_expect_not(tenant_standing_enter(next.tenant.standing, 1));
}

Test(standing, routes_with_the_same_secret_share_its_standing)
{
    config.keys[1][0].secret_name = "a0";
    standings_join(standings, &config.snapshot);
    cr_expect_eq(config.keys[1][0].standing, config.keys[0][0].standing);
    cr_expect_neq(config.keys[1][1].standing, config.keys[0][1].standing);
}

/* ---- circuits ---- */

Test(standing, a_circuit_is_the_route_s_alone)
{
    fail_connects(&config.routes[0], START);
    cr_expect_not(call(&config.routes[0], BREAKER_SUCCESS, START));
    cr_expect(call(&config.routes[1], BREAKER_SUCCESS, START));
}

Test(standing, a_permit_that_is_not_held_reports_nothing)
{
    struct breaker_permit none = {0};
    const struct route *route = &config.routes[0];
    for (unsigned i = 0; i < 10; i++) {
        route_standing_report(route->standing, &route->breaker, &none, BREAKER_CONNECT_FAILURE, 0,
                              START, 0);
    }
    cr_expect(route_standing_would_admit(route->standing, &route->breaker, START));
}

/* With random 0 an open time is 4/5 of what the policy says. */
Test(standing, each_change_of_a_circuit_is_told_once_in_its_order)
{
    const struct route *route = &config.routes[0];
    fail_connects(route, START);
    cr_expect(call(route, BREAKER_FAILURE, START + 4 * SEC));
    cr_expect(call(route, BREAKER_SUCCESS, START + 20 * SEC));
    cr_expect(call(route, BREAKER_SUCCESS, START + 20 * SEC));
    expect_told("a: opened: 3 connects in a row failed; probes in 4.0 s\n"
                "a: half open: probes are let through\n"
                "a: opened: a probe failed; probes in 8.0 s\n"
                "a: half open: probes are let through\n"
                "a: closed: its probes were answered\n");
    expect_told("");
}

Test(standing, why_it_opened_is_told_with_the_window_s_counts)
{
    const struct route *failing = &config.routes[0];
    struct route *slow = &config.routes[1];
    slow->breaker.slow = MSEC / 2;
    slow->breaker.slow_rate = 80;
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(call(failing, i % 2 == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS, START));
        cr_assert(call(slow, BREAKER_SUCCESS, START));
    }
    expect_told("a: opened: 5 of 10 calls failed; probes in 4.0 s\n"
                "b: opened: 10 of 10 calls were slow; probes in 4.0 s\n");
}

Test(standing, more_news_than_are_kept_are_counted)
{
    const struct route *route = &config.routes[0];
    usec_t now = START;
    fail_connects(route, now);
    for (unsigned i = 0; i < 40; i++) { /* two changes each */
        now += 3600 * SEC;
        cr_assert(call(route, BREAKER_FAILURE, now));
    }
    struct told told = listen();
    cr_expect_eq(told.count, 64);
    cr_expect_eq(told.lost, 81 - 64);
    cr_expect_eq(strncmp(told.text, "a: opened: 3 connects", 21), 0);
    expect_told("");
}

static void count_up(void *ctx)
{
    ++*(unsigned *)ctx;
}

Test(standing, the_first_news_wakes_whoever_tells_them)
{
    unsigned woken = 0;
    standings_on_news(standings, count_up, &woken);
    fail_connects(&config.routes[0], START);
    fail_connects(&config.routes[1], START);
    cr_expect_eq(woken, 1);
    (void)listen();
    fail_connects(&config.routes[2], START);
    cr_expect_eq(woken, 2);
}

/* ---- health checks ---- */

static void check(const struct route *route, bool well, usec_t now)
{
    route_standing_health(route->standing, &route->breaker, well, now, 0);
}

Test(standing, failed_checks_in_a_row_make_it_ill_and_one_makes_it_well)
{
    const struct route *route = &config.routes[0];
    check(route, false, START);
    check(route, false, START);
    check(route, true, START);
    check(route, false, START);
    check(route, false, START);
    expect_told("");
    check(route, false, START);
    check(route, false, START);
    check(route, true, START);
    check(route, true, START);
    expect_told("a: opened: 3 connects or health checks in a row failed; probes in 4.0 s\n"
                "a: ill: 3 health checks in a row failed\n"
                "a: well: a health check was answered\n"
                "a: half open: a health check was answered, probes are let through\n");
}

Test(standing, failed_checks_in_a_row_open_a_circuit_that_nobody_calls)
{
    const struct route *route = &config.routes[0];
    for (unsigned i = 0; i < 3; i++) {
        cr_expect(route_standing_would_admit(route->standing, &route->breaker, START));
        check(route, false, START);
    }
    cr_expect_not(route_standing_would_admit(route->standing, &route->breaker, START));
    expect_told("a: opened: 3 connects or health checks in a row failed; probes in 4.0 s\n"
                "a: ill: 3 health checks in a row failed\n");
}

Test(standing, an_answered_check_lets_an_open_circuit_probe_at_once)
{
    const struct route *route = &config.routes[0];
    fail_connects(route, START);
    check(route, true, START + 1);
    cr_expect(call(route, BREAKER_SUCCESS, START + 1));
    expect_told("a: opened: 3 connects in a row failed; probes in 4.0 s\n"
                "a: half open: a health check was answered, probes are let through\n");
}

Test(standing, a_failed_check_is_a_failed_probe)
{
    const struct route *route = &config.routes[0];
    fail_connects(route, START);
    check(route, false, START + 1);
    cr_expect_not(route_standing_would_admit(route->standing, &route->breaker, START + 1));
    check(route, false, START + 5 * SEC);
    cr_expect_not(route_standing_would_admit(route->standing, &route->breaker, START + 5 * SEC));
}

/* ---- budgets and bounds ---- */

Test(standing, retries_take_from_the_route_s_budget)
{
    const struct route *route = &config.routes[0];
    for (unsigned i = 0; i < 20; i++) {
        cr_expect(route_standing_take_retry(route->standing, START));
    }
    cr_expect_not(route_standing_take_retry(route->standing, START));
    cr_expect(route_standing_take_retry(config.routes[1].standing, START));
    for (unsigned i = 0; i < 5; i++) {
        route_standing_first(route->standing, 20, START);
    }
    route_standing_charge_retry(route->standing, START);
    cr_expect_not(route_standing_take_retry(route->standing, START));
}

Test(standing, so_many_in_flight_and_no_more)
{
    struct route_standing *route = config.routes[0].standing;
    cr_expect(route_standing_enter(route, 2));
    cr_expect(route_standing_enter(route, 2));
    cr_expect_not(route_standing_enter(route, 2));
    cr_expect(route_standing_enter(route, 3));
    cr_expect(route_standing_enter(route, 0));
    route_standing_leave(route);
    cr_expect_not(route_standing_enter(route, 3));
    route_standing_leave(route);
    cr_expect(route_standing_enter(route, 3));
    cr_expect(tenant_standing_enter(config.tenant.standing, 1));
    cr_expect_not(tenant_standing_enter(config.tenant.standing, 1));
    tenant_standing_leave(config.tenant.standing);
    cr_expect(tenant_standing_enter(config.tenant.standing, 1));
}

/* ---- reset ---- */

Test(standing, a_reset_closes_one_or_all)
{
    for (unsigned i = 0; i < FIXTURE_ROUTES; i++) {
        fail_connects(&config.routes[i], START);
    }
    cr_expect_eq(standings_reset(standings, &config.snapshot, "nobody", START), 0);
    cr_expect_eq(standings_reset(standings, &config.snapshot, "b", START), 1);
    cr_expect_not(call(&config.routes[0], BREAKER_SUCCESS, START));
    cr_expect(call(&config.routes[1], BREAKER_SUCCESS, START));
    cr_expect_eq(standings_reset(standings, &config.snapshot, NULL, START), 3);
    cr_expect(call(&config.routes[0], BREAKER_SUCCESS, START));
    cr_expect(call(&config.routes[2], BREAKER_SUCCESS, START));
}

/* ---- for people ---- */

static const struct cJSON *route_in(const struct cJSON *json, unsigned index)
{
    const struct cJSON *item = json_first(json_get(json, "breakers"));
    for (; index > 0; index--) {
        item = json_next(item);
    }
    return item;
}

static void expect_text(const struct cJSON *item, const char *name, const char *text)
{
    struct slice found = {0};
    cr_expect(json_string(json_get(item, name), &found), "%s", name);
    cr_expect(slice_equal(found, slice_from(text)), "%s: %.*s", name, SLICE_ARG(found));
}

static void expect_number(const struct cJSON *item, const char *name, uint64_t number)
{
    uint64_t found = UINT64_MAX;
    cr_expect(json_uint(json_get(item, name), &found), "%s", name);
    cr_expect_eq(found, number, "%s: %lu", name, (unsigned long)found);
}

Test(standing, json_has_each_route_with_its_credentials)
{
    static const struct json_limits limits = {.bytes = 1024 * 1024, .depth = 16};
    struct buffer out CLEANUP(buffer_fini);
    struct cJSON *json CLEANUP(json_free_at) = NULL;
    config.routes[2].breaker.off = true;
    config.routes[1].health.path = SLICE("/health");
    fail_connects(&config.routes[0], START);
    cr_assert(route_standing_enter(config.routes[0].standing, 0));
    cr_assert(route_standing_take_retry(config.routes[0].standing, START));
    check(&config.routes[1], true, START);
    buffer_init(&out, 1024 * 1024);
    cr_assert(standings_show(standings, &config.snapshot, START + 1500 * MSEC, &out));
    cr_assert_eq(json_parse(buffer_bytes(&out), &limits, &json, NULL), STATUS_OK);

    const struct cJSON *open = route_in(json, 0);
    expect_text(open, "route", "a");
    expect_text(open, "state", "open");
    expect_text(open, "health", "unchecked");
    expect_number(open, "since_ms_ago", 1500);
    expect_number(open, "open_for_ms", 2500);
    expect_number(open, "failures", 3);
    expect_number(open, "calls", 3);
    expect_number(open, "retry_budget", 19);
    expect_number(open, "in_flight", 1);
    const struct cJSON *key = json_first(json_get(open, "credentials"));
    expect_text(key, "secret", "a0");
    expect_text(key, "state", "ready");
    expect_number(key, "cooling_ms", 0);
    expect_text(json_next(key), "secret", "a1");
    expect_text(route_in(json, 1), "state", "closed");
    expect_text(route_in(json, 1), "health", "well");
    expect_text(route_in(json, 2), "state", "off");
}

Test(standing, what_does_not_fit_is_said)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 100);
    cr_expect_not(standings_show(standings, &config.snapshot, START, &out));
    buffer_reset(&out);
    cr_expect_not(standings_show_metrics(standings, &config.snapshot, START, &out));
}

static void expect_line(const struct buffer *page, const char *line)
{
    char wanted[200];
    (void)snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    cr_expect_neq(memmem(buffer_bytes(page).ptr, buffer_len(page), wanted, strlen(wanted)), NULL,
                  "missing: %s", line);
}

Test(standing, metrics_have_a_line_for_each)
{
    struct buffer out CLEANUP(buffer_fini);
    config.routes[1].health.path = SLICE("/health");
    config.routes[2].health.path = SLICE("/health");
    fail_connects(&config.routes[0], START);
    cr_assert(tenant_standing_enter(config.tenant.standing, 0));
    const struct deny_rule rule = {.name = "tenants.acme.deny[0]"};
    config.tenant.denials = &rule;
    tenant_standing_deny(config.tenant.standing);
    check(&config.routes[1], true, START);
    for (unsigned i = 0; i < HEALTH_FAILURES; i++) {
        check(&config.routes[2], false, START);
    }
    buffer_init(&out, 1024 * 1024);
    cr_assert(standings_show_metrics(standings, &config.snapshot, START, &out));
    expect_line(&out, "sallyport_breaker_state{route=\"a\"} 2");
    expect_line(&out, "sallyport_breaker_state{route=\"b\"} 0");
    expect_line(&out, "sallyport_breaker_transitions_total{route=\"a\",to=\"open\"} 1");
    expect_line(&out, "sallyport_breaker_transitions_total{route=\"a\",to=\"half_open\"} 0");
    expect_line(&out, "sallyport_retry_budget_left{route=\"b\"} 20");
    expect_line(&out, "sallyport_route_in_flight{route=\"a\"} 0");
    expect_line(&out, "sallyport_tenant_in_flight{tenant=\"acme\"} 1");
    expect_line(&out, "sallyport_tenant_denied_total{tenant=\"acme\"} 1");
    expect_line(&out, "sallyport_upstream_healthy{route=\"b\"} 1");
    expect_line(&out, "sallyport_upstream_healthy{route=\"c\"} 0");
    expect_line(&out, "sallyport_credential_cooling{route=\"a\",secret=\"a1\"} 0");
    cr_expect_eq(memmem(buffer_bytes(&out).ptr, buffer_len(&out), "healthy{route=\"a\"", 18), NULL);
}

Test(standing, readiness_names_what_is_not_well)
{
    struct buffer out CLEANUP(buffer_fini);
    config.routes[2].health.path = SLICE("/health");
    config.routes[2].breaker.off = true;
    buffer_init(&out, 4096);
    cr_assert(standings_show_readiness(standings, &config.snapshot, START, &out));
    cr_expect_eq(buffer_len(&out), 0);
    fail_connects(&config.routes[0], START);
    fail_connects(&config.routes[1], START);
    check(&config.routes[1], true, START);
    for (unsigned i = 0; i < HEALTH_FAILURES; i++) {
        check(&config.routes[2], false, START);
    }
    cr_assert(standings_show_readiness(standings, &config.snapshot, START, &out));
    cr_expect(slice_equal(buffer_bytes(&out),
                          SLICE("circuit_open: route a, stays open for 4 s\n"
                                "circuit_half_open: route b\n"
                                "upstream_ill: route c, 3 health checks in a row failed\n")),
              "%.*s", SLICE_ARG(buffer_bytes(&out)));
}
