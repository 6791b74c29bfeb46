#include "gateway/server_ledger.h"

#include "base/buffer.h"
#include "base/field_values.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_format.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/timestamp.h"
#include "gateway/request_report.h"
#include "gateway/server_state.h"

#include <string.h>

#define USUAL_SPAN (24 * 3600 * SEC)

enum status server_ledger_start(struct server *server, struct error *err)
{
    const struct ledger_config *config = &server->snapshot->ledger;
    if (config->path == NULL) {
        return STATUS_OK;
    }
    const struct ledger_settings settings = {.path = config->path,
                                             .keep = config->keep,
                                             .max_bytes = config->max_bytes,
                                             .workers = server->snapshot->gateway.workers};
    enum status status = ledger_start(&settings, &server->ledger, err);
    if (status != STATUS_OK) {
        error_prefix(err, "ledger.url");
        return status;
    }
    return STATUS_OK;
}

void server_ledger_adopt(struct server *server)
{
    if (server->ledger != NULL) {
        ledger_set_keep(server->ledger, server->snapshot->ledger.keep);
    }
}

void server_ledger_count(const struct server *server)
{
    struct metrics_block *metrics = server->metrics_block;
    struct ledger_stats stats = {.writable = true};
    if (server->ledger != NULL) {
        ledger_get_stats(server->ledger, &stats);
    }
    metrics_set(metrics, METRIC_ledger_rows_total, (int64_t)stats.rows_written);
    metrics_set(metrics, METRIC_ledger_folded_total, (int64_t)stats.rows_folded);
    metrics_set(metrics, METRIC_ledger_write_failures_total, (int64_t)stats.write_failures);
    metrics_set(metrics, METRIC_ledger_backlog, (int64_t)stats.backlog);
    metrics_set(metrics, METRIC_ledger_up, stats.writable);
}

static enum status open_reader(const struct server *server, struct ledger_reader **ret,
                               struct error *err)
{
    if (server->ledger == NULL) {
        FAIL(err, STATUS_NOT_FOUND,
             "there is no ledger: write ledger: {url: \"sqlite:usage.db\"} into the config");
    }
    return ledger_reader_open(server->snapshot->ledger.path, ret, err);
}

/* ---- one request ---- */

enum status server_ledger_request(const struct server *server, const char *id, struct buffer *out,
                                  struct error *err)
{
    struct ledger_reader *reader = NULL;
    struct ledger_row row;
    TRY(open_reader(server, &reader, err));
    enum status status = ledger_find(reader, id, &row, err);
    ledger_reader_close(reader);
    if (status == STATUS_NOT_FOUND) {
        FAIL(err, STATUS_NOT_FOUND,
             "no request \"%s\" is in the ledger: it runs still, had no tenant, was of another "
             "gateway, or is older than ledger.keep",
             id);
    }
    TRY(status);
    return request_report_write(&row, out);
}

/* ---- sums ---- */

static enum status read_by(const char *text, enum ledger_by *ret, struct error *err)
{
    static const enum ledger_by all[] = {LEDGER_BY_TENANT, LEDGER_BY_ROUTE, LEDGER_BY_MODEL,
                                         LEDGER_BY_DAY};
    *ret = LEDGER_BY_NOTHING;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && text[0] != '\0'; i++) {
        if (strcmp(text, ledger_by_name(all[i])) == 0) {
            *ret = all[i];
            return STATUS_OK;
        }
    }
    if (text[0] != '\0') {
        FAIL(err, STATUS_INVALID, "by: one of tenant, route, model, day");
    }
    return STATUS_OK;
}

static enum status read_since(const char *text, usec_t *ret, struct error *err)
{
    usec_t now = clock_wall();
    int64_t span = USUAL_SPAN;
    if (text[0] != '\0' &&
        field_number_parse(FIELD_KIND_DURATION, slice_from(text), &span, NULL) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "since: a time back from now, such as 24h or 30d");
    }
    *ret = span < now ? now - span : 0;
    return STATUS_OK;
}

struct sums {
    enum ledger_by by;
    struct buffer *out;
    unsigned count;
    enum status status;
};

static enum status put_sum(struct sums *sums, const struct ledger_sum *sum)
{
    TRY(sums->status);
    TRY(buffer_append(sums->out, sums->count++ == 0 ? SLICE("") : SLICE(",\n")));
    return ledger_sum_json(sum, sums->by, sums->out);
}

static void add_sum(void *ctx, const struct ledger_sum *sum)
{
    struct sums *sums = ctx;
    sums->status = put_sum(sums, sum);
}

static const char *or_any(const char *name)
{
    return name[0] == '\0' ? NULL : name;
}

enum status server_ledger_usage(const struct server *server, const struct usage_question *question,
                                struct buffer *out, struct error *err)
{
    char when[TIMESTAMP_LEN];
    struct ledger_reader *reader = NULL;
    struct ledger_filter filter = {.tenant = or_any(question->tenant),
                                   .route = or_any(question->route),
                                   .model = or_any(question->model)};
    TRY(read_by(question->by, &filter.by, err));
    TRY(read_since(question->since, &filter.since, err));
    TRY(open_reader(server, &reader, err));
    (void)timestamp_write(filter.since, when);
    struct sums sums = {.by = filter.by, .out = out};
    sums.status = buffer_print(out, "{\"since\":\"%.*s\",\"usage\":[\n", TIMESTAMP_LEN, when);
    enum status status = ledger_sums(reader, &filter, &sums, add_sum, err);
    ledger_reader_close(reader);
    TRY(status);
    TRY(sums.status);
    return buffer_append(out, SLICE("\n]}\n"));
}
