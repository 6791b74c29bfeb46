#include "routes/advice.h"

#include "base/http1.h"
#include "routes/advice_form.h"

__extension__ typedef unsigned __int128 uint128;

/* No provider counts further; what claims to is broken. */
#define LIMIT_MOST ((uint64_t)1000000000000000)

static const struct slice retry_after_name = SLICE_INIT("retry-after");

/* ---- when ---- */

/* Of several fields of that name the one that asks for the longest wait. -1: none says it. */
static usec_t read_wait(const struct http1_response *response, struct slice name, uint32_t hash,
                        enum advice_form form, usec_t wall)
{
    usec_t longest = -1;
    for (unsigned i = 0; name.len > 0 && i < response->field_count; i++) {
        const struct http1_field *field = &response->fields[i];
        if (http1_field_is(field, name, hash)) {
            usec_t wait = advice_form_read(form, field->value, wall);
            longest = wait > longest ? wait : longest;
        }
    }
    return longest;
}

static usec_t read_retry_after(const struct advice_facts *facts,
                               const struct http1_response *response, usec_t wall)
{
    if (facts->after_count == 0) {
        return read_wait(response, retry_after_name, http1_name_hash(retry_after_name),
                         ADVICE_SECONDS_OR_DATE, wall);
    }
    usec_t wait = -1;
    for (unsigned i = 0; i < facts->after_count && wait < 0; i++) {
        const struct advice_after *after = &facts->after[i];
        wait = read_wait(response, after->header, after->hash, after->form, wall);
    }
    return wait;
}

/* ---- whether ---- */

/* Where fields contradict each other, it is no. */
static enum advice_word read_word(const struct advice_facts *facts,
                                  const struct http1_response *response)
{
    enum advice_word word = ADVICE_NO_WORD;
    for (unsigned i = 0; facts->should_retry.len > 0 && i < response->field_count; i++) {
        const struct http1_field *field = &response->fields[i];
        if (!http1_field_is(field, facts->should_retry, facts->should_retry_hash)) {
            continue;
        }
        if (slice_equal_nocase(field->value, SLICE("false"))) {
            return ADVICE_NOT_AGAIN;
        }
        if (slice_equal_nocase(field->value, SLICE("true"))) {
            word = ADVICE_AGAIN;
        }
    }
    return word;
}

/* ---- of what kind ---- */

/* "aws.x#Throttling:http://..." means "Throttling". */
static struct slice bare_name(struct slice value)
{
    value.len = slice_find(value, ':');
    size_t sharp;
    while ((sharp = slice_find(value, '#')) < value.len) {
        value = slice_skip(value, sharp + 1);
    }
    return slice_trim(value);
}

static bool has_mark(const struct advice_mark *mark, const struct http1_response *response)
{
    if (mark->status != 0 ? response->status != mark->status : response->status < 400) {
        return false;
    }
    bool found = mark->header.len == 0;
    for (unsigned i = 0; !found && i < response->field_count; i++) {
        const struct http1_field *field = &response->fields[i];
        found = http1_field_is(field, mark->header, mark->hash) &&
                (mark->value.len == 0 || slice_equal_nocase(bare_name(field->value), mark->value));
    }
    return found;
}

static bool has_any(const struct advice_mark *marks, unsigned count,
                    const struct http1_response *response)
{
    for (unsigned i = 0; i < count; i++) {
        if (has_mark(&marks[i], response)) {
            return true;
        }
    }
    return false;
}

/* ---- how much is left ---- */

/* The number in front of what a field says: "100", and "100;w=60" and "100, 100;w=60", too. */
static bool read_count(const struct http1_response *response, struct slice name, uint32_t hash,
                       uint64_t *ret)
{
    for (unsigned i = 0; i < response->field_count; i++) {
        const struct http1_field *field = &response->fields[i];
        if (http1_field_is(field, name, hash)) {
            struct slice text = field->value;
            text.len = slice_find(text, ',');
            text.len = slice_find(text, ';');
            return slice_number(slice_trim(text), LIMIT_MOST, ret);
        }
    }
    return false;
}

struct limit_state {
    uint64_t limit, remaining;
    usec_t reset_after; /* -1: not said */
    bool has_remaining, has_limit;
};

static struct limit_state read_limit(const struct advice_limit *limit,
                                     const struct http1_response *response, usec_t wall)
{
    struct limit_state state = {.reset_after = -1};
    state.has_remaining =
        read_count(response, limit->remaining, limit->remaining_hash, &state.remaining);
    state.has_limit =
        read_count(response, limit->limit, limit->limit_hash, &state.limit) && state.limit > 0;
    state.reset_after = read_wait(response, limit->reset, limit->reset_hash, limit->form, wall);
    if (state.has_limit && state.remaining > state.limit) {
        state.remaining = state.limit;
    }
    return state;
}

/* Less than `ret` has: the share, not the number. */
static bool has_less(const struct limit_state *state, const struct advice *ret)
{
    return !ret->has_limit ||
           (uint128)state->remaining * ret->limit < (uint128)ret->remaining * state->limit;
}

/* Returns how long until those limits are new of which nothing is left; -1: none is known. */
static usec_t read_limits(const struct advice_facts *facts, const struct http1_response *response,
                          usec_t wall, struct advice *ret)
{
    usec_t used_up = -1;
    for (unsigned i = 0; i < facts->limit_count; i++) {
        struct limit_state state = read_limit(&facts->limits[i], response, wall);
        if (!state.has_remaining) {
            continue;
        }
        if (state.remaining == 0 && state.reset_after > used_up) {
            used_up = state.reset_after;
        }
        if (state.has_limit && has_less(&state, ret)) {
            ret->has_limit = true;
            ret->limit = state.limit;
            ret->remaining = state.remaining;
            ret->reset_after = state.reset_after;
        }
    }
    return used_up;
}

void advice_read(const struct advice_facts *facts, const struct http1_response *response,
                 usec_t wall, struct advice *ret)
{
    *ret = (struct advice){.retry_after = -1, .reset_after = -1};
    usec_t used_up = read_limits(facts, response, wall, ret);
    if (response->status < 400) {
        return; /* nothing is to be tried again */
    }
    ret->throttled =
        response->status == 429 || has_any(facts->throttled, facts->throttled_count, response);
    ret->unprocessed =
        ret->throttled || has_any(facts->unprocessed, facts->unprocessed_count, response);
    ret->key_refused = has_any(facts->key_refused, facts->key_refused_count, response);
    ret->word = read_word(facts, response);
    ret->retry_after = read_retry_after(facts, response, wall);
    if (ret->retry_after < 0 && ret->throttled) {
        ret->retry_after = used_up;
    }
}
