#include "routes/codings.h"

#include "base/buffer.h"

enum { CODING_NAMES = 5, WEIGHT_MAX = 5 };

/* What a caller can ask for. The second name of gzip is one of its own here, for it is passed on as
 * it was sent. */
static const struct {
    struct slice name;
    enum coding coding;
} names[CODING_NAMES] = {
    {SLICE_INIT("gzip"), CODING_GZIP},   {SLICE_INIT("br"), CODING_BROTLI},
    {SLICE_INIT("zstd"), CODING_ZSTD},   {SLICE_INIT("identity"), CODING_IDENTITY},
    {SLICE_INIT("x-gzip"), CODING_GZIP},
};

enum { PLAIN_NAMES = 4 /* those that '*' stands for */ };

/* CODING_NAMES: none of them. */
static unsigned find_name(struct slice name)
{
    unsigned i = 0;
    while (i < CODING_NAMES && !slice_equal_nocase(name, names[i].name)) {
        i++;
    }
    return i;
}

enum coding coding_of(const struct http1_field *fields, unsigned count)
{
    enum coding found = CODING_IDENTITY;
    for (unsigned i = 0; i < count; i++) {
        if (!http1_field_encodes(&fields[i])) {
            continue;
        }
        unsigned name = find_name(fields[i].value); /* a list is none of them */
        if (name == CODING_NAMES || found != CODING_IDENTITY) {
            return CODING_OTHER;
        }
        found = names[name].coding;
    }
    return found;
}

/* ---- Accept-Encoding (RFC 9110, section 12.5.3) ---- */

struct wish {
    struct slice name;
    struct slice weight; /* behind "q="; empty: none */
};

/* What is said of each name; and of '*', at the end. */
struct wishes {
    struct wish all[CODING_NAMES + 1];
    unsigned count; /* in the order in which they were sent */
    bool seen[CODING_NAMES];
    bool any;
    struct slice any_weight;
};

static bool is_digits(struct slice text, char max)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > max) {
            return false;
        }
    }
    return true;
}

/* "0", "1", "0.5", "1.000" */
static bool is_weight(struct slice text)
{
    if (text.len == 0 || text.len > WEIGHT_MAX || (text.ptr[0] != '0' && text.ptr[0] != '1')) {
        return false;
    }
    char max = text.ptr[0] == '1' ? '0' : '9';
    return text.len == 1 || (text.ptr[1] == '.' && is_digits(slice_skip(text, 2), max));
}

static bool is_zero(struct slice weight)
{
    return weight.len > 0 && weight.ptr[0] == '0' && is_digits(slice_skip(weight, 2), '0');
}

static bool read_wish(struct slice text, struct wish *ret)
{
    size_t end = slice_find(text, ';');
    *ret = (struct wish){.name = slice_trim(slice_make(text.ptr, end))};
    if (end == text.len) {
        return true;
    }
    struct slice rest = slice_trim(slice_skip(text, end + 1));
    if (!slice_starts_with_nocase(rest, SLICE("q="))) {
        return false;
    }
    ret->weight = slice_skip(rest, 2);
    return is_weight(ret->weight);
}

static void note_wish(struct wishes *wishes, struct slice text)
{
    struct wish wish;
    if (!read_wish(text, &wish)) {
        return;
    }
    if (slice_equal(wish.name, SLICE("*")) && !wishes->any) {
        wishes->any = true;
        wishes->any_weight = wish.weight;
    }
    unsigned name = find_name(wish.name);
    if (name < CODING_NAMES && !wishes->seen[name]) {
        wishes->seen[name] = true;
        wishes->all[wishes->count++] = wish;
    }
}

static void read_wishes(const struct http1_field *fields, unsigned count, struct wishes *ret)
{
    for (unsigned i = 0; i < count; i++) {
        struct slice rest = fields[i].value;
        while (fields[i].id == HTTP1_ACCEPT_ENCODING && rest.len > 0) {
            size_t end = slice_find(rest, ',');
            note_wish(ret, slice_make(rest.ptr, end));
            rest = slice_skip(rest, end < rest.len ? end + 1 : end);
        }
    }
}

static enum status put_wish(struct slice name, struct slice weight, bool *first, struct buffer *out)
{
    TRY(buffer_append(out, *first ? SLICE("Accept-Encoding: ") : SLICE(", ")));
    *first = false;
    TRY(buffer_append(out, name));
    TRY(buffer_append(out, weight.len > 0 ? SLICE(";q=") : SLICE("")));
    return buffer_append(out, weight);
}

/* '*' means those that are not named; where it forbids them it can stay. */
static enum status put_any(const struct wishes *wishes, bool *first, struct buffer *out)
{
    if (is_zero(wishes->any_weight)) {
        return put_wish(SLICE("*"), wishes->any_weight, first, out);
    }
    for (unsigned i = 0; i < PLAIN_NAMES; i++) {
        if (!wishes->seen[i]) {
            TRY(put_wish(names[i].name, wishes->any_weight, first, out));
        }
    }
    return STATUS_OK;
}

static enum status put_known(const struct wishes *wishes, struct buffer *out)
{
    bool first = true;
    for (unsigned i = 0; i < wishes->count; i++) {
        TRY(put_wish(wishes->all[i].name, wishes->all[i].weight, &first, out));
    }
    if (wishes->any) {
        TRY(put_any(wishes, &first, out));
    }
    if (first) {
        TRY(buffer_append(out, SLICE("Accept-Encoding: identity")));
    }
    return buffer_append(out, SLICE("\r\n"));
}

static enum status put_field(const struct http1_field *field, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("Accept-Encoding: ")));
    TRY(buffer_append(out, field->value));
    return buffer_append(out, SLICE("\r\n"));
}

enum status codings_write_accept(const struct http1_field *fields, unsigned count,
                                 enum coding_choice choice, struct buffer *out)
{
    bool sent = false;
    for (unsigned i = 0; i < count; i++) {
        if (fields[i].id == HTTP1_ACCEPT_ENCODING && !fields[i].connection_option) {
            sent = true;
            if (choice == CODINGS_ALL) {
                TRY(put_field(&fields[i], out));
            }
        }
    }
    if (!sent || choice == CODINGS_ALL) {
        return STATUS_OK;
    }
    if (choice == CODINGS_NONE) {
        return buffer_append(out, SLICE("Accept-Encoding: identity\r\n"));
    }
    struct wishes wishes = {0};
    read_wishes(fields, count, &wishes);
    return put_known(&wishes, out);
}
