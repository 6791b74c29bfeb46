#include "routes/headers.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <assert.h>

_Static_assert(HTTP1_NAMES <= 32, "a bit for each known name");

enum { NAME_MAX_LEN = 256 }; /* of names that are looked at a second time, with '-' for '_' */

/* RFC 9110, section 7.6.1, and what the gateway writes itself. */
static const struct slice reserved_names[] = {
    SLICE_INIT("host"),    SLICE_INIT("connection"),      SLICE_INIT("content-length"),
    SLICE_INIT("te"),      SLICE_INIT("trailer"),         SLICE_INIT("transfer-encoding"),
    SLICE_INIT("upgrade"), SLICE_INIT("keep-alive"),      SLICE_INIT("http2-settings"),
    SLICE_INIT("expect"),  SLICE_INIT("accept-encoding"),
};

static const struct slice reserved_prefixes[] = {
    SLICE_INIT("proxy-"),
    SLICE_INIT("x-sallyport-"),
};

/* They would make an allowed call another one. */
static const struct slice override_names[] = {
    SLICE_INIT("x-http-method-override"), SLICE_INIT("x-http-method"),
    SLICE_INIT("x-method-override"),      SLICE_INIT("x-original-url"),
    SLICE_INIT("x-rewrite-url"),
};

static const struct slice private_names[] = {
    SLICE_INIT("cookie"),         SLICE_INIT("traceparent"), SLICE_INIT("tracestate"),
    SLICE_INIT("baggage"),        SLICE_INIT("forwarded"),   SLICE_INIT("via"),
    SLICE_INIT("x-real-ip"),      SLICE_INIT("x-client-ip"), SLICE_INIT("x-cluster-client-ip"),
    SLICE_INIT("true-client-ip"),
};

static const struct slice private_prefix = SLICE_INIT("x-forwarded-");

#define COUNT_OF(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

static bool has_reserved_prefix(struct slice name)
{
    for (unsigned i = 0; i < COUNT_OF(reserved_prefixes); i++) {
        if (slice_starts_with_nocase(name, reserved_prefixes[i])) {
            return true;
        }
    }
    return false;
}

bool header_name_reserved(struct slice name)
{
    for (unsigned i = 0; i < COUNT_OF(reserved_names); i++) {
        if (slice_equal_nocase(name, reserved_names[i])) {
            return true;
        }
    }
    return has_reserved_prefix(name);
}

bool header_name_overrides(struct slice name)
{
    for (unsigned i = 0; i < COUNT_OF(override_names); i++) {
        if (slice_equal_nocase(name, override_names[i])) {
            return true;
        }
    }
    return false;
}

/* The rule of that name, or the empty place where it belongs. At least half of the table is empty.
 */
static const struct header_rule *find(const struct header_rules *rules, struct slice name,
                                      uint32_t hash)
{
    unsigned mask = rules->size - 1;
    for (unsigned i = hash & mask;; i = (i + 1) & mask) {
        const struct header_rule *rule = &rules->rules[i];
        if (rule->name.len == 0 || (rule->hash == hash && slice_equal_nocase(rule->name, name))) {
            return rule;
        }
    }
}

/* A table that is being filled. The first rule for a name stays. */
struct builder {
    struct arena *arena;
    struct header_rules *rules;
    struct header_rule *places; /* rules->rules, writable */
};

static bool add_rule(const struct builder *builder, struct slice name, enum header_action action,
                     unsigned default_index)
{
    uint32_t hash = http1_name_hash(name);
    const struct header_rule *found = find(builder->rules, name, hash);
    if (found->name.len > 0 || name.len == 0) {
        return false;
    }
    char *lower = arena_reserve(builder->arena, name.len);
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = ascii_lower(name.ptr[i]);
    }
    builder->places[found - builder->rules->rules] = (struct header_rule){
        .name = slice_make(lower, name.len),
        .hash = hash,
        .action = action,
        .default_index = default_index,
    };
    return true;
}

/* Written by the gateway instead of the caller's, where it is passed and nothing else is said of
 * it.
 */
static bool add_own(const struct builder *builder, const struct header_rules_input *input,
                    struct slice name)
{
    bool passed = false;
    for (unsigned i = 0; i < input->pass_count && !passed; i++) {
        passed = slice_equal_nocase(input->pass[i], name);
    }
    return passed && add_rule(builder, name, HEADER_DROP, 0);
}

