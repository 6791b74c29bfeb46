/* sallyport usage --reprice: what past requests cost by the prices of the config as it is now; and
 * with --write the ledger says so, too. */
#include "gateway/command_reprice.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "config/snapshot.h"
#include "gateway/admin/admin_server.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"
#include "gateway/command_time.h"
#include "gateway/ledger/ledger_reprice.h"
#include "gateway/observe/audit_log.h"
#include "gateway/reprice_note.h"
#include "gateway/reprice_sums.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport usage --reprice [--since WHEN] [--until WHEN] [--tenant NAME] [--route "
    "NAME]\n"
    "                                 [--model NAME] [--write] [--json] [-c FILE]\n"
    "\n"
    "Where a price was wrong: computes again, from the units that the ledger kept, what past\n"
    "requests cost by the prices of the config as it is now; and shows by model the old cost, the\n"
    "new one and the difference. Nothing is changed without --write.\n"
    "\n"
    "  --write         the rows and the sums of the ledger say the new cost from now on\n"
    "  --since WHEN    24h, 7d, ... ago, or a day such as 2026-11-01, in gateway.time_zone\n"
    "                  (default: 24h)\n"
    "  --until WHEN    likewise; a day: up to its beginning (default: now)\n"
    "  --tenant NAME, --route NAME, --model NAME\n"
    "                  only those; the route is the one that was asked for\n"
    "  --json          for machines\n"
    "  -c FILE         the config (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "\n"
    "A running gateway goes on by the prices that it has: reload it first. Left alone is what\n"
    "cannot be known any more: estimates, what a killed gateway left, several attempts. Budgets "
    "are\n"
    "not changed: what was charged to a quota stays; nor are receipts, which said what they "
    "said.\n";

struct arguments {
    struct command_line line;
    const char *tenant, *route, *model, *since, *until, *config;
    bool json, write, reprice;
};

bool command_reprice_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--reprice") == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the audit log ---- */

/* Who writes it: nobody, if there is none; this process, if no gateway has it; else the gateway. */
enum auditor { AUDITOR_NONE, AUDITOR_COMMAND, AUDITOR_GATEWAY };

static enum auditor find_auditor(const struct snapshot *snapshot)
{
    struct error err;
    if (snapshot->gateway.audit_log == NULL) {
        return AUDITOR_NONE;
    }
    if (audit_log_prepare(snapshot->gateway.audit_log, &err) != STATUS_OK) {
        audit_log_stop();
        return AUDITOR_GATEWAY; /* if there is none, asking it will say so */
    }
    audit_log_commit();
    return AUDITOR_COMMAND;
}

static enum status put_text(const char *name, const char *text, struct buffer *out)
{
    TRY(buffer_print(out, "&%s=", name));
    return encode_percent(slice_from(text), out);
}

static enum status write_target(const struct usage_repriced *it, struct buffer *out)
{
    TRY(buffer_print(out,
                     "/api/v1/usage/repriced?done=%d&since=%" PRId64 "&until=%" PRId64
                     "&rows=%" PRIu64 "&before=%" PRIu64 "&after=%" PRIu64,
                     it->done ? 1 : 0, it->since, it->until, it->rows, it->before, it->after));
    TRY(put_text("tenant", it->tenant, out));
    TRY(put_text("route", it->route, out));
    TRY(put_text("model", it->model, out));
    return buffer_append(out, slice_make("", 1));
}

static int note(const struct arguments *arguments, enum auditor auditor,
                const struct usage_repriced *it)
{
    struct buffer target CLEANUP(buffer_fini);
    struct buffer answer CLEANUP(buffer_fini);
    buffer_init(&target, COMMAND_TARGET_MAX_BYTES);
    buffer_init(&answer, COMMAND_ANSWER_MAX_BYTES);
    switch (auditor) {
    case AUDITOR_NONE:
        return EXIT_DONE;
    case AUDITOR_COMMAND:
        reprice_note(it, REPRICE_NOTED_BY_COMMAND);
        return EXIT_DONE;
    case AUDITOR_GATEWAY:
        break;
    }
    if (write_target(it, &target) != STATUS_OK) {
        return command_misused(&arguments->line, "a name is too long");
    }
    return command_ask(&arguments->line, arguments->config, ADMIN_CALL_POST,
                       buffer_bytes(&target).ptr, &answer);
}

