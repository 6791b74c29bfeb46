/*
 * fuzz_advice: whatever an answer's head says, no wait is negative, beyond what is believed, or
 * shorter than one of the same answer without half of its fields; and what is counted stays within
 * its limit. The first byte is the form of all headers, the second the status.
 */
#include "base/http1.h"
#include "routes/advice.h"
#include "routes/advice_form.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 64 };

#define COUNT_OF(array) (unsigned)(sizeof(array) / sizeof((array)[0]))

static const struct http1_limits limits = {1U << 16, 1024, FIELDS_MAX};
static struct advice_after after[] = {
    {.header = SLICE_INIT("retry-after-ms"), .form = ADVICE_MILLISECONDS},
    {.header = SLICE_INIT("retry-after")},
};
static struct advice_limit counts[] = {
    {.limit = SLICE_INIT("limit"), .remaining = SLICE_INIT("left"), .reset = SLICE_INIT("reset")},
    {.limit = SLICE_INIT("x-limit"), .remaining = SLICE_INIT("x-left"), .reset = SLICE_INIT("")},
};
static struct advice_mark marks[] = {
    {.header = SLICE_INIT("x-amzn-errortype"), .value = SLICE_INIT("ThrottlingException")},
    {.status = 403, .header = SLICE_INIT("retry-after")},
};
static struct advice_facts facts = {
    .after = after,
    .after_count = COUNT_OF(after),
    .should_retry = SLICE_INIT("x-should-retry"),
    .throttled = marks,
    .throttled_count = COUNT_OF(marks),
    .unprocessed = marks,
    .unprocessed_count = 1,
    .key_refused = marks,
    .key_refused_count = COUNT_OF(marks),
    .limits = counts,
    .limit_count = COUNT_OF(counts),
};

/* Every header is read in the form that the input asks for. */
static void prepare(enum advice_form form)
{
    for (unsigned i = 0; i < COUNT_OF(after); i++) {
        after[i].hash = http1_name_hash(after[i].header);
        after[i].form = form;
    }
    for (unsigned i = 0; i < COUNT_OF(counts); i++) {
        counts[i].limit_hash = http1_name_hash(counts[i].limit);
        counts[i].remaining_hash = http1_name_hash(counts[i].remaining);
        counts[i].reset_hash = http1_name_hash(counts[i].reset);
        counts[i].form = form;
    }
    for (unsigned i = 0; i < COUNT_OF(marks); i++) {
        marks[i].hash = http1_name_hash(marks[i].header);
    }
    facts.should_retry_hash = http1_name_hash(facts.should_retry);
}

static void expect_believable(usec_t wait)
{
    assert(wait >= -1 && wait <= ADVICE_LONGEST);
}

static struct advice read_checked(const struct http1_response *response, usec_t wall)
{
    struct advice advice;
    advice_read(&facts, response, wall, &advice);
    expect_believable(advice.retry_after);
    expect_believable(advice.reset_after);
    assert(!advice.has_limit || (advice.limit > 0 && advice.remaining <= advice.limit));
    assert(advice.has_limit || (advice.limit == 0 && advice.remaining == 0));
    assert(!advice.throttled || advice.unprocessed);
    assert(response->status != 429 || advice.throttled);
    return advice;
}

/* A field more of the same name never shortens the wait; below 400 there is none. */
static void expect_longest_counts(struct http1_response *response, usec_t wall)
{
    struct advice all = read_checked(response, wall);
    unsigned kept = 0;
    for (unsigned i = 0; i < response->field_count; i++) {
        bool only_wait = slice_equal_nocase(response->fields[i].name, after[0].header);
        if (!only_wait || i % 2 == 0) {
            response->fields[kept++] = response->fields[i];
        }
    }
    bool fewer = kept < response->field_count;
    response->field_count = kept;
    struct advice some = read_checked(response, wall);
    bool has_first = http1_find_field(response->fields, kept, after[0].header) != NULL;
    usec_t first = -1;
    for (unsigned i = 0; i < kept; i++) {
        if (slice_equal_nocase(response->fields[i].name, after[0].header)) {
            usec_t wait = advice_form_read(after[0].form, response->fields[i].value, wall);
            first = wait > first ? wait : first;
        }
    }
    assert(!fewer || !has_first || first < 0 || all.retry_after >= some.retry_after);
    assert(first < 0 || response->status < 400 || some.retry_after == first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const usec_t walls[] = {0, 1795708067 * SEC, INT64_MAX / 4};
    static const char line[] = "HTTP/1.1 429 x\r\n";
    struct http1_field fields[FIELDS_MAX];
    struct http1_response response = {.fields = fields};
    struct http1_fault fault;
    if (size < 2) {
        return 0;
    }
    enum advice_form form = (enum advice_form)(data[0] % 6);
    prepare(form);
    struct slice text = slice_make((const char *)data + 2, size - 2);
    expect_believable(advice_form_read(form, text, walls[data[0] / 6 % COUNT_OF(walls)]));

    size_t len = sizeof(line) - 1 + text.len;
    char *head = malloc(len);
    assert(head != NULL);
    memcpy(head, line, sizeof(line) - 1);
    memcpy(head + sizeof(line) - 1, text.ptr, text.len);
    if (http1_read_response(slice_make(head, len), &limits, HTTP1_GET, &response, &fault) ==
        HTTP1_DONE) {
        response.status = 200 + data[1] % 2 * 203 + data[1] / 2 % 2 * 26; /* 200 226 403 429 */
        expect_longest_counts(&response, walls[data[0] / 6 % COUNT_OF(walls)]);
    }
    free(head);
    return 0;
}
