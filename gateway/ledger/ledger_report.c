#include "gateway/ledger/ledger_report.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_format.h"
#include "gateway/observe/timestamp.h"

#include <inttypes.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 16 * 1024, /* of one sum or object; each text in it is bounded */
    CELL_MAX = 128,
    NUMBERS = 3 + LEDGER_UNIT_COUNT + 1, /* requests, errors, estimated, units, cost */
    COST = NUMBERS - 1,
};

struct line {
    char *name; /* owned */
    struct ledger_sum sum;
};

struct ledger_report {
    struct line *lines; /* owned */
    unsigned count, size;
    struct ledger_sum total;
};

/* ---- gathering ---- */

static void add(uint64_t *sum, uint64_t amount)
{
    *sum = amount > UINT64_MAX - *sum ? UINT64_MAX : *sum + amount;
}

struct ledger_report *ledger_report_new(void)
{
    struct ledger_report *report = MEMORY_NEW(struct ledger_report);
    report->total.name = "total";
    return report;
}

void ledger_report_free(struct ledger_report *report)
{
    for (unsigned i = 0; report != NULL && i < report->count; i++) {
        memory_free(report->lines[i].name);
    }
    if (report != NULL) {
        memory_free(report->lines);
        memory_free(report);
    }
}

void ledger_report_add(void *ctx, const struct ledger_sum *sum)
{
    struct ledger_report *report = ctx;
    MEMORY_GROW(report->lines, report->count, &report->size);
    struct line *line = &report->lines[report->count++];
    *line = (struct line){.name = memory_copy(slice_from(sum->name)), .sum = *sum};
    line->sum.name = line->name;
    add(&report->total.requests, sum->requests);
    add(&report->total.errors, sum->errors);
    add(&report->total.estimated, sum->estimated);
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        add(&report->total.units[i], sum->units[i]);
    }
    add(&report->total.cost, sum->cost);
}

static uint64_t number_at(const struct ledger_sum *sum, unsigned column)
{
    const uint64_t first[] = {sum->requests, sum->errors, sum->estimated};
    return column < 3 ? first[column] : column == COST ? sum->cost : sum->units[column - 3];
}

static const char *number_name(unsigned column)
{
    static const char *const first[] = {"requests", "errors", "estimated"};
    return column < 3       ? first[column]
           : column == COST ? "cost_usd"
                            : ledger_unit_name((enum ledger_unit)(column - 3));
}

/* ---- table ---- */

struct columns {
    bool shown[NUMBERS]; /* those of which there is something, and some always */
    int widths[NUMBERS];
    int name_width;
    unsigned decimals; /* of cost: as many as the longest needs, so that the points are in a line */
};

static const char *number_text(const struct columns *columns, const struct ledger_sum *sum,
                               unsigned column, char out[CELL_MAX])
{
    if (column == COST) {
        return ledger_cost_text(sum->cost, columns->decimals, out);
    }
    (void)snprintf(out, CELL_MAX, "%" PRIu64, number_at(sum, column));
    return out;
}

/* "cache_read_tokens" as "CACHE READ TOKENS". */
static const char *head_text(const char *name, char out[CELL_MAX])
{
    size_t i = 0;
    for (; name[i] != '\0' && i < CELL_MAX - 1; i++) {
        bool small = name[i] >= 'a' && name[i] <= 'z';
        out[i] = name[i] == '_' ? ' ' : small ? (char)(name[i] - 'a' + 'A') : name[i];
    }
    out[i] = '\0';
    return out;
}

