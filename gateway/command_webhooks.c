/* sallyport webhooks: the queue of webhooks, by the running gateway's admin API. */
#include "gateway/command_webhooks.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/utf8.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"
#include "gateway/command_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport webhooks           [--json] [-c FILE]\n"
    "       sallyport webhooks list      [FILTER] [--limit N] [--before N] [--json] [-c FILE]\n"
    "       sallyport webhooks show ID   [--body] [--json] [-c FILE]\n"
    "       sallyport webhooks replay ID | FILTER | --all   [--rate N] [--json] [-c FILE]\n"
    "       sallyport webhooks drop ID | FILTER | --all     [--json] [-c FILE]\n"
    "       sallyport webhooks send      --hook NAME | --provider NAME --to URL ...\n"
    "\n"
    "        how many deliveries wait, are dead, and are kept, by target; its circuit\n"
    "list    the deliveries, the newest first\n"
    "show    one webhook, and what became of it\n"
    "replay  delivers again: what is dead, or what was delivered and got lost behind that\n"
    "drop    forgets deliveries\n"
    "send    a signed test event, as a provider would send it\n"
    "\n"
    "FILTER  --hook NAME, --target NAME, --state dead, --type TYPE, --since WHEN, --until WHEN\n"
    "\n"
    "  --json          for machines\n"
    "  -c FILE         the config of the running gateway (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "\n"
    "'sallyport webhooks list --help' says more, and so of the others. The running gateway is "
    "asked\n"
    "over admin.listen; changes and bodies need the token of admin.token_file.\n";

/* ---- what the parts share ---- */

enum status webhooks_put_parameter(struct buffer *target, const char *name, const char *value)
{
    struct slice text = buffer_bytes(target);
    if (value == NULL) {
        return STATUS_OK;
    }
    TRY(buffer_print(target, "%c%s=", slice_find(text, '?') < text.len ? '&' : '?', name));
    return encode_percent(slice_from(value), target);
}

static enum status put_time(struct buffer *target, const char *name, usec_t time)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, time / SEC);
    return webhooks_put_parameter(target, name, time == 0 ? NULL : text);
}

static enum status put_texts(struct buffer *target, const struct webhooks_filter *filter)
{
    TRY(webhooks_put_parameter(target, "id", filter->id));
    TRY(webhooks_put_parameter(target, "hook", filter->hook));
    TRY(webhooks_put_parameter(target, "target", filter->target));
    TRY(webhooks_put_parameter(target, "state", filter->state));
    return webhooks_put_parameter(target, "type", filter->type);
}

int webhooks_put_filter(const struct command_line *line, const struct webhooks_filter *filter,
                        const char *config, struct buffer *target)
{
    usec_t since = 0;
    usec_t until = 0;
    if (filter->since != NULL || filter->until != NULL) {
        struct snapshot *snapshot = command_load_config(config);
        if (snapshot == NULL) {
            return EXIT_USAGE;
        }
        bool read = command_read_time(line, snapshot->gateway.zone, filter->since, &since) &&
                    command_read_time(line, snapshot->gateway.zone, filter->until, &until);
        snapshot_unref(snapshot);
        if (!read) {
            return EXIT_USAGE;
        }
    }
    if (until > 0 && until <= since) {
        return command_misused(line, "--until is not after --since");
    }
    if (put_texts(target, filter) != STATUS_OK || put_time(target, "since", since) != STATUS_OK ||
        put_time(target, "until", until) != STATUS_OK) {
        return command_misused(line, "these names are too long");
    }
    return EXIT_DONE;
}

/* Control characters are below ' ', DEL, and U+0080 to U+009F. */
static bool is_control(struct slice text, size_t len)
{
    unsigned char first = (unsigned char)text.ptr[0];
    return first < ' ' || first == 0x7f ||
           (len == 2 && first == 0xc2 && (unsigned char)text.ptr[1] < 0xa0);
}

const char *webhooks_shown(struct slice text, char out[WEBHOOKS_TEXT_MAX])
{
    size_t used = 0;
    while (text.len > 0) {
        size_t len = utf8_char(text);
        bool odd = len == 0 || is_control(text, len);
        size_t room = odd ? 1 : len;
        if (used + room >= WEBHOOKS_TEXT_MAX) {
            break;
        }
        memcpy(out + used, odd ? "?" : text.ptr, room);
        used += room;
        text = slice_skip(text, len == 0 ? 1 : len);
    }
    out[used] = '\0';
    return out;
}

