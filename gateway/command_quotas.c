/* sallyport quotas: limits and what is used of them, by the running gateway's admin API. */
#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"
#include "limiter/limit_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport quotas       [--tenant NAME] [--json] [-c FILE]\n"
    "       sallyport quotas audit [--tenant NAME] [--json] [-c FILE]\n"
    "       sallyport quotas reset --quota NAME [--tenant NAME] [--route NAME] [-c FILE]\n"
    "       sallyport quotas raise --quota NAME --by N [--tenant NAME] [--route NAME] [-c FILE]\n"
    "\n"
    "        lists limits, and what is used of them now\n"
    "audit   proves that what was reserved is settled, given back or open; exit code 1 and which\n"
    "        quotas differ, if not\n"
    "reset   forgets what was used of one\n"
    "raise   gives one more room in its current window, in its unit (cost: nano-USD)\n"
    "\n"
    "  --tenant NAME   of this tenant, and those over tenants; reset and raise: whose quota it is\n"
    "  --route NAME    of a quota with `each: route`\n"
    "  --json          for machines\n"
    "  -c FILE         the config of the running gateway (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "\n"
    "The running gateway is asked over admin.listen; changes need the token of admin.token_file.\n";

struct arguments {
    struct command_line line;
    const char *tenant, *quota, *route, *by, *config;
    bool json;
};

/* ---- asking ---- */

static enum status add_parameter(struct buffer *target, const char *name, const char *value)
{
    bool first = slice_find(buffer_bytes(target), '?') == buffer_len(target);
    if (value == NULL) {
        return STATUS_OK;
    }
    TRY(buffer_append(target, first ? SLICE("?") : SLICE("&")));
    TRY(buffer_append(target, slice_from(name)));
    TRY(buffer_append(target, SLICE("=")));
    return encode_percent(slice_from(value), target);
}

static enum status write_target(const struct arguments *arguments, const char *path,
                                struct buffer *target)
{
    TRY(buffer_append(target, slice_from(path)));
    TRY(add_parameter(target, "tenant", arguments->tenant));
    TRY(add_parameter(target, "quota", arguments->quota));
    TRY(add_parameter(target, "route", arguments->route));
    TRY(add_parameter(target, "by", arguments->by));
    return buffer_append(target, slice_make("", 1)); /* its NUL */
}

/* EXIT_DONE with the target in `out`, or the exit code with the reason said. */
static int make_target(const struct arguments *arguments, const char *path, struct buffer *out)
{
    buffer_init(out, COMMAND_TARGET_MAX_BYTES);
    return write_target(arguments, path, out) == STATUS_OK
               ? EXIT_DONE
               : command_misused(&arguments->line, "these names are too long");
}

static int show(const struct arguments *arguments, enum admin_call call, const char *path,
                void (*print)(const struct cJSON *answer))
{
    struct buffer target CLEANUP(buffer_fini);
    int code = make_target(arguments, path, &target);
    return code != EXIT_DONE
               ? code
               : command_show(&arguments->line, &(struct command_question){
                                                    .config = arguments->config,
                                                    .call = call,
                                                    .target = buffer_bytes(&target).ptr,
                                                    .json = arguments->json,
                                                    .print = print,
                                                });
}

/* ---- printing ---- */

static enum limit_unit unit_of(const struct cJSON *item)
{
    struct slice name = command_text_of(item, "unit");
    for (unsigned unit = 0; unit < LIMIT_UNITS; unit++) {
        if (slice_equal(name, slice_from(limit_unit_name((enum limit_unit)unit)))) {
            return (enum limit_unit)unit;
        }
    }
    return LIMIT_REQUESTS;
}

static void print_item(const struct cJSON *item)
{
    char used[LIMIT_AMOUNT_TEXT_MAX];
    char left[LIMIT_AMOUNT_TEXT_MAX];
    struct slice tenant = command_text_of(item, "tenant");
    struct slice route = command_text_of(item, "route");
    limit_amount_text(unit_of(item), command_number_of(item, "used"), used);
    limit_amount_text(unit_of(item), command_number_of(item, "left"), left);
    (void)printf("%-20.*s %-28.*s %-34.*s %-24s %-24s%s%.*s\n",
                 SLICE_ARG(tenant.len == 0 ? SLICE("(all)") : tenant),
                 SLICE_ARG(command_text_of(item, "quota")),
                 SLICE_ARG(command_text_of(item, "rule")), used, left,
                 route.len == 0 ? "" : "route ", SLICE_ARG(route));
}

