/* sallyport webhooks list, and show: deliveries, and one webhook with what became of it. */
#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"
#include "gateway/command_webhooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage_of_list[] =
    "usage: sallyport webhooks list [--hook NAME] [--target NAME] [--state STATE] [--type TYPE]\n"
    "                               [--id ID] [--since WHEN] [--until WHEN]\n"
    "                               [--limit N] [--before N] [--json] [-c FILE]\n"
    "\n"
    "Lists deliveries of webhooks, the newest first: an event that goes to two targets is two.\n"
    "\n"
    "  --hook NAME, --target NAME, --type TYPE\n"
    "                  only those; TYPE as the provider has it, such as invoice.paid\n"
    "  --state STATE   waiting, held_back (for an earlier one of its object), delivered, dead;\n"
    "                  or some of them: waiting,dead\n"
    "  --id ID         the webhook-id, or the provider's id of the event\n"
    "  --since WHEN    received 24h, 7d, ... ago or later, on a day such as 2026-11-01 in\n"
    "                  gateway.time_zone, or at 2026-11-01T12:00:00Z\n"
    "  --until WHEN    likewise, received before\n"
    "  --limit N       so many (default: 50, at most 1000)\n"
    "  --before N      goes on where a list ended, which says how\n"
    "  --json          for machines\n"
    "  -c FILE         the config of the running gateway (default: " COMMAND_DEFAULT_CONFIG ")\n";

static const char usage_of_show[] =
    "usage: sallyport webhooks show ID [--body] [--json] [-c FILE]\n"
    "\n"
    "Shows one webhook, and what became of it at each target.\n"
    "\n"
    "  ID         its webhook-id (msg_...), as in the list and at the receiver\n"
    "  --body     also what the provider sent: headers and body. It needs the token of\n"
    "             admin.token_file (or admin.token), on this machine, too\n"
    "  --json     for machines\n"
    "  -c FILE    the config of the running gateway (default: " COMMAND_DEFAULT_CONFIG ")\n";

/* "2026-11-27 04:05:06" of a time as the API writes it. */
static void print_time(const struct cJSON *item, const char *name)
{
    struct slice time = command_text_of(item, name);
    if (time.len < 19) {
        (void)printf("%-20s", "-");
    } else {
        (void)printf("%.10s %.8s ", time.ptr, time.ptr + 11);
    }
}

/* The last answer, or why there was none. */
static const char *answer_of(const struct cJSON *item, char out[WEBHOOKS_TEXT_MAX])
{
    struct slice error = command_text_of(item, "error");
    uint64_t status = command_number_of(item, "status");
    if (error.len > 0) {
        return webhooks_shown(error, out);
    }
    (void)snprintf(out, WEBHOOKS_TEXT_MAX, status > 0 ? "%" PRIu64 : "-", status);
    return out;
}

/* ---- list ---- */

static void print_delivery(const struct cJSON *item)
{
    char hook[WEBHOOKS_TEXT_MAX];
    char target[WEBHOOKS_TEXT_MAX];
    char type[WEBHOOKS_TEXT_MAX];
    char answer[WEBHOOKS_TEXT_MAX];
    print_time(item, "received");
    (void)printf("%-10.*s %-5" PRIu64 " %-20s %-14s %-28s %-36.*s %s\n",
                 SLICE_ARG(command_text_of(item, "state")), command_number_of(item, "attempts"),
                 webhooks_shown(command_text_of(item, "hook"), hook),
                 webhooks_shown(command_text_of(item, "target"), target),
                 webhooks_shown(command_text_of(item, "type"), type),
                 SLICE_ARG(command_text_of(item, "id")), answer_of(item, answer));
}

static void print_list(const struct cJSON *answer)
{
    (void)printf("%-19s %-10s %-5s %-20s %-14s %-28s %-36s %s\n", "RECEIVED", "STATE", "TRIES",
                 "HOOK", "TARGET", "TYPE", "ID", "ANSWER");
    for (const struct cJSON *item = json_first(json_get(answer, "webhooks")); item != NULL;
         item = json_next(item)) {
        print_delivery(item);
    }
    uint64_t next = command_number_of(answer, "next");
    if (next > 0) {
        (void)printf("there are more: --before %" PRIu64 "\n", next);
    }
}

int command_webhooks_list(int argc, char **argv)
{
    struct command_line line;
    struct webhooks_filter filter = {0};
    const char *limit = NULL;
    const char *before = NULL;
    struct command_question question = {
        .config = COMMAND_DEFAULT_CONFIG, .call = ADMIN_CALL_GET, .print = print_list};
    const struct command_option options[] = {
        {.name = "hook", .value = &filter.hook},
        {.name = "target", .value = &filter.target},
        {.name = "state", .value = &filter.state},
        {.name = "type", .value = &filter.type},
        {.name = "id", .value = &filter.id},
        {.name = "since", .value = &filter.since},
        {.name = "until", .value = &filter.until},
        {.name = "limit", .value = &limit},
        {.name = "before", .value = &before},
        {.name = "json", .flag = &question.json},
        {.name = "config", .letter = 'c', .value = &question.config},
        {.name = NULL},
    };
    struct buffer target CLEANUP(buffer_fini);
    int code = EXIT_DONE;
    buffer_init(&target, COMMAND_TARGET_MAX_BYTES);
    if (!command_read(argc, argv, usage_of_list, options, &line, &code) ||
        !command_words_at_most(&line, 0, &code)) {
        return code;
    }
    if (buffer_append(&target, SLICE("/api/v1/webhooks")) != STATUS_OK) {
        return command_misused(&line, "these names are too long");
    }
    code = webhooks_put_filter(&line, &filter, question.config, &target);
    if (code != EXIT_DONE) {
        return code;
    }
    if (webhooks_put_parameter(&target, "limit", limit) != STATUS_OK ||
        webhooks_put_parameter(&target, "before", before) != STATUS_OK ||
        buffer_append(&target, slice_make("", 1)) != STATUS_OK) {
        return command_misused(&line, "these names are too long");
    }
    question.target = buffer_bytes(&target).ptr;
    return command_show(&line, &question);
}

