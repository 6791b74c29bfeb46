#include "gateway/webhook/settle_read.h"

#include "auth/inbound/webhook_message.h"
#include "base/ascii.h"
#include "base/json.h"
#include "base/memory.h"
#include "config/hook.h"
#include "gateway/webhook/json_at.h"
#include "limiter/limit.h"

enum {
    USD_DIGITS = 9,
    CENT_DIGITS = 7,
    EXPONENT_MAX = 10000, /* beyond it no amount is one */
};

/* ---- amounts ---- */

struct decimal {
    struct slice whole, part; /* digits before and behind the point */
    int exponent;
};

static struct slice take_digits(struct slice *text)
{
    size_t len = 0;
    while (len < text->len && text->ptr[len] >= '0' && text->ptr[len] <= '9') {
        len++;
    }
    struct slice digits = slice_make(text->ptr, len);
    *text = slice_skip(*text, len);
    return digits;
}

static bool take_char(struct slice *text, char a, char b)
{
    bool there = text->len > 0 && (text->ptr[0] == a || text->ptr[0] == b);
    if (there) {
        *text = slice_skip(*text, 1);
    }
    return there;
}

static bool take_exponent(struct slice *text, int *ret)
{
    bool negative = text->len > 0 && text->ptr[0] == '-';
    uint64_t exponent = 0;
    (void)take_char(text, '-', '+');
    struct slice digits = take_digits(text);
    if (digits.len == 0 || !slice_number(digits, EXPONENT_MAX, &exponent)) {
        return false;
    }
    *ret = negative ? -(int)exponent : (int)exponent;
    return true;
}

static bool read_decimal(struct slice text, struct decimal *ret)
{
    *ret = (struct decimal){0};
    (void)take_char(&text, '-', '-');
    ret->whole = take_digits(&text);
    ret->part = slice_make(text.ptr, 0);
    if (take_char(&text, '.', '.')) {
        ret->part = take_digits(&text);
    }
    if (ret->whole.len + ret->part.len == 0) {
        return false;
    }
    if (take_char(&text, 'e', 'E') && !take_exponent(&text, &ret->exponent)) {
        return false;
    }
    return text.len == 0;
}

/* Of the digits before the point and behind it, as if they were one text. */
static unsigned digit_at(const struct decimal *decimal, size_t at)
{
    bool in_whole = at < decimal->whole.len;
    char digit = in_whole ? decimal->whole.ptr[at] : decimal->part.ptr[at - decimal->whole.len];
    return (unsigned)(digit - '0');
}

bool settle_amount(struct slice text, int digits, uint64_t *ret)
{
    struct decimal decimal;
    uint64_t value = 0;
    bool rest = false;
    if (!read_decimal(text, &decimal)) {
        return false;
    }
    size_t count = decimal.whole.len + decimal.part.len;
    /* So many of its digits are whole nano-USD; there may be none of them, or zeros behind. */
    int64_t kept = (int64_t)decimal.whole.len + decimal.exponent + digits;
    for (int64_t i = 0; i < kept || i < (int64_t)count; i++) {
        unsigned digit = i < (int64_t)count ? digit_at(&decimal, (size_t)i) : 0;
        if (i >= kept) {
            rest = rest || digit > 0;
        } else if (value > LIMIT_AMOUNT_MAX / 10) {
            return false;
        } else {
            value = value * 10 + digit;
        }
    }
    value += rest;
    *ret = value;
    return value <= LIMIT_AMOUNT_MAX;
}

/* ---- rules ---- */

struct reading {
    const struct hook_settle *rule;
    struct slice body;      /* what the rule's places are in */
    struct cJSON *envelope; /* owned; NULL: the body is in none */
    struct arena arena;     /* of what forms are decoded to */
};

/* The body that the rule means. False: it is not there. */
static bool open_body(struct reading *reading, struct slice whole)
{
    static const struct json_limits limits = {
        .bytes = WEBHOOK_JSON_BYTES, .depth = WEBHOOK_JSON_DEPTH, .names = JSON_NAMES_ONCE};
    bool twice = false;
    reading->body = whole;
    if (reading->rule->inside.len == 0) {
        return true;
    }
    json_free(TAKE(reading->envelope));
    return json_parse(whole, &limits, &reading->envelope, NULL) == STATUS_OK &&
           json_string(webhook_json_at(reading->envelope, reading->rule->inside, &twice),
                       &reading->body);
}

/* False: nothing is there. */
static bool read_place(struct reading *reading, struct slice place, char room[JSON_AT_BYTES],
                       struct slice *ret)
{
    if (place.len == 0) {
        return false;
    }
    bool there = place.ptr[0] == '/' ? json_at(reading->body, place, room, ret)
                                     : webhook_parameter(reading->body, place, &reading->arena,
                                                         ret) == WEBHOOK_FOUND;
    return there && ret->len > 0;
}

static void keep_text(char ret[SETTLE_TEXT_MAX], struct slice text)
{
    ledger_text(ret, SETTLE_TEXT_MAX, text);
}

