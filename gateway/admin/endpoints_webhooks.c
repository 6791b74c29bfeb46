#include "gateway/admin/endpoints_webhooks.h"

#include "gateway/admin/admin_server.h"
#include "gateway/admin/endpoint_parts.h"
#include "gateway/admin/endpoints.h"

#include <stdio.h>
#include <string.h>

/* ---- parameters ---- */

enum parameter {
    ID,
    HOOK,
    TARGET,
    TYPE,
    STATE,
    SINCE,
    UNTIL,
    LIMIT,
    BEFORE,
    PER_SECOND,
    ALL,
    PARAMETERS
};

static const char *const names[PARAMETERS] = {
    [ID] = "id",         [HOOK] = "hook",   [TARGET] = "target",         [TYPE] = "type",
    [STATE] = "state",   [SINCE] = "since", [UNTIL] = "until",           [LIMIT] = "limit",
    [BEFORE] = "before", [ALL] = "all",     [PER_SECOND] = "per_second",
};

#define BIT(parameter) (1U << (parameter))

enum {
    OF_FILTER =
        BIT(ID) | BIT(HOOK) | BIT(TARGET) | BIT(TYPE) | BIT(STATE) | BIT(SINCE) | BIT(UNTIL),
    OF_LIST = OF_FILTER | BIT(LIMIT) | BIT(BEFORE),
    OF_DROP = OF_FILTER | BIT(ALL),
    OF_REPLAY = OF_DROP | BIT(PER_SECOND),
};

struct texts {
    char of[PARAMETERS][ENDPOINT_PARAMETER_MAX];
};

static enum parameter find_name(struct slice name)
{
    enum parameter found = ID;
    while (found < PARAMETERS && !slice_equal(name, slice_from(names[found]))) {
        found++;
    }
    return found;
}

/* One that is misspelt would say nothing, and the change would be of more than was meant. */
static bool only_known(const struct admin_request *request, unsigned known,
                       struct admin_answer *answer)
{
    struct slice query = slice_from(request->query);
    unsigned seen = 0;
    while (query.len > 0) {
        size_t end = slice_find(query, '&');
        struct slice pair = slice_make(query.ptr, end);
        struct slice name = slice_make(pair.ptr, slice_find(pair, '='));
        enum parameter found = find_name(name);
        unsigned bit = found == PARAMETERS ? 0 : BIT(found);
        query = slice_skip(query, end + 1);
        if (pair.len > 0 && ((bit & known) == 0 || (bit & seen) != 0)) {
            char text[128];
            (void)snprintf(text, sizeof(text), "\"%.*s\" is %s",
                           (int)(name.len < 64 ? name.len : 64), name.ptr,
                           (bit & seen) != 0 ? "there twice" : "no parameter of this");
            endpoint_answer_error(answer, 400, text);
            return false;
        }
        seen |= bit;
    }
    return true;
}

/* False: it is misused, and that is the answer. */
static bool read_question(const struct admin_request *request, unsigned known, struct texts *texts,
                          struct webhook_question *ret, struct admin_answer *answer)
{
    if (!only_known(request, known, answer)) {
        return false;
    }
    for (unsigned i = 0; i < PARAMETERS; i++) {
        if (!endpoint_parameter(request, slice_from(names[i]), texts->of[i])) {
            char text[64];
            (void)snprintf(text, sizeof(text), "%s is too long, or not percent-encoded", names[i]);
            endpoint_answer_error(answer, 400, text);
            return false;
        }
    }
    *ret = (struct webhook_question){
        .id = texts->of[ID],
        .hook = texts->of[HOOK],
        .target = texts->of[TARGET],
        .type = texts->of[TYPE],
        .state = texts->of[STATE],
        .since = texts->of[SINCE],
        .until = texts->of[UNTIL],
        .limit = texts->of[LIMIT],
        .before = texts->of[BEFORE],
        .per_second = texts->of[PER_SECOND],
        .all = texts->of[ALL],
        .peer = request->peer,
    };
    return true;
}

/* ---- what is shown ---- */

static void end(struct admin_answer *answer, enum status status, const struct error *err)
{
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err->message);
    }
}

void endpoint_show_webhooks(const struct admin_request *request, const struct admin_ops *ops,
                            void *ctx, struct admin_answer *answer)
{
    struct texts texts;
    struct webhook_question question;
    struct error err;
    if (read_question(request, OF_LIST, &texts, &question, answer)) {
        endpoint_answer_json(answer, 200);
        end(answer, ops->webhooks(ctx, &question, &answer->body, &err), &err);
    }
}

void endpoint_show_webhook_sums(const struct admin_request *request, const struct admin_ops *ops,
                                void *ctx, struct admin_answer *answer)
{
    (void)request;
    struct error err;
    endpoint_answer_json(answer, 200);
    end(answer, ops->webhook_sums(ctx, &answer->body, &err), &err);
}

bool endpoint_webhook_body_wanted(const struct admin_request *request)
{
    return slice_equal(slice_from(request->query), SLICE("body=true"));
}

void endpoint_show_webhook(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer)
{
    struct error err;
    bool body = endpoint_webhook_body_wanted(request);
    if (request->query != NULL && request->query[0] != '\0' && !body) {
        endpoint_answer_error(answer, 400, "the one parameter of this is body=true");
        return;
    }
    endpoint_answer_json(answer, 200);
    end(answer,
        ops->webhook(ctx, request->path + strlen(ENDPOINT_WEBHOOKS_PATH),
                     body ? WEBHOOK_WITH_BODY : WEBHOOK_WITHOUT_BODY, &answer->body, &err),
        &err);
}

/* ---- changes ---- */

static void change(const struct admin_request *request, const struct admin_ops *ops, void *ctx,
                   enum webhook_change kind, struct admin_answer *answer)
{
    struct texts texts;
    struct webhook_question question;
    struct error err;
    unsigned known = kind == WEBHOOK_REPLAY ? OF_REPLAY : OF_DROP;
    if (!read_question(request, known, &texts, &question, answer)) {
        return;
    }
    enum status status = ops->change_webhooks(ctx, &question, kind, request->later, &err);
    answer->later = status == STATUS_OK;
    end(answer, status, &err);
}

void endpoint_replay_webhooks(const struct admin_request *request, const struct admin_ops *ops,
                              void *ctx, struct admin_answer *answer)
{
    change(request, ops, ctx, WEBHOOK_REPLAY, answer);
}

void endpoint_drop_webhooks(const struct admin_request *request, const struct admin_ops *ops,
                            void *ctx, struct admin_answer *answer)
{
    change(request, ops, ctx, WEBHOOK_DROP, answer);
}
