/* sallyport webhooks replay, and drop. */
#include "base/buffer.h"
#include "base/json.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"
#include "gateway/command_webhooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILTERS                                                                                    \
    "  ID              its webhook-id (msg_...), or the provider's id of the event\n"              \
    "  --hook NAME, --target NAME, --type TYPE\n"                                                  \
    "                  only those; TYPE as the provider has it, such as invoice.paid\n"            \
    "  --state STATE   waiting, held_back, delivered, dead; or some: waiting,dead (default: "      \
    "any)\n"                                                                                       \
    "  --since WHEN    received 24h, 7d, ... ago or later, on a day such as 2026-11-01 in\n"       \
    "                  gateway.time_zone, or at 2026-11-01T12:00:00Z\n"                            \
    "  --until WHEN    likewise, received before\n"                                                \
    "  --all           every delivery there is\n"

#define OTHERS                                                                                     \
    "  --json          for machines\n"                                                             \
    "  -c FILE         the config of the running gateway (default: " COMMAND_DEFAULT_CONFIG ")\n"  \
    "\n"                                                                                           \
    "It needs the token of admin.token_file (or admin.token), and is in the audit log.\n"

static const char usage_of_replay[] =
    "usage: sallyport webhooks replay ID [--target NAME] [--json] [-c FILE]\n"
    "       sallyport webhooks replay [--hook NAME] [--target NAME] [--state STATE] [--type TYPE]\n"
    "                                 [--since WHEN] [--until WHEN] [--rate N] [--json] [-c FILE]\n"
    "       sallyport webhooks replay --all [--rate N] [--json] [-c FILE]\n"
    "\n"
    "Delivers again, under the same webhook-id and with all attempts anew: so a receiver that has\n"
    "taken one already can tell. What was delivered is kept for webhook_queue.keep.\n"
    "\n" FILTERS "  --rate N        so many a second, such as 50 or 50/s (default: as fast as the\n"
    "                  target takes them)\n" OTHERS;

static const char usage_of_drop[] =
    "usage: sallyport webhooks drop ID [--target NAME] [--json] [-c FILE]\n"
    "       sallyport webhooks drop [--hook NAME] [--target NAME] [--state STATE] [--type TYPE]\n"
    "                               [--since WHEN] [--until WHEN] [--json] [-c FILE]\n"
    "       sallyport webhooks drop --all [--json] [-c FILE]\n"
    "\n"
    "Forgets deliveries, at once and for good. That their events were seen stays known for 72 h, "
    "so\n"
    "that a provider's repeat does not bring them back.\n"
    "\n" FILTERS OTHERS;

static void print_count(const struct cJSON *answer, const char *what)
{
    uint64_t count = command_number_of(answer, "count");
    if (count == 0) {
        (void)printf("no delivery is like that\n");
    } else {
        (void)printf("%" PRIu64 " deliver%s %s\n", count, count == 1 ? "y" : "ies", what);
    }
}

static void print_replayed(const struct cJSON *answer)
{
    print_count(answer, "will be made again");
}

static void print_dropped(const struct cJSON *answer)
{
    print_count(answer, "dropped");
}

struct arguments {
    struct command_line line;
    struct webhooks_filter filter;
    const char *rate, *config;
    bool all, json;
};

enum { RATE_TEXT_MAX = 24 };

/* "50" or "50/s"; empty: none is given. False: it is none. */
static bool read_rate(const char *given, char out[RATE_TEXT_MAX])
{
    struct slice text = slice_from(given);
    uint64_t rate = 0;
    if (text.len > 2 && slice_equal(slice_skip(text, text.len - 2), SLICE("/s"))) {
        text.len -= 2;
    }
    out[0] = '\0';
    if (given == NULL) {
        return true;
    }
    if (!slice_number(text, UINT32_MAX, &rate) || rate == 0) {
        return false;
    }
    (void)snprintf(out, RATE_TEXT_MAX, "%" PRIu64, rate);
    return true;
}

static bool says_nothing(const struct webhooks_filter *filter)
{
    return filter->id == NULL && filter->hook == NULL && filter->target == NULL &&
           filter->state == NULL && filter->type == NULL && filter->since == NULL &&
           filter->until == NULL;
}