static void print_list(const struct cJSON *answer)
{
    (void)printf("%-20s %-28s %-34s %-24s %-24s\n", "TENANT", "QUOTA", "RULE", "USED", "LEFT");
    for (const struct cJSON *item = json_first(json_get(answer, "quotas")); item != NULL;
         item = json_next(item)) {
        print_item(item);
    }
}

/* ---- audit ---- */

static bool adds_up(const struct cJSON *item)
{
    return command_number_of(item, "taken") == command_number_of(item, "settled") +
                                                   command_number_of(item, "refunded") +
                                                   command_number_of(item, "open");
}

static void print_difference(const struct cJSON *item)
{
    (void)printf("tenant \"%.*s\", quota \"%.*s\": reserved %" PRIu64 ", but settled %" PRIu64
                 " + given back %" PRIu64 " + open %" PRIu64 "\n",
                 SLICE_ARG(command_text_of(item, "tenant")),
                 SLICE_ARG(command_text_of(item, "quota")), command_number_of(item, "taken"),
                 command_number_of(item, "settled"), command_number_of(item, "refunded"),
                 command_number_of(item, "open"));
}

static int audit(const struct arguments *arguments)
{
    struct buffer target CLEANUP(buffer_fini);
    struct buffer answer CLEANUP(buffer_fini);
    struct cJSON *parsed CLEANUP(json_free_at) = NULL;
    buffer_init(&answer, COMMAND_ANSWER_MAX_BYTES);
    int code = make_target(arguments, "/api/v1/quotas", &target);
    if (code == EXIT_DONE) {
        code = command_ask(&arguments->line, arguments->config, ADMIN_CALL_GET,
                           buffer_bytes(&target).ptr, &answer);
    }
    if (code == EXIT_DONE) {
        code = command_parse_answer(&arguments->line, &answer, &parsed);
    }
    if (code != EXIT_DONE) {
        return code;
    }
    unsigned count = 0;
    unsigned wrong = 0;
    for (const struct cJSON *item = json_first(json_get(parsed, "quotas")); item != NULL;
         item = json_next(item)) {
        count++;
        if (!adds_up(item)) {
            wrong++;
            if (!arguments->json) {
                print_difference(item);
            }
        }
    }
    if (arguments->json) {
        code = command_print(&arguments->line, buffer_bytes(&answer));
    } else {
        (void)printf("%u quotas, %u differ\n", count, wrong);
        code = command_print(&arguments->line, SLICE(""));
    }
    return wrong > 0 ? EXIT_FAILED : code;
}

/* ---- changes ---- */

static int run_change(const struct arguments *arguments, bool raise)
{
    if (arguments->quota == NULL) {
        return command_misused(&arguments->line, "--quota NAME is missing");
    }
    if (raise != (arguments->by != NULL)) {
        return command_misused(&arguments->line,
                               raise ? "--by N is missing" : "--by is for raise alone");
    }
    return show(arguments, ADMIN_CALL_POST, raise ? "/api/v1/quotas/raise" : "/api/v1/quotas/reset",
                print_item);
}

int command_quotas(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    const struct command_option options[] = {
        {.name = "tenant", .value = &arguments.tenant},
        {.name = "quota", .value = &arguments.quota},
        {.name = "route", .value = &arguments.route},
        {.name = "by", .value = &arguments.by},
        {.name = "json", .flag = &arguments.json},
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = NULL},
    };
    int code = EXIT_DONE;
    if (!command_read(argc, argv, usage, options, &arguments.line, &code) ||
        !command_words_at_most(&arguments.line, 1, &code)) {
        return code;
    }
    const char *word = arguments.line.word_count == 0 ? "list" : arguments.line.words[0];
    if (strcmp(word, "reset") == 0 || strcmp(word, "raise") == 0) {
        return run_change(&arguments, strcmp(word, "raise") == 0);
    }
    if (arguments.quota != NULL || arguments.route != NULL || arguments.by != NULL) {
        return command_misused(&arguments.line,
                               "--quota, --route and --by are for reset and raise");
    }
    if (strcmp(word, "audit") == 0) {
        return audit(&arguments);
    }
    if (strcmp(word, "list") == 0) {
        return show(&arguments, ADMIN_CALL_GET, "/api/v1/quotas", print_list);
    }
    return command_misused(&arguments.line, "\"%s\" is none of list, audit, reset, raise", word);
}
