#include "gateway/reprice.h"

#include "base/slice.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger_row.h"
#include "routes/price.h"
#include "routes/route.h"

#include <string.h>

const char *reprice_verdict_text(enum reprice_verdict verdict)
{
    switch (verdict) {
    case REPRICE_PRICED:
        return "priced";
    case REPRICE_NOTHING:
        return "used nothing that costs";
    case REPRICE_ESTIMATED:
        return "estimated: the answer did not tell what was used";
    case REPRICE_SETTLED:
        return "settled by an event of the provider";
    case REPRICE_DIED:
        return "charged in full: the gateway died while they ran";
    case REPRICE_NOT_KEPT:
        return "of several attempts, or from an older version: what each used is not kept";
    case REPRICE_NO_PRICE:
        return "without a price now: their route is gone, or has none for what they used";
    case REPRICE_VERDICTS:
        break;
    }
    return "";
}

static uint64_t less(uint64_t whole, uint64_t part)
{
    return whole > part ? whole - part : 0;
}

struct usage reprice_usage(const struct ledger_row *row)
{
    const uint64_t *units = row->units;
    return (struct usage){
        .input = less(units[LEDGER_UNIT_INPUT], units[LEDGER_UNIT_IMAGE_INPUT]),
        .cache_read = units[LEDGER_UNIT_CACHE_READ],
        .cache_write = units[LEDGER_UNIT_CACHE_WRITE],
        .audio_input = less(units[LEDGER_UNIT_AUDIO], units[LEDGER_UNIT_AUDIO_OUTPUT]),
        .image_input = units[LEDGER_UNIT_IMAGE_INPUT],
        .output = less(units[LEDGER_UNIT_OUTPUT], units[LEDGER_UNIT_IMAGE_OUTPUT]),
        .audio_output = units[LEDGER_UNIT_AUDIO_OUTPUT],
        .image_output = units[LEDGER_UNIT_IMAGE_OUTPUT],
        .reasoning = units[LEDGER_UNIT_REASONING],
        .images = units[LEDGER_UNIT_IMAGES],
        .characters = units[LEDGER_UNIT_CHARACTERS],
        .milliseconds = units[LEDGER_UNIT_MILLISECONDS],
        .messages = units[LEDGER_UNIT_MESSAGES],
        .segments = units[LEDGER_UNIT_SEGMENTS],
        .searches = units[LEDGER_UNIT_SEARCHES],
    };
}

/* The route that served it, in the config of today; NULL: there is none of that name and provider.
 */
static const struct route *route_of(const struct snapshot *snapshot, const struct ledger_row *row)
{
    const char *name = row->served_by[0] != '\0' ? row->served_by : row->route;
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct route *route = snapshot->routes[i];
        if (strcmp(route->name, name) == 0 && strcmp(route->profile->name, row->provider) == 0) {
            return route;
        }
    }
    return NULL;
}

static bool is_charged(const struct ledger_row *row)
{
    bool any = row->cost > 0;
    for (unsigned i = 0; i < LEDGER_UNIT_REQUEST_BYTES && !any; i++) {
        any = row->units[i] > 0;
    }
    return any;
}

enum reprice_verdict reprice_row(const struct snapshot *snapshot, const struct ledger_row *row,
                                 uint64_t *ret_cost, bool *ret_fallback)
{
    if ((row->flags & LEDGER_SETTLED) != 0) {
        return REPRICE_SETTLED;
    }
    if ((row->flags & LEDGER_GATEWAY_DIED) != 0) {
        return row->cost > 0 ? REPRICE_DIED : REPRICE_NOTHING;
    }
    if ((row->flags & LEDGER_METERED) == 0) {
        return REPRICE_NOTHING;
    }
    if ((row->flags & LEDGER_ESTIMATED) != 0) {
        return REPRICE_ESTIMATED;
    }
    if ((row->flags & LEDGER_EXACT) == 0) {
        return is_charged(row) ? REPRICE_NOT_KEPT : REPRICE_NOTHING;
    }
    const struct route *route = route_of(snapshot, row);
    if (route == NULL || route->prices == NULL) {
        return REPRICE_NO_PRICE;
    }
    struct usage usage = reprice_usage(row);
    const struct price *price = price_for(route->prices, slice_from(row->model), ret_fallback);
    if (!price_covers(price, &usage)) {
        return REPRICE_NO_PRICE;
    }
    *ret_cost = price_cost(price, &usage);
    return REPRICE_PRICED;
}