/* Columns of a terminal: characters, not bytes. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static int wider(int width, const char *text)
{
    int other = width_of(text);
    return other > width ? other : width;
}

static const char *shown_name(const struct ledger_sum *sum)
{
    return sum->name[0] == '\0' ? "(none)" : sum->name;
}

static void measure_line(struct columns *columns, const struct ledger_sum *sum)
{
    char text[CELL_MAX];
    columns->name_width = wider(columns->name_width, shown_name(sum));
    for (unsigned i = 0; i < NUMBERS; i++) {
        columns->widths[i] = wider(columns->widths[i], number_text(columns, sum, i, text));
    }
}

static struct columns measure(const struct ledger_report *report, enum ledger_by by)
{
    char text[CELL_MAX];
    struct columns columns = {.decimals = 2, .name_width = width_of(ledger_by_name(by))};
    for (unsigned i = 0; i < report->count; i++) {
        unsigned decimals = ledger_cost_decimals(report->lines[i].sum.cost);
        columns.decimals = decimals > columns.decimals ? decimals : columns.decimals;
    }
    for (unsigned i = 0; i < NUMBERS; i++) {
        columns.shown[i] = i < 2 || i == COST || number_at(&report->total, i) > 0;
        columns.widths[i] = width_of(head_text(number_name(i), text));
    }
    for (unsigned i = 0; i < report->count; i++) {
        measure_line(&columns, &report->lines[i].sum);
    }
    measure_line(&columns, &report->total);
    return columns;
}

static void put_name(const struct columns *columns, enum ledger_by by, const char *name, FILE *out)
{
    if (by != LEDGER_BY_NOTHING) {
        (void)fprintf(out, "%s%*s", name, columns->name_width - width_of(name) + 2, "");
    }
}

static void put_line(const struct columns *columns, enum ledger_by by, const struct ledger_sum *sum,
                     FILE *out)
{
    char text[CELL_MAX];
    put_name(columns, by, shown_name(sum), out);
    const char *between = "";
    for (unsigned i = 0; i < NUMBERS; i++) {
        if (columns->shown[i]) {
            (void)fprintf(out, "%s%*s", between, columns->widths[i],
                          number_text(columns, sum, i, text));
            between = "  ";
        }
    }
    (void)fputc('\n', out);
}

static void put_head(const struct columns *columns, enum ledger_by by, FILE *out)
{
    char text[CELL_MAX];
    const char *between = "";
    put_name(columns, by, head_text(ledger_by_name(by), text), out);
    for (unsigned i = 0; i < NUMBERS; i++) {
        if (columns->shown[i]) {
            (void)fprintf(out, "%s%*s", between, columns->widths[i],
                          head_text(number_name(i), text));
            between = "  ";
        }
    }
    (void)fputc('\n', out);
}

static void write_table(const struct ledger_report *report, enum ledger_by by, FILE *out)
{
    struct columns columns = measure(report, by);
    put_head(&columns, by, out);
    for (unsigned i = 0; i < report->count; i++) {
        put_line(&columns, by, &report->lines[i].sum, out);
    }
    if (by != LEDGER_BY_NOTHING && report->count != 1) {
        put_line(&columns, by, &report->total, out);
    }
}

/* ---- JSON and CSV ---- */

static void flush(struct buffer *line, FILE *out)
{
    struct slice text = buffer_bytes(line);
    (void)fwrite(text.ptr, 1, text.len, out); /* whoever opened the stream asks how that went */
    buffer_consume(line, text.len);
}

static void put_json(const struct ledger_sum *sum, enum ledger_by by, struct buffer *line,
                     FILE *out)
{
    if (ledger_sum_json(sum, by, line) == STATUS_OK) {
        flush(line, out);
    }
}

static void write_json(const struct ledger_report *report, enum ledger_by by, usec_t since,
                       FILE *out)
{
    struct buffer line CLEANUP(buffer_fini);
    char time[TIMESTAMP_LEN];
    buffer_init(&line, LINE_MAX_BYTES);
    (void)timestamp_write(since, time);
    (void)fprintf(out, "{\"since\":\"%.*s\",\"usage\":[", (int)sizeof(time), time);
    for (unsigned i = 0; i < report->count; i++) {
        (void)fputs(i > 0 ? ",\n " : "", out);
        put_json(&report->lines[i].sum, by, &line, out);
    }
    (void)fputs("],\n \"total\":", out);
    put_json(&report->total, LEDGER_BY_NOTHING, &line, out);
    (void)fputs("}\n", out);
}

static enum status put_csv(const struct ledger_sum *sum, enum ledger_by by, struct buffer *line)
{
    char cost[LEDGER_COST_TEXT_MAX];
    if (by != LEDGER_BY_NOTHING) {
        TRY(ledger_csv_text(slice_from(sum->name), line));
        TRY(buffer_append(line, SLICE(",")));
    }
    for (unsigned i = 0; i < COST; i++) {
        TRY(buffer_append_number(line, number_at(sum, i)));
        TRY(buffer_append(line, SLICE(",")));
    }
    return buffer_print(line, "%s\r\n", ledger_cost_text(sum->cost, 9, cost));
}

static void write_csv(const struct ledger_report *report, enum ledger_by by, FILE *out)
{
    struct buffer line CLEANUP(buffer_fini);
    buffer_init(&line, LINE_MAX_BYTES);
    (void)fprintf(out, by == LEDGER_BY_NOTHING ? "%s" : "%s,", ledger_by_name(by));
    for (unsigned i = 0; i < NUMBERS; i++) {
        (void)fprintf(out, "%s%s", number_name(i), i == COST ? "\r\n" : ",");
    }
    for (unsigned i = 0; i < report->count; i++) {
        if (put_csv(&report->lines[i].sum, by, &line) == STATUS_OK) {
            flush(&line, out);
        }
    }
}

