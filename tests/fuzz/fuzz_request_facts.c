/*
 * Fuzzes what is read of a request's body, against the obvious way: a tree. The first byte says
 * which call of which profile it is; one value stands for an unknown call.
 *
 * Known to differ, and not compared: "\u0000" is refused by json_parse(), which also reads only so
 * many digits of a number.
 */
#include "base/json.h"
#include "base/memory.h"
#include "gateway/meter/request_facts.h"
#include "routes/call.h"
#include "routes/profile.h"
#include "routes/usage.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TREE_DEPTH = 256, LONGEST_NUMBER = 60, WRITTEN_LIMIT = 321, WRITTEN_MORE = 128 };

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static const struct call *pick_call(uint8_t choice)
{
    static struct arena arena;
    static struct profile_set set;
    if (set.count == 0) {
        check(profile_set_load(&arena, &set, NULL) == STATUS_OK);
    }
    const struct profile *openai = profile_find(&set, SLICE("openai"));
    const struct profile *anthropic = profile_find(&set, SLICE("anthropic"));
    unsigned index = choice % (openai->call_count + anthropic->call_count + 1);
    if (index < openai->call_count) {
        return &openai->calls[index];
    }
    index -= openai->call_count;
    return index < anthropic->call_count ? &anthropic->calls[index] : NULL;
}

/* ---- the obvious way ---- */

/* The first byte of its JSON: what kind it is. */
static char kind_of(const struct cJSON *value)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, SIZE_MAX / 2);
    check(json_write(value, &out) == STATUS_OK);
    return buffer_bytes(&out).ptr[0];
}

static bool is_null(const struct cJSON *value)
{
    bool nested = json_is_object(value) || json_is_array(value);
    return value == NULL || (!nested && kind_of(value) == 'n');
}

static bool is_among(const struct slice *names, unsigned count, struct slice name)
{
    for (unsigned i = 0; i < count; i++) {
        if (slice_equal(names[i], name)) {
            return true;
        }
    }
    return false;
}

static const struct cJSON *get(const struct cJSON *object, struct slice name)
{
    char text[64];
    check(name.len < sizeof(text));
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    const struct cJSON *value = name.len == 0 ? NULL : json_get(object, text);
    return is_null(value) ? NULL : value;
}

static bool refers(const struct cJSON *object, const struct call *call)
{
    for (unsigned i = 0; i < call->contents.count; i++) {
        if (get(object, call->contents.names[i]) != NULL) {
            return false;
        }
    }
    return get(object, SLICE("id")) != NULL;
}

static bool is_text(const struct cJSON *value, const struct call *call, bool top)
{
    const struct cJSON *type = json_is_object(value) ? get(value, SLICE("type")) : NULL;
    struct slice text;
    if (type != NULL &&
        (!json_string(type, &text) || !is_among(call->text_types, call->text_type_count, text))) {
        return false;
    }
    if (json_is_object(value) && !top && refers(value, call)) {
        return false;
    }
    for (const struct cJSON *item = json_first(value); item != NULL; item = json_next(item)) {
        bool skipped =
            json_is_object(value) && is_among(call->text_members.names, call->text_members.count,
                                              slice_from(json_name(item)));
        if (!skipped && !is_text(item, call, false)) {
            return false;
        }
    }
    return true;
}

static uint64_t largest(const struct cJSON *root, const struct slice *names, unsigned count,
                        uint64_t least)
{
    for (unsigned i = 0; i < count; i++) {
        const struct cJSON *value = get(root, names[i]);
        uint64_t number = 0;
        check(value == NULL || json_uint(value, &number));
        least = number > least ? number : least;
    }
    return least;
}

static uint64_t count_inputs(const struct cJSON *root, const struct call *call)
{
    const struct cJSON *list = get(root, call->batch);
    uint64_t inputs = 0;
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        char first = kind_of(item);
        inputs += first == '-' || ascii_is_digit(first) ? 0 : 1;
    }
    return inputs == 0 ? 1 : inputs;
}

