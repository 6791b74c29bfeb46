#include "routes/body_schema.h"

#include "base/ascii.h"
#include "routes/body_schema_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHERE_MAX = 200, WHERE_LEVELS = 8 };

/* An array or object that is open. */
struct frame {
    const struct schema_node *node; /* NULL: anything goes */
    bool is_array;
    uint64_t count;   /* of items so far */
    uint64_t seen;    /* bits of properties */
    const char *name; /* of the member that is being read, if the schema has it; else NULL */
};

struct checker {
    struct json_scan scan;
    struct frame frames[JSON_SCAN_DEPTH];
    const struct schema_node *next; /* for the value of the member whose name was read */
    struct slice read;              /* what led to the last event: of a string all of it */
    struct error *err;
};

/* ---- what is wrong, and where ---- */

/* "/messages/0/role", as far as the schema has names. */
static void write_where(const struct checker *checker, unsigned level, char out[WHERE_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < level && i < WHERE_LEVELS && len < WHERE_MAX; i++) {
        const struct frame *frame = &checker->frames[i];
        int wrote = frame->is_array ? snprintf(out + len, WHERE_MAX - len, "/%llu",
                                               (unsigned long long)(frame->count - 1))
                                    : snprintf(out + len, WHERE_MAX - len, "/%s",
                                               frame->name == NULL ? "…" : frame->name);
        len += wrote > 0 ? (size_t)wrote : 0;
    }
}

static enum status wrong(const struct checker *checker, unsigned level, const char *what)
{
    char where[WHERE_MAX];
    write_where(checker, level, where);
    FAIL(checker->err, STATUS_INVALID, "%s%s %s", level == 0 ? "the body" : "the body's ", where,
         what);
}

/* ---- values ---- */

static double number_of(const struct json_scan *scan)
{
    char text[JSON_SCAN_TEXT + 1];
    struct slice bytes = json_scan_text(scan);
    memcpy(text, bytes.ptr, bytes.len);
    text[bytes.len] = '\0';
    return strtod(text, NULL);
}

static bool is_whole_number(const struct json_scan *scan)
{
    double number = number_of(scan);
    return isfinite(number) && number == floor(number);
}

static unsigned type_of(const struct json_scan *scan, enum json_event event)
{
    switch ((int)event) {
    case JSON_OBJECT_BEGIN:
        return SCHEMA_OBJECT;
    case JSON_ARRAY_BEGIN:
        return SCHEMA_ARRAY;
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_NUMBER:
        return is_whole_number(scan) ? SCHEMA_NUMBER | SCHEMA_INTEGER : SCHEMA_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return SCHEMA_BOOLEAN;
    default:
        return SCHEMA_NULL;
    }
}

static bool is_value(const struct json_scan *scan, enum json_event event, unsigned type,
                     const struct schema_value *value)
{
    if ((type & (unsigned)value->type) == 0) {
        return false;
    }
    switch ((int)event) {
    case JSON_STRING:
        return json_scan_is(scan, value->text);
    case JSON_NUMBER:
        return number_of(scan) == value->number;
    case JSON_TRUE:
        return slice_equal(value->text, SLICE("true"));
    case JSON_FALSE:
        return slice_equal(value->text, SLICE("false"));
    default:
        return true;
    }
}

static enum status check_number(const struct checker *checker, const struct schema_node *node,
                                unsigned level)
{
    double number = number_of(&checker->scan);
    bool small = node->has_minimum &&
                 (node->above_minimum ? !(number > node->minimum) : !(number >= node->minimum));
    bool large = node->has_maximum &&
                 (node->below_maximum ? !(number < node->maximum) : !(number <= node->maximum));
    return small   ? wrong(checker, level, "is too small")
           : large ? wrong(checker, level, "is too large")
                   : STATUS_OK;
}

/* In Unicode code points (JSON Schema Validation 2020-12, section 6.3) of the text as it is
 * written: behind its quote, an escape or a pair of \u is one. */
static uint64_t length_of(struct slice read)
{
    uint64_t count = 0;
    struct slice text = slice_skip(read, slice_find(read, '"') + 1);
    for (size_t i = 0; i + 1 < text.len; i++) { /* up to the other quote */
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte == '\\' && text.ptr[++i] == 'u') {
            char third = ascii_lower(text.ptr[i + 2]);
            bool low = ascii_lower(text.ptr[i + 1]) == 'd' && third >= 'c';
            i += 4;
            count += !low; /* it was counted with the high one */
        } else {
            count += (byte & 0xc0) != 0x80; /* not within a character */
        }
    }
    return count;
}

