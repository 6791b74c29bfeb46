#include "gateway/admin/endpoints_ledger.h"

#include "gateway/admin/admin_server.h"
#include "gateway/admin/endpoint_parts.h"
#include "gateway/admin/endpoints.h"

#include <string.h>

void endpoint_show_request(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer)
{
    struct error err;
    endpoint_answer_json(answer, 200);
    enum status status =
        ops->request(ctx, request->path + strlen(ENDPOINT_REQUESTS_PATH), &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
    }
}

void endpoint_show_maker(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, struct admin_answer *answer)
{
    char object[ENDPOINT_PARAMETER_MAX];
    struct error err;
    if (!endpoint_parameter(request, SLICE("object"), object) || object[0] == '\0') {
        endpoint_answer_error(answer, 400, "say which: ?object=ID, the request that made it");
        return;
    }
    endpoint_answer_json(answer, 200);
    enum status status = ops->maker(ctx, object, &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
    }
}

static void answer_usage(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, bool objects, struct admin_answer *answer)
{
    char by[ENDPOINT_PARAMETER_MAX];
    char since[ENDPOINT_PARAMETER_MAX];
    char tenant[ENDPOINT_PARAMETER_MAX];
    char route[ENDPOINT_PARAMETER_MAX];
    char model[ENDPOINT_PARAMETER_MAX];
    struct error err;
    char type[ENDPOINT_PARAMETER_MAX];
    char object[ENDPOINT_PARAMETER_MAX];
    const struct usage_question question = {.by = by,
                                            .since = since,
                                            .tenant = tenant,
                                            .route = route,
                                            .model = model,
                                            .objects = objects,
                                            .type = type,
                                            .object = object};
    if (!endpoint_parameter(request, SLICE("by"), by) ||
        !endpoint_parameter(request, SLICE("since"), since) ||
        !endpoint_parameter(request, SLICE("tenant"), tenant) ||
        !endpoint_parameter(request, SLICE("route"), route) ||
        !endpoint_parameter(request, SLICE("model"), model) ||
        !endpoint_parameter(request, SLICE("type"), type) ||
        !endpoint_parameter(request, SLICE("object"), object)) {
        endpoint_answer_error(answer, 400, "a parameter is too long, or not percent-encoded");
        return;
    }
    endpoint_answer_json(answer, 200);
    enum status status = ops->usage(ctx, &question, &answer->body, &err);
    if (status != STATUS_OK) {
        endpoint_answer_error(answer, endpoint_status_of(status), err.message);
    }
}

void endpoint_show_usage(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, struct admin_answer *answer)
{
    answer_usage(request, ops, ctx, false, answer);
}

void endpoint_show_objects(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer)
{
    answer_usage(request, ops, ctx, true, answer);
}

#define SECONDS_MAX UINT64_C(4102444800) /* since 1970: 2100 */

/* A number of the query; absent: 0. */
static bool number(const struct admin_request *request, struct slice name, uint64_t *ret)
{
    char text[ENDPOINT_PARAMETER_MAX];
    *ret = 0;
    return endpoint_parameter(request, name, text) &&
           (text[0] == '\0' || slice_number(slice_from(text), INT64_MAX, ret));
}

void endpoint_note_repriced(const struct admin_request *request, const struct admin_ops *ops,
                            void *ctx, struct admin_answer *answer)
{
    char tenant[ENDPOINT_PARAMETER_MAX];
    char route[ENDPOINT_PARAMETER_MAX];
    char model[ENDPOINT_PARAMETER_MAX];
    uint64_t done = 0;
    uint64_t since = 0;
    uint64_t until = 0;
    struct usage_repriced repriced = {
        .tenant = tenant, .route = route, .model = model, .peer = request->peer};
    if (!endpoint_parameter(request, SLICE("tenant"), tenant) ||
        !endpoint_parameter(request, SLICE("route"), route) ||
        !endpoint_parameter(request, SLICE("model"), model) ||
        !number(request, SLICE("done"), &done) || !number(request, SLICE("since"), &since) ||
        !number(request, SLICE("until"), &until) ||
        !number(request, SLICE("rows"), &repriced.rows) ||
        !number(request, SLICE("before"), &repriced.before) ||
        !number(request, SLICE("after"), &repriced.after) || until == 0 || since > SECONDS_MAX ||
        until > SECONDS_MAX) {
        endpoint_answer_error(answer, 400, "a parameter is missing, too long, or no number");
        return;
    }
    repriced.done = done > 0;
    repriced.since = (int64_t)since;
    repriced.until = (int64_t)until;
    ops->repriced(ctx, &repriced);
    endpoint_answer_json(answer, 200);
    if (buffer_append(&answer->body, SLICE("{\"noted\":true}\n")) != STATUS_OK) {
        answer->status = 500; /* not reached: nothing else is in the body */
    }
}
