#include "gateway/meter/request_usage.h"

#include "base/json_scan.h"
#include "gateway/meter/figure_scan.h"

/* The second half of a pair of surrogates: \uDC00 to \uDFFF. */
static bool is_low_half(struct slice escape)
{
    return escape.len > 3 && escape.ptr[1] == 'u' && (escape.ptr[2] | 0x20) == 'd' &&
           (escape.ptr[3] | 0x20) >= 'c' && (escape.ptr[3] | 0x20) <= 'f';
}

enum { ESCAPE = 2, ESCAPE_UNIT = 6 };

/* Of a string as it stands in the body, without its quotes: a character is each byte that begins
 * one, each escape, and each pair of surrogates. It was read before, so it is valid. */
static uint64_t characters_of(struct slice raw)
{
    uint64_t count = 0;
    while (raw.len > 0) {
        unsigned char byte = (unsigned char)raw.ptr[0];
        size_t len = 1;
        bool begins = (byte & 0xc0) != 0x80;
        if (byte == '\\') {
            len = raw.len > 1 && raw.ptr[1] == 'u' ? ESCAPE_UNIT : ESCAPE;
            begins = !is_low_half(raw);
        }
        count += begins ? 1 : 0;
        raw = slice_skip(raw, len < raw.len ? len : raw.len);
    }
    return count;
}

/* The characters of the string that ends where `rest` begins. */
static uint64_t count_characters(struct slice before, struct slice rest)
{
    struct slice raw = slice_make(before.ptr, before.len - rest.len);
    struct slice text = slice_skip(raw, slice_find(raw, '"'));
    text = slice_skip(text, 1);
    return text.len == 0 ? 0 : characters_of(slice_make(text.ptr, text.len - 1));
}

static void read_body(const struct usage_table *table, struct slice body, struct usage_figures *ret)
{
    struct figure_scan figures;
    struct json_scan json;
    enum json_event event;
    struct slice rest = body;
    struct slice before = body;
    figure_scan_init(&figures, table, TREE_REQUEST);
    json_scan_init(&json);
    while ((event = json_scan_next(&json, &rest)) > JSON_MORE) {
        if (event == JSON_NAME) {
            figure_scan_name(&figures, &json);
        } else {
            uint64_t characters = event == JSON_STRING ? count_characters(before, rest) : 0;
            figure_scan_value(&figures, event, &json, characters);
        }
        before = rest;
    }
    if (event == JSON_MORE && json_scan_end(&json) == JSON_DONE && !figures.broken) {
        usage_figures_merge(ret, &figures.figures);
    }
}

void request_usage_read(const struct usage_table *table, struct slice body,
                        struct usage_figures *ret)
{
    ret->seen = 0;
    for (unsigned i = 0; i < table->place_count; i++) {
        if (table->places[i].kind == PLACE_CONSTANT) {
            usage_figures_note(ret, i, table->places[i].constant);
        }
    }
    if (table->roots[TREE_REQUEST] != 0 && body.len > 0) {
        read_body(table, body, ret);
    }
}