static void compare(const struct call *call, const struct cJSON *root, size_t size,
                    const struct request_facts *facts)
{
    const struct cJSON *model = get(root, call == NULL ? SLICE("model") : call->model);
    struct slice text = SLICE("");
    check(json_is_object(root));
    check(model == NULL || json_string(model, &text));
    check(slice_equal(text, slice_from(facts->model)));
    if (call == NULL) {
        check(!facts->text_only && facts->choices == 1 && facts->text_bytes == size);
        return;
    }
    bool text_only = is_text(root, call, true);
    for (unsigned i = 0; i < call->references.count; i++) {
        text_only = text_only && get(root, call->references.names[i]) == NULL;
    }
    check(facts->text_only == text_only);
    uint64_t added = 0;
    for (unsigned i = 0; i < call->added_input_count; i++) {
        added += get(root, call->added_input[i].member) == NULL ? 0 : call->added_input[i].tokens;
    }
    check(facts->text_bytes == size + added);
    check(facts->inputs == count_inputs(root, call));
    check(facts->choices ==
          largest(root, call->choices.names, call->choices.count, 1) * facts->inputs);
    bool limited = false;
    for (unsigned i = 0; i < call->output_limit_count; i++) {
        limited = limited || get(root, call->output_limits[i]) != NULL;
    }
    check(facts->has_output_limit == (limited || call->output_default > 0));
    check(facts->output_limit ==
          (limited ? largest(root, call->output_limits, call->output_limit_count, 0)
                   : call->output_default));
}

/* ---- the limit that is written ---- */

static void check_written(const struct call *call, struct slice body)
{
    static const struct json_limits limits = {
        .bytes = SIZE_MAX, .depth = TREE_DEPTH, .names = JSON_NAMES_ANY};
    const struct slice name = call->output_limits[0];
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    struct request_facts facts;
    struct buffer out CLEANUP(buffer_fini);
    unsigned seen = 0;
    buffer_init(&out, body.len + WRITTEN_MORE);
    check(request_write_output_limit(body, name, WRITTEN_LIMIT, &out) == STATUS_OK);
    check(request_facts_read(call, buffer_bytes(&out), &facts, NULL) == STATUS_OK);
    check(facts.has_output_limit && facts.output_limit >= WRITTEN_LIMIT);
    check(json_parse(buffer_bytes(&out), &limits, &root, NULL) == STATUS_OK);
    for (const struct cJSON *item = json_first(root); item != NULL; item = json_next(item)) {
        seen += slice_equal(slice_from(json_name(item)), name) ? 1 : 0;
    }
    check(seen == 1);
}

/* All other bytes are the body's. */
static void check_include_usage(const struct call *call, struct slice body)
{
    struct request_facts facts;
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, body.len + INCLUDE_USAGE_MAX);
    check(request_write_include_usage(body, &out) == STATUS_OK);
    struct slice written = buffer_bytes(&out);
    check(request_facts_read(call, written, &facts, NULL) == STATUS_OK);
    check(facts.include_usage && facts.stream);
    size_t before = 0;
    size_t behind = 0;
    while (before < body.len && written.ptr[before] == body.ptr[before]) {
        before++;
    }
    while (behind < body.len - before &&
           written.ptr[written.len - behind - 1] == body.ptr[body.len - behind - 1]) {
        behind++;
    }
    check(before + behind + SLICE("false").len >= body.len);
}

static bool is_compared(struct slice body)
{
    size_t digits = 0;
    for (size_t i = 0; i < body.len; i++) {
        digits = body.ptr[i] == '.' || ascii_is_digit(body.ptr[i]) ? digits + 1 : 0;
        if (digits > LONGEST_NUMBER || slice_starts_with(slice_skip(body, i), SLICE("\\u0000"))) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct json_limits limits = {
        .bytes = SIZE_MAX, .depth = TREE_DEPTH, .names = JSON_NAMES_ANY};
    if (size == 0) {
        return 0;
    }
    const struct call *call = pick_call(data[0]);
    struct slice body = slice_make((const char *)data + 1, size - 1);
    struct request_facts facts;
    struct error err = {0};
    if (request_facts_read(call, body, &facts, &err) != STATUS_OK) {
        check(err.message[0] != '\0');
        return 0;
    }
    if (call != NULL && call->any_body) { /* it may be a form, or a recording */
        check(!facts.text_only && facts.inputs == 1 && facts.text_bytes == body.len);
        return 0;
    }
    if (!is_compared(body)) {
        return 0;
    }
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    check(json_parse(body, &limits, &root, NULL) == STATUS_OK);
    compare(call, root, body.len, &facts);
    bool unlimited =
        call != NULL && call->output_limit_count > 0 && get(root, call->output_limits[0]) == NULL;
    if (unlimited) {
        check_written(call, body);
    }
    if (call != NULL && call->include_usage && facts.stream && !facts.include_usage) {
        check_include_usage(call, body);
    }
    return 0;
}
