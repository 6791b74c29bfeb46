/* ingress_settle: what an event says, later, of a request goes to the ledger. */
#include "config/hook.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/webhook/ingress_state.h"
#include "gateway/webhook/settle_read.h"

#include <inttypes.h>

#define WARNS_EVERY (60 * SEC)

static void count(const struct ingress *ingress, const char *result, uint64_t times)
{
    const char *labels[] = {ingress->hook->name, result};
    metrics_count(ingress->side->exchanges->metrics, FAMILY_webhook_settlements_total, labels,
                  times);
}

/* Once a minute a worker: the rest is counted. */
static bool may_warn(const struct ingress *ingress)
{
    struct ingress_side *side = ingress->side;
    usec_t now = clock_now();
    bool may = side->may_warn_at <= now;
    if (may) {
        side->may_warn_at = now + WARNS_EVERY;
    }
    return may;
}

static void say_currency(const struct ingress *ingress, const struct ledger_settlement *settlement,
                         const char *currency)
{
    count(ingress, "currency", 1);
    if (may_warn(ingress)) {
        log_warn("webhooks.%s: event %s says the cost of \"%s\" in \"%s\" and not in USD: the "
                 "estimate stays",
                 ingress->hook->name, ingress->put.id, settlement->object, currency);
    }
}

static void say_unreadable(const struct ingress *ingress,
                           const struct ledger_settlement *settlement, const char *text)
{
    count(ingress, "unreadable", 1);
    if (may_warn(ingress)) {
        log_warn("webhooks.%s: event %s has \"%s\" where the cost of \"%s\" should be, which is no "
                 "amount: the estimate stays; look at settle.cost of this hook",
                 ingress->hook->name, ingress->put.id, text, settlement->object);
    }
}

static void say_too_many(const struct ingress *ingress, uint64_t times)
{
    count(ingress, "too_many", times);
    if (may_warn(ingress)) {
        log_warn("webhooks.%s: event %s is an array of %d elements and %" PRIu64
                 " more: of those the estimate stays",
                 ingress->hook->name, ingress->put.id, SETTLE_ELEMENTS_MAX, times);
    }
}

static void on_said(void *ctx, struct settle_said *said)
{
    const struct ingress *ingress = ctx;
    struct ledger_settlement *settlement = &said->settlement;
    switch (said->verdict) {
    case SETTLE_NOTHING:
        break;
    case SETTLE_CURRENCY:
        say_currency(ingress, settlement, said->text);
        break;
    case SETTLE_UNREADABLE:
        say_unreadable(ingress, settlement, said->text);
        break;
    case SETTLE_SAID:
        LEDGER_TEXT(settlement->hook, slice_from(ingress->hook->name));
        LEDGER_TEXT(settlement->event, slice_from(ingress->put.id));
        ledger_settle(ingress->side->exchanges->ledger, settlement);
        break;
    }
}

void ingress_settle(struct ingress *ingress)
{
    const struct hook *hook = ingress->hook;
    if (hook->settle_count == 0 || ingress->side->exchanges->ledger == NULL) {
        return;
    }
    uint64_t beyond =
        settle_read(hook, ingress->result.event_type, ingress->body_slice, ingress, on_said);
    if (beyond > 0) {
        say_too_many(ingress, beyond);
    }
}
