#include "gateway/exchange/validate.h"

#include "base/memory.h"
#include "gateway/exchange/body_facts.h"
#include "gateway/exchange/inspect.h"
#include "gateway/exchange/steps.h"
#include "routes/body_rule.h"
#include "routes/body_schema.h"

#include <stdio.h>

static bool has_body(const struct exchange *exchange)
{
    return exchange->request->framing != HTTP1_NO_BODY;
}

static bool reads(const struct body_rule *rule)
{
    return rule->shape != NULL || rule->schema != NULL;
}

enum verdict { VERDICT_FINE, VERDICT_BAD, VERDICT_TOO_LARGE };

static enum verdict bad(struct error *why, const char *text)
{
    (void)snprintf(why->message, sizeof(why->message), "%s", text);
    return VERDICT_BAD;
}

static enum step_result refuse(struct exchange *exchange, const struct body_rule *rule,
                               enum verdict verdict, const struct error *why)
{
    if (verdict == VERDICT_TOO_LARGE) {
        exchange->refusal.close = true; /* nobody reads the rest */
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BODY_TOO_LARGE,
                             "the body is longer than max_body, %llu bytes (%s)",
                             (unsigned long long)rule->max_body, rule->name);
    }
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s (%s)", why->message,
                         rule->name);
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

/* One rule that covers the call. *ret_body: it has to see the body, too. */
static enum verdict ask_head(const struct exchange *exchange, const struct body_rule *rule,
                             bool *ret_body, struct error *why)
{
    const struct http1_request *request = exchange->request;
    bool measured = request->framing == HTTP1_LENGTH;
    if (!has_body(exchange)) {
        bool missing = reads(rule) && sends(exchange);
        return missing ? bad(why, "the body is missing") : VERDICT_FINE;
    }
    if (!fits_type(exchange, rule)) {
        return bad(why, "the body's Content-Type is not one that is taken here");
    }
    if (rule->max_body > 0 && measured && request->content_length > rule->max_body) {
        return VERDICT_TOO_LARGE;
    }
    *ret_body = *ret_body || reads(rule) || (rule->max_body > 0 && !measured);
    return VERDICT_FINE;
}

/* ---- by the body ---- */

static enum verdict ask_body(const struct exchange *exchange, const struct body_rule *rule,
                             struct error *why)
{
    struct error err = {.message = ""};
    struct slice body = exchange->body_slice;
    if (rule->max_body > 0 && body.len > rule->max_body) {
        return VERDICT_TOO_LARGE;
    }
    if (!reads(rule)) {
        return VERDICT_FINE;
    }
    if (body_facts_check(exchange->request, "a rule", &err) != STATUS_OK ||
        (rule->shape != NULL && body_schema_check(rule->shape, body, &err) != STATUS_OK) ||
        (rule->schema != NULL && body_schema_check(rule->schema, body, &err) != STATUS_OK)) {
        return bad(why, err.message);
    }
    return VERDICT_FINE;
}

/* ---- all rules ---- */

/* What is asked of a call to a route. */
struct asking {
    const struct exchange *exchange;
    const struct route *route;
    struct slice rest;
    bool head, body;
};

/* The first rule that is not met; NULL: all are. */
static const struct body_rule *ask(const struct asking *asking, bool *ret_body,
                                   enum verdict *ret_verdict, struct error *why)
{
    const struct body_rule *rule = asking->route->body_rules;
    CLEANUP(memory_free_at) char *memory = NULL;
    if (rule == NULL) {
        return NULL;
    }
    struct deny_call call = inspect_call(asking->exchange, asking->route, asking->rest, &memory);
    for (; rule != NULL; rule = rule->next) {
        enum verdict verdict = VERDICT_FINE;
        if (!deny_fits_head(&rule->call, &call)) {
            continue;
        }
        if (asking->head) {
            verdict = ask_head(asking->exchange, rule, ret_body, why);
        }
        if (verdict == VERDICT_FINE && asking->body) {
            verdict = ask_body(asking->exchange, rule, why);
        }
        if (verdict != VERDICT_FINE) {
            *ret_verdict = verdict;
            return rule;
        }
    }
    return NULL;
}

static bool refuses(struct exchange *exchange, const struct asking *asking, bool *ret_body,
                    enum step_result *ret)
{
    struct error why = {.message = ""};
    enum verdict verdict = VERDICT_FINE;
    const struct body_rule *rule = ask(asking, ret_body, &verdict, &why);
    if (rule != NULL) {
        *ret = refuse(exchange, rule, verdict, &why);
    }
    return rule != NULL;
}

bool validate_head(struct exchange *exchange, bool *ret_body, enum step_result *ret)
{
    const struct asking asking = {
        .exchange = exchange, .route = exchange->route, .rest = exchange->rest, .head = true};
    return refuses(exchange, &asking, ret_body, ret);
}

bool validate_body(struct exchange *exchange, enum step_result *ret)
{
    bool body = false;
    const struct asking asking = {
        .exchange = exchange, .route = exchange->route, .rest = exchange->rest, .body = true};
    return refuses(exchange, &asking, &body, ret);
}

bool validate_allows(const struct exchange *exchange, const struct route *route, struct slice rest)
{
    struct error why;
    enum verdict verdict = VERDICT_FINE;
    bool body = false;
    bool held = exchange->body_mode == BODY_WHOLE;
    const struct asking asking = {
        .exchange = exchange, .route = route, .rest = rest, .head = true, .body = held};
    return ask(&asking, &body, &verdict, &why) == NULL && (held || !body);
}