static void add_rules(const struct builder *builder, const struct slice *names, unsigned count,
                      enum header_action action)
{
    for (unsigned i = 0; i < count; i++) {
        if (action == HEADER_DROP || !has_reserved_prefix(names[i])) {
            (void)add_rule(builder, names[i], action, 0);
        }
    }
}

/* A caller's own field of that name takes a default's place, unless it is dropped anyway. */
static void add_default(const struct builder *builder, const struct header_setting *setting)
{
    struct header_rules *rules = builder->rules;
    unsigned index = rules->default_count;
    if (index == HEADER_DEFAULTS_MAX || header_name_reserved(setting->name)) {
        return;
    }
    rules->defaults[rules->default_count++] = slice_from(arena_print(
        builder->arena, "%.*s: %.*s\r\n", SLICE_ARG(setting->name), SLICE_ARG(setting->value)));
    (void)add_rule(builder, setting->name, HEADER_DEFAULT_SEEN, index);
}

static bool is_set(const struct header_rules_input *input, struct slice name)
{
    for (unsigned i = 0; i < input->set_count; i++) {
        if (slice_equal_nocase(input->set[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* "Host: …\r\n" and what the route sets. */
static struct slice constant_lines(struct arena *arena, const struct header_rules_input *input)
{
    const char *lines = arena_print(arena, "Host: %.*s\r\n", SLICE_ARG(input->authority));
    for (unsigned i = 0; i < input->set_count; i++) {
        const struct header_setting *setting = &input->set[i];
        if (!header_name_reserved(setting->name)) {
            lines = arena_print(arena, "%s%.*s: %.*s\r\n", lines, SLICE_ARG(setting->name),
                                SLICE_ARG(setting->value));
        }
    }
    return slice_from(lines);
}

static unsigned table_size(const struct header_rules_input *input)
{
    unsigned most = COUNT_OF(reserved_names) + COUNT_OF(override_names) + COUNT_OF(private_names) +
                    input->slot_count + input->drop_count + input->pass_count + input->set_count +
                    input->default_count;
    unsigned size = 128;
    while (size < most * 2) {
        size *= 2;
    }
    return size;
}

void header_rules_compile(struct arena *arena, const struct header_rules_input *input,
                          struct header_rules *ret)
{
    struct header_rules rules = {.size = table_size(input)};
    struct builder builder = {.arena = arena, .rules = &rules};
    builder.places = ARENA_ARRAY(arena, struct header_rule, rules.size);
    rules.rules = builder.places;

    /* In the order of who has the last word. */
    add_rules(&builder, reserved_names, COUNT_OF(reserved_names), HEADER_DROP);
    add_rules(&builder, input->slots, input->slot_count, HEADER_DROP);
    add_rules(&builder, override_names, COUNT_OF(override_names), HEADER_DROP);
    add_rules(&builder, input->drop, input->drop_count, HEADER_DROP);
    for (unsigned i = 0; i < input->set_count; i++) {
        (void)add_rule(&builder, input->set[i].name, HEADER_DROP, 0);
    }
    for (unsigned i = 0; i < input->default_count; i++) {
        if (!is_set(input, input->defaults[i].name)) {
            add_default(&builder, &input->defaults[i]);
        }
    }
    rules.trace_parent = add_own(&builder, input, SLICE("traceparent"));
    rules.trace_state = add_own(&builder, input, SLICE("tracestate")) && rules.trace_parent;
    add_rules(&builder, input->pass, input->pass_count, HEADER_PASS);
    add_rules(&builder, private_names, COUNT_OF(private_names), HEADER_DROP);

    rules.constant = constant_lines(arena, input);
    *ret = rules;
}

struct slice header_rules_rehost(struct arena *arena, const struct header_rules *rules,
                                 struct slice authority)
{
    struct slice others = slice_skip(rules->constant, slice_find(rules->constant, '\n') + 1);
    return slice_from(
        arena_print(arena, "Host: %.*s\r\n%.*s", SLICE_ARG(authority), SLICE_ARG(others)));
}

/* Of a name that is not in the table. Most end at the first look: only x-sallyport- and
 * x-forwarded- have that fourth letter. */
static bool has_dropped_prefix(struct slice name)
{
    char first = ascii_lower(name.ptr[0]);
    if (first == 'x' && name.len > 3) {
        char fourth = ascii_lower(name.ptr[3]);
        return (fourth == 'a' || fourth == 'o') &&
               (has_reserved_prefix(name) || slice_starts_with_nocase(name, private_prefix));
    }
    return first == 'p' && has_reserved_prefix(name);
}

/* "X_Api_Key" is X-Api-Key to servers that hand fields on as CGI variables (RFC 3875, 4.1.18). */
static bool twin_is_dropped(const struct header_rules *rules, struct slice name)
{
    char text[NAME_MAX_LEN];
    size_t len = name.len < NAME_MAX_LEN ? name.len : NAME_MAX_LEN;
    for (size_t i = 0; i < len; i++) {
        text[i] = name.ptr[i];
        if (text[i] == '_') {
            text[i] = '-';
        }
    }
    struct slice twin = slice_make(text, len);
    const struct header_rule *rule = find(rules, twin, http1_name_hash(twin));
    return rule->name.len > 0 ? rule->action == HEADER_DROP : has_dropped_prefix(twin);
}

#define BIT(id) (1U << (unsigned)(id))

/* The reserved names among those that the codec knows: they need no lookup. */
static const unsigned reserved_ids =
    BIT(HTTP1_HOST) | BIT(HTTP1_CONNECTION) | BIT(HTTP1_CONTENT_LENGTH) |
    BIT(HTTP1_TRANSFER_ENCODING) | BIT(HTTP1_TE) | BIT(HTTP1_TRAILER) | BIT(HTTP1_UPGRADE) |
    BIT(HTTP1_EXPECT) | BIT(HTTP1_KEEP_ALIVE) | BIT(HTTP1_PROXY_CONNECTION) |
    BIT(HTTP1_PROXY_AUTHORIZATION) | BIT(HTTP1_PROXY_AUTHENTICATE) | BIT(HTTP1_ACCEPT_ENCODING);

/* *seen has a bit for each default. */
static bool goes_on(const struct header_rules *rules, const struct http1_field *field,
                    unsigned *seen)
{
    if (field->connection_option || (BIT(field->id) & reserved_ids) != 0) {
        return false;
    }
    const struct header_rule *rule = find(rules, field->name, field->hash);
    if (rule->name.len == 0) {
        return !has_dropped_prefix(field->name) &&
               (slice_find(field->name, '_') == field->name.len ||
                !twin_is_dropped(rules, field->name));
    }
    switch (rule->action) {
    case HEADER_PASS:
        return true;
    case HEADER_DROP:
        return false;
    case HEADER_DEFAULT_SEEN:
        *seen |= 1U << rule->default_index;
        return true;
    }
    return false;
}

static enum status write_field(const struct http1_field *field, struct buffer *out)
{
    size_t len = field->name.len + field->value.len + 4;
    TRY(buffer_reserve(out, len));
    char *ptr = buffer_tail(out);
    memcpy(ptr, field->name.ptr, field->name.len);
    ptr += field->name.len;
    *ptr++ = ':';
    *ptr++ = ' ';
    if (field->value.len > 0) {
        memcpy(ptr, field->value.ptr, field->value.len);
        ptr += field->value.len;
    }
    *ptr++ = '\r';
    *ptr = '\n';
    buffer_commit(out, len);
    return STATUS_OK;
}

static enum status write_defaults(const struct header_rules *rules, unsigned seen,
                                  struct buffer *out)
{
    for (unsigned i = 0; i < rules->default_count; i++) {
        if ((seen & (1U << i)) != 0) {
            continue;
        }
        TRY(buffer_append(out, rules->defaults[i]));
    }
    return STATUS_OK;
}

enum status header_rules_write(const struct header_rules *rules, const struct http1_field *fields,
                               unsigned count, struct buffer *out)
{
    unsigned seen = 0;
    TRY(buffer_append(out, rules->constant));
    for (unsigned i = 0; i < count; i++) {
        if (!goes_on(rules, &fields[i], &seen)) {
            continue;
        }
        TRY(write_field(&fields[i], out));
    }
    return write_defaults(rules, seen, out);
}
