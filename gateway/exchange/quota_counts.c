#include "gateway/exchange/quota_counts.h"

#include "auth/inbound/tenant.h"
#include "gateway/exchange/exchange.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/families.h"
#include "limiter/reservation.h"

#include <inttypes.h>

static void count(const struct exchange *exchange, enum metric_family family,
                  const struct demand *demand, uint64_t amount)
{
    const char *const labels[] = {exchange->tenant->name, demand->limit->name};
    metrics_count(exchange->side->metrics, family, labels, amount);
}

static void warn(const struct exchange *exchange, const struct demand *demand)
{
    count(exchange, FAMILY_quota_warned_total, demand, 1);
    const struct audit_event event = {
        .kind = AUDIT_QUOTA_WARNED, .tenant = exchange->tenant->name, .quota = demand->limit->name};
    audit(LOG_LEVEL_WARN, &event,
          "tenant \"%s\" has used %" PRIu64 " of %" PRIu64 " %s of quota \"%s\"%s",
          exchange->tenant->name, demand->whole > demand->left ? demand->whole - demand->left : 0,
          demand->whole, limit_unit_name(demand->limit->unit), demand->limit->name,
          demand->over ? ", which is over its limit but only warns" : "");
}

void quota_note_warnings(const struct exchange *exchange)
{
    struct reservation *reservation = exchange->reservation;
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        if (demand->crossed) {
            demand->crossed = false; /* an extension leaves those alone that it asks nothing of */
            warn(exchange, demand);
        }
    }
}

void quota_note_refusal(struct exchange *exchange, const struct demand *demand)
{
    exchange->refused_quota = demand->limit->name;
    count(exchange, FAMILY_quota_rejected_total, demand, 1);
}

void quota_count_overruns(const struct exchange *exchange, const struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (limit_settles(demand->limit) && demand->limit->unit != LIMIT_CONCURRENCY &&
            demand->used > demand->granted) {
            count(exchange, FAMILY_quota_overrun_total, demand, demand->used - demand->granted);
        }
    }
}
