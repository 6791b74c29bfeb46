/* sallyport breakers: circuits and credentials, by the running gateway's admin API. */
#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport breakers               [--json] [-c FILE]\n"
    "       sallyport breakers reset [ROUTE] [--json] [-c FILE]\n"
    "\n"
    "        lists each route's circuit, and credentials that are not ready: they cool after a\n"
    "        429, are benched after a refused key, or have an open circuit\n"
    "reset   closes the circuits of a route and of its credentials and ends their cooling; of all\n"
    "        routes, if none is named\n"
    "\n"
    "  --json          for machines\n"
    "  -c FILE         the config of the running gateway (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "\n"
    "The running gateway is asked over admin.listen; a reset needs the token of "
    "admin.token_file.\n";

enum { AGE_TEXT_MAX = 24, NAME_TEXT_MAX = 384 };

struct arguments {
    struct command_line line;
    const char *config;
    bool json;
};

/* ---- printing ---- */

/* "12 s", "3 min", "5 h", "2 d": rounded up, so that what lasts still is not 0. */
static void write_time(uint64_t ms, char out[AGE_TEXT_MAX])
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    size_t i = 0;
    while (i < 3 && ms < 2 * units[i].ms) {
        i++;
    }
    (void)snprintf(out, AGE_TEXT_MAX, "%" PRIu64 " %s", (ms + units[i].ms - 1) / units[i].ms,
                   units[i].unit);
}

static void print_route(const struct cJSON *item)
{
    char name[NAME_TEXT_MAX];
    char age[AGE_TEXT_MAX];
    struct slice host = command_text_of(item, "host"); /* one of several that the route leads to */
    (void)snprintf(name, sizeof(name), "%.*s%s%.*s", SLICE_ARG(command_text_of(item, "route")),
                   host.len > 0 ? "/" : "", SLICE_ARG(host));
    char calls[48];
    char open[AGE_TEXT_MAX + 16] = "";
    write_time(command_number_of(item, "since_ms_ago"), age);
    (void)snprintf(calls, sizeof(calls), "%" PRIu64 "/%" PRIu64,
                   command_number_of(item, "failures"), command_number_of(item, "calls"));
    if (slice_equal(command_text_of(item, "state"), SLICE("open"))) {
        char left[AGE_TEXT_MAX];
        write_time(command_number_of(item, "open_for_ms"), left);
        (void)snprintf(open, sizeof(open), "  probes in %s", left);
    }
    (void)printf("%-24s %-10.*s %-10s %-14s %-8" PRIu64 " %-10" PRIu64 " %.*s%s\n", name,
                 SLICE_ARG(command_text_of(item, "state")), age, calls,
                 command_number_of(item, "retry_budget"), command_number_of(item, "in_flight"),
                 SLICE_ARG(command_text_of(item, "health")), open);
}

/* How long until it is taken again. */
static uint64_t rest_of(const struct cJSON *key)
{
    static const char *const names[] = {"cooling_ms", "benched_ms", "open_for_ms"};
    uint64_t longest = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t one = command_number_of(key, names[i]);
        longest = one > longest ? one : longest;
    }
    return longest;
}

/* The names that its cooling is bound to: models, mostly. */
static void print_domains(const struct cJSON *key)
{
    const char *before = "  for ";
    for (const struct cJSON *domain = json_first(json_get(key, "domains")); domain != NULL;
         domain = json_next(domain)) {
        struct slice name = command_text_of(domain, "domain");
        if (name.len > 0 && command_number_of(domain, "cooling_ms") > 0) {
            (void)printf("%s%.*s", before, SLICE_ARG(name));
            before = ", ";
        }
    }
}

static void print_keys_of(const struct cJSON *route, bool *first)
{
    for (const struct cJSON *key = json_first(json_get(route, "credentials")); key != NULL;
         key = json_next(key)) {
        char rest[AGE_TEXT_MAX];
        if (slice_equal(command_text_of(key, "state"), SLICE("ready"))) {
            continue;
        }
        if (*first) {
            (void)printf("\n%-24s %-24s %-10s %s\n", "ROUTE", "CREDENTIAL", "STATE", "FOR");
            *first = false;
        }
        write_time(rest_of(key), rest);
        (void)printf("%-24.*s %-24.*s %-10.*s %s", SLICE_ARG(command_text_of(route, "route")),
                     SLICE_ARG(command_text_of(key, "secret")),
                     SLICE_ARG(command_text_of(key, "state")), rest);
        print_domains(key);
        (void)printf("\n");
    }
}

static void print_list(const struct cJSON *answer)
{
    const struct cJSON *routes = json_get(answer, "breakers");
    bool first = true;
    (void)printf("%-24s %-10s %-10s %-14s %-8s %-10s %s\n", "ROUTE", "STATE", "SINCE",
                 "FAILED/CALLS", "RETRIES", "IN FLIGHT", "HEALTH");
    for (const struct cJSON *item = json_first(routes); item != NULL; item = json_next(item)) {
        print_route(item);
    }
    for (const struct cJSON *item = json_first(routes); item != NULL; item = json_next(item)) {
        print_keys_of(item, &first);
    }
}

static int list(const struct arguments *arguments)
{
    return command_show(&arguments->line, &(struct command_question){
                                              .config = arguments->config,
                                              .call = ADMIN_CALL_GET,
                                              .target = "/api/v1/breakers",
                                              .json = arguments->json,
                                              .print = print_list,
                                          });
}

/* ---- reset ---- */

static enum status write_target(const char *route, struct buffer *target)
{
    TRY(buffer_append(target, SLICE("/api/v1/breakers/reset")));
    if (route != NULL) {
        TRY(buffer_append(target, SLICE("?route=")));
        TRY(encode_percent(slice_from(route), target));
    }
    return buffer_append(target, slice_make("", 1)); /* its NUL */
}

static void print_reset(const struct cJSON *answer)
{
    uint64_t count = command_number_of(answer, "reset");
    (void)printf("%" PRIu64 " route%s: circuits are closed, nothing cools\n", count,
                 count == 1 ? "" : "s");
}

static int reset(const struct arguments *arguments, const char *route)
{
    struct buffer target CLEANUP(buffer_fini);
    buffer_init(&target, COMMAND_TARGET_MAX_BYTES);
    if (route != NULL && route[0] == '\0') {
        return command_misused(&arguments->line, "\"\" is no route's name");
    }
    if (write_target(route, &target) != STATUS_OK) {
        return command_misused(&arguments->line, "this name is too long");
    }
    return command_show(&arguments->line, &(struct command_question){
                                              .config = arguments->config,
                                              .call = ADMIN_CALL_POST,
                                              .target = buffer_bytes(&target).ptr,
                                              .json = arguments->json,
                                              .print = print_reset,
                                          });
}

int command_breakers(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    const struct command_option options[] = {
        {.name = "json", .flag = &arguments.json},
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = NULL},
    };
    const struct command_line *line = &arguments.line;
    int code = EXIT_DONE;
    if (!command_read(argc, argv, usage, options, &arguments.line, &code) ||
        !command_words_at_most(line, 2, &code)) {
        return code;
    }
    const char *word = line->word_count == 0 ? "list" : line->words[0];
    if (strcmp(word, "reset") == 0) {
        return reset(&arguments, line->word_count > 1 ? line->words[1] : NULL);
    }
    if (strcmp(word, "list") != 0) {
        return command_misused(line, "\"%s\" is none of list, reset", word);
    }
    return line->word_count > 1 ? command_misused(line, "unexpected \"%s\"", line->words[1])
                                : list(&arguments);
}
