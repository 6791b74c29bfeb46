#include "gateway/ledger/ledger_minutes.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

static struct ledger_minutes minutes;

static void teardown(void)
{
    ledger_minutes_fini(&minutes);
}

TestSuite(ledger_minutes, .fini = teardown);

static uint64_t cost_of_all(void)
{
    uint64_t cost = 0;
    for (const struct ledger_minute *at = minutes.first; at != NULL; at = at->next) {
        cost += at->cost;
    }
    return cost;
}

Test(ledger_minutes, rows_of_the_same_minute_and_kind_are_one_sum)
{
    struct ledger_row row;
    for (unsigned n = 1; n <= 3; n++) {
        fill_row(&row, n);
        row.status = n == 1 ? 200 : n == 2 ? 503 : 0;
        row.flags = n == 1 ? LEDGER_METERED | LEDGER_ESTIMATED : 0;
        memset(row.tenant + 20, 'x', 10); /* behind the text's end */
        ledger_minutes_add(&minutes, &row);
    }
    cr_assert_eq(minutes.count, 1U);
    const struct ledger_minute *minute = minutes.first;
    cr_expect_eq(minute->key.minute, row_time / (60 * SEC));
    cr_expect_str_eq(minute->key.tenant, "checkout");
    cr_expect_eq(minute->requests, 3U);
    cr_expect_eq(minute->errors, 2U);
    cr_expect_eq(minute->estimated, 1U);
    cr_expect_eq(minute->units[LEDGER_UNIT_OUTPUT], 60U);
    cr_expect_eq(minute->cost, 6U);
}

Test(ledger_minutes, each_minute_tenant_route_and_model_has_its_own)
{
    struct ledger_row row;
    for (unsigned n = 0; n < 5; n++) {
        fill_row(&row, 1);
        row.opened_at += n == 1 ? 60 * SEC : 0;
        row.tenant[0] = n == 2 ? 'x' : row.tenant[0];
        row.route[0] = n == 3 ? 'x' : row.route[0];
        row.model[0] = n == 4 ? 'x' : row.model[0];
        ledger_minutes_add(&minutes, &row);
    }
    cr_expect_eq(minutes.count, 5U);
}

Test(ledger_minutes, sums_stop_at_the_largest)
{
    struct ledger_row row;
    fill_row(&row, 1);
    row.cost = UINT64_MAX;
    row.units[LEDGER_UNIT_INPUT] = INT64_MAX;
    ledger_minutes_add(&minutes, &row);
    ledger_minutes_add(&minutes, &row);
    cr_expect_eq(minutes.first->cost, (uint64_t)INT64_MAX);
    cr_expect_eq(minutes.first->units[LEDGER_UNIT_INPUT], (uint64_t)INT64_MAX);
    cr_expect_eq(minutes.first->requests, 2U);
}

Test(ledger_minutes, too_many_lose_who_asked_but_no_money)
{
    struct ledger_row row;
    unsigned rows = 0;
    fill_row(&row, 1);
    for (; rows < LEDGER_MINUTES_MAX + 100; rows++) { /* models */
        (void)snprintf(row.model, sizeof(row.model), "model-%u", rows);
        ledger_minutes_add(&minutes, &row);
    }
    cr_expect_eq(minutes.count, (unsigned)LEDGER_MINUTES_MAX + 1);
    cr_expect_str_eq(minutes.first->key.model, LEDGER_OTHER);
    cr_expect_str_eq(minutes.first->key.tenant, LEDGER_OTHER);
    cr_expect_eq(minutes.first->requests, 100U);
    for (unsigned i = 0; i < 2 * LEDGER_MINUTES_MAX; i++, rows++) { /* minutes */
        row.opened_at += 60 * SEC;
        ledger_minutes_add(&minutes, &row);
    }
    cr_expect_eq(minutes.count, 2U * LEDGER_MINUTES_MAX);
    cr_expect_eq(cost_of_all(), (uint64_t)rows);
}
