#include "gateway/admin/access.h"
#include "gateway/admin/admin_server.h"
#include "gateway/admin/endpoints.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

/* What was asked, as the ops were given it. */
static char told[2048];

static void tell(const char *what, const struct webhook_question *it)
{
    (void)snprintf(told, sizeof(told),
                   "%s id=%s %s/%s type=%s state=%s %s-%s %s<%s %s/s all=%s by %s", what, it->id,
                   it->hook, it->target, it->type, it->state, it->since, it->until, it->limit,
                   it->before, it->per_second, it->all, it->peer);
}

static enum status tell_list(void *ctx, const struct webhook_question *question, struct buffer *out,
                             struct error *err)
{
    (void)ctx;
    tell("list", question);
    if (strcmp(question->state, "odd") == 0) {
        FAIL(err, STATUS_INVALID, "state: \"odd\"");
    }
    return buffer_append(out, SLICE("{}"));
}

static enum status tell_sums(void *ctx, struct buffer *out, struct error *err)
{
    (void)ctx;
    (void)err;
    (void)snprintf(told, sizeof(told), "sums");
    return buffer_append(out, SLICE("{}"));
}

static enum status tell_one(void *ctx, const char *id, enum webhook_parts parts, struct buffer *out,
                            struct error *err)
{
    (void)ctx;
    (void)snprintf(told, sizeof(told), "%s %s", id,
                   parts == WEBHOOK_WITH_BODY ? "with body" : "without");
    if (strcmp(id, "msg_0") == 0) {
        FAIL(err, STATUS_NOT_FOUND, "no such webhook");
    }
    return buffer_append(out, SLICE("{}"));
}

static enum status tell_change(void *ctx, const struct webhook_question *question,
                               enum webhook_change change, struct admin_later *take_later,
                               struct error *err)
{
    (void)ctx;
    (void)take_later;
    tell(change == WEBHOOK_REPLAY ? "replay" : "drop", question);
    if (question->hook[0] == '\0') {
        FAIL(err, STATUS_INVALID, "say which");
    }
    return STATUS_OK;
}

static enum admin_right right_of(void *ctx, struct slice token)
{
    (void)ctx;
    return slice_equal(token, SLICE("all"))     ? ADMIN_ALL
           : slice_equal(token, SLICE("reads")) ? ADMIN_READS
                                                : ADMIN_NOTHING;
}

static void note_refused(void *ctx, const char *peer, const char *path)
{
    (void)ctx;
    (void)peer;
    (void)snprintf(told, sizeof(told), "refused %s", path);
}

static const struct admin_ops ops = {.webhooks = tell_list,
                                     .webhook_sums = tell_sums,
                                     .webhook = tell_one,
                                     .change_webhooks = tell_change,
                                     .right = right_of,
                                     .refused = note_refused};

struct question {
    enum admin_method method;
    const char *path, *query, *authorization;
};

/* `status` 0: the answer comes later. */
static void expect(struct question it, unsigned status, const char *expected)
{
    const struct admin_hosts hosts = {0};
    struct access_failures failures = {0};
    const struct admin_request request = {.method = it.method,
                                          .path = it.path,
                                          .query = it.query,
                                          .host = "localhost",
                                          .authorization = it.authorization,
                                          .peer = "127.0.0.1",
                                          .local = true,
                                          .failures = &failures};
    struct admin_answer answer;
    told[0] = '\0';
    endpoints_answer(&request, &hosts, &ops, NULL, &answer);
    cr_expect_eq(answer.later, status == 0, "%s?%s", it.path, it.query);
    cr_expect(status == 0 || answer.status == status, "%s?%s: %u, %.*s", it.path, it.query,
              answer.status, SLICE_ARG(buffer_bytes(&answer.body)));
    cr_expect_str_eq(told, expected);
    buffer_fini(&answer.body);
}

#define WEBHOOKS "/api/v1/webhooks"

