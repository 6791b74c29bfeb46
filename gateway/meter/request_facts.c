#include "gateway/meter/request_facts.h"

#include "base/json_edit.h"
#include "base/json_scan.h"
#include "gateway/meter/text_watch.h"
#include "routes/call.h"
#include "routes/usage.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHOICES_MAX = 128 }; /* what OpenAI takes for "n" */

/* What a member at the top of the body is; of those that are lists in the call, the first of them.
 */
enum member {
    MEMBER_NONE,
    MEMBER_MODEL,
    MEMBER_STREAM,
    MEMBER_STREAM_OPTIONS,
    MEMBER_BATCH,
    MEMBER_NESTED,
    MEMBER_CHOICES,
    MEMBER_LIMITS = MEMBER_CHOICES + CALL_NAMES_MAX,
    MEMBER_REFERENCES = MEMBER_LIMITS + CALL_NAMES_MAX,
    MEMBER_ADDED = MEMBER_REFERENCES + CALL_NAMES_MAX,
    MEMBERS = MEMBER_ADDED + CALL_NAMES_MAX,
};

_Static_assert(MEMBERS <= 64, "reader.seen has a bit for each");

struct reader {
    const struct call *call;
    struct request_facts *facts;
    struct error *err;
    unsigned member;    /* at the top, the last one; its value comes next, or is open */
    struct slice name;  /* of it; in the call, or static */
    bool usage_follows; /* the next event is the value of stream_options.include_usage */
    bool usage_seen;
    unsigned follows; /* or of a member of the nested one: MEMBER_LIMITS, MEMBER_CHOICES */
    uint64_t nested_seen;
    uint64_t seen; /* a bit for each member that was there */
    struct text_watch watch;
};

static enum status wrong(const struct reader *reader, const char *what)
{
    FAIL(reader->err, STATUS_INVALID, "the body's \"%.*s\" %s", SLICE_ARG(reader->name), what);
}

/* ---- names ---- */

static bool is_name(struct reader *reader, const struct json_scan *scan, struct slice name)
{
    if (name.len == 0 || !json_scan_is(scan, name)) {
        return false;
    }
    reader->name = name;
    return true;
}

/* `first` and the place among the names, or MEMBER_NONE. */
static unsigned find_listed(struct reader *reader, const struct json_scan *scan,
                            const struct slice *names, unsigned count, unsigned first)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_name(reader, scan, names[i])) {
            return first + i;
        }
    }
    return MEMBER_NONE;
}

static unsigned find_added(struct reader *reader, const struct json_scan *scan)
{
    for (unsigned i = 0; i < reader->call->added_input_count; i++) {
        if (is_name(reader, scan, reader->call->added_input[i].member)) {
            return MEMBER_ADDED + i;
        }
    }
    return MEMBER_NONE;
}

static unsigned find_member(struct reader *reader, const struct json_scan *scan)
{
    const struct call *call = reader->call;
    if (call == NULL) {
        return is_name(reader, scan, SLICE("model")) ? MEMBER_MODEL : MEMBER_NONE;
    }
    bool has_options = call->stream.len > 0 && (call->dialect == USAGE_OPENAI_CHAT ||
                                                call->dialect == USAGE_OPENAI_RESPONSES);
    if (is_name(reader, scan, call->model)) {
        return MEMBER_MODEL;
    }
    if (is_name(reader, scan, call->stream)) {
        return MEMBER_STREAM;
    }
    if (has_options && is_name(reader, scan, SLICE("stream_options"))) {
        return MEMBER_STREAM_OPTIONS;
    }
    if (is_name(reader, scan, call->batch)) {
        return MEMBER_BATCH;
    }
    if (is_name(reader, scan, call->nested)) {
        return MEMBER_NESTED;
    }
    unsigned found =
        find_listed(reader, scan, call->choices.names, call->choices.count, MEMBER_CHOICES);
    if (found == MEMBER_NONE) {
        found =
            find_listed(reader, scan, call->output_limits, call->output_limit_count, MEMBER_LIMITS);
    }
    if (found == MEMBER_NONE) {
        found = find_listed(reader, scan, call->references.names, call->references.count,
                            MEMBER_REFERENCES);
    }
    return found == MEMBER_NONE ? find_added(reader, scan) : found;
}

/* Twice could mean one thing here and another at the provider. */
static enum status on_top_name(struct reader *reader, const struct json_scan *scan)
{
    reader->member = find_member(reader, scan);
    uint64_t bit = reader->member == MEMBER_NONE ? 0 : UINT64_C(1) << reader->member;
    if ((reader->seen & bit) != 0) {
        return wrong(reader, "is there twice, and that can be read in two ways: send it once");
    }
    reader->seen |= bit;
    return STATUS_OK;
}

