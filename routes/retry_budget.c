#include "routes/retry_budget.h"

enum { RETRY = 1000 }; /* one retry in thousandths */

#define MOST ((int64_t)RETRY_BUDGET_MOST * RETRY)
/* How long the minutes' share needs for a thousandth of a retry. */
#define USEC_A_MILLI (60 * SEC / (RETRY_BUDGET_A_MINUTE * RETRY))

static void gain(struct retry_budget *budget, int64_t millis)
{
    budget->millis = millis > MOST - budget->millis ? MOST : budget->millis + millis;
}

/* Adds the minutes' share. Of several threads one may have read the clock before another and come
 * after it: then nothing has passed. */
static void refresh(struct retry_budget *budget, usec_t now)
{
    if (budget->seen_at == 0) {
        *budget = (struct retry_budget){.millis = MOST, .seen_at = now};
        return;
    }
    if (now <= budget->seen_at) {
        return;
    }
    int64_t millis = (now - budget->seen_at) / USEC_A_MILLI;
    gain(budget, millis);
    budget->seen_at += millis * USEC_A_MILLI; /* the rest counts next time */
}

void retry_budget_first(struct retry_budget *budget, unsigned percent, usec_t now)
{
    refresh(budget, now);
    gain(budget, (int64_t)percent * RETRY / 100);
}

bool retry_budget_take(struct retry_budget *budget, usec_t now)
{
    refresh(budget, now);
    if (budget->millis < RETRY) {
        return false;
    }
    budget->millis -= RETRY;
    return true;
}

void retry_budget_charge(struct retry_budget *budget, usec_t now)
{
    (void)retry_budget_take(budget, now);
}

unsigned retry_budget_left(const struct retry_budget *budget, usec_t now)
{
    struct retry_budget then = *budget;
    refresh(&then, now);
    return (unsigned)(then.millis / RETRY);
}