/* Its cost, if it tells one. */
static enum settle_verdict read_cost(struct reading *reading, struct ledger_settlement *ret,
                                     char ret_text[SETTLE_TEXT_MAX])
{
    char room[JSON_AT_BYTES];
    char currency_room[JSON_AT_BYTES];
    struct slice text;
    struct slice currency = SLICE("USD");
    const struct hook_settle *rule = reading->rule;
    if (!read_place(reading, rule->cost, room, &text)) {
        return SETTLE_NOTHING;
    }
    if (rule->currency.len > 0 && !read_place(reading, rule->currency, currency_room, &currency)) {
        currency = SLICE("?");
    }
    if (!slice_equal_nocase(currency, SLICE("USD"))) {
        keep_text(ret_text, currency);
        return SETTLE_CURRENCY;
    }
    if (!settle_amount(text, rule->unit == HOOK_CENT ? CENT_DIGITS : USD_DIGITS, &ret->cost)) {
        keep_text(ret_text, text);
        return SETTLE_UNREADABLE;
    }
    ret->has_cost = true;
    return SETTLE_SAID;
}

static enum settle_verdict read_rule(struct reading *reading, struct ledger_settlement *ret,
                                     char ret_text[SETTLE_TEXT_MAX])
{
    char room[JSON_AT_BYTES];
    struct slice status;
    const struct hook_settle *rule = reading->rule;
    enum settle_verdict verdict = read_cost(reading, ret, ret_text);
    if (verdict == SETTLE_CURRENCY || verdict == SETTLE_UNREADABLE) {
        return verdict;
    }
    if (read_place(reading, rule->status, room, &status)) {
        LEDGER_TEXT(ret->status, status);
        if (!ret->has_cost && rule->free.count > 0 && hook_patterns_match(&rule->free, status)) {
            ret->has_cost = true;
            ret->cost = 0;
        }
        verdict = SETTLE_SAID;
    }
    return verdict;
}

static struct slice up_to(struct slice text, struct slice end)
{
    const char *at = end.len == 0 ? NULL : memmem(text.ptr, text.len, end.ptr, end.len);
    return at == NULL ? text : slice_make(text.ptr, (size_t)(at - text.ptr));
}

/* By the rule at hand. False: it does not name an object there. */
static bool read_object(struct reading *reading, struct settle_said *said)
{
    char room[JSON_AT_BYTES];
    struct slice object;
    if (!read_place(reading, reading->rule->object, room, &object)) {
        return false;
    }
    object = up_to(object, reading->rule->up_to);
    if (object.len == 0) {
        return false;
    }
    *said = (struct settle_said){0};
    LEDGER_TEXT(said->settlement.object, object);
    LEDGER_TEXT(said->settlement.provider, slice_from(reading->rule->provider));
    said->verdict = read_rule(reading, &said->settlement, said->text);
    return true;
}

/* ---- events, and arrays of them ---- */

struct events {
    const struct hook *hook;
    struct slice type;
    const struct hook_settle *rule; /* whose array it is */
    void *ctx;
    void (*each)(void *ctx, struct settle_said *said);
};

static void tell(const struct events *events, struct settle_said *said)
{
    if (said->verdict != SETTLE_NOTHING) {
        events->each(events->ctx, said);
    }
}

/* Other rules may be for some elements of the same array. */
static bool is_of_array(const struct events *events, const struct hook_settle *rule)
{
    return rule->is_array && slice_equal(rule->each, events->rule->each) &&
           slice_equal(rule->inside, events->rule->inside) &&
           hook_patterns_match(&rule->types, events->type);
}

static void read_element(void *ctx, uint64_t index, struct slice element)
{
    const struct events *events = ctx;
    struct settle_said said;
    const struct hook *hook = events->hook;
    for (const struct hook_settle *rule = events->rule; rule < hook->settles + hook->settle_count;
         rule++) {
        struct reading reading = {.rule = rule, .body = element};
        if (is_of_array(events, rule) && read_object(&reading, &said)) {
            said.settlement.element = (unsigned)index + 1;
            tell(events, &said);
            return;
        }
    }
}

uint64_t settle_read(const struct hook *hook, struct slice type, struct slice body, void *ctx,
                     void (*each)(void *ctx, struct settle_said *said))
{
    struct settle_said said;
    struct reading reading = {.envelope = NULL};
    struct events events = {.hook = hook, .type = type, .ctx = ctx, .each = each};
    uint64_t count = 0;
    for (unsigned i = 0; i < hook->settle_count && count == 0; i++) {
        reading.rule = events.rule = &hook->settles[i];
        if (!hook_patterns_match(&reading.rule->types, type) || !open_body(&reading, body)) {
            continue;
        }
        if (reading.rule->is_array) {
            count = json_each_at(reading.body, reading.rule->each, SETTLE_ELEMENTS_MAX, &events,
                                 read_element);
        } else if (read_object(&reading, &said)) {
            count = 1;
            tell(&events, &said);
        }
    }
    json_free(reading.envelope);
    arena_fini(&reading.arena);
    return count > SETTLE_ELEMENTS_MAX ? count - SETTLE_ELEMENTS_MAX : 0;
}
