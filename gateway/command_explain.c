/* sallyport explain: why a request was admitted, refused, retried, charged as it was; from the
 * ledger, by the running gateway's admin API. */
#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"
#include "limiter/limit_text.h"

#include <inttypes.h>
#include <stdio.h>

static const char usage[] =
    "usage: sallyport explain ID [--json] [-c FILE]\n"
    "       sallyport explain --object OBJECT [--json] [-c FILE]\n"
    "\n"
    "Tells of one request who asked for what, which quotas were asked and what was left of them, "
    "its\n"
    "attempts and why they were made, what it used, and what that cost.\n"
    "\n"
    "  ID        X-Sallyport-Request-Id of its answer, or \"id\" of its line in the access log\n"
    "  OBJECT    instead of ID, what it made, by the provider's id: pi_123, a message's SID, ...\n"
    "  --json    for machines\n"
    "  -c FILE   the config of the running gateway (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "\n"
    "The running gateway is asked over admin.listen. It needs a ledger, where a request is a "
    "moment after\n"
    "its end.\n";

/* ---- what is read ---- */

static bool has(const struct cJSON *item, const char *name)
{
    return json_get(item, name) != NULL;
}

static bool is_true(const struct cJSON *item, const char *name)
{
    bool value = false;
    return json_bool(json_get(item, name), &value) && value;
}

static void print_line(const char *label)
{
    (void)printf("\n%-12s", label);
}

/* "12.3 ms" of microseconds. */
static void print_span(uint64_t span)
{
    if (span < 10000000) {
        (void)printf("%" PRIu64 ".%03" PRIu64 " ms", span / 1000, span % 1000);
    } else {
        (void)printf("%" PRIu64 ".%03" PRIu64 " s", span / 1000000, span / 1000 % 1000);
    }
}

/* ---- who, and how it ended ---- */

static void print_who(const struct cJSON *row)
{
    struct slice served_by = command_text_of(row, "served_by");
    struct slice credential = command_text_of(row, "credential");
    struct slice label = command_text_of(row, "label");
    (void)printf("%.*s  %.*s\n", SLICE_ARG(command_text_of(row, "id")),
                 SLICE_ARG(command_text_of(row, "opened")));
    print_line("request");
    (void)printf("%.*s %.*s", SLICE_ARG(command_text_of(row, "method")),
                 SLICE_ARG(command_text_of(row, "path")));
    if (label.len > 0) {
        (void)printf(", which its caller calls %.*s", SLICE_ARG(label));
    }
    print_line("tenant");
    (void)printf("%.*s", SLICE_ARG(command_text_of(row, "tenant")));
    print_line("route");
    (void)printf("%.*s, provider %.*s", SLICE_ARG(command_text_of(row, "route")),
                 SLICE_ARG(command_text_of(row, "provider")));
    if (served_by.len > 0) {
        (void)printf("; it went on to route %.*s", SLICE_ARG(served_by));
    }
    if (credential.len > 0) {
        print_line("credential");
        (void)printf("secret \"%.*s\"", SLICE_ARG(credential));
    }
}

static void print_end(const struct cJSON *row, const struct cJSON *details)
{
    uint64_t status = command_number_of(row, "status");
    struct slice code = command_text_of(row, "code");
    struct slice ended_by = command_text_of(row, "ended_by");
    struct slice reason = command_text_of(details, "reason");
    print_line("answer");
    if (is_true(row, "gateway_died")) {
        (void)printf("unknown: the gateway was killed while it ran; it is charged in full");
    } else if (status == 0) {
        (void)printf("none was sent");
    } else {
        (void)printf("%" PRIu64, status);
    }
    if (code.len > 0) {
        (void)printf(" %.*s", SLICE_ARG(code));
    }
    if (ended_by.len > 0) {
        (void)printf("; ended by the %.*s in step %.*s", SLICE_ARG(ended_by),
                     SLICE_ARG(command_text_of(row, "step")));
    }
    if (reason.len > 0) {
        print_line("");
        (void)printf("%.*s", SLICE_ARG(reason));
    }
}

/* ---- quotas ---- */

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

static void print_amount(const struct cJSON *quota, const char *name)
{
    char text[LIMIT_AMOUNT_TEXT_MAX];
    limit_amount_text(unit_of(quota), command_number_of(quota, name), text);
    (void)printf("%s", text);
}

static void print_quota(const struct cJSON *quota)
{
    (void)printf("\"%.*s\": ", SLICE_ARG(command_text_of(quota, "name")));
    if (has(quota, "used")) {
        print_amount(quota, "used");
        (void)printf(" of ");
        print_amount(quota, "limit");
        (void)printf(" used before, ");
    }
    print_amount(quota, "demand");
    if (is_true(quota, "refused")) {
        (void)printf(" wanted: REFUSED");
        return;
    }
    (void)printf(" reserved, ");
    print_amount(quota, "settled");
    (void)printf(" settled");
}