/* ---- without a word: the sums ---- */

/* "4 min": of what is open. */
static void write_age(const struct cJSON *item, char out[24])
{
    static const struct {
        uint64_t seconds;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    uint64_t age = command_number_of(item, "oldest_seconds");
    size_t i = 0;
    while (i < 3 && age < 2 * units[i].seconds) {
        i++;
    }
    bool open = command_text_of(item, "oldest").len > 0;
    (void)snprintf(out, 24, open ? "%" PRIu64 " %s" : "-", age / units[i].seconds, units[i].unit);
}

static void print_sum(const struct cJSON *item)
{
    char hook[WEBHOOKS_TEXT_MAX];
    char target[WEBHOOKS_TEXT_MAX];
    char age[24];
    bool configured = false;
    (void)json_bool(json_get(item, "configured"), &configured);
    write_age(item, age);
    (void)printf("%-24s %-16s %-10" PRIu64 " %-10" PRIu64 " %-8" PRIu64 " %-10" PRIu64
                 " %-8s %-10.*s %" PRIu64 "%s\n",
                 webhooks_shown(command_text_of(item, "hook"), hook),
                 webhooks_shown(command_text_of(item, "target"), target),
                 command_number_of(item, "waiting"), command_number_of(item, "held_back"),
                 command_number_of(item, "dead"), command_number_of(item, "delivered"), age,
                 SLICE_ARG(command_text_of(item, "breaker")), command_number_of(item, "in_flight"),
                 configured ? "" : "  not in the config");
}

static void print_sums(const struct cJSON *answer)
{
    const struct cJSON *queue = json_get(answer, "queue");
    bool writable = false;
    (void)json_bool(json_get(queue, "writable"), &writable);
    (void)printf("%-24s %-16s %-10s %-10s %-8s %-10s %-8s %-10s %s\n", "HOOK", "TARGET", "WAITING",
                 "HELD BACK", "DEAD", "DELIVERED", "OLDEST", "CIRCUIT", "IN FLIGHT");
    for (const struct cJSON *item = json_first(json_get(answer, "targets")); item != NULL;
         item = json_next(item)) {
        print_sum(item);
    }
    uint64_t events = command_number_of(queue, "events");
    (void)printf("\n%" PRIu64 " event%s kept, %" PRIu64 " of %" PRIu64 " MiB%s\n", events,
                 events == 1 ? " is" : "s are", command_number_of(queue, "bytes") >> 20,
                 command_number_of(answer, "max_bytes") >> 20,
                 writable ? "" : "; THE QUEUE CANNOT BE WRITTEN: providers are answered 503");
}

static int show_sums(int argc, char **argv)
{
    struct command_line line;
    struct command_question question = {.config = COMMAND_DEFAULT_CONFIG,
                                        .call = ADMIN_CALL_GET,
                                        .target = "/api/v1/webhooks/sums",
                                        .print = print_sums};
    const struct command_option options[] = {
        {.name = "json", .flag = &question.json},
        {.name = "config", .letter = 'c', .value = &question.config},
        {.name = NULL},
    };
    int code = EXIT_DONE;
    if (!command_read(argc, argv, usage, options, &line, &code)) {
        return code;
    }
    if (line.word_count > 0) {
        return command_misused(&line, "\"%s\" is none of list, show, replay, drop, send",
                               line.words[0]);
    }
    return command_show(&line, &question);
}

/* ---- which is meant ---- */

int command_webhooks(int argc, char **argv)
{
    static const struct {
        const char *word;
        char name[24]; /* what it is called in messages */
        int (*run)(int argc, char **argv);
    } parts[] = {
        {"list", "webhooks list", command_webhooks_list},
        {"show", "webhooks show", command_webhooks_show},
        {"replay", "webhooks replay", command_webhooks_replay},
        {"drop", "webhooks drop", command_webhooks_drop},
        {"send", "webhooks send", command_webhooks_send},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && argc > 1; i++) {
        if (strcmp(argv[1], parts[i].word) == 0) {
            char name[sizeof(parts[i].name)];
            memcpy(name, parts[i].name, sizeof(name));
            argv[1] = name;
            return parts[i].run(argc - 1, argv + 1);
        }
    }
    return show_sums(argc, argv);
}
