#include "gateway/otlp/otlp_metrics.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/otlp/otlp_json.h"

enum {
    BUCKETS_MAX = 64,
    TEXT_MAX_BYTES = 4096, /* of a label's value, decoded */
    CUMULATIVE = 2,        /* opentelemetry-proto's AggregationTemporality */
};

enum family_type { FAMILY_OTHER, FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };

/* A histogram's lines so far, of one set of labels. */
struct gathered {
    struct slice labels;
    struct slice bounds[BUCKETS_MAX]; /* the last one is +Inf */
    uint64_t counts[BUCKETS_MAX];     /* cumulated */
    unsigned count;
    struct slice sum;
};

struct writer {
    const struct otlp_page *page;
    struct buffer *out;
    struct slice name, help;
    enum family_type type;
    unsigned metrics; /* written */
    unsigned points;  /* of the one that is open */
    struct gathered gathered;
};

struct sample {
    struct slice name, labels, value;
};

/* ---- reading ---- */

static struct slice take_line(struct slice *rest)
{
    struct slice line = slice_make(rest->ptr, slice_find(*rest, '\n'));
    *rest = slice_skip(*rest, line.len + 1);
    return line;
}

/* Cuts `text` at the first blank; *ret_rest is behind it. */
static struct slice take_word(struct slice text, struct slice *ret_rest)
{
    struct slice word = slice_make(text.ptr, slice_find(text, ' '));
    *ret_rest = slice_skip(text, word.len + 1);
    return word;
}

/* The '}' that ends the labels; one in a value does not. */
static size_t labels_end(struct slice text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && quoted) {
            i++;
        } else if (text.ptr[i] == '"') {
            quoted = !quoted;
        } else if (text.ptr[i] == '}' && !quoted) {
            return i;
        }
    }
    return text.len;
}

static bool read_sample(struct slice line, struct sample *ret)
{
    size_t brace = slice_find(line, '{');
    size_t blank = slice_find(line, ' ');
    *ret = (struct sample){.name = slice_make(line.ptr, blank < brace ? blank : brace),
                           .labels = slice_make("", 0)};
    struct slice rest = slice_skip(line, ret->name.len + 1);
    if (brace < blank) {
        ret->labels = slice_make(rest.ptr, labels_end(rest));
        rest = slice_skip(rest, ret->labels.len + 1);
        rest = slice_skip(rest, 1);
    }
    ret->value = rest;
    return ret->name.len > 0 && ret->value.len > 0;
}

/* Digits, maybe with a sign before them and a point among them: in JSON, too, a number. */
static bool is_number(struct slice text, bool *ret_whole)
{
    size_t digits = 0;
    size_t points = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool digit = ascii_is_digit(text.ptr[i]);
        bool point = text.ptr[i] == '.' && digits > 0 && points == 0;
        if (!digit && !point && !(i == 0 && text.ptr[i] == '-')) {
            return false;
        }
        digits += digit;
        points += point;
    }
    *ret_whole = points == 0;
    return digits > 0 && text.ptr[text.len - 1] != '.';
}

/* NAME="VALUE", then maybe a comma. False: there is none. */
static bool take_label(struct slice *labels, struct slice *ret_name, struct slice *ret_value)
{
    size_t equals = slice_find(*labels, '=');
    *ret_name = slice_make(labels->ptr, equals);
    struct slice rest = slice_skip(*labels, equals + 2);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '"') {
        end += rest.ptr[end] == '\\' ? 2 : 1;
    }
    *ret_value = slice_make(rest.ptr, end < rest.len ? end : rest.len);
    *labels = slice_skip(slice_skip(rest, ret_value->len + 1), 1);
    return ret_name->len > 0 && equals > 0 && rest.len > 0;
}

/* Without the page's escapes; cut where it is too long. */
static struct slice decode(struct slice value, char out[TEXT_MAX_BYTES])
{
    size_t len = 0;
    for (size_t i = 0; i < value.len && len < TEXT_MAX_BYTES; i++) {
        char byte = value.ptr[i];
        if (byte == '\\' && i + 1 < value.len) {
            byte = value.ptr[++i] == 'n' ? '\n' : value.ptr[i];
        }
        out[len++] = byte;
    }
    return slice_make(out, len);
}

/* ---- writing ---- */

static enum status put_attributes(struct writer *writer, struct slice labels)
{
    char name[128];
    char text[TEXT_MAX_BYTES];
    struct slice key;
    struct slice value;
    struct otlp_attributes list = {.out = writer->out};
    TRY(buffer_append(writer->out, SLICE("{\"attributes\":[")));
    while (labels.len > 0 && take_label(&labels, &key, &value) && key.len < sizeof(name)) {
        memcpy(name, key.ptr, key.len);
        name[key.len] = '\0';
        TRY(otlp_json_text(&list, name, decode(value, text)));
    }
    return buffer_append(writer->out, SLICE("]"));
}

