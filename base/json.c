#include "base/json.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/table.h"
#include "base/utf8.h"

#include <assert.h>

#include <cjson/cJSON.h>

enum { DEEPEST = 1000 }; /* CJSON_NESTING_LIMIT */

/* Line and column, from 1, of a position; columns in bytes. */
static enum status fail_at(struct slice text, size_t position, const char *what, struct error *err)
{
    unsigned line = 1;
    unsigned column = 1;
    for (size_t i = 0; i < position && i < text.len; i++) {
        column++;
        if (text.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
    FAIL(err, STATUS_INVALID, "line %u, column %u: %s", line, column, what);
}

/* Looks only for what cJSON lets pass. */
struct scan {
    bool in_string;
    bool escaped; /* the byte before was a backslash */
    unsigned depth;
};

static bool has_hex(struct slice text)
{
    enum { DIGITS = 4 };
    size_t count = 0;
    while (count < DIGITS && count < text.len &&
           ascii_hex_value(text.ptr[count]) != ASCII_NOT_HEX) {
        count++;
    }
    return count == DIGITS;
}

/* Behind a backslash. */
static const char *scan_escape(struct slice rest)
{
    if (rest.ptr[0] == 'u' && !has_hex(slice_skip(rest, 1))) {
        return "\\u wants four hex digits";
    }
    return slice_starts_with(rest, SLICE("u0000")) ? "\\u0000 cannot be part of a text" : NULL;
}

/* What is wrong at the front of `rest`, or NULL. */
static const char *scan_string_byte(struct scan *scan, struct slice rest)
{
    char byte = rest.ptr[0];
    if ((unsigned char)byte < 0x20) {
        return "control character in a string; write it as an escape such as \\n";
    }
    if (scan->escaped) {
        scan->escaped = false;
        return scan_escape(rest);
    }
    scan->escaped = byte == '\\';
    scan->in_string = byte != '"';
    return NULL;
}

static const char *scan_byte(struct scan *scan, struct slice rest, unsigned deepest)
{
    char byte = rest.ptr[0];
    if (scan->in_string) {
        return scan_string_byte(scan, rest);
    }
    if ((unsigned char)byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') {
        return "control character";
    }
    scan->in_string = byte == '"';
    if (byte == '{' || byte == '[') {
        scan->depth++;
        return scan->depth > deepest ? "arrays and objects are nested too deeply" : NULL;
    }
    if ((byte == '}' || byte == ']') && scan->depth > 0) {
        scan->depth--;
    }
    return NULL;
}

static enum status check_bytes(struct slice text, unsigned deepest, struct error *err)
{
    struct scan scan = {0};
    size_t fault = utf8_fault(text);
    if (fault < text.len) {
        return fail_at(text, fault, "not valid UTF-8", err);
    }
    for (size_t i = 0; i < text.len; i++) {
        const char *wrong = scan_byte(&scan, slice_skip(text, i), deepest);
        if (wrong != NULL) {
            return fail_at(text, i, wrong, err);
        }
    }
    return STATUS_OK;
}

/* A peer says how many members there are: few are compared with each other, more go by a table. */
enum { FEW_MEMBERS = 8 };

static const char *repeated_of_few(const cJSON *object)
{
    for (const cJSON *member = json_first(object); member != NULL; member = member->next) {
        if (cJSON_GetObjectItemCaseSensitive(object, member->string) != member) {
            return member->string;
        }
    }
    return NULL;
}

static const char *repeated_of_many(const cJSON *object)
{
    struct table names CLEANUP(table_fini) = {0};
    for (cJSON *member = object->child; member != NULL; member = member->next) {
        if (table_add(&names, slice_from(member->string), member) != NULL) {
            return member->string;
        }
    }
    return NULL;
}

static const char *repeated_name(const cJSON *object)
{
    return json_count(object) <= FEW_MEMBERS ? repeated_of_few(object) : repeated_of_many(object);
}

/* Recursion is bounded by the depth that check_bytes() let pass. */
static enum status check_names(const cJSON *value, struct error *err) // NOLINT(misc-no-recursion)
{
    const char *name = cJSON_IsObject(value) ? repeated_name(value) : NULL;
    if (name != NULL) {
        FAIL(err, STATUS_INVALID, "the name \"%s\" stands twice in one object", name);
    }
    for (const cJSON *item = json_first(value); item != NULL; item = item->next) {
        TRY(check_names(item, err));
    }
    return STATUS_OK;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static size_t skip_blanks(struct slice text, size_t position)
{
    while (position < text.len && is_blank(text.ptr[position])) {
        position++;
    }
    return position;
}

enum status json_parse(struct slice text, const struct json_limits *limits, struct cJSON **ret,
                       struct error *err)
{
    cJSON *value CLEANUP(json_free_at) = NULL;
    const char *end = text.ptr;

    assert(limits->depth <= DEEPEST);
    if (text.len > limits->bytes) {
        FAIL(err, STATUS_TOO_LARGE, "%zu bytes of JSON; at most %zu are read", text.len,
             limits->bytes);
    }
    if (skip_blanks(text, 0) == text.len) {
        FAIL(err, STATUS_INVALID, "empty; a JSON value is expected");
    }
    TRY(check_bytes(text, limits->depth, err));
    value = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, false);
    size_t position = (size_t)(end - text.ptr);
    if (value == NULL) {
        return fail_at(text, position, "not valid JSON", err);
    }
    position = skip_blanks(text, position);
    if (position < text.len) {
        return fail_at(text, position, "something follows the JSON value", err);
    }
    if (limits->names == JSON_NAMES_ONCE) {
        TRY(check_names(value, err));
    }
    *ret = TAKE(value);
    return STATUS_OK;
}

void json_free(struct cJSON *value)
{
    cJSON_Delete(value);
}

void json_free_at(struct cJSON **value)
{
    cJSON_Delete(*value);
}

bool json_is_object(const struct cJSON *value)
{
    return cJSON_IsObject(value);
}

bool json_is_array(const struct cJSON *value)
{
    return cJSON_IsArray(value);
}

const struct cJSON *json_get(const struct cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const struct cJSON *json_first(const struct cJSON *value)
{
    return cJSON_IsObject(value) || cJSON_IsArray(value) ? value->child : NULL;
}

const struct cJSON *json_next(const struct cJSON *item)
{
    return item->next;
}

const char *json_name(const struct cJSON *member)
{
    return member->string;
}

unsigned json_count(const struct cJSON *value)
{
    unsigned count = 0;
    for (const cJSON *item = json_first(value); item != NULL; item = item->next) {
        count++;
    }
    return count;
}

bool json_string(const struct cJSON *value, struct slice *ret_text)
{
    if (!cJSON_IsString(value)) {
        return false;
    }
    *ret_text = slice_from(value->valuestring);
    return true;
}

bool json_bool(const struct cJSON *value, bool *ret_value)
{
    if (!cJSON_IsBool(value)) {
        return false;
    }
    *ret_value = cJSON_IsTrue(value) != 0;
    return true;
}

bool json_uint(const struct cJSON *value, uint64_t *ret_number)
{
    const double most = 9007199254740992.0; /* 2^53: beyond it doubles skip numbers */
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= most)) {
        return false;
    }
    uint64_t number = (uint64_t)value->valuedouble;
    if ((double)number != value->valuedouble) {
        return false;
    }
    *ret_number = number;
    return true;
}

enum status json_text(const struct cJSON *object, const char *name, struct slice *ret_text,
                      struct error *err)
{
    const cJSON *value = json_get(object, name);
    *ret_text = slice_make("", 0);
    if (value != NULL && !json_string(value, ret_text)) {
        FAIL(err, STATUS_INVALID, "%s: a text in quotes is expected", name);
    }
    return STATUS_OK;
}

enum status json_write(const struct cJSON *value, struct buffer *out)
{
    char *text = cJSON_PrintUnformatted(value);
    if (text == NULL) {
        return STATUS_INVALID; /* not a value at all */
    }
    enum status status = buffer_append(out, slice_from(text));
    cJSON_free(text);
    return status;
}
