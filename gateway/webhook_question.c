#include "gateway/webhook_question.h"

#include "auth/inbound/webhook_timestamp.h"
#include "base/buffer.h"
#include "base/field_values.h"
#include "gateway/observe/timestamp.h"

#define SECONDS_MAX UINT64_C(4102444800) /* since 1970: 2100 */

/* ---- which ---- */

static enum status read_time(const char *name, const char *given, usec_t now, usec_t *ret,
                             struct error *err)
{
    struct slice text = slice_from(given);
    uint64_t seconds = 0;
    int64_t number = 0;
    *ret = 0;
    if (text.len == 0) {
        return STATUS_OK;
    }
    if (slice_number(text, SECONDS_MAX, &seconds)) {
        *ret = (usec_t)seconds * SEC;
    } else if (webhook_timestamp_read(text, WEBHOOK_RFC3339, &number)) {
        *ret = number * (SEC / 1000);
    } else if (field_number_parse(FIELD_KIND_DURATION, text, &number, NULL) == STATUS_OK) {
        *ret = number < now ? now - number : 0;
    } else {
        FAIL(err, STATUS_INVALID,
             "%s: so long ago, such as 24h, or a time such as 2026-11-01T12:00:00Z", name);
    }
    *ret = *ret > 0 ? *ret : 1; /* 0 would be none */
    return STATUS_OK;
}

/* "waiting,dead" */
static enum status read_states(const char *given, unsigned *ret, struct error *err)
{
    struct slice rest = slice_from(given);
    *ret = 0;
    while (rest.len > 0) {
        enum queue_state state;
        size_t end = slice_find(rest, ',');
        if (!queue_state_find(slice_make(rest.ptr, end), &state)) {
            FAIL(err, STATUS_INVALID,
                 "state: one of waiting, held_back, delivered, dead, or some with commas");
        }
        *ret |= 1U << state;
        rest = slice_skip(rest, end + 1);
    }
    return STATUS_OK;
}

enum status webhook_question_filter(const struct webhook_question *question, usec_t now,
                                    struct queue_filter *ret, struct error *err)
{
    *ret = (struct queue_filter){
        .id = slice_from(question->id),
        .hook = slice_from(question->hook),
        .target = slice_from(question->target),
        .type = slice_from(question->type),
    };
    TRY(read_states(question->state, &ret->states, err));
    TRY(read_time("since", question->since, now, &ret->since, err));
    TRY(read_time("until", question->until, now, &ret->until, err));
    if (ret->until > 0 && ret->until <= ret->since) {
        FAIL(err, STATUS_INVALID, "until is not after since");
    }
    return STATUS_OK;
}

enum status webhook_question_page(const struct webhook_question *question, unsigned *ret_limit,
                                  int64_t *ret_before, struct error *err)
{
    uint64_t limit = WEBHOOK_LIST_USUAL;
    uint64_t before = 0;
    if (question->limit[0] != '\0' &&
        (!slice_number(slice_from(question->limit), WEBHOOK_LIST_MAX, &limit) || limit == 0)) {
        FAIL(err, STATUS_INVALID, "limit: a number from 1 to %d", WEBHOOK_LIST_MAX);
    }
    if (question->before[0] != '\0' &&
        (!slice_number(slice_from(question->before), INT64_MAX, &before) || before == 0)) {
        FAIL(err, STATUS_INVALID, "before: the \"next\" of the page before");
    }
    *ret_limit = (unsigned)limit;
    *ret_before = (int64_t)before;
    return STATUS_OK;
}

static bool is_empty(const struct queue_filter *filter)
{
    return filter->id.len == 0 && filter->hook.len == 0 && filter->target.len == 0 &&
           filter->type.len == 0 && filter->states == 0 && filter->since == 0 && filter->until == 0;
}

enum status webhook_question_change(const struct webhook_question *question, usec_t now,
                                    struct queue_filter *ret, unsigned *ret_per_second,
                                    struct error *err)
{
    uint64_t per_second = 0;
    bool all = slice_equal(slice_from(question->all), SLICE("true"));
    if (question->all[0] != '\0' && !all) {
        FAIL(err, STATUS_INVALID, "all: true, or leave it out");
    }
    TRY(webhook_question_filter(question, now, ret, err));
    if (is_empty(ret) != all) {
        FAIL(err, STATUS_INVALID, "%s",
             all ? "all=true is every delivery: leave it or the rest out"
                 : "say which: id, hook, target, type, state, since or until; all=true is every "
                   "delivery");
    }
    if (question->per_second[0] != '\0' &&
        (!slice_number(slice_from(question->per_second), WEBHOOK_RATE_MAX, &per_second) ||
         per_second == 0)) {
        FAIL(err, STATUS_INVALID, "per_second: a number from 1 to %d", WEBHOOK_RATE_MAX);
    }
    *ret_per_second = (unsigned)per_second;
    return STATUS_OK;
}

/* ---- as text ---- */

static enum status put_label(const char *label, struct buffer *out)
{
    return buffer_print(out, "%s%s ", buffer_len(out) > 0 ? ", " : "", label);
}

static enum status put_text(const char *label, struct slice text, struct buffer *out)
{
    if (text.len == 0) {
        return STATUS_OK;
    }
    TRY(put_label(label, out));
    for (size_t i = 0; i < text.len; i++) {
        bool visible = text.ptr[i] >= ' ' && text.ptr[i] <= '~';
        TRY(buffer_append(out, visible ? slice_make(text.ptr + i, 1) : SLICE("?")));
    }
    return STATUS_OK;
}

static enum status put_time(const char *label, usec_t time, struct buffer *out)
{
    char text[TIMESTAMP_LEN];
    return time == 0 ? STATUS_OK
                     : put_text(label, slice_make(text, timestamp_write(time, text)), out);
}

static enum status put_states(unsigned states, struct buffer *out)
{
    const char *between = "";
    if (states == 0) {
        return STATUS_OK;
    }
    TRY(put_label("state", out));
    for (unsigned i = 0; i < QUEUE_STATES; i++) {
        if ((states & (1U << i)) != 0) {
            TRY(buffer_print(out, "%s%s", between, queue_state_name((enum queue_state)i)));
            between = "|";
        }
    }
    return STATUS_OK;
}

static enum status put_filter(const struct queue_filter *filter, struct buffer *out)
{
    TRY(put_text("id", filter->id, out));
    TRY(put_text("hook", filter->hook, out));
    TRY(put_text("target", filter->target, out));
    TRY(put_states(filter->states, out));
    TRY(put_time("since", filter->since, out));
    TRY(put_time("until", filter->until, out));
    TRY(put_text("type", filter->type, out));
    return is_empty(filter) ? buffer_append(out, SLICE("all")) : STATUS_OK;
}

void webhook_filter_write(const struct queue_filter *filter, char out[WEBHOOK_FILTER_TEXT_MAX])
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, WEBHOOK_FILTER_TEXT_MAX - 1);
    if (put_filter(filter, &text) != STATUS_OK) {
        /* What is there is enough to know it by: the rest is cut. */
    }
    struct slice written = buffer_bytes(&text);
    memcpy(out, written.ptr, written.len);
    out[written.len] = '\0';
}
