#include "gateway/meter/request_facts.h"

#include "base/json_scan.h"
#include "routes/call.h"
#include "routes/usage.h"

#include <string.h>

enum {
    CHOICES_MAX = 128,

};

enum member {
    MEMBER_NONE,
    MEMBER_MODEL,
    MEMBER_STREAM,
    MEMBER_CHOICES,
    MEMBER_STREAM_OPTIONS,
    MEMBER_REFERENCE,
    MEMBER_LIMIT, /* and those behind it, one for each of the call's */
};

struct reader {
    const struct call *call;
    struct request_facts *facts;
    struct error *err;
    enum member member; /* whose value the next event begins, or whose object is open */
    struct slice name;  /* of it; in the call, or static */
    bool type_follows;  /* the next event is the value of a "type" */
    bool usage_follows; /* of stream_options.include_usage */
    bool usage_seen;
    uint64_t seen; /* members that have been there */
};

static enum status wrong(const struct reader *reader, const char *what)
{
    FAIL(reader->err, STATUS_INVALID, "the body's \"%.*s\" %s", SLICE_ARG(reader->name), what);
}

/* ---- names ---- */

static bool is_name(const struct json_scan *scan, struct slice name)
{
    return name.len > 0 && json_scan_is(scan, name);
}

static enum member find_member(struct reader *reader, const struct json_scan *scan)
{
    const struct call *call = reader->call;
    static const struct slice options = SLICE_INIT("stream_options");
    const struct {
        struct slice name;
        enum member member;
    } singles[] = {
        {call == NULL ? SLICE("model") : call->model, MEMBER_MODEL},
        {call == NULL ? SLICE("") : call->stream, MEMBER_STREAM},
        {call == NULL ? SLICE("") : call->choices, MEMBER_CHOICES},
        {call == NULL || call->stream.len == 0 ? SLICE("") : options, MEMBER_STREAM_OPTIONS},
    };
    for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        if (is_name(scan, singles[i].name)) {
            reader->name = singles[i].name;
            return singles[i].member;
        }
    }
    for (unsigned i = 0; call != NULL && i < call->output_limit_count; i++) {
        if (is_name(scan, call->output_limits[i])) {
            reader->name = call->output_limits[i];
            return (enum member)(MEMBER_LIMIT + i);
        }
    }
    for (unsigned i = 0; call != NULL && i < call->reference_count; i++) {
        if (is_name(scan, call->references[i])) {
            return MEMBER_REFERENCE;
        }
    }
    return MEMBER_NONE;
}

/* Twice could mean one thing here and another at the provider. References only widen the bound. */
static enum status note_member(struct reader *reader, const struct json_scan *scan)
{
    reader->member = find_member(reader, scan);
    if (reader->member == MEMBER_NONE || reader->member == MEMBER_REFERENCE) {
        return STATUS_OK;
    }
    uint64_t bit = UINT64_C(1) << reader->member;
    if ((reader->seen & bit) != 0) {
        return wrong(reader, "is there twice; send it once");
    }
    reader->seen |= bit;
    return STATUS_OK;
}

static enum status on_name(struct reader *reader, const struct json_scan *scan)
{
    reader->type_follows = json_scan_is(scan, SLICE("type"));
    if (scan->depth == 1) {
        return note_member(reader, scan);
    }
    if (scan->depth == 2 && reader->member == MEMBER_STREAM_OPTIONS &&
        json_scan_is(scan, SLICE("include_usage"))) {
        reader->name = SLICE("stream_options.include_usage");
        if (reader->usage_seen) {
            return wrong(reader, "is there twice; send it once");
        }
        reader->usage_seen = true;
        reader->usage_follows = true;
    }
    return STATUS_OK;
}

/* ---- values ---- */

static bool is_text_type(const struct reader *reader, const struct json_scan *scan)
{
    for (unsigned i = 0; reader->call != NULL && i < reader->call->text_type_count; i++) {
        if (json_scan_is(scan, reader->call->text_types[i])) {
            return true;
        }
    }
    return false;
}

static enum status read_model(struct reader *reader, enum json_event event,
                              const struct json_scan *scan)
{
    if (event != JSON_STRING) {
        return wrong(reader, "is no string; send a model's name");
    }
    struct slice text = json_scan_text(scan);
    if (!json_scan_whole(scan) || text.len == 0 || text.len > MODEL_NAME_MAX ||
        memchr(text.ptr, '\0', text.len) != NULL) {
        return wrong(reader, "is no model's name: it is empty, too long, or has a zero byte");
    }
    memcpy(reader->facts->model, text.ptr, text.len);
    reader->facts->model[text.len] = '\0';
    return STATUS_OK;
}

static enum status read_flag(const struct reader *reader, enum json_event event, bool *ret)
{
    *ret = event == JSON_TRUE;
    return event == JSON_TRUE || event == JSON_FALSE ? STATUS_OK
                                                     : wrong(reader, "is neither true nor false");
}

