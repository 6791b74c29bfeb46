/*
 * sign_time: signatures have a time, and are refused where that is not the upstream's. What its
 * answers say of its clock is believed once it refuses one that is minutes off.
 */
#include "gateway/exchange/sign.h"
#include "gateway/exchange/sign_state.h"
#include "gateway/exchange/steps.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/standing.h"
#include "routes/advice_form.h"

/* AWS and Azure refuse what is more than 5 to 15 minutes off. */
#define CLOCKS_DIFFER (4 * 60 * SEC)

static bool find_date(const struct http1_response *response, usec_t *ret)
{
    for (unsigned i = 0; i < response->field_count; i++) {
        const struct http1_field *field = &response->fields[i];
        if (field->id == HTTP1_DATE) {
            return advice_form_date(field->value, ret);
        }
    }
    return false;
}

static void tell(const char *route, usec_t ahead)
{
    log_warn("the clock of route \"%s\"'s upstream is %lld s %s this machine's: its time is signed "
             "from now on; look after the time here",
             route, (long long)((ahead < 0 ? -ahead : ahead) / SEC),
             ahead < 0 ? "behind" : "ahead of");
}

bool sign_learns_time(struct exchange *exchange, const struct http1_response *response)
{
    usec_t date = 0;
    struct route_standing *standing = exchange->route->standing;
    bool refused = response->status == 400 || response->status == 401 || response->status == 403;
    if (exchange->route->sign == NULL || !refused || !find_date(response, &date)) {
        return false;
    }
    usec_t ahead = date - clock_wall();
    usec_t error = ahead - route_standing_clock(standing);
    if (error < CLOCKS_DIFFER && error > -CLOCKS_DIFFER) {
        return false;
    }
    if (route_standing_set_clock(standing, ahead, exchange->side->loop->now)) {
        tell(exchange->route->name, ahead);
    }
    bool again = exchange->signing != NULL && !exchange->signing->time_learnt;
    if (again) { /* once: a clock that jumps is no reason to go on for ever */
        exchange->signing->time_learnt = true;
    }
    return again && way_body_held(exchange);
}
