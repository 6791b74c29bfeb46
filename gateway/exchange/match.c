/* match: the request's form that HTTP alone does not forbid, and its route. */
#include "config/snapshot.h"
#include "gateway/exchange/path_key.h"
#include "gateway/exchange/steps.h"
#include "routes/hosts.h"
#include "routes/target.h"

/* Of several upstreams the one that the path names. Not 404, by which push services say that a
 * subscription is gone. */
static bool choose_host(struct exchange *exchange, enum step_result *ret)
{
    const struct route *route = exchange->route;
    if (route->hosts == NULL) {
        return true;
    }
    struct slice rest = slice_skip(exchange->path, route->path.len);
    struct slice segment = hosts_segment(rest);
    const struct route *host = hosts_find(route, segment);
    if (host == NULL) {
        *ret = exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_ROUTE_NOT_ALLOWED,
                             "the path names, in its first segment behind the route's, none of the "
                             "hosts that route \"%s\" leads to",
                             route->name);
        return false;
    }
    if (host->entry[0] == '*') {
        exchange->made_route = hosts_make(host, segment);
        host = exchange->made_route;
    }
    exchange->route = host;
    return true;
}

enum step_result match_begin(struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;
    struct error err = {0};
    enum step_result result;

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
    exchange->way.asked = exchange->route;
    if (!choose_host(exchange, &result)) {
        return result;
    }
    exchange->rest = slice_skip(exchange->path, exchange->route->path.len);
    path_key_cut(exchange);
    exchange->way.asked = exchange->route;
    exchange->way.rest = exchange->rest;
    exchange->way.query = exchange->query;
    return exchange_go(exchange, EXCHANGE_IDENTIFY);
}
