/* sallyport usage: what was used and what it cost, from the ledger's file; no gateway has to run.
 */
#include "base/calendar.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/command_reprice.h"
#include "gateway/command_time.h"
#include "gateway/ledger/ledger_ask.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_report.h"
#include "limiter/zone.h"

#include <string.h>

static const char usage[] =
    "usage: sallyport usage [--since WHEN] [--until WHEN] [--by WHAT] [--tenant NAME]\n"
    "                       [--route NAME] [--model NAME] [--objects [--type TYPE]]\n"
    "                       [--json | --csv] [-c FILE]\n"
    "       sallyport usage --sql QUESTION [--json] [-c FILE]\n"
    "       sallyport usage --reprice --help\n"
    "\n"
    "Sums of requests, of what they used, and of what they cost, in US dollars.\n"
    "\n"
    "  --since WHEN    24h, 7d, ... ago, or a day such as 2026-11-01, in gateway.time_zone\n"
    "                  (default: 24h); whole minutes count\n"
    "  --until WHEN    likewise; a day: up to its beginning (default: now)\n"
    "  --by WHAT       a sum for each tenant, route, model or day\n"
    "  --tenant NAME, --route NAME, --model NAME\n"
    "                  only those\n"
    "  --objects       instead of sums, what the providers made: payments, subscriptions,\n"
    "                  messages; a line each, amounts in the currency's smallest unit\n"
    "  --type TYPE     only objects of that type, such as payment_intent or email\n"
    "  --sql QUESTION  instead, any SELECT of SQLite's on the tables requests (a line a request)\n"
    "                  and minutes (the sums); as CSV, or JSON. What they have:\n"
    "                  --sql \"SELECT * FROM requests ORDER BY closed_at DESC LIMIT 1\"\n"
    "  --json          for machines; whole numbers, and cost also as text\n"
    "  --csv           for spreadsheets\n"
    "  -c FILE         the config (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "\n"
    "It reads the file that `ledger.url` of the config names, which is a moment behind.\n";

struct arguments {
    struct command_line line;
    const char *tenant, *route, *model, *type, *since, *until, *by, *sql, *config;
    bool json, csv, objects;
};

/* ---- what was asked ---- */

static bool read_by(const char *text, enum ledger_by *ret)
{
    static const struct {
        const char *name;
        enum ledger_by by;
    } names[] = {{"tenant", LEDGER_BY_TENANT},
                 {"route", LEDGER_BY_ROUTE},
                 {"model", LEDGER_BY_MODEL},
                 {"day", LEDGER_BY_DAY}};
    *ret = LEDGER_BY_NOTHING;
    for (unsigned i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ret = names[i].by;
        }
    }
    return text == NULL || *ret != LEDGER_BY_NOTHING;
}

/* ---- answers ---- */

struct one_day {
    struct ledger_report *report;
    char name[COMMAND_DATE_LEN + 1];
};

static void add_day(void *ctx, const struct ledger_sum *sum)
{
    struct one_day *day = ctx;
    struct ledger_sum named = *sum;
    named.name = day->name;
    if (sum->requests > 0) {
        ledger_report_add(day->report, &named);
    }
}

/* Each day from its beginning to the next one's, as the zone's clocks have it: not all are 24 hours
 * long. Sums are kept for little more than a year, so there are not many. */
static enum status sum_days(struct ledger_reader *reader, const struct ledger_filter *filter,
                            const struct zone *zone, struct ledger_report *report,
                            struct error *err)
{
    enum { DAYS_MAX = 402 };
    int64_t now = (filter->until == 0 ? clock_wall() : filter->until - 1) / SEC;
    int64_t since = filter->since / SEC;
    int64_t last = (now + zone_offset(zone, now)) / DAY_SECONDS;
    int64_t day = (since + zone_offset(zone, since)) / DAY_SECONDS;
    for (day = day > last - DAYS_MAX ? day : last - DAYS_MAX; day <= last; day++) {
        struct one_day one = {.report = report};
        struct ledger_filter of_day = *filter;
        usec_t begin = zone_to_utc(zone, day * DAY_SECONDS) * SEC;
        of_day.by = LEDGER_BY_NOTHING;
        of_day.since = begin > filter->since ? begin : filter->since;
        of_day.until = zone_to_utc(zone, (day + 1) * DAY_SECONDS) * SEC;
        if (filter->until > 0 && filter->until < of_day.until) {
            of_day.until = filter->until;
        }
        command_write_date(day, one.name);
        TRY(ledger_sums(reader, &of_day, &one, add_day, err));
    }
    return STATUS_OK;
}