void ledger_report_write(const struct ledger_report *report, enum ledger_by by,
                         enum ledger_form form, usec_t since, FILE *out)
{
    switch (form) {
    case LEDGER_TABLE:
        write_table(report, by, out);
        break;
    case LEDGER_JSON:
        write_json(report, by, since, out);
        break;
    case LEDGER_CSV:
        write_csv(report, by, out);
        break;
    }
}

/* ---- objects ---- */

void ledger_objects_begin(struct ledger_objects_report *report)
{
    report->count = 0;
    switch (report->form) {
    case LEDGER_TABLE:
        (void)fprintf(report->out, "%-*s  %-16s  %-16s  %-20s  %-30s  %-20s  %22s  %11s  %s\n",
                      (int)TIMESTAMP_LEN, "TIME", "TENANT", "ROUTE", "TYPE", "ID", "STATUS",
                      "AMOUNT (SMALLEST UNIT)", "COST USD", "REQUEST");
        break;
    case LEDGER_JSON:
        (void)fputs("{\"objects\":[", report->out);
        break;
    case LEDGER_CSV:
        (void)fputs("time,request_id,tenant,route,type,id,status,amount,currency,cost_usd\r\n",
                    report->out);
        break;
    }
}

static void amount_text(const struct ledger_object *object, char out[CELL_MAX])
{
    out[0] = '\0';
    if (object->has_amount) {
        (void)snprintf(out, CELL_MAX, "%" PRId64, object->amount);
    }
}

static void put_cell(const char *text, int width, FILE *out)
{
    int missing = width - width_of(text);
    (void)fprintf(out, "%s%*s  ", text, missing > 0 ? missing : 0, "");
}

static void put_object_line(const struct ledger_row *row, FILE *out)
{
    char time[TIMESTAMP_LEN];
    char amount[CELL_MAX];
    char cost[LEDGER_COST_TEXT_MAX];
    const struct ledger_object *object = &row->object;
    (void)timestamp_write(row->opened_at, time);
    amount_text(object, amount);
    (void)fprintf(out, "%.*s  ", (int)sizeof(time), time);
    put_cell(row->tenant, 16, out);
    put_cell(row->route, 16, out);
    put_cell(object->type, 20, out);
    put_cell(object->id, 30, out);
    put_cell(object->status, 20, out);
    (void)fprintf(out, "%18s %-3s  %11s  %s\n", amount, object->currency,
                  ledger_cost_text(row->cost, 9, cost), row->id);
}

static enum status put_object_csv(const struct ledger_row *row, struct buffer *line)
{
    char time[TIMESTAMP_LEN];
    char amount[CELL_MAX];
    char cost[LEDGER_COST_TEXT_MAX];
    const struct ledger_object *object = &row->object;
    const char *const texts[] = {row->id,      row->tenant, row->route,
                                 object->type, object->id,  object->status};
    (void)timestamp_write(row->opened_at, time);
    amount_text(object, amount);
    TRY(buffer_append(line, slice_make(time, sizeof(time))));
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        TRY(buffer_append(line, SLICE(",")));
        TRY(ledger_csv_text(slice_from(texts[i]), line));
    }
    TRY(buffer_print(line, ",%s,", amount)); /* a number: no formula, be it below zero */
    TRY(ledger_csv_text(slice_from(object->currency), line));
    return buffer_print(line, ",%s\r\n", ledger_cost_text(row->cost, 9, cost));
}

void ledger_objects_add(void *ctx, const struct ledger_row *row)
{
    struct ledger_objects_report *report = ctx;
    struct buffer line CLEANUP(buffer_fini);
    buffer_init(&line, LINE_MAX_BYTES);
    switch (report->form) {
    case LEDGER_TABLE:
        put_object_line(row, report->out);
        break;
    case LEDGER_JSON:
        (void)fputs(report->count > 0 ? ",\n " : "", report->out);
        if (ledger_object_json(row, &line) == STATUS_OK) {
            flush(&line, report->out);
        }
        break;
    case LEDGER_CSV:
        if (put_object_csv(row, &line) == STATUS_OK) {
            flush(&line, report->out);
        }
        break;
    }
    report->count++;
}

void ledger_objects_end(struct ledger_objects_report *report)
{
    if (report->form == LEDGER_JSON) {
        (void)fputs("]}\n", report->out);
    }
}