/* ---- all of it ---- */

static void show(const struct arguments *arguments, struct reprice_sums *sums,
                 const struct ledger_repriced *done)
{
    if (arguments->json) {
        reprice_sums_json(sums, arguments->write, arguments->write ? done->changed : 0, stdout);
        return;
    }
    reprice_sums_table(sums, stdout);
    if (arguments->write) {
        (void)printf("%" PRIu64 " requests were changed\n", done->changed);
    } else if (done->changed > 0) {
        (void)printf("nothing is changed yet: --write does it\n");
    }
}

static int reprice(const struct arguments *arguments, const struct snapshot *snapshot,
                   const struct ledger_filter *filter, enum auditor auditor)
{
    struct error err;
    struct ledger_repriced done;
    struct reprice_sums sums = {.snapshot = snapshot};
    struct usage_repriced noted = {
        .since = filter->since / SEC,
        .until = (filter->until + SEC - 1) / SEC,
        .tenant = arguments->tenant == NULL ? "" : arguments->tenant,
        .route = arguments->route == NULL ? "" : arguments->route,
        .model = arguments->model == NULL ? "" : arguments->model,
    };
    const struct ledger_repricing repricing = {
        .filter = *filter, .write = arguments->write, .ctx = &sums, .price = reprice_sums_row};
    int code = note(arguments, auditor, &noted);
    if (code != EXIT_DONE) {
        return code; /* nothing is changed that nobody knows of */
    }
    enum status status = ledger_reprice(snapshot->ledger.path, &repricing, &done, &err);
    noted.done = true;
    noted.rows = done.changed;
    noted.before = sums.total.before;
    noted.after = sums.total.after;
    code = note(arguments, auditor, &noted);
    if (status == STATUS_OK) {
        show(arguments, &sums, &done);
        int printed = command_print(&arguments->line, SLICE(""));
        code = code == EXIT_DONE ? printed : code;
    } else {
        code = command_failed(&arguments->line, "%s; %" PRIu64 " requests were changed before that",
                              err.message, arguments->write ? done.changed : 0);
    }
    reprice_sums_fini(&sums);
    return code;
}

static int answer(const struct arguments *arguments, const struct snapshot *snapshot)
{
    struct ledger_filter filter = {
        .tenant = arguments->tenant, .route = arguments->route, .model = arguments->model};
    if (!command_read_times(&arguments->line, snapshot->gateway.zone, arguments->since,
                            arguments->until, &filter.since, &filter.until)) {
        return EXIT_USAGE;
    }
    if (filter.until == 0) {
        filter.until = clock_wall();
    }
    if (snapshot->ledger.path == NULL) {
        (void)command_failed(&arguments->line, "%s has no ledger", arguments->config);
        return EXIT_USAGE;
    }
    enum auditor auditor = arguments->write ? find_auditor(snapshot) : AUDITOR_NONE;
    int code = reprice(arguments, snapshot, &filter, auditor);
    if (auditor == AUDITOR_COMMAND) {
        audit_log_stop();
    }
    return code;
}

int command_reprice(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG, .since = "24h"};
    const struct command_option options[] = {
        {.name = "reprice", .flag = &arguments.reprice},
        {.name = "write", .flag = &arguments.write},
        {.name = "tenant", .value = &arguments.tenant},
        {.name = "route", .value = &arguments.route},
        {.name = "model", .value = &arguments.model},
        {.name = "since", .value = &arguments.since},
        {.name = "until", .value = &arguments.until},
        {.name = "json", .flag = &arguments.json},
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = NULL},
    };
    int code = EXIT_DONE;
    if (!command_read(argc, argv, usage, options, &arguments.line, &code) ||
        !command_words_at_most(&arguments.line, 0, &code)) {
        return code;
    }
    struct snapshot *snapshot = command_load_config(arguments.config);
    if (snapshot == NULL) {
        return EXIT_USAGE;
    }
    code = answer(&arguments, snapshot);
    snapshot_unref(snapshot);
    return code;
}
