/* price_read: one provider's prices from its JSON file, whose form is in prices/README.md. */
#include "base/embedded.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/members.h"
#include "routes/price_list.h"

#include <stddef.h>
#include <stdlib.h>

extern const struct embedded_file prices_data[];

enum { WHOLE_DIGITS = 6, FRACTION_DIGITS = 9 };

static const struct json_limits limits = {
    .bytes = (size_t)1024 * 1024,
    .depth = 8,
    .names = JSON_NAMES_ONCE,
};

/* "2.50" as nano-USD; nothing but digits and a point between them. */
static bool read_money(struct slice text, uint64_t *ret)
{
    uint64_t whole = 0;
    uint64_t fraction = 0;
    size_t point = slice_find(text, '.');
    struct slice before = slice_make(text.ptr, point);
    if (before.len > WHOLE_DIGITS || !slice_number(before, UINT32_MAX, &whole)) {
        return false;
    }
    if (point < text.len) {
        struct slice behind = slice_skip(text, point + 1);
        if (behind.len > FRACTION_DIGITS || !slice_number(behind, UINT32_MAX, &fraction)) {
            return false;
        }
        for (size_t i = behind.len; i < FRACTION_DIGITS; i++) {
            fraction *= 10;
        }
    }
    *ret = whole * 1000000000 + fraction;
    return true;
}

/* Absent: `fallback`. */
static enum status read_price(const struct cJSON *object, const char *name, uint64_t fallback,
                              uint64_t *ret, struct error *err)
{
    const struct cJSON *value = json_get(object, name);
    struct slice text;
    *ret = fallback;
    if (value != NULL && (!json_string(value, &text) || !read_money(text, ret))) {
        FAIL(err, STATUS_INVALID, "%s: a decimal in quotes is expected, such as \"2.50\"", name);
    }
    return STATUS_OK;
}

static enum status read_count(const struct cJSON *object, const char *name, uint64_t *ret,
                              struct error *err)
{
    const struct cJSON *value = json_get(object, name);
    if (value != NULL && (!json_uint(value, ret) || *ret == 0 || *ret > USAGE_TOKENS_MAX)) {
        FAIL(err, STATUS_INVALID, "%s: a whole number of tokens is expected", name);
    }
    return STATUS_OK;
}

static const struct {
    const char *name;
    enum usage_kind kind;
    size_t offset;
} token_members[] = {
    {"input", USAGE_INPUT, offsetof(struct token_prices, input)},
    {"output", USAGE_OUTPUT, offsetof(struct token_prices, output)},
    {"cache_read", USAGE_CACHE_READ, offsetof(struct token_prices, cache_read)},
    {"cache_write", USAGE_CACHE_WRITE, offsetof(struct token_prices, cache_write)},
    {"audio_input", USAGE_AUDIO_INPUT, offsetof(struct token_prices, audio_input)},
    {"audio_output", USAGE_AUDIO_OUTPUT, offsetof(struct token_prices, audio_output)},
    {"image_input", USAGE_IMAGE_INPUT, offsetof(struct token_prices, image_input)},
    {"image_output", USAGE_IMAGE_OUTPUT, offsetof(struct token_prices, image_output)},
    {"reasoning", USAGE_REASONING, offsetof(struct token_prices, reasoning)},
};

static const struct {
    const char *name;
    size_t offset;
} unit_members[] = {
    {"per_image", offsetof(struct unit_prices, image)},
    {"per_second", offsetof(struct unit_prices, second)},
    {"per_character", offsetof(struct unit_prices, character)},
    {"per_message", offsetof(struct unit_prices, message)},
    {"per_segment", offsetof(struct unit_prices, segment)},
    {"per_search", offsetof(struct unit_prices, search)},
    {"per_request", offsetof(struct unit_prices, request)},
};

