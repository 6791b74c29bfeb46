#include "auth/outbound/secret_parts.h"

#include "auth/outbound/scrub.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdint.h>

/* Parts of one value. Those of JSON lie decoded in `text`. */
struct parts {
    struct slice all[SECRET_PARTS_MAX];
    unsigned count;
    char *text; /* owned; as long as the value, for decoding makes nothing longer */
    size_t text_len;
};

static void add_part(struct parts *parts, struct slice part)
{
    if (part.len >= SCRUB_SECRET_MIN && parts->count < SECRET_PARTS_MAX) {
        parts->all[parts->count++] = part;
    }
}

static void split_at_colons(struct parts *parts, struct slice value)
{
    while (value.len > 0) {
        size_t end = slice_find(value, ':');
        add_part(parts, slice_make(value.ptr, end));
        value = slice_skip(value, end + 1);
    }
}

/* Writes the character of an escape "\uXXXX" as UTF-8. Halves of a pair come out as they are: such
 * a part is not found decoded, but still is as it was written. */
static void put_code(struct parts *parts, struct slice digits)
{
    unsigned char code[2] = {0};
    char *out = parts->text + parts->text_len;
    if (decode_hex(digits, code) != STATUS_OK) {
        return;
    }
    unsigned value = (unsigned)code[0] << 8 | code[1];
    if (value < 0x80) {
        out[0] = (char)value;
        parts->text_len += 1;
    } else if (value < 0x800) {
        out[0] = (char)(0xc0 | value >> 6);
        out[1] = (char)(0x80 | (value & 0x3f));
        parts->text_len += 2;
    } else {
        out[0] = (char)(0xe0 | value >> 12);
        out[1] = (char)(0x80 | (value >> 6 & 0x3f));
        out[2] = (char)(0x80 | (value & 0x3f));
        parts->text_len += 3;
    }
}

/* Decodes the escape behind a backslash; returns how many bytes of `rest` it takes. */
static size_t put_escape(struct parts *parts, struct slice rest)
{
    static const char letters[] = "bfnrt";
    static const char bytes[] = "\b\f\n\r\t";
    if (rest.ptr[0] == 'u') {
        put_code(parts, slice_make(rest.ptr + 1, rest.len - 1 < 4 ? 0 : 4));
        return rest.len < 5 ? rest.len : 5;
    }
    const char *letter = memchr(letters, rest.ptr[0], sizeof(letters) - 1);
    parts->text[parts->text_len++] = letter == NULL ? rest.ptr[0] : bytes[letter - letters];
    return 1;
}

/* Reads a string, the quote before it is taken; returns the bytes up to and with the other one. */
static size_t read_string(struct parts *parts, struct slice text, struct slice *ret)
{
    size_t start = parts->text_len;
    size_t at = 0;
    while (at < text.len && text.ptr[at] != '"') {
        if (text.ptr[at] == '\\' && at + 1 < text.len) {
            at += 1 + put_escape(parts, slice_skip(text, at + 1));
        } else {
            parts->text[parts->text_len++] = text.ptr[at++];
        }
    }
    *ret = slice_make(parts->text + start, parts->text_len - start);
    return at < text.len ? at + 1 : at;
}

static bool blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Strings that no colon follows, wherever they are. No parser: a broken file is scrubbed, too. */
static void find_json_strings(struct parts *parts, struct slice text)
{
    while (text.len > 0) {
        text = slice_skip(text, slice_find(text, '"'));
        struct slice value = {NULL, 0};
        text = slice_skip(text, 1);
        text = slice_skip(text, read_string(parts, text, &value));
        while (text.len > 0 && blank(text.ptr[0])) {
            text = slice_skip(text, 1);
        }
        bool is_name = text.len > 0 && text.ptr[0] == ':';
        if (!is_name && value.len >= SECRET_PARTS_JSON_MIN) {
            add_part(parts, value);
        }
    }
}

static bool is_json_object(struct slice value)
{
    while (value.len > 0 && blank(value.ptr[0])) {
        value = slice_skip(value, 1);
    }
    return value.len > 0 && value.ptr[0] == '{';
}

struct scrubber *scrubber_for_secret(struct slice value)
{
    struct parts parts = {.text = memory_alloc(value.len)};
    add_part(&parts, value);
    if (is_json_object(value)) {
        find_json_strings(&parts, value);
    } else if (slice_find(value, ':') < value.len) {
        split_at_colons(&parts, value);
    }
    struct scrubber *scrubber = scrubber_new(parts.all, parts.count);
    secret_wipe(parts.text, value.len);
    memory_free(parts.text);
    return scrubber;
}
