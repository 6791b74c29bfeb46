/*
 * inspect: what the body is asked about before anything is reserved: by the tenant's deny rules,
 * and by the route's own (validate.h). It is held for that.
 */
#include "gateway/exchange/inspect.h"

#include "auth/inbound/tenant.h"
#include "base/memory.h"
#include "base/pattern.h"
#include "gateway/exchange/body_facts.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/validate.h"
#include "gateway/upstream/standing.h"
#include "routes/deny.h"
#include "routes/target.h"

#include <assert.h>

/* ---- by the head ---- */

struct deny_call inspect_call(const struct exchange *exchange, const struct route *route,
                              struct slice rest, char **memory)
{
    size_t len = rest.len;
    *memory = memory_alloc(3 * len + 1);
    struct slice normal = target_normalize(rest, *memory);
    return (struct deny_call){
        .route_index = route->index,
        .method = exchange->request->method_text,
        .lower = deny_lower(normal, *memory + len),
        .folded = deny_fold_open(normal, *memory + 2 * len),
        .fields = exchange->request->fields,
        .field_count = exchange->request->field_count,
    };
}

static bool has_body(const struct exchange *exchange)
{
    return exchange->request->framing != HTTP1_NO_BODY;
}

const char *inspect_head(const struct exchange *exchange, const struct route *route,
                         struct slice rest, bool *ret_body)
{
    const struct deny_rule *rule = exchange->tenant->denials;
    CLEANUP(memory_free_at) char *memory = NULL;
    *ret_body = false;
    if (rule == NULL) {
        return NULL;
    }
    struct deny_call call = inspect_call(exchange, route, rest, &memory);
    for (; rule != NULL; rule = rule->next) {
        if (!deny_fits_head(rule, &call)) {
            continue;
        }
        if (!deny_reads_body(rule)) {
            return rule->name;
        }
        *ret_body = *ret_body || has_body(exchange);
    }
    return NULL;
}

/* ---- by the body ---- */

/* The fields that rules ask for, and which of them are as they say. */
struct fields {
    struct json_place places[JSON_PLACES_MAX];
    struct slice patterns[JSON_PLACES_MAX];
    bool hit[JSON_PLACES_MAX];
    unsigned count;
    bool too_long; /* one of the values */
};

static void on_found(void *ctx, const struct json_found *found)
{
    struct fields *fields = ctx;
    switch (deny_value(fields->patterns[found->place], found)) {
    case DENY_VALUE_FITS:
        fields->hit[found->place] = true;
        break;
    case DENY_VALUE_TOO_LONG:
        fields->too_long = true;
        break;
    case DENY_VALUE_DIFFERS:
        break;
    }
}

static enum status read_fields(const struct exchange *exchange, struct fields *fields,
                               struct error *err)
{
    TRY(json_pick(exchange->body_slice, fields->places, fields->count, on_found, fields, err));
    if (fields->too_long) {
        FAIL(err, STATUS_INVALID, "a value that is read there is longer than %d bytes",
             JSON_SCAN_TEXT);
    }
    return STATUS_OK;
}

/* The rules that see the body, and what they have to know of it. */
struct denial {
    const struct deny_rule *rules[JSON_PLACES_MAX];
    unsigned first[JSON_PLACES_MAX]; /* of its fields */
    unsigned count;
    const struct deny_rule *of_model; /* one that goes by the model; NULL: none does */
    struct body_models models;
    struct fields fields;
};

static void collect(const struct exchange *exchange, const struct deny_call *call,
                    struct denial *denial)
{
    const struct deny_rule *rule = exchange->tenant->denials;
    for (; rule != NULL; rule = rule->next) {
        if (!deny_reads_body(rule) || !deny_fits_head(rule, call)) {
            continue;
        }
        assert(denial->count < JSON_PLACES_MAX); /* config/link_deny has counted them */
        denial->first[denial->count] = denial->fields.count;
        denial->rules[denial->count++] = rule;
        denial->of_model = rule->model.len > 0 ? rule : denial->of_model;
        for (unsigned i = 0; i < rule->field_count; i++) {
            denial->fields.patterns[denial->fields.count] = rule->fields[i].pattern;
            denial->fields.places[denial->fields.count++] = rule->fields[i].place;
        }
    }
}

static bool fits(const struct denial *denial, unsigned index)
{
    const struct deny_rule *rule = denial->rules[index];
    bool model = rule->model.len == 0;
    for (unsigned i = 0; i < denial->models.count; i++) {
        model = model || pattern_matches(rule->model, slice_from(denial->models.text[i]));
    }
    bool all = model;
    for (unsigned i = 0; i < rule->field_count; i++) {
        all = all && denial->fields.hit[denial->first[index] + i];
    }
    return all;
}

static enum status read_body(const struct exchange *exchange, const struct route *route,
                             struct slice rest, struct denial *denial, struct error *err)
{
    struct error why;
    TRY(body_facts_check(exchange->request, "a rule", err));
    if (denial->of_model != NULL &&
        body_facts_models(exchange, route, rest, &denial->models, &why) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "%s goes by the model: %s", denial->of_model->name, why.message);
    }
    if (denial->fields.count > 0 && read_fields(exchange, &denial->fields, &why) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "tenants.%s.deny goes by the body: %s", exchange->tenant->name,
             why.message);
    }
    return STATUS_OK;
}

/* *ret_rule: the name of the one that forbids it, or NULL. STATUS_INVALID: it cannot be told. */
static enum status ask_rules(const struct exchange *exchange, const struct route *route,
                             struct slice rest, const char **ret_rule, struct error *err)
{
    CLEANUP(memory_free_at) char *memory = NULL;
    CLEANUP(memory_free_at) struct denial *denial = NULL;
    *ret_rule = NULL;
    if (exchange->tenant->denials == NULL || !has_body(exchange)) {
        return STATUS_OK;
    }
    struct deny_call call = inspect_call(exchange, route, rest, &memory);
    denial = MEMORY_NEW(struct denial);
    collect(exchange, &call, denial);
    if (denial->count == 0) {
        return STATUS_OK;
    }
    TRY(read_body(exchange, route, rest, denial, err));
    for (unsigned i = 0; i < denial->count && *ret_rule == NULL; i++) {
        *ret_rule = fits(denial, i) ? denial->rules[i]->name : NULL;
    }
    return STATUS_OK;
}

bool inspect_allows(const struct exchange *exchange, const struct route *route, struct slice rest)
{
    bool body = false;
    const char *rule = inspect_head(exchange, route, rest, &body);
    struct error err;
    return rule == NULL &&
           (!body || (exchange->body_mode == BODY_WHOLE &&
                      ask_rules(exchange, route, rest, &rule, &err) == STATUS_OK && rule == NULL));
}

/* ---- the step ---- */

enum step_result inspect_refuse(struct exchange *exchange, const char *rule)
{
    tenant_standing_deny(exchange->tenant->standing);
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_ROUTE_NOT_ALLOWED,
                         "tenant \"%s\" may not call this: %s forbids it", exchange->tenant->name,
                         rule);
}

enum step_result inspect_begin(struct exchange *exchange)
{
    const char *rule = NULL;
    struct error err;
    if (ask_rules(exchange, exchange->route, exchange->rest, &rule, &err) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s", err.message);
    }
    if (rule != NULL) {
        return inspect_refuse(exchange, rule);
    }
    enum step_result refused;
    return validate_body(exchange, &refused) ? refused : exchange_go(exchange, EXCHANGE_ADMIT);
}