static enum status check_length(const struct checker *checker, const struct schema_node *node,
                                unsigned level)
{
    if (node->min_length == 0 && node->max_length == UINT64_MAX) {
        return STATUS_OK;
    }
    uint64_t length = length_of(checker->read);
    return length < node->min_length   ? wrong(checker, level, "is too short")
           : length > node->max_length ? wrong(checker, level, "is too long")
                                       : STATUS_OK;
}

static enum status check_value(const struct checker *checker, enum json_event event,
                               const struct schema_node *node, unsigned level)
{
    const struct json_scan *scan = &checker->scan;
    if (node == NULL) {
        return STATUS_OK;
    }
    if (event == JSON_NUMBER && !json_scan_whole(scan)) {
        return wrong(checker, level, "is a number of more than 256 digits");
    }
    unsigned type = type_of(scan, event);
    bool listed = node->value_count == 0;
    if ((node->types & type) == 0) {
        return wrong(checker, level, node->types == 0 ? "may not be there" : "has another type");
    }
    for (unsigned i = 0; i < node->value_count && !listed; i++) {
        listed = is_value(scan, event, type, &node->values[i]);
    }
    if (!listed) {
        return wrong(checker, level, "is none of the values that it may have");
    }
    if (event == JSON_STRING) {
        return check_length(checker, node, level);
    }
    return event == JSON_NUMBER ? check_number(checker, node, level) : STATUS_OK;
}

/* ---- members and items ---- */

static enum status on_name(struct checker *checker, unsigned level)
{
    struct frame *frame = &checker->frames[level - 1];
    const struct schema_node *node = frame->node;
    frame->name = NULL;
    checker->next = NULL;
    for (unsigned i = 0; node != NULL && i < node->property_count; i++) {
        const struct schema_property *property = &node->properties[i];
        if (!json_scan_is(&checker->scan, slice_from(property->name))) {
            continue;
        }
        frame->name = property->name;
        checker->next = property->node;
        if ((frame->seen & (UINT64_C(1) << i)) != 0) {
            return wrong(checker, level, "occurs twice in its object: send it once");
        }
        frame->seen |= UINT64_C(1) << i;
        return STATUS_OK;
    }
    checker->next = node == NULL ? NULL : node->more;
    return node != NULL && node->closed ? wrong(checker, level, "is a member that is not known")
                                        : STATUS_OK;
}

static const struct schema_node *node_for(struct checker *checker, unsigned level)
{
    struct frame *frame = &checker->frames[level - 1];
    if (!frame->is_array) {
        return checker->next;
    }
    frame->count++;
    return frame->node == NULL ? NULL : frame->node->items;
}

static enum status on_end(struct checker *checker, unsigned level)
{
    const struct frame *frame = &checker->frames[level];
    const struct schema_node *node = frame->node;
    if (node == NULL) {
        return STATUS_OK;
    }
    if (frame->is_array && (frame->count < node->min_items || frame->count > node->max_items)) {
        return wrong(checker, level,
                     frame->count < node->min_items ? "has too few items" : "has too many items");
    }
    for (unsigned i = 0; !frame->is_array && i < node->property_count; i++) {
        if (node->properties[i].required && (frame->seen & (UINT64_C(1) << i)) == 0) {
            char text[WHERE_MAX];
            (void)snprintf(text, sizeof(text), "lacks \"%s\"", node->properties[i].name);
            return wrong(checker, level, text);
        }
    }
    return STATUS_OK;
}

static enum status on_event(struct checker *checker, enum json_event event,
                            const struct schema_node *root)
{
    unsigned level = checker->scan.depth;
    if (event == JSON_NAME) {
        return on_name(checker, level);
    }
    if (event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
        return on_end(checker, level);
    }
    const struct schema_node *node = level == 0 ? root : node_for(checker, level);
    TRY(check_value(checker, event, node, level));
    if (event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN) {
        checker->frames[level] =
            (struct frame){.node = node, .is_array = event == JSON_ARRAY_BEGIN};
    }
    return STATUS_OK;
}

enum status body_schema_check(const struct schema_node *root, struct slice body, struct error *err)
{
    struct checker checker = {.err = err};
    enum json_event event;
    json_scan_init(&checker.scan);
    const char *from = body.ptr;
    while ((event = json_scan_next(&checker.scan, &body)) > JSON_MORE) {
        checker.read = slice_make(from, (size_t)(body.ptr - from));
        from = body.ptr;
        TRY(on_event(&checker, event, root));
    }
    while (event == JSON_MORE) {
        event = json_scan_end(&checker.scan);
        if (event > JSON_MORE) { /* a number alone */
            TRY(on_event(&checker, event, root));
            event = JSON_MORE;
        }
    }
    if (event != JSON_DONE) {
        FAIL(err, STATUS_INVALID, "the body is no JSON: %s", json_scan_fault(&checker.scan));
    }
    return STATUS_OK;
}
