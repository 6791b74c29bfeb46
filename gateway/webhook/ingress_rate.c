/*
 * ingress_rate: how often a source may send what does not verify. What verifies is never refused by
 * it, unless the hook counts all.
 */
#include "config/hook.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/webhook/ingress_state.h"
#include "gateway/webhook/source_rates.h"

static bool fits(const struct ingress *ingress, usec_t *ret_after)
{
    const struct hook *hook = ingress->hook;
    return ingress->counted ||
           source_rates_have_room(ingress->side->rates, hook->name,
                                  slice_from(connection_source(ingress->connection)), &hook->rate,
                                  ingress->side->exchanges->loop->now, ret_after);
}

bool ingress_source_fits(const struct ingress *ingress)
{
    usec_t after = 0;
    return fits(ingress, &after);
}

bool ingress_source_has_room(struct ingress *ingress)
{
    usec_t after = 0;
    if (fits(ingress, &after)) {
        return true;
    }
    ingress_refuse(ingress,
                   &(struct ingress_answer){.status = 429, .reason = "rate", .retry_after = after});
    return false;
}

void ingress_count(struct ingress *ingress)
{
    const struct hook *hook = ingress->hook;
    if (!ingress->counted) {
        ingress->counted = true;
        source_rates_count(ingress->side->rates, hook->name,
                           slice_from(connection_source(ingress->connection)), &hook->rate,
                           ingress->side->exchanges->loop->now);
    }
}

void ingress_refuse_unverified(struct ingress *ingress, unsigned status, const char *reason)
{
    if (ingress_source_has_room(ingress)) {
        ingress_count(ingress);
        ingress_refuse(ingress, &(struct ingress_answer){.status = status, .reason = reason});
    }
}
