/* ingress_settle: what an event says, later, of a request goes to the ledger. */
#include "config/hook.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/webhook/ingress_state.h"
#include "gateway/webhook/settle_read.h"

#define WARNS_EVERY (60 * SEC)

static void count(const struct ingress *ingress, const char *result)
{
    const char *labels[] = {ingress->hook->name, result};
    metrics_count(ingress->side->exchanges->metrics, FAMILY_webhook_settlements_total, labels, 1);
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
    count(ingress, "currency");
    if (may_warn(ingress)) {
        log_warn("webhooks.%s: event %s says the cost of \"%s\" in \"%s\" and not in USD: the "
                 "estimate stays",
                 ingress->hook->name, ingress->put.id, settlement->object, currency);
    }
}

static void say_unreadable(const struct ingress *ingress,
                           const struct ledger_settlement *settlement, const char *text)
{
    count(ingress, "unreadable");
    if (may_warn(ingress)) {
        log_warn("webhooks.%s: event %s has \"%s\" where the cost of \"%s\" should be, which is no "
                 "amount: the estimate stays; look at settle.cost of this hook",
                 ingress->hook->name, ingress->put.id, text, settlement->object);
    }
}

void ingress_settle(const struct ingress *ingress)
{
    struct ledger_settlement settlement;
    char text[SETTLE_TEXT_MAX];
    const struct hook *hook = ingress->hook;
    struct ledger *ledger = ingress->side->exchanges->ledger;
    if (hook->settle_count == 0 || ledger == NULL) {
        return;
    }
    switch (settle_read(hook, ingress->result.event_type, ingress->body_slice, &settlement, text)) {
    case SETTLE_NOTHING:
        break;
    case SETTLE_CURRENCY:
        say_currency(ingress, &settlement, text);
        break;
    case SETTLE_UNREADABLE:
        say_unreadable(ingress, &settlement, text);
        break;
    case SETTLE_SAID:
        LEDGER_TEXT(settlement.hook, slice_from(hook->name));
        LEDGER_TEXT(settlement.event, slice_from(ingress->put.id));
        ledger_settle(ledger, &settlement);
        break;
    }
}