static void print_quotas(const struct cJSON *details)
{
    const char *label = "quotas";
    for (const struct cJSON *quota = json_first(json_get(details, "quotas")); quota != NULL;
         quota = json_next(quota)) {
        print_line(label);
        print_quota(quota);
        label = "";
    }
}

/* ---- attempts ---- */

static void print_try(const struct cJSON *it, unsigned number)
{
    struct slice fault = command_text_of(it, "fault");
    struct slice credential = command_text_of(it, "credential");
    (void)printf("%u. route %.*s", number, SLICE_ARG(command_text_of(it, "route")));
    if (credential.len > 0) {
        (void)printf(" with secret \"%.*s\"", SLICE_ARG(credential));
    }
    if (fault.len > 0) {
        (void)printf(": %.*s, %s", SLICE_ARG(fault),
                     is_true(it, "sent") ? "it may have been executed" : "nothing had been sent");
    } else {
        (void)printf(": %" PRIu64, command_number_of(it, "status"));
    }
    (void)printf(", after %" PRIu64 " ms; then: %.*s", command_number_of(it, "ms"),
                 SLICE_ARG(command_text_of(it, "then")));
    if (has(it, "wait_ms")) {
        (void)printf(" in %" PRIu64 " ms", command_number_of(it, "wait_ms"));
    }
}

static void print_tries(const struct cJSON *row, const struct cJSON *details)
{
    unsigned number = 0;
    uint64_t attempts = command_number_of(row, "attempts");
    uint64_t upstream = command_number_of(row, "upstream_status");
    struct slice upstream_id = command_text_of(row, "upstream_id");
    print_line("attempts");
    (void)printf("%" PRIu64, attempts);
    if (upstream > 0) {
        (void)printf(", the last was answered with %" PRIu64, upstream);
    }
    if (upstream_id.len > 0) {
        (void)printf("; the provider's id is %.*s", SLICE_ARG(upstream_id));
    }
    for (const struct cJSON *it = json_first(json_get(details, "tries")); it != NULL;
         it = json_next(it)) {
        print_line("");
        print_try(it, ++number);
    }
    if (slice_equal(command_text_of(row, "code"), SLICE("circuit_open"))) {
        print_line("circuit");
        (void)printf("open: `sallyport breakers` shows why");
    }
}

/* ---- usage, price, times ---- */

static void print_units(const struct cJSON *row)
{
    static const char *const tokens[] = {"input_tokens",  "cache_read_tokens", "cache_write_tokens",
                                         "output_tokens", "reasoning_tokens",  "audio_tokens",
                                         "images",        "characters",        "milliseconds",
                                         "messages",      "segments",          "searches"};
    const struct cJSON *units = json_get(row, "units");
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        uint64_t count = command_number_of(units, tokens[i]);
        if (count > 0) {
            (void)printf("%s %" PRIu64 ", ", tokens[i], count);
        }
    }
    (void)printf("%" PRIu64 " bytes sent, %" PRIu64 " answered",
                 command_number_of(units, "request_bytes"),
                 command_number_of(units, "response_bytes"));
}

static void print_price(const struct cJSON *row, const struct cJSON *details)
{
    const struct cJSON *price = json_get(details, "price");
    char input[LIMIT_AMOUNT_TEXT_MAX];
    char output[LIMIT_AMOUNT_TEXT_MAX];
    if (price == NULL) {
        return;
    }
    limit_amount_text(LIMIT_COST, command_number_of(price, "input"), input);
    limit_amount_text(LIMIT_COST, command_number_of(price, "output"), output);
    print_line("price");
    (void)printf("%s for a million tokens of input, %s of output", input, output);
    if (is_true(row, "price_fallback")) {
        (void)printf("; the model has none of its own: the dearest of its provider");
    }
}

/* By which event, unless there was no room to keep that. */
static void print_settled(const struct cJSON *details)
{
    const struct cJSON *settled = json_get(details, "settled");
    char before[LIMIT_AMOUNT_TEXT_MAX];
    (void)printf(", settled later by an event");
    if (settled == NULL) {
        return;
    }
    limit_amount_text(LIMIT_COST, command_number_of(settled, "before_nanousd"), before);
    uint64_t element = command_number_of(settled, "element");
    (void)printf(" of the webhook \"%.*s\", %.*s", SLICE_ARG(command_text_of(settled, "hook")),
                 SLICE_ARG(command_text_of(settled, "event")));
    if (element > 0) {
        (void)printf(", its element %" PRIu64, element);
    }
    (void)printf("; before: %s", before);
}

static void print_usage(const struct cJSON *row, const struct cJSON *details)
{
    struct slice model = command_text_of(row, "model");
    if (model.len > 0) {
        print_line("model");
        (void)printf("%.*s", SLICE_ARG(model));
    }
    print_line("usage");
    print_units(row);
    if (is_true(row, "metered") || is_true(row, "gateway_died")) {
        print_price(row, details);
        print_line("cost");
        (void)printf("%.*s USD", SLICE_ARG(command_text_of(row, "cost_usd")));
    }
    if (is_true(row, "settled")) {
        print_settled(details);
    } else if (is_true(row, "repriced")) {
        (void)printf(", by a later price; its receipt and its quotas have the price above");
    }
    if (is_true(row, "estimated") && !is_true(row, "settled")) {
        (void)printf(", estimated: an answer did not tell what it used, or did not come");
    }
}