/* What stays away costs what `base` says, if that says it; else as input or output do. */
static enum status read_tokens(const struct cJSON *object, const struct token_prices *base,
                               unsigned base_said, struct token_prices *ret, unsigned *ret_said,
                               struct error *err)
{
    *ret = *base;
    *ret_said = base_said;
    for (size_t i = 0; i < sizeof(token_members) / sizeof(token_members[0]); i++) {
        uint64_t *price = (uint64_t *)((char *)ret + token_members[i].offset);
        bool said = json_get(object, token_members[i].name) != NULL;
        TRY(read_price(object, token_members[i].name, *price, price, err));
        *ret_said |= said ? 1U << token_members[i].kind : 0;
    }
    token_prices_complete(ret, *ret_said);
    if (ret->cache_write < ret->input) {
        FAIL(err, STATUS_INVALID,
             "cache_write: what is written is input, so it costs that at least");
    }
    return STATUS_OK;
}

static enum status read_tier(const struct cJSON *model, struct price *price, unsigned said,
                             struct error *err)
{
    static const char *const known[] = {
        "above_tokens", "input",       "output",       "cache_read", "cache_write", "audio_input",
        "audio_output", "image_input", "image_output", "reasoning",  NULL};
    const struct cJSON *tier = json_get(model, "tier");
    if (tier == NULL) {
        return STATUS_OK;
    }
    TRY(members_check(tier, known, err));
    TRY(read_count(tier, "above_tokens", &price->tier_above, err));
    if (price->tier_above == 0) {
        FAIL(err, STATUS_INVALID, "above_tokens: missing");
    }
    return read_tokens(tier, &price->base, said, &price->tier, &said, err);
}

/* *ret_any: there was one. */
static enum status read_units(const struct cJSON *model, struct unit_prices *ret, bool *ret_any,
                              struct error *err)
{
    *ret_any = false;
    for (size_t i = 0; i < sizeof(unit_members) / sizeof(unit_members[0]); i++) {
        uint64_t *price = (uint64_t *)((char *)ret + unit_members[i].offset);
        TRY(read_price(model, unit_members[i].name, 0, price, err));
        *ret_any |= json_get(model, unit_members[i].name) != NULL;
    }
    return STATUS_OK;
}

static enum status read_model(const struct cJSON *model, struct price *price, struct error *err)
{
    static const char *const known[] = {
        "input",        "output",      "cache_read",   "cache_write", "audio_input",
        "audio_output", "image_input", "image_output", "reasoning",   "context",
        "max_output",   "tier",        "per_image",    "per_second",  "per_character",
        "per_message",  "per_segment", "per_search",   "per_request", NULL};
    static const struct token_prices none = {0};
    bool units = false;
    unsigned said = 0;
    TRY(members_check(model, known, err));
    TRY(read_units(model, &price->units, &units, err));
    TRY(read_tokens(model, &none, 0, &price->base, &said, err));
    const unsigned both = 1U << USAGE_INPUT | 1U << USAGE_OUTPUT;
    if ((said & both) != both && (said != 0 || !units)) {
        FAIL(err, STATUS_INVALID, "input and output are required");
    }
    TRY(read_count(model, "context", &price->context, err));
    TRY(read_count(model, "max_output", &price->max_output, err));
    if (read_tier(model, price, said, err) != STATUS_OK) {
        error_prefix(err, "tier");
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status read_models(struct arena *arena, const struct cJSON *models,
                               struct price_list *list, struct error *err)
{
    for (const struct cJSON *model = json_first(models); model != NULL; model = json_next(model)) {
        struct price *price = &list->prices[list->count];
        price->model = arena_copy(arena, slice_from(json_name(model)));
        if (read_model(model, price, err) != STATUS_OK) {
            error_prefix(err, "models.%s", price->model.ptr);
            return STATUS_INVALID;
        }
        list->names[list->name_count++] = (struct price_name){price->model, price};
        list->count++;
    }
    if (list->count == 0) {
        FAIL(err, STATUS_INVALID, "models: none");
    }
    return STATUS_OK;
}

static const struct price *find_model(const struct price_list *list, struct slice name)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (slice_equal(list->prices[i].model, name)) {
            return &list->prices[i];
        }
    }
    return NULL;
}

