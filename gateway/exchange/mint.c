#include "gateway/exchange/mint.h"

#include "auth/secrets/secret_store.h"
#include "base/digest.h"
#include "config/token.h"
#include "gateway/exchange/steps.h"
#include "gateway/tokens/tokens.h"

#include <assert.h>
#include <stdio.h>

enum { ORIGIN_MAX = 8 + 253 + 6 + 1 }; /* https://HOST:PORT */

/* The token of whom the caller acts for, in the header of that name; empty: there is none, there
 * are several, or it is none that a form of RFC 6750 allows, or longer than any. */
static struct slice subject_of(const struct exchange *exchange, struct slice header)
{
    struct slice subject = {NULL, 0};
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        if (slice_equal_nocase(request->fields[i].name, header)) {
            if (subject.len > 0) {
                return slice_make(NULL, 0);
            }
            subject = request->fields[i].value;
        }
    }
    if (slice_starts_with_nocase(subject, SLICE("Bearer "))) {
        subject = slice_trim(slice_skip(subject, strlen("Bearer ")));
    }
    if (subject.len > TOKEN_BYTES_MAX) {
        return slice_make(NULL, 0);
    }
    for (size_t i = 0; i < subject.len; i++) {
        if (subject.ptr[i] <= ' ' || subject.ptr[i] > '~' || subject.ptr[i] == ',') {
            return slice_make(NULL, 0);
        }
    }
    return subject;
}

/* The host that the request names is whom the token is for, where the plan cannot say it. */
static struct slice host_of(const struct exchange *exchange, char room[ORIGIN_MAX])
{
    const struct origin *origin = &exchange->route->origin;
    int len = snprintf(room, ORIGIN_MAX, "https://%s", origin->authority);
    assert(len > 0 && len < ORIGIN_MAX);
    return slice_make(room, (size_t)len);
}

/* False: the rule wants a subject, and the request has none. */
static bool ask_of(const struct exchange *exchange, char room[ORIGIN_MAX], struct token_ask *ret)
{
    const struct token_rule *rule = exchange->route->token;
    struct slice header = rule->plan.values[TOKEN_SUBJECT_HEADER];
    *ret = (struct token_ask){
        .rule = rule,
        .snapshot = exchange->snapshot,
        .secret = exchange->secret,
        .now = exchange->side->loop->now,
    };
    bool by_host = rule->own_audience && exchange->made_route != NULL;
    if (header.len == 0 && !by_host) {
        return true;
    }
    ret->subject = by_host ? host_of(exchange, room) : subject_of(exchange, header);
    digest_sha256(ret->subject, ret->subject_id);
    return ret->subject.len > 0;
}

static enum step_result no_subject(struct exchange *exchange)
{
    const struct token_rule *rule = exchange->route->token;
    way_give_back(exchange);
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST,
                         "this route acts for whose token is in the header %.*s: send it, once",
                         SLICE_ARG(rule->plan.values[TOKEN_SUBJECT_HEADER]));
}

/* ---- there is none ---- */

/* Another credential of the pool, which was not asked for one yet. */
static bool take_other(struct exchange *exchange)
{
    const struct route *route = exchange->route;
    uint32_t bit = UINT32_C(1) << exchange->way.choice.index;
    if (exchange->tokenless_of != route) {
        exchange->tokenless_of = route;
        exchange->tokenless = 0;
    }
    bool again = (exchange->tokenless & bit) != 0; /* the pool has nothing better */
    exchange->tokenless |= bit;
    uint32_t all = (uint32_t)((UINT64_C(1) << route->credential_count) - 1);
    return !again && (exchange->tokenless & all) != all && (exchange->way.tried & all) != all;
}

/* Its provider may have been given another secret meanwhile. */
static enum step_result none(struct exchange *exchange, const struct error *why)
{
    enum step_result result;
    const struct route_credential *credential = exchange->way.choice.credential;
    secret_slot_suspect(credential->slot);
    bool other = take_other(exchange);
    way_give_back(exchange);
    if (other) {
        return exchange_go(exchange, EXCHANGE_CHOOSE);
    }
    if (fallback_go(exchange, &result)) {
        return result;
    }
    return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_TOKEN_UNAVAILABLE, "%s", why->message);
}

/* ---- the step ---- */

enum step_result mint_begin(struct exchange *exchange)
{
    assert(exchange->route->token != NULL && exchange->credential != NULL);
    credential_unref(exchange->secret);
    exchange->secret = TAKE(exchange->credential);
    return mint_resume(exchange);
}

enum step_result mint_resume(struct exchange *exchange)
{
    struct error why;
    struct exchange_side *side = exchange->side;
    struct token_ask ask;
    char room[ORIGIN_MAX];
    const struct token_asker asker = {.mailbox = side->quota.mailbox, .waiter = &exchange->waiter};
    if (exchange->token_wait != NULL) {
        return STEP_WAIT; /* other news */
    }
    if (!ask_of(exchange, room, &ask)) {
        return no_subject(exchange);
    }
    switch (tokens_ask(side->minted, &ask, &asker, &exchange->token_wait, &exchange->credential,
                       &why)) {
    case TOKEN_HERE:
        return exchange_go(exchange, EXCHANGE_PREPARE);
    case TOKEN_PENDING:
        if (exchange->total.due == 0) {
            exchange_limit_time(exchange);
        }
        return STEP_WAIT;
    case TOKEN_NONE:
        break;
    }
    return none(exchange, &why);
}

/* ---- refused tokens ---- */

/* RFC 6750, section 3.1: the token was looked at and refused, so nothing was done. */
static bool says_invalid_token(const struct http1_response *response)
{
    static const struct slice mark = SLICE_INIT("error=\"invalid_token\"");
    for (unsigned i = 0; i < response->field_count; i++) {
        const struct http1_field *field = &response->fields[i];
        if (!slice_equal_nocase(field->name, SLICE("www-authenticate"))) {
            continue;
        }
        for (size_t at = 0; at + mark.len <= field->value.len; at++) {
            if (slice_starts_with(slice_skip(field->value, at), mark)) {
                return true;
            }
        }
    }
    return false;
}

bool mint_refused(struct exchange *exchange, const struct http1_response *response,
                  const struct judgement *judgement)
{
    const struct route *route = exchange->route;
    struct token_ask ask;
    char room[ORIGIN_MAX];
    bool renewed = ask_of(exchange, room, &ask) &&
                   tokens_refused(exchange->side->minted, &ask, exchange->credential);
    bool harmless = !judgement->executed || judgement->key_refused || way_harmless(exchange) ||
                    says_invalid_token(response);
    bool again = renewed && harmless && !exchange->token_renewed && way_body_held(exchange) &&
                 exchange->way.made < route->retry.attempts;
    exchange->token_renewed = exchange->token_renewed || again;
    return again;
}

void mint_fini(struct exchange *exchange)
{
    token_wait_leave(&exchange->token_wait);
    credential_unref(TAKE(exchange->secret));
}