static enum status put_times(struct writer *writer)
{
    if (writer->type != FAMILY_GAUGE) {
        TRY(buffer_append(writer->out, SLICE(",\"startTimeUnixNano\":")));
        TRY(otlp_json_time(writer->out, writer->page->started));
    }
    TRY(buffer_append(writer->out, SLICE(",\"timeUnixNano\":")));
    return otlp_json_time(writer->out, writer->page->now);
}

static struct slice unit_of(struct slice name)
{
    static const struct slice total = SLICE_INIT("_total");
    if (name.len > total.len && slice_equal(slice_skip(name, name.len - total.len), total)) {
        name.len -= total.len;
    }
    static const struct {
        struct slice end, unit;
    } units[] = {
        {SLICE_INIT("_seconds"), SLICE_INIT("s")},
        {SLICE_INIT("_bytes"), SLICE_INIT("By")},
        {SLICE_INIT("_usd"), SLICE_INIT("{USD}")},
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t len = units[i].end.len;
        if (name.len > len && slice_equal(slice_skip(name, name.len - len), units[i].end)) {
            return units[i].unit;
        }
    }
    return slice_make("", 0);
}

/* The family's first point is here. */
static enum status open_metric(struct writer *writer)
{
    struct buffer *out = writer->out;
    struct slice unit = unit_of(writer->name);
    TRY(buffer_append(out, writer->metrics++ == 0 ? SLICE("{\"name\":") : SLICE(",{\"name\":")));
    TRY(encode_json_string(writer->name, out));
    TRY(buffer_append(out, SLICE(",\"description\":")));
    TRY(encode_json_string(writer->help, out));
    if (unit.len > 0) {
        TRY(buffer_append(out, SLICE(",\"unit\":")));
        TRY(encode_json_string(unit, out));
    }
    if (writer->type == FAMILY_GAUGE) {
        return buffer_append(out, SLICE(",\"gauge\":{\"dataPoints\":["));
    }
    return buffer_print(out, ",\"%s\":{\"aggregationTemporality\":%d,%s\"dataPoints\":[",
                        writer->type == FAMILY_COUNTER ? "sum" : "histogram", CUMULATIVE,
                        writer->type == FAMILY_COUNTER ? "\"isMonotonic\":true," : "");
}

static enum status close_metric(struct writer *writer)
{
    unsigned points = writer->points;
    writer->points = 0;
    writer->gathered = (struct gathered){0};
    return points == 0 ? STATUS_OK : buffer_append(writer->out, SLICE("]}}"));
}

static enum status open_point(struct writer *writer, struct slice labels)
{
    if (writer->points == 0) {
        TRY(open_metric(writer));
    }
    TRY(buffer_append(writer->out, writer->points++ == 0 ? SLICE("") : SLICE(",")));
    TRY(put_attributes(writer, labels));
    return put_times(writer);
}

static enum status put_sample(struct writer *writer, const struct sample *sample)
{
    bool whole;
    if (!slice_equal(sample->name, writer->name) || !is_number(sample->value, &whole)) {
        return STATUS_OK;
    }
    TRY(open_point(writer, sample->labels));
    TRY(buffer_append(writer->out, whole ? SLICE(",\"asInt\":\"") : SLICE(",\"asDouble\":")));
    TRY(buffer_append(writer->out, sample->value));
    return buffer_append(writer->out, whole ? SLICE("\"}") : SLICE("}"));
}

/* ---- histograms ---- */

/* A line's `le`, taken off its labels. */
static struct slice take_bound(struct slice *labels)
{
    static const struct slice name = SLICE_INIT("le=\"");
    size_t at = labels->len;
    for (size_t i = 0; i < labels->len; i++) {
        bool begins = i == 0 || labels->ptr[i - 1] == ',';
        at = begins && slice_starts_with(slice_skip(*labels, i), name) ? i : at;
    }
    struct slice value = slice_skip(*labels, at + name.len);
    labels->len = at > 0 && at < labels->len ? at - 1 : at;
    return slice_make(value.ptr, slice_find(value, '"'));
}

static void take_bucket(struct gathered *gathered, const struct sample *sample)
{
    uint64_t count;
    struct slice labels = sample->labels;
    struct slice bound = take_bound(&labels);
    if (gathered->count < BUCKETS_MAX && slice_number(sample->value, INT64_MAX, &count)) {
        gathered->labels = labels;
        gathered->bounds[gathered->count] = bound;
        gathered->counts[gathered->count++] = count;
    }
}

