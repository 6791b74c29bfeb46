/* quota_metrics: limits, what is used, and how the store is, as a part of the metrics' page. */
#include "base/buffer.h"
#include "config/snapshot.h"
#include "gateway/exchange/wait_line.h"
#include "gateway/observe/page.h"
#include "gateway/quota_items.h"
#include "gateway/quotas.h"
#include "gateway/quotas_state.h"
#include "limiter/local_shares.h"
#include "limiter/store_memory.h"
#include "limiter/store_redis.h"

#include <inttypes.h>

/* Series a family: tenants times rules may be more than a page should hold; the admin API has all.
 */
enum { ITEMS_MAX = 20000 };

enum family { QUOTA_LIMIT, QUOTA_USED, QUOTA_RESERVED, QUOTA_BOUND };

struct page {
    struct quotas *quotas;
    struct buffer *out;
    enum family family;
    unsigned count;
    enum status status;
};

/* With Redis: this gateway's last view. */
static bool look_at_shares(const struct page *page, const struct quota_item *item, uint64_t whole,
                           uint64_t *ret)
{
    struct local_view view;
    if (!local_shares_view(store_redis_shares(page->quotas->redis), item->key, &view)) {
        return false;
    }
    *ret = page->family == QUOTA_BOUND ? view.bound : view.left < whole ? whole - view.left : 0;
    return page->family != QUOTA_RESERVED;
}

static bool look_at_memory(const struct page *page, const struct quota_item *item, uint64_t *ret)
{
    struct store_entry entry;
    if (!store_memory_read(page->quotas->memory, item->limit, item->key, &entry)) {
        return false;
    }
    *ret = page->family == QUOTA_USED ? entry.used : entry.reserved;
    return page->family != QUOTA_BOUND;
}

/* False: nothing is known of it. */
static bool look_up(const struct page *page, const struct quota_item *item, uint64_t *ret)
{
    const struct limit *limit = item->limit;
    if (page->family == QUOTA_LIMIT) {
        *ret = limit->amount;
        return true;
    }
    uint64_t whole = limit_whole(limit);
    return page->quotas->redis != NULL ? look_at_shares(page, item, whole, ret)
                                       : look_at_memory(page, item, ret);
}

static enum status put_row(const struct page *page, const char *name, const struct quota_item *item,
                           uint64_t value)
{
    struct buffer *out = page->out;
    TRY(buffer_print(out, "sallyport_%s{", name));
    TRY(page_put_label(out, "tenant", item->tenant));
    TRY(buffer_append(out, SLICE(",")));
    TRY(page_put_label(out, "quota", item->limit->name));
    if (item->route[0] != '\0') {
        TRY(buffer_append(out, SLICE(",")));
        TRY(page_put_label(out, "route", item->route));
    }
    return buffer_print(out, "} %" PRIu64 "\n", value);
}

static const struct {
    const char *name;
    const char *help;
} families[] = {
    [QUOTA_LIMIT] = {"quota_limit", "The limit, in the quota's unit (cost: nano-USD)."},
    [QUOTA_USED] = {"quota_used", "What is used now; with Redis as this gateway last saw it."},
    [QUOTA_RESERVED] = {"quota_reserved", "Of that, what is not settled yet (memory store only)."},
    [QUOTA_BOUND] =
        {"quota_overshoot_bound",
         "The most that this gateway may still admit by its own share while the store is "
         "away; 0 while it answers."},
};

static bool visit(void *ctx, const struct quota_item *item)
{
    struct page *page = ctx;
    uint64_t value = 0;
    if (look_up(page, item, &value)) {
        page->status = put_row(page, families[page->family].name, item, value);
        page->count++;
    }
    return page->status == STATUS_OK && page->count < ITEMS_MAX;
}

static enum status put_items(struct quotas *quotas, const struct snapshot *snapshot,
                             struct buffer *out)
{
    for (unsigned family = QUOTA_LIMIT; family <= QUOTA_BOUND; family++) {
        struct page page = {.quotas = quotas, .out = out, .family = (enum family)family};
        TRY(page_put_family(out, families[family].name, "gauge", families[family].help));
        quota_items_each(snapshot, NULL, visit, &page);
        TRY(page.status);
    }
    return STATUS_OK;
}

/* ---- the store ---- */

static enum status put_number(struct buffer *out, const char *name, const char *type,
                              const char *help, uint64_t value)
{
    TRY(page_put_family(out, name, type, help));
    return buffer_print(out, "sallyport_%s %" PRIu64 "\n", name, value);
}

static struct store_redis_counts sum_of_sides(const struct quotas *quotas)
{
    struct store_redis_counts sum = {.up = true};
    for (unsigned i = 0; i < quotas->side_count; i++) {
        struct store_redis_counts one = store_redis_counts(quotas->sides[i]);
        sum.up = sum.up && one.up;
        sum.waiting += one.waiting;
        sum.timeouts += one.timeouts;
        sum.failures += one.failures;
        sum.local += one.local;
        sum.uncounted += one.uncounted;
        sum.denied += one.denied;
        sum.unsettled += one.unsettled;
        sum.pending += one.pending;
    }
    return sum;
}

static enum status put_store(struct quotas *quotas, struct buffer *out)
{
    struct store_redis_counts sum = sum_of_sides(quotas);
    TRY(put_number(out, "store_up", "gauge", "1 if every worker reaches the store of the quotas.",
                   sum.up ? 1 : 0));
    TRY(put_number(out, "store_timeouts_total", "counter",
                   "Asks that the store did not answer in time.", sum.timeouts));
    TRY(put_number(out, "store_failures_total", "counter", "Connections to the store that broke.",
                   sum.failures));
    TRY(put_number(out, "store_local_total", "counter",
                   "Requests decided by this gateway's own shares.", sum.local));
    TRY(put_number(out, "store_uncounted_total", "counter",
                   "Requests let through uncounted, the store being away.", sum.uncounted));
    TRY(put_number(out, "store_denied_total", "counter",
                   "Requests refused because the store was away.", sum.denied));
    TRY(put_number(out, "store_unsettled_total", "counter",
                   "Settlements given up: the store charges them in full at their deadline.",
                   sum.unsettled));
    return put_number(out, "store_pending", "gauge",
                      "Settlements and call-offs that the store has not confirmed.", sum.pending);
}

bool quotas_store_up(const struct quotas *quotas)
{
    return sum_of_sides(quotas).up;
}

enum status quotas_show_metrics(struct quotas *quotas, const struct snapshot *snapshot,
                                struct buffer *out)
{
    TRY(put_items(quotas, snapshot, out));
    TRY(put_number(out, "quota_waiting", "gauge", "Requests that wait for room in a quota.",
                   wait_lines_count(quotas->lines)));
    return put_store(quotas, out);
}