static int check(const struct arguments *arguments)
{
    bool nothing = says_nothing(&arguments->filter);
    if (arguments->filter.id != NULL && arguments->filter.id[0] == '\0') {
        return command_misused(&arguments->line, "\"\" is no webhook's id");
    }
    if (nothing && !arguments->all) {
        return command_misused(&arguments->line,
                               "say which: ID, --hook, --target, --state, --type, --since or "
                               "--until; or --all");
    }
    if (!nothing && arguments->all) {
        return command_misused(&arguments->line,
                               "--all is every delivery: leave it or the rest out");
    }
    return EXIT_DONE;
}

static int run(const struct arguments *arguments, const char *path,
               void (*print)(const struct cJSON *answer))
{
    struct buffer target CLEANUP(buffer_fini);
    char rate[RATE_TEXT_MAX];
    buffer_init(&target, COMMAND_TARGET_MAX_BYTES);
    int code = check(arguments);
    if (code != EXIT_DONE) {
        return code;
    }
    if (!read_rate(arguments->rate, rate)) {
        return command_misused(&arguments->line, "\"%s\" is no rate; write 50 or 50/s",
                               arguments->rate);
    }
    if (buffer_append(&target, slice_from(path)) != STATUS_OK) {
        return command_misused(&arguments->line, "these names are too long");
    }
    code = webhooks_put_filter(&arguments->line, &arguments->filter, arguments->config, &target);
    if (code != EXIT_DONE) {
        return code;
    }
    if (webhooks_put_parameter(&target, "all", arguments->all ? "true" : NULL) != STATUS_OK ||
        webhooks_put_parameter(&target, "per_second", rate[0] == '\0' ? NULL : rate) != STATUS_OK ||
        buffer_append(&target, slice_make("", 1)) != STATUS_OK) {
        return command_misused(&arguments->line, "these names are too long");
    }
    return command_show(&arguments->line,
                        &(struct command_question){.config = arguments->config,
                                                   .call = ADMIN_CALL_POST,
                                                   .target = buffer_bytes(&target).ptr,
                                                   .json = arguments->json,
                                                   .print = print});
}

enum { OPTIONS = 10 };

/* Those of both. */
static void set_options(struct arguments *arguments, struct command_option options[OPTIONS])
{
    const struct command_option all[] = {
        {.name = "hook", .value = &arguments->filter.hook},
        {.name = "target", .value = &arguments->filter.target},
        {.name = "state", .value = &arguments->filter.state},
        {.name = "type", .value = &arguments->filter.type},
        {.name = "since", .value = &arguments->filter.since},
        {.name = "until", .value = &arguments->filter.until},
        {.name = "all", .flag = &arguments->all},
        {.name = "json", .flag = &arguments->json},
        {.name = "config", .letter = 'c', .value = &arguments->config},
        {.name = NULL},
    };
    memcpy(options, all, sizeof(all));
}

int command_webhooks_replay(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    struct command_option options[OPTIONS + 1];
    int code = EXIT_DONE;
    set_options(&arguments, options);
    options[OPTIONS - 1] = (struct command_option){.name = "rate", .value = &arguments.rate};
    options[OPTIONS] = (struct command_option){.name = NULL};
    if (!command_read(argc, argv, usage_of_replay, options, &arguments.line, &code) ||
        !command_words_at_most(&arguments.line, 1, &code)) {
        return code;
    }
    arguments.filter.id = arguments.line.word_count > 0 ? arguments.line.words[0] : NULL;
    return run(&arguments, "/api/v1/webhooks/replay", print_replayed);
}

int command_webhooks_drop(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    struct command_option options[OPTIONS];
    int code = EXIT_DONE;
    set_options(&arguments, options);
    if (!command_read(argc, argv, usage_of_drop, options, &arguments.line, &code) ||
        !command_words_at_most(&arguments.line, 1, &code)) {
        return code;
    }
    arguments.filter.id = arguments.line.word_count > 0 ? arguments.line.words[0] : NULL;
    return run(&arguments, "/api/v1/webhooks/drop", print_dropped);
}
