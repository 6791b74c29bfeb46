#include "gateway/observe/openmetrics.h"

#include "base/ascii.h"
#include "base/buffer.h"

/* ---- what the scraper wants ---- */

enum { QUALITY_ONE = 1000 };

/* "0.75" in thousandths; what is none counts as one. */
static unsigned read_quality(struct slice text)
{
    unsigned value = 0;
    unsigned unit = QUALITY_ONE;
    for (size_t i = 0; i < text.len && unit > 0; i++) {
        if (text.ptr[i] == '.') {
            continue;
        }
        if (!ascii_is_digit(text.ptr[i])) {
            return QUALITY_ONE;
        }
        value += (unsigned)(text.ptr[i] - '0') * unit;
        unit /= 10;
    }
    return text.len == 0 || value > QUALITY_ONE ? QUALITY_ONE : value;
}

/* Cuts what is before `mark` off `rest`, without blanks around it. */
static struct slice take_until(struct slice *rest, char mark)
{
    struct slice part = slice_make(rest->ptr, slice_find(*rest, mark));
    *rest = slice_skip(*rest, part.len + 1);
    return slice_trim(part);
}

struct media_range {
    struct slice type;
    unsigned quality; /* thousandths */
    bool version_one; /* of OpenMetrics; or it says none */
};

static struct media_range read_range(struct slice text)
{
    struct media_range range = {.quality = QUALITY_ONE, .version_one = true};
    range.type = take_until(&text, ';');
    while (text.len > 0) {
        struct slice parameter = take_until(&text, ';');
        if (slice_starts_with_nocase(parameter, SLICE("q="))) {
            range.quality = read_quality(slice_skip(parameter, 2));
        } else if (slice_starts_with_nocase(parameter, SLICE("version="))) {
            range.version_one = slice_equal(slice_skip(parameter, 8), SLICE("1.0.0"));
        }
    }
    return range;
}

/* RFC 9110, section 12.5.1. Wildcards take the plain text, which every scraper knows. */
bool openmetrics_wanted(const char *accept)
{
    struct slice rest = slice_from(accept);
    unsigned open = 0;
    unsigned plain = 0;
    while (rest.len > 0) {
        struct media_range range = read_range(take_until(&rest, ','));
        bool is_open = slice_equal_nocase(range.type, SLICE("application/openmetrics-text"));
        if (is_open && range.version_one && range.quality > open) {
            open = range.quality;
        }
        if (slice_equal_nocase(range.type, SLICE("text/plain")) && range.quality > plain) {
            plain = range.quality;
        }
    }
    return open > 0 && open >= plain;
}

/* ---- the page ---- */

/* "# HELP NAME TEXT", "# TYPE NAME TYPE": without the "_total" that a counter's samples keep. */
static enum status put_comment(struct slice line, struct buffer *out)
{
    static const struct slice total = SLICE_INIT("_total");
    enum { WORD_LEN = sizeof("# HELP ") - 1 };
    struct slice name = slice_skip(line, WORD_LEN);
    name.len = slice_find(name, ' ');
    struct slice rest = slice_skip(line, WORD_LEN + name.len);
    if (name.len > total.len && slice_equal(slice_skip(name, name.len - total.len), total)) {
        name.len -= total.len;
    }
    TRY(buffer_append(out, slice_make(line.ptr, WORD_LEN)));
    TRY(buffer_append(out, name));
    return buffer_append(out, rest);
}

enum status openmetrics_write(struct slice page, struct buffer *out)
{
    while (page.len > 0) {
        struct slice line = slice_make(page.ptr, slice_find(page, '\n'));
        page = slice_skip(page, line.len + 1);
        TRY(slice_starts_with(line, SLICE("# ")) ? put_comment(line, out)
                                                 : buffer_append(out, line));
        TRY(buffer_append(out, SLICE("\n")));
    }
    return buffer_append(out, SLICE("# EOF\n"));
}