Test(endpoints_webhooks, a_list_takes_its_parameters)
{
    expect((struct question){ADMIN_GET, WEBHOOKS, NULL, NULL}, 200,
           "list id= / type= state= - < /s all= by 127.0.0.1");
    expect((struct question){ADMIN_GET, WEBHOOKS,
                             "hook=h&target=t&type=a%2Eb&state=dead,waiting&since=24h&until=1h&"
                             "limit=5&before=77&id=evt%5F1",
                             NULL},
           200, "list id=evt_1 h/t type=a.b state=dead,waiting 24h-1h 5<77 /s all= by 127.0.0.1");
    expect((struct question){ADMIN_GET, WEBHOOKS, "state=odd", NULL}, 400,
           "list id= / type= state=odd - < /s all= by 127.0.0.1");
    expect((struct question){ADMIN_GET, WEBHOOKS "/sums", NULL, NULL}, 200, "sums");
    expect((struct question){ADMIN_POST, WEBHOOKS, NULL, "Bearer all"}, 405, "");
}

Test(endpoints_webhooks, a_parameter_that_says_nothing_is_refused)
{
    static const char *const broken[] = {
        "hok=h",        "hook=h&stat=dead", "hook=h&hook=i", "hook=%zz", "id=%00",
        "per_second=1", "all=true",         "h%6Fok=h",      "=h",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        expect((struct question){ADMIN_GET, WEBHOOKS, broken[i], NULL}, 400, "");
    }
    expect((struct question){ADMIN_POST, WEBHOOKS "/drop", "hook=h&per_second=1", "Bearer all"},
           400, "");
    expect((struct question){ADMIN_POST, WEBHOOKS "/drop", "hook=h&stat=dead", "Bearer all"}, 400,
           "");
    expect((struct question){ADMIN_POST, WEBHOOKS "/replay", "hook=h&limit=1", "Bearer all"}, 400,
           "");
    char query[600] = "type=";
    memset(query + 5, 'x', 500);
    expect((struct question){ADMIN_GET, WEBHOOKS, query, NULL}, 400, "");
}

Test(endpoints_webhooks, a_body_needs_the_token_that_may_do_all_on_loopback_too)
{
    const char *one = WEBHOOKS "/msg_1";
    expect((struct question){ADMIN_GET, one, NULL, NULL}, 200, "msg_1 without");
    expect((struct question){ADMIN_GET, one, NULL, "Bearer all"}, 200, "msg_1 without");
    expect((struct question){ADMIN_GET, one, "body=true", NULL}, 401, "refused /api/v1/webhooks/");
    expect((struct question){ADMIN_HEAD, one, "body=true", "Bearer wrong"}, 401,
           "refused /api/v1/webhooks/");
    expect((struct question){ADMIN_GET, one, "body=true", "Bearer reads"}, 403,
           "refused /api/v1/webhooks/");
    expect((struct question){ADMIN_GET, one, "body=true", "Bearer all"}, 200, "msg_1 with body");
    expect((struct question){ADMIN_GET, one, "body=1", "Bearer all"}, 400, "");
    expect((struct question){ADMIN_GET, one, "body=true&x", NULL}, 400, "");
    expect((struct question){ADMIN_POST, one, "body=true", "Bearer all"}, 405, "");
    expect((struct question){ADMIN_GET, WEBHOOKS "/msg_0", NULL, NULL}, 404, "msg_0 without");
}

Test(endpoints_webhooks, changes_need_the_token_and_are_answered_later)
{
    expect((struct question){ADMIN_POST, WEBHOOKS "/replay",
                             "hook=h&state=dead&since=2h&per_second=50", "Bearer all"},
           0, "replay id= h/ type= state=dead 2h- < 50/s all= by 127.0.0.1");
    expect((struct question){ADMIN_POST, WEBHOOKS "/drop", "hook=h", "Bearer all"}, 0,
           "drop id= h/ type= state= - < /s all= by 127.0.0.1");
    expect((struct question){ADMIN_POST, WEBHOOKS "/drop", NULL, "Bearer all"}, 400,
           "drop id= / type= state= - < /s all= by 127.0.0.1");
    expect((struct question){ADMIN_POST, WEBHOOKS "/drop", "hook=h", NULL}, 401,
           "refused /api/v1/webhooks/drop");
    expect((struct question){ADMIN_POST, WEBHOOKS "/replay", "hook=h", "Bearer reads"}, 403,
           "refused /api/v1/webhooks/replay");
    expect((struct question){ADMIN_GET, WEBHOOKS "/replay", "hook=h", "Bearer all"}, 405, "");
}
