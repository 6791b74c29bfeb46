/* match: the request's form that HTTP alone does not forbid, and its route. */
#include "config/snapshot.h"
#include "gateway/exchange/path_key.h"
#include "gateway/exchange/steps.h"
#include "routes/target.h"

enum step_result match_begin(struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;
    struct error err = {0};

    if (exchange->side->count > exchange->snapshot->gateway.limits.exchanges) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "gateway.limits.exchanges are in flight in this worker: try again "
                             "later");
    }
    if (request->upgrade) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_NOT_IMPLEMENTED,
                             "Upgrade is not supported: use HTTP/1.1 without it");
    }
    if (request->method == HTTP1_TRACE) { /* it would show the credential to its caller */
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_METHOD_NOT_ALLOWED,
                             "TRACE is not allowed");
    }
    if (slice_equal(request->path, SLICE("*"))) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_NO_SUCH_ROUTE,
                             "OPTIONS * names no route");
    }
    if (target_check(request->path, &exchange->path, &exchange->query, &err) != STATUS_OK) {
        exchange->refusal.close = true;
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s", err.message);
    }
    exchange->route =
        route_table_find(&exchange->snapshot->route_table, request->host, exchange->path);
    if (exchange->route == NULL) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_NO_SUCH_ROUTE,
                             "no route covers this host and path: see routes in the config");
    }
    exchange->rest = slice_skip(exchange->path, exchange->route->path.len);
    path_key_cut(exchange);
    exchange->way.asked = exchange->route;
    exchange->way.rest = exchange->rest;
    exchange->way.query = exchange->query;
    return exchange_go(exchange, EXCHANGE_IDENTIFY);
}