/* ---- show ---- */

static void print_line(const char *label)
{
    (void)printf("%-12s", label);
}

static void print_text(const char *label, struct slice text)
{
    char shown[WEBHOOKS_TEXT_MAX];
    if (text.len > 0) {
        print_line(label);
        (void)printf("%s\n", webhooks_shown(text, shown));
    }
}

static void print_delivery_of(const struct cJSON *item)
{
    char shown[WEBHOOKS_TEXT_MAX];
    struct slice state = command_text_of(item, "state");
    uint64_t attempts = command_number_of(item, "attempts");
    print_line("target");
    (void)printf("%s: %.*s after %" PRIu64 " attempt%s",
                 webhooks_shown(command_text_of(item, "target"), shown), SLICE_ARG(state), attempts,
                 attempts == 1 ? "" : "s");
    if (command_text_of(item, "ended").len > 0) {
        (void)printf(", at ");
        print_time(item, "ended");
    } else if (command_text_of(item, "due").len > 0) {
        (void)printf(", due at ");
        print_time(item, "due");
    }
    (void)printf("\n");
    if (command_number_of(item, "status") > 0 || command_text_of(item, "error").len > 0) {
        print_line("");
        (void)printf("the last answer: %s\n", answer_of(item, shown));
    }
}

/* Lines and tabs stay; what could steer a terminal does not. */
static void print_body(struct slice body)
{
    char shown[WEBHOOKS_TEXT_MAX];
    while (body.len > 0) {
        size_t len = 0; /* what lies before the next line or tab, in pieces that fit whole */
        while (len < body.len && len < WEBHOOKS_TEXT_MAX / 2 &&
               memchr("\n\t", body.ptr[len], 2) == NULL) {
            len++;
        }
        while (len > 0 && len < body.len && ((unsigned char)body.ptr[len] & 0xc0) == 0x80) {
            len++; /* not within a character */
        }
        (void)fputs(webhooks_shown(slice_make(body.ptr, len), shown), stdout);
        body = slice_skip(body, len);
        if (body.len > 0 && memchr("\n\t", body.ptr[0], 2) != NULL) {
            (void)fputc(body.ptr[0], stdout);
            body = slice_skip(body, 1);
        }
    }
    (void)fputc('\n', stdout);
}

static void print_content(const struct cJSON *answer)
{
    struct slice body = command_text_of(answer, "body");
    struct slice encoded = command_text_of(answer, "body_base64");
    if (json_get(answer, "headers") == NULL) {
        return;
    }
    (void)printf("\n");
    for (const struct cJSON *item = json_first(json_get(answer, "headers")); item != NULL;
         item = json_next(item)) {
        char name[WEBHOOKS_TEXT_MAX];
        (void)printf("%s: ", webhooks_shown(command_text_of(item, "name"), name));
        print_body(command_text_of(item, "value"));
    }
    (void)printf("\n");
    if (encoded.len > 0) {
        (void)printf("(it is no text; in base64:)\n");
    }
    print_body(encoded.len > 0 ? encoded : body);
}

static void print_webhook(const struct cJSON *answer)
{
    bool suspect = false;
    print_text("id", command_text_of(answer, "id"));
    print_text("hook", command_text_of(answer, "hook"));
    print_text("event", command_text_of(answer, "event_id"));
    print_text("type", command_text_of(answer, "type"));
    print_text("received", command_text_of(answer, "received"));
    print_line("body");
    (void)printf("%" PRIu64 " bytes\n", command_number_of(answer, "bytes"));
    if (json_bool(json_get(answer, "suspect"), &suspect) && suspect) {
        print_line("suspect");
        (void)printf("the same content had come before under another id\n");
    }
    for (const struct cJSON *item = json_first(json_get(answer, "deliveries")); item != NULL;
         item = json_next(item)) {
        print_delivery_of(item);
    }
    print_content(answer);
}

int command_webhooks_show(int argc, char **argv)
{
    struct command_line line;
    bool body = false;
    struct command_question question = {.config = COMMAND_DEFAULT_CONFIG, .print = print_webhook};
    const struct command_option options[] = {
        {.name = "body", .flag = &body},
        {.name = "json", .flag = &question.json},
        {.name = "config", .letter = 'c', .value = &question.config},
        {.name = NULL},
    };
    struct buffer target CLEANUP(buffer_fini);
    int code = EXIT_DONE;
    buffer_init(&target, COMMAND_TARGET_MAX_BYTES);
    if (!command_read(argc, argv, usage_of_show, options, &line, &code) ||
        !command_words_at_most(&line, 1, &code)) {
        return code;
    }
    if (line.word_count == 0 || line.words[0][0] == '\0') {
        return command_misused(&line, "say which: its webhook-id, msg_... of the list");
    }
    if (buffer_append(&target, SLICE("/api/v1/webhooks/")) != STATUS_OK ||
        encode_percent(slice_from(line.words[0]), &target) != STATUS_OK ||
        webhooks_put_parameter(&target, "body", body ? "true" : NULL) != STATUS_OK ||
        buffer_append(&target, slice_make("", 1)) != STATUS_OK) {
        return command_misused(&line, "that is too long for an id");
    }
    question.call = body ? ADMIN_CALL_GET_ALL : ADMIN_CALL_GET;
    question.target = buffer_bytes(&target).ptr;
    return command_show(&line, &question);
}