static enum status on_option_name(struct reader *reader, const struct json_scan *scan)
{
    if (!json_scan_is(scan, SLICE("include_usage"))) {
        return STATUS_OK;
    }
    reader->name = SLICE("stream_options.include_usage");
    if (reader->usage_seen) {
        return wrong(reader, "is there twice, and that can be read in two ways: send it once");
    }
    reader->usage_seen = true;
    reader->usage_follows = true;
    return STATUS_OK;
}

static enum status on_nested_name(struct reader *reader, const struct json_scan *scan)
{
    const struct call *call = reader->call;
    unsigned member = is_name(reader, scan, call->nested_limit)     ? MEMBER_LIMITS
                      : is_name(reader, scan, call->nested_choices) ? MEMBER_CHOICES
                                                                    : MEMBER_NONE;
    uint64_t bit = member == MEMBER_NONE ? 0 : UINT64_C(1) << member;
    if ((reader->nested_seen & bit) != 0) {
        return wrong(reader, "is there twice, and that can be read in two ways: send it once");
    }
    reader->nested_seen |= bit;
    reader->follows = member;
    return STATUS_OK;
}

static enum status on_name(struct reader *reader, const struct json_scan *scan)
{
    if (reader->call != NULL) {
        TRY(text_watch_name(&reader->watch, scan, reader->err));
    }
    if (scan->depth == 1) {
        return on_top_name(reader, scan);
    }
    if (scan->depth == 2 && reader->member == MEMBER_STREAM_OPTIONS) {
        return on_option_name(reader, scan);
    }
    if (reader->call != NULL && scan->depth == 2 && reader->member == MEMBER_NESTED) {
        return on_nested_name(reader, scan);
    }
    return STATUS_OK;
}

/* ---- values ---- */

