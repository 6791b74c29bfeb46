#include "gateway/reprice_sums.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger_format.h"
#include "gateway/ledger/ledger_row.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DIFFERENCE_MAX = LEDGER_COST_TEXT_MAX + 1, NAME_MAX_BYTES = 2048, DECIMALS = 9 };

/* ---- gathering ---- */

static void add(uint64_t *sum, uint64_t amount)
{
    *sum = amount > UINT64_MAX - *sum ? UINT64_MAX : *sum + amount;
}

static void note(struct reprice_sum *sum, uint64_t before, uint64_t after)
{
    sum->requests++;
    sum->changed += before != after;
    add(&sum->before, before);
    add(&sum->after, after);
}

static struct reprice_sum *sum_of(struct reprice_sums *sums, const char *model)
{
    struct reprice_sum *sum = table_get(&sums->index, slice_from(model));
    if (sum == NULL) {
        sum = MEMORY_NEW(struct reprice_sum);
        sum->model = memory_copy(slice_from(model));
        MEMORY_GROW(sums->models, sums->count, &sums->size);
        sums->models[sums->count++] = sum;
        (void)table_add(&sums->index, slice_from(sum->model), sum);
    }
    return sum;
}

bool reprice_sums_row(void *ctx, const struct ledger_row *row, uint64_t *ret_cost,
                      bool *ret_fallback)
{
    struct reprice_sums *sums = ctx;
    enum reprice_verdict verdict = reprice_row(sums->snapshot, row, ret_cost, ret_fallback);
    if (verdict != REPRICE_PRICED) {
        note(&sums->left[verdict], row->cost, row->cost);
        return false;
    }
    note(sum_of(sums, row->model), row->cost, *ret_cost);
    note(&sums->total, row->cost, *ret_cost);
    return true;
}

void reprice_sums_fini(struct reprice_sums *sums)
{
    for (unsigned i = 0; i < sums->count; i++) {
        memory_free(sums->models[i]->model);
        memory_free(sums->models[i]);
    }
    memory_free(sums->models);
    table_fini(&sums->index);
}

/* ---- what is shown ---- */

static uint64_t distance(const struct reprice_sum *sum)
{
    return sum->after > sum->before ? sum->after - sum->before : sum->before - sum->after;
}

/* The largest difference first. */
static int compare(const void *a, const void *b)
{
    const struct reprice_sum *one = *(const struct reprice_sum *const *)a;
    const struct reprice_sum *other = *(const struct reprice_sum *const *)b;
    if (distance(one) != distance(other)) {
        return distance(one) > distance(other) ? -1 : 1;
    }
    return strcmp(one->model, other->model);
}

static void sort(struct reprice_sums *sums)
{
    if (sums->count > 0) {
        qsort(sums->models, sums->count, sizeof(sums->models[0]), compare);
    }
}

static const char *difference_text(const struct reprice_sum *sum, char out[DIFFERENCE_MAX])
{
    char text[LEDGER_COST_TEXT_MAX];
    (void)snprintf(out, DIFFERENCE_MAX, "%s%s",
                   sum->after < sum->before   ? "-"
                   : sum->after > sum->before ? "+"
                                              : "",
                   ledger_cost_text(distance(sum), DECIMALS, text));
    return out;
}

static void put_line(const struct reprice_sum *sum, const char *name, FILE *out)
{
    char before[LEDGER_COST_TEXT_MAX];
    char after[LEDGER_COST_TEXT_MAX];
    char difference[DIFFERENCE_MAX];
    (void)fprintf(out, "%-36s %10" PRIu64 " %10" PRIu64 " %18s %18s %19s\n", name, sum->requests,
                  sum->changed, ledger_cost_text(sum->before, DECIMALS, before),
                  ledger_cost_text(sum->after, DECIMALS, after), difference_text(sum, difference));
}

void reprice_sums_table(struct reprice_sums *sums, FILE *out)
{
    char cost[LEDGER_COST_TEXT_MAX];
    sort(sums);
    (void)fprintf(out, "%-36s %10s %10s %18s %18s %19s\n", "MODEL", "REQUESTS", "CHANGE",
                  "COST USD", "NEW COST USD", "DIFFERENCE");
    for (unsigned i = 0; i < sums->count; i++) {
        const char *model = sums->models[i]->model;
        put_line(sums->models[i], model[0] == '\0' ? "(none)" : model, out);
    }
    put_line(&sums->total, "total", out);
    for (unsigned i = 0; i < REPRICE_VERDICTS; i++) {
        const struct reprice_sum *left = &sums->left[i];
        if (left->requests > 0) {
            (void)fprintf(out, "left alone: %" PRIu64 " %s (%s USD)\n", left->requests,
                          reprice_verdict_text((enum reprice_verdict)i),
                          ledger_cost_text(left->before, DECIMALS, cost));
        }
    }
}

static void put_members(const struct reprice_sum *sum, FILE *out)
{
    char before[LEDGER_COST_TEXT_MAX];
    char after[LEDGER_COST_TEXT_MAX];
    char difference[DIFFERENCE_MAX];
    (void)fprintf(out,
                  "\"requests\":%" PRIu64 ",\"change\":%" PRIu64 ",\"cost_nanousd\":%" PRIu64
                  ",\"new_cost_nanousd\":%" PRIu64
                  ",\"cost_usd\":\"%s\",\"new_cost_usd\":\"%s\",\"difference_usd\":\"%s\"}",
                  sum->requests, sum->changed, sum->before, sum->after,
                  ledger_cost_text(sum->before, DECIMALS, before),
                  ledger_cost_text(sum->after, DECIMALS, after), difference_text(sum, difference));
}

static void put_model(const struct reprice_sum *sum, FILE *out)
{
    struct buffer name CLEANUP(buffer_fini);
    buffer_init(&name, NAME_MAX_BYTES);
    enum status status = encode_json_string(slice_from(sum->model), &name);
    struct slice text = status == STATUS_OK ? buffer_bytes(&name) : SLICE("\"\"");
    (void)fprintf(out, "{\"model\":%.*s,", SLICE_ARG(text));
    put_members(sum, out);
}

void reprice_sums_json(struct reprice_sums *sums, bool write, uint64_t written, FILE *out)
{
    static const char *const words[REPRICE_VERDICTS] = {
        [REPRICE_NOTHING] = "nothing",   [REPRICE_ESTIMATED] = "estimated",
        [REPRICE_DIED] = "gateway_died", [REPRICE_NOT_KEPT] = "not_kept",
        [REPRICE_NO_PRICE] = "no_price", [REPRICE_SETTLED] = "settled",
    };
    sort(sums);
    (void)fprintf(out, "{\"write\":%s,\"written\":%" PRIu64 ",\"models\":[",
                  write ? "true" : "false", written);
    for (unsigned i = 0; i < sums->count; i++) {
        (void)fputs(i > 0 ? ",\n " : "", out);
        put_model(sums->models[i], out);
    }
    (void)fputs("],\n \"total\":{", out);
    put_members(&sums->total, out);
    (void)fputs(",\n \"left_alone\":{", out);
    const char *between = "";
    for (unsigned i = 0; i < REPRICE_VERDICTS; i++) {
        if (words[i] != NULL) {
            (void)fprintf(out, "%s\"%s\":{\"requests\":%" PRIu64 ",\"cost_nanousd\":%" PRIu64 "}",
                          between, words[i], sums->left[i].requests, sums->left[i].before);
            between = ",";
        }
    }
    (void)fputs("}}\n", out);
}
