#include "auth/outbound/needles.h"

#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* One form being written; never longer than NEEDLE_MAX. */
struct scratch {
    char *ptr;
    size_t len;
};

static const char *hex_digits(bool upper)
{
    return upper ? "0123456789ABCDEF" : "0123456789abcdef";
}

static void put(struct scratch *scratch, char byte)
{
    assert(scratch->len < NEEDLE_MAX);
    scratch->ptr[scratch->len++] = byte;
}

static void put_all(struct scratch *scratch, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        put(scratch, bytes.ptr[i]);
    }
}

static bool among(const char *set, char byte)
{
    return byte != '\0' && strchr(set, byte) != NULL;
}

/* Takes what was written as a needle, and makes room for the next. */
static void keep(struct needles *needles, struct scratch *scratch)
{
    struct slice text = slice_make(scratch->ptr, scratch->len);
    scratch->len = 0;
    bool one_line = slice_find(text, '\n') == text.len && slice_find(text, '\r') == text.len;
    if (text.len >= NEEDLE_PART_MIN && one_line) {
        /* An array of pointers is meant. NOLINTNEXTLINE(bugprone-sizeof-expression) */
        MEMORY_GROW(needles->all, needles->count, &needles->size);
        needles->all[needles->count++] = secret_new(text);
    }
}

static void add_hex(struct needles *needles, struct scratch *scratch, struct slice part)
{
    for (int upper = 0; upper < 2; upper++) {
        const char *digits = hex_digits(upper != 0);
        for (size_t i = 0; i < part.len; i++) {
            unsigned char byte = (unsigned char)part.ptr[i];
            put(scratch, digits[byte >> 4]);
            put(scratch, digits[byte & 15]);
        }
        keep(needles, scratch);
    }
}

/* How an encoder writes what it escapes in a URL. */
struct percent_style {
    const char *stay; /* left as they are, next to letters and digits */
    char space;       /* 0: escaped like the rest */
};

static void put_percent(struct scratch *scratch, struct slice part,
                        const struct percent_style *style, bool upper)
{
    const char *digits = hex_digits(upper);
    for (size_t i = 0; i < part.len; i++) {
        char byte = part.ptr[i];
        if (is_base62(byte) || among(style->stay, byte)) {
            put(scratch, byte);
        } else if (byte == ' ' && style->space != 0) {
            put(scratch, style->space);
        } else {
            put(scratch, '%');
            put(scratch, digits[(unsigned char)byte >> 4]);
            put(scratch, digits[(unsigned char)byte & 15]);
        }
    }
}

static void add_percent(struct needles *needles, struct scratch *scratch, struct slice part)
{
    static const struct percent_style styles[] = {
        {"-._~", 0},                /* RFC 3986: all but unreserved */
        {"-._~/", 0},               /* the same over a whole path */
        {"-._~!'()*", 0},           /* ECMAScript's encodeURIComponent */
        {"-._*", '+'},              /* application/x-www-form-urlencoded */
        {"-._~!$&'()*+,;=:@", 0},   /* a path segment */
        {"-._~!$&'()*+,;=:@/?", 0}, /* a query */
    };
    for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
        for (int upper = 0; upper < 2; upper++) {
            put_percent(scratch, part, &styles[i], upper != 0);
            keep(needles, scratch);
        }
    }
}

/* How an encoder writes what it escapes in a JSON string (RFC 8259, section 7). */
struct json_style {
    bool short_forms; /* \n rather than \u000a */
    bool slash;       /* '/' as "\/" */
    bool ascii_only;  /* others than ASCII escaped, too */
    bool upper;       /* \u00AB rather than \u00ab */
    const char *also; /* further characters written as \uXXXX */
};

static void put_unit(struct scratch *scratch, uint32_t unit, bool upper)
{
    const char *digits = hex_digits(upper);
    put_all(scratch, SLICE("\\u"));
    for (unsigned bits = 16; bits > 0; bits -= 4) {
        put(scratch, digits[unit >> (bits - 4) & 15]);
    }
}

/* A valid UTF-8 character of more than one byte, as one or two UTF-16 units. */
static void put_wide(struct scratch *scratch, struct slice character, bool upper)
{
    uint32_t code = (unsigned char)character.ptr[0] & (0xffU >> (character.len + 1));
    for (size_t i = 1; i < character.len; i++) {
        code = code << 6 | ((unsigned char)character.ptr[i] & 0x3f);
    }
    if (code >= 0x10000) {
        put_unit(scratch, 0xd800 + ((code - 0x10000) >> 10), upper);
        put_unit(scratch, 0xdc00 + ((code - 0x10000) & 0x3ff), upper);
    } else {
        put_unit(scratch, code, upper);
    }
}