static bool ends(enum json_event event)
{
    return event == JSON_OBJECT_END || event == JSON_ARRAY_END;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte < 0x20 || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

static enum status read_model(const struct reader *reader, enum json_event event,
                              const struct json_scan *scan)
{
    struct slice text = json_scan_text(scan);
    if (event != JSON_STRING) {
        return wrong(reader, "is no string: send the model's name");
    }
    if (!json_scan_whole(scan) || text.len > MODEL_NAME_MAX) {
        return wrong(reader, "is longer than 128 bytes: send the model's name");
    }
    if (text.len == 0 || has_control(text)) {
        return wrong(reader, "is empty or has control characters: send the model's name");
    }
    memcpy(reader->facts->model, text.ptr, text.len);
    reader->facts->model[text.len] = '\0';
    return STATUS_OK;
}

static enum status read_flag(const struct reader *reader, enum json_event event, bool *ret)
{
    if (event != JSON_TRUE && event != JSON_FALSE) {
        return wrong(reader, "is neither true nor false");
    }
    *ret = event == JSON_TRUE;
    return STATUS_OK;
}

static enum status read_choices(const struct reader *reader, enum json_event event,
                                const struct json_scan *scan)
{
    uint64_t number = 0;
    struct request_facts *facts = reader->facts;
    if (event != JSON_NUMBER || !json_scan_number(scan, CHOICES_MAX, &number) || number == 0) {
        return wrong(reader, "is no whole number from 1 to 128, in plain digits");
    }
    facts->choices = number > facts->choices ? number : facts->choices;
    return STATUS_OK;
}

static enum status read_limit(const struct reader *reader, enum json_event event,
                              const struct json_scan *scan)
{
    uint64_t number = 0;
    struct request_facts *facts = reader->facts;
    if (event != JSON_NUMBER || !json_scan_number(scan, USAGE_TOKENS_MAX, &number)) {
        return wrong(reader, "is no whole number of tokens up to 1000000000, in plain digits");
    }
    facts->output_limit = number > facts->output_limit ? number : facts->output_limit;
    facts->has_output_limit = true;
    return STATUS_OK;
}

static enum status read_nested(struct reader *reader, enum json_event event,
                               const struct json_scan *scan)
{
    unsigned member = reader->follows;
    reader->follows = MEMBER_NONE;
    if (event == JSON_NULL) {
        return STATUS_OK;
    }
    return member == MEMBER_LIMITS ? read_limit(reader, event, scan)
                                   : read_choices(reader, event, scan);
}

static enum status read_member(const struct reader *reader, enum json_event event,
                               const struct json_scan *scan)
{
    struct request_facts *facts = reader->facts;
    unsigned member = reader->member;
    if (event == JSON_NULL || member == MEMBER_NONE || member == MEMBER_BATCH) {
        return STATUS_OK;
    }
    if (member == MEMBER_MODEL) {
        return read_model(reader, event, scan);
    }
    if (member == MEMBER_STREAM) {
        return read_flag(reader, event, &facts->stream);
    }
    if (member == MEMBER_STREAM_OPTIONS || member == MEMBER_NESTED) {
        return event == JSON_OBJECT_BEGIN ? STATUS_OK : wrong(reader, "is no object");
    }
    if (member < MEMBER_LIMITS) {
        return read_choices(reader, event, scan);
    }
    if (member < MEMBER_REFERENCES) {
        return read_limit(reader, event, scan);
    }
    if (member < MEMBER_ADDED) {
        facts->text_only = false;
    } else {
        assert(reader->call != NULL); /* without one there is but the model */
        facts->text_bytes += reader->call->added_input[member - MEMBER_ADDED].tokens;
    }
    return STATUS_OK;
}

/* Numbers in the list of a batch are the tokens of one input. */
static void count_inputs(const struct reader *reader, enum json_event event,
                         const struct json_scan *scan)
{
    if (reader->member == MEMBER_BATCH && scan->depth == 2 && event != JSON_NUMBER &&
        !ends(event)) {
        reader->facts->inputs++;
    }
}

static enum status on_value(struct reader *reader, enum json_event event,
                            const struct json_scan *scan)
{
    if (reader->call != NULL) {
        text_watch_value(&reader->watch, event, scan);
    }
    if (scan->depth == 0 && event != JSON_OBJECT_BEGIN && event != JSON_OBJECT_END) {
        FAIL(reader->err, STATUS_INVALID, "the body is no JSON object");
    }
    if (reader->usage_follows) {
        reader->usage_follows = false;
        return event == JSON_NULL ? STATUS_OK
                                  : read_flag(reader, event, &reader->facts->include_usage);
    }
    if (reader->follows != MEMBER_NONE) {
        return read_nested(reader, event, scan);
    }
    count_inputs(reader, event, scan);
    if (scan->depth != 1 || ends(event)) {
        return STATUS_OK;
    }
    return read_member(reader, event, scan);
}

static enum status read_events(struct reader *reader, struct slice body)
{
    struct json_scan scan;
    enum json_event event;
    json_scan_init(&scan);
    while ((event = json_scan_next(&scan, &body)) > JSON_MORE) {
        TRY(event == JSON_NAME ? on_name(reader, &scan) : on_value(reader, event, &scan));
    }
    event = event == JSON_MORE ? json_scan_end(&scan) : event;
    if (event == JSON_INVALID) {
        FAIL(reader->err, STATUS_INVALID, "the body is no JSON: %s", json_scan_fault(&scan));
    }
    if (event != JSON_DONE) { /* a number, which only its end shows */
        FAIL(reader->err, STATUS_INVALID, "the body is no JSON object");
    }
    return STATUS_OK;
}

enum status request_facts_read(const struct call *call, struct slice body,
                               struct request_facts *ret, struct error *err)
{
    struct reader reader = {.call = call, .facts = ret, .err = err};
    *ret = (struct request_facts){.text_only = call != NULL, .text_bytes = body.len, .choices = 1};
    if (call != NULL && call->any_body) {
        ret->text_only = false;
        ret->inputs = 1;
        return STATUS_OK;
    }
    text_watch_init(&reader.watch, call);
    TRY(read_events(&reader, body));
    ret->text_only = ret->text_only && reader.watch.text_only;
    ret->inputs = ret->inputs == 0 ? 1 : ret->inputs;
    ret->choices *= ret->inputs;
    if (call != NULL && !ret->has_output_limit && call->output_default > 0) {
        ret->has_output_limit = true;
        ret->output_limit = call->output_default;
    }
    return STATUS_OK;
}

/* ---- writing ---- */

/* Where NAME is there, it is null: what was read says so. */
enum status request_write_output_limit(struct slice body, struct slice name, uint64_t limit,
                                       struct buffer *out)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, limit);
    return json_member_put(body, name, slice_make(digits, (size_t)len), out, NULL);
}

enum status request_write_include_usage(struct slice body, struct buffer *out)
{
    static const struct slice name = SLICE_INIT("stream_options");
    struct json_member options;
    TRY(json_member_find(body, name, &options, NULL));
    if (options.value.ptr == NULL || options.kind == JSON_NULL) {
        return json_member_write(body, &options, name, SLICE("{\"include_usage\":true}"), out);
    }
    size_t before = (size_t)(options.value.ptr - body.ptr);
    TRY(buffer_append(out, slice_make(body.ptr, before)));
    TRY(json_member_put(options.value, SLICE("include_usage"), SLICE("true"), out, NULL));
    return buffer_append(out, slice_skip(body, before + options.value.len));
}