static bool is_sound(const struct gathered *gathered)
{
    bool whole;
    bool sound = gathered->count > 0 && is_number(gathered->sum, &whole) &&
                 slice_equal(gathered->bounds[gathered->count - 1], SLICE("+Inf"));
    for (unsigned i = 0; i + 1 < gathered->count && sound; i++) {
        sound = is_number(gathered->bounds[i], &whole) &&
                gathered->counts[i] <= gathered->counts[i + 1];
    }
    return sound;
}

/* The count's line ends a set of labels: its point is whole. */
static enum status put_histogram(struct writer *writer)
{
    struct buffer *out = writer->out;
    const struct gathered *gathered = &writer->gathered;
    if (!is_sound(gathered)) {
        return STATUS_OK;
    }
    TRY(open_point(writer, gathered->labels));
    TRY(buffer_append(out, SLICE(",\"count\":\"")));
    TRY(buffer_append_number(out, gathered->counts[gathered->count - 1]));
    TRY(buffer_append(out, SLICE("\",\"sum\":")));
    TRY(buffer_append(out, gathered->sum));
    TRY(buffer_append(out, SLICE(",\"bucketCounts\":[")));
    for (unsigned i = 0; i < gathered->count; i++) {
        uint64_t before = i == 0 ? 0 : gathered->counts[i - 1];
        TRY(buffer_append(out, i == 0 ? SLICE("\"") : SLICE(",\"")));
        TRY(buffer_append_number(out, gathered->counts[i] - before));
        TRY(buffer_append(out, SLICE("\"")));
    }
    TRY(buffer_append(out, SLICE("],\"explicitBounds\":[")));
    for (unsigned i = 0; i + 1 < gathered->count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",")));
        TRY(buffer_append(out, gathered->bounds[i]));
    }
    return buffer_append(out, SLICE("]}"));
}

static enum status take_histogram_line(struct writer *writer, const struct sample *sample)
{
    struct slice part = slice_skip(sample->name, writer->name.len);
    if (!slice_starts_with(sample->name, writer->name)) {
        return STATUS_OK;
    }
    if (slice_equal(part, SLICE("_bucket"))) {
        take_bucket(&writer->gathered, sample);
    } else if (slice_equal(part, SLICE("_sum"))) {
        writer->gathered.sum = sample->value;
    } else if (slice_equal(part, SLICE("_count"))) {
        enum status status = put_histogram(writer);
        writer->gathered = (struct gathered){0};
        return status;
    }
    return STATUS_OK;
}

/* ---- the page ---- */

static enum family_type type_of(struct slice text)
{
    return slice_equal(text, SLICE("counter"))     ? FAMILY_COUNTER
           : slice_equal(text, SLICE("gauge"))     ? FAMILY_GAUGE
           : slice_equal(text, SLICE("histogram")) ? FAMILY_HISTOGRAM
                                                   : FAMILY_OTHER;
}

/* "# HELP name text", "# TYPE name type". */
static enum status take_comment(struct writer *writer, struct slice line)
{
    struct slice rest;
    struct slice what = take_word(slice_skip(line, 2), &rest);
    struct slice name = take_word(rest, &rest);
    if (slice_equal(what, SLICE("HELP"))) {
        TRY(close_metric(writer));
        writer->help = rest;
        writer->type = FAMILY_OTHER;
    } else if (slice_equal(what, SLICE("TYPE"))) {
        writer->name = name;
        writer->type = type_of(rest);
    }
    return STATUS_OK;
}

static enum status take_text(struct writer *writer, struct slice line)
{
    struct sample sample;
    if (slice_starts_with(line, SLICE("# "))) {
        return take_comment(writer, line);
    }
    if (!read_sample(line, &sample) || writer->type == FAMILY_OTHER) {
        return STATUS_OK;
    }
    return writer->type == FAMILY_HISTOGRAM ? take_histogram_line(writer, &sample)
                                            : put_sample(writer, &sample);
}

enum status otlp_metrics_write(const struct otlp_page *page, struct slice service,
                               struct buffer *out)
{
    struct writer writer = {.page = page, .out = out};
    TRY(otlp_json_open(out, "resourceMetrics", "scopeMetrics", "metrics", service));
    for (struct slice rest = page->text; rest.len > 0;) {
        TRY(take_text(&writer, take_line(&rest)));
    }
    TRY(close_metric(&writer));
    return otlp_json_close(out);
}