static enum status read_choices(struct reader *reader, enum json_event event,
                                const struct json_scan *scan)
{
    uint64_t number = 0;
    if (event != JSON_NUMBER || !json_scan_number(scan, CHOICES_MAX, &number) || number == 0) {
        return wrong(reader, "is no whole number from 1 to 128");
    }
    reader->facts->choices = number;
    return STATUS_OK;
}

static enum status read_limit(struct reader *reader, enum json_event event,
                              const struct json_scan *scan)
{
    uint64_t number = 0;
    struct request_facts *facts = reader->facts;
    if (event != JSON_NUMBER || !json_scan_number(scan, USAGE_TOKENS_MAX, &number)) {
        return wrong(reader, "is no whole number of tokens from 0 to 1000000000");
    }
    if (!facts->has_output_limit || number > facts->output_limit) {
        facts->output_limit = number;
    }
    facts->has_output_limit = true;
    return STATUS_OK;
}

static enum status read_member(struct reader *reader, enum json_event event,
                               const struct json_scan *scan)
{
    if (event == JSON_NULL) {
        return STATUS_OK; /* as if it were absent */
    }
    switch (reader->member) {
    case MEMBER_NONE:
        return STATUS_OK;
    case MEMBER_MODEL:
        return read_model(reader, event, scan);
    case MEMBER_STREAM:
        return read_flag(reader, event, &reader->facts->stream);
    case MEMBER_CHOICES:
        return read_choices(reader, event, scan);
    case MEMBER_STREAM_OPTIONS:
        return event == JSON_OBJECT_BEGIN ? STATUS_OK : wrong(reader, "is no object");
    case MEMBER_REFERENCE:
        reader->facts->text_only = false;
        return STATUS_OK;
    case MEMBER_LIMIT:
        break;
    }
    return read_limit(reader, event, scan);
}

static bool begins(enum json_event event)
{
    return event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN;
}

static bool ends(enum json_event event)
{
    return event == JSON_OBJECT_END || event == JSON_ARRAY_END;
}

static enum status on_value(struct reader *reader, enum json_event event,
                            const struct json_scan *scan)
{
    if (reader->type_follows && event == JSON_STRING && !is_text_type(reader, scan)) {
        reader->facts->text_only = false;
    }
    reader->type_follows = false;
    if (reader->usage_follows) {
        reader->usage_follows = false;
        return event == JSON_NULL ? STATUS_OK
                                  : read_flag(reader, event, &reader->facts->include_usage);
    }
    if (scan->depth == 0 && begins(event) && event != JSON_OBJECT_BEGIN) {
        FAIL(reader->err, STATUS_INVALID, "the body is no JSON object");
    }
    if (scan->depth == 0 && !begins(event) && !ends(event)) {
        FAIL(reader->err, STATUS_INVALID, "the body is no JSON object");
    }
    if (scan->depth != 1 || ends(event)) {
        return STATUS_OK;
    }
    enum status status = read_member(reader, event, scan);
    if (!begins(event)) {
        reader->member = MEMBER_NONE;
    }
    return status;
}

static enum status on_event(struct reader *reader, enum json_event event,
                            const struct json_scan *scan)
{
    return event == JSON_NAME ? on_name(reader, scan) : on_value(reader, event, scan);
}

enum status request_facts_read(const struct call *call, struct slice body,
                               struct request_facts *ret, struct error *err)
{
    struct json_scan scan;
    struct reader reader = {.call = call, .facts = ret, .err = err, .name = SLICE("")};
    enum json_event event;
    *ret = (struct request_facts){.text_only = call != NULL, .text_bytes = body.len, .choices = 1};
    json_scan_init(&scan);
    while ((event = json_scan_next(&scan, &body)) > JSON_MORE) {
        TRY(on_event(&reader, event, &scan));
    }
    while (event != JSON_INVALID && (event = json_scan_end(&scan)) > JSON_MORE) {
        TRY(on_event(&reader, event, &scan));
    }
    if (event == JSON_INVALID) {
        FAIL(err, STATUS_INVALID, "the body is no JSON: %s", json_scan_fault(&scan));
    }
    return STATUS_OK;
}

/* The scan has seen that the body is an object, so its first brace is the object's. */
enum status request_write_output_limit(struct slice body, struct slice name, uint64_t limit,
                                       struct buffer *out)
{
    size_t brace = slice_find(body, '{');
    struct slice rest = slice_skip(body, brace + 1);
    size_t blanks = 0;
    while (blanks < rest.len && memchr(" \t\r\n", rest.ptr[blanks], 4) != NULL) {
        blanks++;
    }
    bool empty = blanks < rest.len && rest.ptr[blanks] == '}';
    TRY(buffer_append(out, slice_make(body.ptr, brace + 1)));
    TRY(buffer_append(out, SLICE("\"")));
    TRY(buffer_append(out, name));
    TRY(buffer_append(out, SLICE("\":")));
    TRY(buffer_append_number(out, limit));
    TRY(buffer_append(out, empty ? SLICE("") : SLICE(",")));
    return buffer_append(out, rest);
}