static enum status read_aliases(struct arena *arena, const struct cJSON *aliases,
                                struct price_list *list, struct error *err)
{
    for (const struct cJSON *alias = json_first(aliases); alias != NULL; alias = json_next(alias)) {
        struct slice name = slice_from(json_name(alias));
        struct slice target;
        const struct price *price = NULL;
        if (json_string(alias, &target)) {
            price = find_model(list, target);
        }
        if (price == NULL || find_model(list, name) != NULL) {
            FAIL(err, STATUS_INVALID, "aliases.%s: stands for no model, or is one itself",
                 json_name(alias));
        }
        list->names[list->name_count++] = (struct price_name){arena_copy(arena, name), price};
    }
    return STATUS_OK;
}

/* ---- what stands in for an unknown model ---- */

static void find_dearest(struct price_list *list)
{
    struct price *most = &list->dearest;
    most->context = 1;
    most->max_output = 1;
    for (unsigned i = 0; i < list->count; i++) {
        price_raise(most, &list->prices[i]);
    }
    for (unsigned i = 0; i < list->count; i++) {
        struct price *price = &list->prices[i];
        price->context = price->context == 0 ? most->context : price->context;
        price->max_output = price->max_output == 0 ? most->max_output : price->max_output;
    }
}

static int by_name(const void *a, const void *b)
{
    return price_name_compare(((const struct price_name *)a)->name,
                              ((const struct price_name *)b)->name);
}

static enum status read_root(struct arena *arena, const struct cJSON *root, struct price_list *list,
                             struct error *err)
{
    static const char *const known[] = {"as_of", "source", "models", "aliases", NULL};
    const struct cJSON *models = json_get(root, "models");
    const struct cJSON *aliases = json_get(root, "aliases");
    struct slice said;
    TRY(members_check(root, known, err));
    TRY(members_need_text(arena, root, "as_of", &said, err));
    TRY(members_need_text(arena, root, "source", &said, err));
    if (!json_is_object(models) || (aliases != NULL && !json_is_object(aliases))) {
        FAIL(err, STATUS_INVALID, "models and aliases are objects");
    }
    unsigned count = json_count(models);
    list->prices = ARENA_ARRAY(arena, struct price, count);
    list->names = ARENA_ARRAY(arena, struct price_name, count + json_count(aliases));
    TRY(read_models(arena, models, list, err));
    TRY(read_aliases(arena, aliases, list, err));
    find_dearest(list);
    qsort(list->names, list->name_count, sizeof(*list->names), by_name);
    return STATUS_OK;
}

enum status price_list_read(struct arena *arena, struct slice provider, struct slice json,
                            struct price_list **ret, struct error *err)
{
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    struct price_list *list = ARENA_NEW(arena, struct price_list);
    list->provider = arena_copy(arena, provider);
    enum status status = json_parse(json, &limits, &root, err);
    if (status == STATUS_OK) {
        status = read_root(arena, root, list, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "prices %s", list->provider.ptr);
        return status;
    }
    *ret = list;
    return STATUS_OK;
}

enum status price_book_load(struct arena *arena, struct price_book **ret, struct error *err)
{
    unsigned count = 0;
    while (prices_data[count].name != NULL) {
        count++;
    }
    struct price_book *book = ARENA_NEW(arena, struct price_book);
    book->lists = ARENA_ARRAY(arena, struct price_list *, count);
    for (; book->count < count; book->count++) {
        const struct embedded_file *file = &prices_data[book->count];
        struct slice name = slice_from(file->name);
        name.len = slice_find(name, '.');
        TRY(price_list_read(arena, name, slice_make(file->bytes, file->len),
                            &book->lists[book->count], err));
    }
    *ret = book;
    return STATUS_OK;
}