static int answer_sums(const struct arguments *arguments, struct ledger_reader *reader,
                       const struct ledger_filter *filter, const struct zone *zone,
                       enum ledger_form form)
{
    struct error err;
    struct ledger_report *report = ledger_report_new();
    enum status status = filter->by == LEDGER_BY_DAY
                             ? sum_days(reader, filter, zone, report, &err)
                             : ledger_sums(reader, filter, report, ledger_report_add, &err);
    if (status == STATUS_OK) {
        ledger_report_write(report, filter->by, form, filter->since, stdout);
    }
    ledger_report_free(report);
    return status == STATUS_OK ? command_print(&arguments->line, SLICE(""))
                               : command_failed(&arguments->line, "%s", err.message);
}

static int answer_objects(const struct arguments *arguments, struct ledger_reader *reader,
                          const struct ledger_filter *filter, enum ledger_form form)
{
    struct error err;
    struct ledger_objects_report report = {.form = form, .out = stdout};
    ledger_objects_begin(&report);
    if (ledger_objects(reader, filter, &report, ledger_objects_add, &err) != STATUS_OK) {
        return command_failed(&arguments->line, "%s", err.message);
    }
    ledger_objects_end(&report);
    return command_print(&arguments->line, SLICE(""));
}

static int answer_sql(const struct arguments *arguments, struct ledger_reader *reader)
{
    struct error err;
    return ledger_ask(reader, arguments->sql, arguments->json, stdout, &err) == STATUS_OK
               ? command_print(&arguments->line, SLICE(""))
               : command_failed(&arguments->line, "%s", err.message);
}

static int answer(const struct arguments *arguments, const struct snapshot *snapshot)
{
    struct error err;
    struct ledger_reader *reader = NULL;
    struct ledger_filter filter = {.tenant = arguments->tenant,
                                   .route = arguments->route,
                                   .model = arguments->model,
                                   .type = arguments->type};
    enum ledger_form form = arguments->json  ? LEDGER_JSON
                            : arguments->csv ? LEDGER_CSV
                                             : LEDGER_TABLE;
    if (!read_by(arguments->by, &filter.by)) {
        return command_misused(&arguments->line, "\"%s\" is none of tenant, route, model, day",
                               arguments->by);
    }
    if (!command_read_times(&arguments->line, snapshot->gateway.zone,
                            arguments->since == NULL ? "24h" : arguments->since, arguments->until,
                            &filter.since, &filter.until)) {
        return EXIT_USAGE;
    }
    if (ledger_reader_open(snapshot->ledger.path, &reader, &err) != STATUS_OK) {
        return command_failed(&arguments->line, "%s", err.message);
    }
    int code = arguments->sql != NULL ? answer_sql(arguments, reader)
               : arguments->objects
                   ? answer_objects(arguments, reader, &filter, form)
                   : answer_sums(arguments, reader, &filter, snapshot->gateway.zone, form);
    ledger_reader_close(reader);
    return code;
}

/* What would be left out of account. */
static bool narrows(const struct arguments *arguments)
{
    return arguments->tenant != NULL || arguments->route != NULL || arguments->model != NULL ||
           arguments->type != NULL || arguments->since != NULL || arguments->until != NULL ||
           arguments->by != NULL || arguments->objects;
}

int command_usage(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    const struct command_option options[] = {
        {.name = "tenant", .value = &arguments.tenant},
        {.name = "route", .value = &arguments.route},
        {.name = "model", .value = &arguments.model},
        {.name = "since", .value = &arguments.since},
        {.name = "until", .value = &arguments.until},
        {.name = "by", .value = &arguments.by},
        {.name = "objects", .flag = &arguments.objects},
        {.name = "type", .value = &arguments.type},
        {.name = "sql", .value = &arguments.sql},
        {.name = "json", .flag = &arguments.json},
        {.name = "csv", .flag = &arguments.csv},
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = NULL},
    };
    int code = EXIT_DONE;
    if (command_reprice_wanted(argc, argv)) {
        return command_reprice(argc, argv);
    }
    if (!command_read(argc, argv, usage, options, &arguments.line, &code) ||
        !command_words_at_most(&arguments.line, 0, &code)) {
        return code;
    }
    if (arguments.json && arguments.csv) {
        return command_misused(&arguments.line, "either --json or --csv");
    }
    if (arguments.sql != NULL && narrows(&arguments)) {
        return command_misused(&arguments.line,
                               "--sql says itself which rows; leave the other options out");
    }
    if (arguments.objects && arguments.by != NULL) {
        return command_misused(&arguments.line, "--objects has a line for each; leave --by out");
    }
    if (arguments.type != NULL && !arguments.objects) {
        return command_misused(&arguments.line, "--type is of --objects");
    }
    struct snapshot *snapshot = command_load_config(arguments.config);
    if (snapshot == NULL) {
        return EXIT_USAGE;
    }
    if (snapshot->ledger.path != NULL) {
        code = answer(&arguments, snapshot);
    } else {
        (void)command_failed(&arguments.line,
                             "%s has no ledger; write ledger: {url: \"sqlite:usage.db\"} and "
                             "restart the gateway",
                             arguments.config);
        code = EXIT_USAGE;
    }
    snapshot_unref(snapshot);
    return code;
}
