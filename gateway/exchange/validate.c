#include "gateway/exchange/validate.h"

#include "base/memory.h"
#include "gateway/exchange/body_facts.h"
#include "gateway/exchange/inspect.h"
#include "gateway/exchange/steps.h"
#include "routes/body_rule.h"
#include "routes/body_schema.h"

static bool has_body(const struct exchange *exchange)
{
    return exchange->request->framing != HTTP1_NO_BODY;
}

static bool reads(const struct body_rule *rule)
{
    return rule->shape != NULL || rule->schema != NULL;
}

static enum step_result bad(struct exchange *exchange, const struct body_rule *rule,
                            const char *why)
{
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s (%s)", why,
                         rule->name);
}

static enum step_result too_large(struct exchange *exchange, const struct body_rule *rule)
{
    exchange->refusal.close = true; /* nobody reads the rest */
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BODY_TOO_LARGE,
                         "the body is longer than max_body, %llu bytes (%s)",
                         (unsigned long long)rule->max_body, rule->name);
}

/* ---- by the head ---- */

static bool is_listed(const struct body_rule *rule, struct slice type)
{
    type.len = slice_find(type, ';');
    type = slice_trim(type);
    for (unsigned i = 0; i < rule->content_type_count; i++) {
        if (slice_equal_nocase(rule->content_types[i], type)) {
            return true;
        }
    }
    return false;
}

/* Each of them, if there are more. */
static bool fits_type(const struct exchange *exchange, const struct body_rule *rule)
{
    const struct http1_request *request = exchange->request;
    bool any = false;
    bool all = true;
    for (unsigned i = 0; i < request->field_count; i++) {
        if (request->fields[i].id == HTTP1_CONTENT_TYPE) {
            any = true;
            all = all && is_listed(rule, request->fields[i].value);
        }
    }
    return rule->content_type_count == 0 || (any && all);
}

static bool sends(const struct exchange *exchange)
{
    enum http1_method method = exchange->request->method;
    return method == HTTP1_POST || method == HTTP1_PUT || method == HTTP1_PATCH;
}

/* Of one rule that covers the call. */
static bool refuses_head(struct exchange *exchange, const struct body_rule *rule, bool *ret_body,
                         enum step_result *ret)
{
    const struct http1_request *request = exchange->request;
    if (!has_body(exchange)) {
        bool missing = reads(rule) && sends(exchange);
        *ret = missing ? bad(exchange, rule, "the body is missing") : STEP_NEXT;
        return missing;
    }
    if (!fits_type(exchange, rule)) {
        *ret = bad(exchange, rule, "the body's Content-Type is not one that is taken here");
        return true;
    }
    if (rule->max_body > 0 && request->framing == HTTP1_LENGTH &&
        request->content_length > rule->max_body) {
        *ret = too_large(exchange, rule);
        return true;
    }
    bool unknown = rule->max_body > 0 && request->framing != HTTP1_LENGTH;
    *ret_body = *ret_body || reads(rule) || unknown;
    return false;
}

bool validate_head(struct exchange *exchange, bool *ret_body, enum step_result *ret)
{
    const struct body_rule *rule = exchange->route->body_rules;
    CLEANUP(memory_free_at) char *memory = NULL;
    if (rule == NULL) {
        return false;
    }
    struct deny_call call = inspect_call(exchange, exchange->route, exchange->rest, &memory);
    for (; rule != NULL; rule = rule->next) {
        if (deny_fits_head(&rule->call, &call) && refuses_head(exchange, rule, ret_body, ret)) {
            return true;
        }
    }
    return false;
}

/* ---- by the body ---- */

static bool refuses_body(struct exchange *exchange, const struct body_rule *rule,
                         enum step_result *ret)
{
    struct error err = {.message = ""};
    struct slice body = exchange->body_slice;
    if (rule->max_body > 0 && body.len > rule->max_body) {
        *ret = too_large(exchange, rule);
        return true;
    }
    if (!reads(rule)) {
        return false;
    }
    if (body_facts_check(exchange->request, "a rule", &err) != STATUS_OK ||
        (rule->shape != NULL && body_schema_check(rule->shape, body, &err) != STATUS_OK) ||
        (rule->schema != NULL && body_schema_check(rule->schema, body, &err) != STATUS_OK)) {
        *ret = bad(exchange, rule, err.message);
        return true;
    }
    return false;
}

bool validate_body(struct exchange *exchange, enum step_result *ret)
{
    const struct body_rule *rule = exchange->route->body_rules;
    CLEANUP(memory_free_at) char *memory = NULL;
    if (rule == NULL) {
        return false;
    }
    struct deny_call call = inspect_call(exchange, exchange->route, exchange->rest, &memory);
    for (; rule != NULL; rule = rule->next) {
        if (deny_fits_head(&rule->call, &call) && refuses_body(exchange, rule, ret)) {
            return true;
        }
    }
    return false;
}
