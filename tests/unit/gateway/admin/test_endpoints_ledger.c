#include "gateway/admin/access.h"
#include "gateway/admin/admin_server.h"
#include "gateway/admin/endpoints.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

/* What was asked, as the ops were given it. */
static char told[1024];

static enum status tell_request(void *ctx, const char *id, struct buffer *out, struct error *err)
{
    (void)ctx;
    (void)err;
    (void)snprintf(told, sizeof(told), "request %s", id);
    return buffer_append(out, SLICE("{}"));
}

static enum status tell_maker(void *ctx, const char *object, struct buffer *out, struct error *err)
{
    (void)ctx;
    (void)snprintf(told, sizeof(told), "maker %s", object);
    if (strcmp(object, "none") == 0) {
        FAIL(err, STATUS_NOT_FOUND, "no \"such\" object");
    }
    return buffer_append(out, SLICE("{}"));
}

static enum status tell_usage(void *ctx, const struct usage_question *question, struct buffer *out,
                              struct error *err)
{
    (void)ctx;
    (void)err;
    (void)snprintf(told, sizeof(told), "%s by=%s since=%s %s/%s/%s type=%s object=%s",
                   question->objects ? "objects" : "sums", question->by, question->since,
                   question->tenant, question->route, question->model, question->type,
                   question->object);
    return buffer_append(out, SLICE("{}"));
}

static void tell_repriced(void *ctx, const struct usage_repriced *it)
{
    (void)ctx;
    (void)snprintf(told, sizeof(told), "%s %lld-%lld %s/%s/%s %llu: %llu to %llu by %s",
                   it->done ? "done" : "begun", (long long)it->since, (long long)it->until,
                   it->tenant, it->route, it->model, (unsigned long long)it->rows,
                   (unsigned long long)it->before, (unsigned long long)it->after, it->peer);
}

static enum admin_right all_rights(void *ctx, struct slice token)
{
    (void)ctx;
    return slice_equal(token, SLICE("all")) ? ADMIN_ALL : ADMIN_NOTHING;
}

static void note_refused(void *ctx, const char *peer, const char *path)
{
    (void)ctx;
    (void)peer;
    (void)path;
}

static const struct admin_ops ops = {.request = tell_request,
                                     .maker = tell_maker,
                                     .usage = tell_usage,
                                     .repriced = tell_repriced,
                                     .right = all_rights,
                                     .refused = note_refused};

static void expect(enum admin_method method, const char *path, const char *query, unsigned status,
                   const char *expected)
{
    const struct admin_hosts hosts = {0};
    struct access_failures failures = {0};
    const struct admin_request request = {.method = method,
                                          .path = path,
                                          .query = query,
                                          .host = "localhost",
                                          .authorization = "Bearer all",
                                          .peer = "127.0.0.1",
                                          .local = true,
                                          .failures = &failures};
    struct admin_answer answer;
    told[0] = '\0';
    endpoints_answer(&request, &hosts, &ops, NULL, &answer);
    cr_expect_eq(answer.status, status, "%s?%s: %u, %.*s", path, query == NULL ? "" : query,
                 answer.status, SLICE_ARG(buffer_bytes(&answer.body)));
    cr_expect_str_eq(told, expected);
    buffer_fini(&answer.body);
}

Test(endpoints_ledger, a_request_is_asked_for_by_its_id_or_by_what_it_made)
{
    expect(ADMIN_GET, "/api/v1/requests/0a", NULL, 200, "request 0a");
    expect(ADMIN_GET, "/api/v1/requests", "object=pi%5F1%20%22", 200, "maker pi_1 \"");
    expect(ADMIN_GET, "/api/v1/requests", "object=none", 404, "maker none");
    expect(ADMIN_GET, "/api/v1/requests", NULL, 400, "");
    expect(ADMIN_GET, "/api/v1/requests", "object=", 400, "");
    expect(ADMIN_GET, "/api/v1/requests", "object=%00", 400, "");
    expect(ADMIN_GET, "/api/v1/requests", "object=%zz", 400, "");
    expect(ADMIN_POST, "/api/v1/requests", "object=pi_1", 405, "");
}

Test(endpoints_ledger, sums_and_objects_take_their_parameters)
{
    char query[600] = "model=";
    expect(ADMIN_GET, "/api/v1/usage", "by=day&since=7d&tenant=t&route=r&model=m", 200,
           "sums by=day since=7d t/r/m type= object=");
    expect(ADMIN_GET, "/api/v1/usage/objects", "since=7d&type=refund&object=re_1", 200,
           "objects by= since=7d // type=refund object=re_1");
    memset(query + 6, 'x', 500);
    expect(ADMIN_GET, "/api/v1/usage/objects", query, 400, "");
    expect(ADMIN_GET, "/api/v1/usage/objects/", NULL, 404, "");
}

Test(endpoints_ledger, who_prices_the_past_anew_is_noted)
{
    static const char *const broken[] = {
        "done=1",
        "until=0",
        "until=-1",
        "until=x",
        "until=20000000000",
        "since=20000000000&until=1",
        "until=1&rows=1e3",
        "until=1&before=99999999999999999999",
        "until=1&model=%zz",
    };
    expect(ADMIN_POST, "/api/v1/usage/repriced", "since=10&until=20&tenant=t&route=r&model=m", 200,
           "begun 10-20 t/r/m 0: 0 to 0 by 127.0.0.1");
    expect(ADMIN_POST, "/api/v1/usage/repriced",
           "done=1&since=10&until=20&rows=3&before=9223372036854775807&after=7", 200,
           "done 10-20 // 3: 9223372036854775807 to 7 by 127.0.0.1");
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        expect(ADMIN_POST, "/api/v1/usage/repriced", broken[i], 400, "");
    }
    expect(ADMIN_GET, "/api/v1/usage/repriced", "until=1", 405, "");
}