static void put_json_ascii(struct scratch *scratch, char byte, const struct json_style *style)
{
    static const char escaped[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    bool special = among(escaped, byte) || (unsigned char)byte < 0x20;
    bool also = among(style->also, byte);
    if (among(escaped, byte) && style->short_forms && !also) {
        put(scratch, '\\');
        put(scratch, letters[strchr(escaped, byte) - escaped]);
    } else if (special || also) {
        put_unit(scratch, (unsigned char)byte, style->upper);
    } else {
        if (byte == '/' && style->slash) {
            put(scratch, '\\');
        }
        put(scratch, byte);
    }
}

static void put_json(struct scratch *scratch, struct slice part, const struct json_style *style)
{
    while (part.len > 0) {
        size_t len = utf8_char(part);
        if (len == 1) {
            put_json_ascii(scratch, part.ptr[0], style);
        } else if (len > 1 && style->ascii_only) {
            put_wide(scratch, slice_make(part.ptr, len), style->upper);
        } else {
            len = len == 0 ? 1 : len;
            put_all(scratch, slice_make(part.ptr, len));
        }
        part = slice_skip(part, len);
    }
}

static void add_json(struct needles *needles, struct scratch *scratch, struct slice part)
{
    static const struct json_style safe_for_html[] = {
        {true, false, false, false, "<>&"},    /* Go, Rails */
        {true, false, false, false, "<>&='"},  /* Gson */
        {true, false, true, true, "<>&'\"+`"}, /* .NET */
    };
    for (unsigned bits = 0; bits < 16; bits++) {
        struct json_style style = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0,
                                   (bits & 8) != 0, ""};
        put_json(scratch, part, &style);
        keep(needles, scratch);
    }
    for (size_t i = 0; i < sizeof(safe_for_html) / sizeof(safe_for_html[0]); i++) {
        put_json(scratch, part, &safe_for_html[i]);
        keep(needles, scratch);
    }
}

/* With `before` bytes in front of the part, mod 3. Only the digits whose six bits all come from the
 * part are known: the first and the last may mix with its neighbours. */
static void add_base64(struct needles *needles, struct scratch *scratch, struct slice part,
                       size_t before)
{
    size_t len = before + part.len;
    char *shifted = memory_alloc(len);
    char *digits = memory_alloc((len + 2) / 3 * 4);
    memcpy(shifted + before, part.ptr, part.len);
    (void)encode_base64(slice_make(shifted, len), digits);
    size_t first = (8 * before + 5) / 6;
    size_t end = 8 * len / 6;

    put_all(scratch, slice_make(digits + first, end - first));
    keep(needles, scratch);
    for (size_t i = first; i < end; i++) { /* URL-safe, RFC 4648 section 5 */
        put(scratch, digits[i] == '+' ? '-' : digits[i] == '/' ? '_' : digits[i]);
    }
    keep(needles, scratch);
    secret_wipe(shifted, len);
    secret_wipe(digits, (len + 2) / 3 * 4);
    memory_free(shifted);
    memory_free(digits);
}

static void add_piece(struct needles *needles, struct scratch *scratch, struct slice piece)
{
    put_all(scratch, piece);
    keep(needles, scratch);
    add_hex(needles, scratch, piece);
    add_percent(needles, scratch, piece);
    add_json(needles, scratch, piece);
    for (size_t before = 0; before < 3; before++) {
        add_base64(needles, scratch, piece, before);
    }
}

/* The last piece reaches back into the one before, so that it is not too short to be looked for. */
static void add_in_pieces(struct needles *needles, struct scratch *scratch, struct slice bytes)
{
    while (bytes.len > NEEDLE_PIECE) {
        add_piece(needles, scratch, slice_make(bytes.ptr, NEEDLE_PIECE));
        size_t left = bytes.len - NEEDLE_PIECE;
        bytes = slice_skip(bytes, left < NEEDLE_PIECE ? left : NEEDLE_PIECE);
    }
    if (bytes.len >= NEEDLE_PART_MIN) {
        add_piece(needles, scratch, bytes);
    }
}

static void add_lines(struct needles *needles, struct scratch *scratch, struct slice part)
{
    while (part.len > 0) {
        size_t end = slice_find(part, '\n');
        struct slice line = slice_make(part.ptr, end);
        line.len = slice_find(line, '\r');
        if (!slice_starts_with(line, SLICE("-----"))) {
            add_in_pieces(needles, scratch, line);
        }
        part = slice_skip(part, line.len + 1);
    }
}

void needles_add(struct needles *needles, struct slice part)
{
    struct scratch scratch = {memory_alloc(NEEDLE_MAX), 0};
    add_in_pieces(needles, &scratch, part);
    if (slice_find(part, '\n') < part.len || slice_find(part, '\r') < part.len) {
        add_lines(needles, &scratch, part);
    }
    secret_wipe(scratch.ptr, NEEDLE_MAX);
    memory_free(scratch.ptr);
}

static int order(const void *a, const void *b)
{
    struct slice left = secret_reveal(*(struct secret *const *)a);
    struct slice right = secret_reveal(*(struct secret *const *)b);
    int sign = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);
    return sign != 0 ? sign : (left.len > right.len) - (left.len < right.len);
}

void needles_sort(struct needles *needles)
{
    if (needles->count == 0) {
        return;
    }
    qsort(needles->all, needles->count, sizeof(struct secret *), order);
    size_t kept = 1;
    for (size_t i = 1; i < needles->count; i++) {
        if (order(&needles->all[i], &needles->all[kept - 1]) == 0) {
            secret_free(needles->all[i]);
        } else {
            needles->all[kept++] = needles->all[i];
        }
    }
    needles->count = kept;
}

void needles_fini(struct needles *needles)
{
    for (size_t i = 0; i < needles->count; i++) {
        secret_free(needles->all[i]);
    }
    memory_free(needles->all);
    *needles = (struct needles){0};
}