static void print_object(const struct cJSON *row)
{
    const struct cJSON *object = json_get(row, "object");
    struct slice type = command_text_of(object, "type");
    struct slice status = command_text_of(object, "status");
    struct slice amount = command_text_of(object, "amount_text");
    if (object == NULL) {
        return;
    }
    print_line("object");
    (void)printf("%.*s%s%.*s", SLICE_ARG(type), type.len > 0 ? " " : "",
                 SLICE_ARG(command_text_of(object, "id")));
    if (status.len > 0) {
        (void)printf(", %.*s", SLICE_ARG(status));
    }
    if (amount.len > 0) {
        (void)printf(", amount %.*s %.*s in its smallest unit", SLICE_ARG(amount),
                     SLICE_ARG(command_text_of(object, "currency")));
    }
}

static void print_times(const struct cJSON *row, const struct cJSON *details)
{
    static const struct {
        const char *name, *text;
    } spans[] = {
        {"first_byte", "to the first byte of the answer"},
        {"upstream_duration", "at the upstream"},
        {"overhead", "in the gateway itself"},
    };
    const struct cJSON *times = json_get(details, "times");
    print_line("times");
    print_span(command_number_of(row, "duration"));
    (void)printf(" in all");
    if (has(times, "sent")) {
        (void)printf(", ");
        print_span(command_number_of(times, "sent"));
        (void)printf(" until it was sent");
    }
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        if (has(row, spans[i].name)) {
            (void)printf(", ");
            print_span(command_number_of(row, spans[i].name));
            (void)printf(" %s", spans[i].text);
        }
    }
    if (has(times, "store")) {
        (void)printf(", ");
        print_span(command_number_of(times, "store"));
        (void)printf(" for the store of quotas");
    }
    const char *between = "";
    const struct cJSON *wait = json_first(json_get(details, "waited"));
    for (; wait != NULL; wait = json_next(wait)) {
        if (between[0] == '\0') {
            print_line("waited");
        }
        uint64_t span = 0;
        (void)json_uint(wait, &span);
        (void)printf("%sin %s ", between, json_name(wait));
        print_span(span);
        between = ", ";
    }
    (void)printf("\n");
}

static void print_row(const struct cJSON *row)
{
    const struct cJSON *details = json_get(row, "details");
    print_who(row);
    print_end(row, details);
    print_quotas(details);
    print_tries(row, details);
    print_usage(row, details);
    print_object(row);
    if (is_true(details, "cut")) {
        print_line("");
        (void)printf("(there was more to tell than a row has room for)");
    }
    print_times(row, details);
}

/* ---- the command ---- */

static bool is_id(const char *text)
{
    size_t digits = strspn(text, "0123456789abcdef");
    return digits == 32 && text[digits] == '\0';
}

/* False: it does not fit. */
static bool write_target(const char *id, const char *object, char ret[COMMAND_TARGET_MAX_BYTES])
{
    struct buffer target CLEANUP(buffer_fini);
    buffer_init(&target, COMMAND_TARGET_MAX_BYTES - 1);
    enum status status = object == NULL ? buffer_print(&target, "/api/v1/requests/%s", id)
                                        : buffer_append(&target, SLICE("/api/v1/requests?object="));
    if (status == STATUS_OK && object != NULL) {
        status = encode_percent(slice_from(object), &target);
    }
    struct slice text = buffer_bytes(&target);
    memcpy(ret, text.ptr, text.len);
    ret[text.len] = '\0';
    return status == STATUS_OK;
}

int command_explain(int argc, char **argv)
{
    struct command_line line;
    const char *config = COMMAND_DEFAULT_CONFIG;
    const char *object = NULL;
    bool json = false;
    const struct command_option options[] = {
        {.name = "json", .flag = &json},
        {.name = "object", .value = &object},
        {.name = "config", .letter = 'c', .value = &config},
        {.name = NULL},
    };
    int code = EXIT_DONE;
    if (!command_read(argc, argv, usage, options, &line, &code) ||
        !command_words_at_most(&line, object == NULL ? 1 : 0, &code)) {
        return code;
    }
    if (object == NULL && (line.word_count == 0 || !is_id(line.words[0]))) {
        return command_misused(&line, "say which request: 32 hex digits, as in the answer's "
                                      "X-Sallyport-Request-Id; or --object, what it made");
    }
    char target[COMMAND_TARGET_MAX_BYTES];
    if (!write_target(object == NULL ? line.words[0] : NULL, object, target)) {
        return command_misused(&line, "that is too long for the id of an object");
    }
    return command_show(&line, &(struct command_question){.config = config,
                                                          .call = ADMIN_CALL_GET,
                                                          .target = target,
                                                          .json = json,
                                                          .print = print_row});
}
