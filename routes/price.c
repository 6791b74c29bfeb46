#include "routes/price.h"

#include "base/memory.h"
#include "base/table.h"
#include "routes/price_list.h"

__extension__ typedef unsigned __int128 uint128;

enum {
    TOKENS_A_PRICE = 1000000,
    /* Where nobody says how large a model is: more than those of today. */
    PRICE_CONTEXT = 2000000,
    PRICE_MAX_OUTPUT = 200000,
};

const struct price_list *price_book_find(const struct price_book *book, struct slice provider)
{
    for (unsigned i = 0; i < book->count; i++) {
        if (slice_equal(book->lists[i]->provider, provider)) {
            return book->lists[i];
        }
    }
    return NULL;
}

/* By bisection: the names are sorted. */
static const struct price *find_name(const struct price_list *list, struct slice name)
{
    unsigned low = 0;
    unsigned high = list->name_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = price_name_compare(list->names[middle].name, name);
        if (order == 0) {
            return list->names[middle].price;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* "ft:MODEL" instead of "ft:MODEL:ORGANISATION:NAME:ID"; empty if nothing can be taken off. */
static struct slice less_specific(struct slice model)
{
    size_t end = model.len;
    while (end > 0 && model.ptr[end - 1] != ':') {
        end--;
    }
    bool tuned = slice_starts_with(model, SLICE("ft:")) && end > SLICE("ft:").len;
    return tuned ? slice_make(model.ptr, end - 1) : SLICE("");
}

/* An operator's, by the whole name, or the longest beginning of it. */
static const struct price *find_own(const struct price_list *list, struct slice model)
{
    const struct price *best = NULL;
    for (unsigned i = 0; i < list->own_count; i++) {
        const struct price *price = &list->own[i];
        struct slice name = price->model;
        if (name.len > 0 && slice_equal(name, model)) {
            return price;
        }
        bool open = name.len > 0 && name.ptr[name.len - 1] == '*';
        if (open && slice_starts_with(model, slice_make(name.ptr, name.len - 1)) &&
            (best == NULL || name.len > best->model.len)) {
            best = price;
        }
    }
    return best;
}

static const struct price *find_built_in(const struct price_list *list, struct slice model)
{
    const struct price *price = find_name(list, model);
    while (price == NULL && model.len > 0) {
        model = less_specific(model);
        price = find_name(list, model);
    }
    return price;
}

const struct price *price_find(const struct price_list *list, struct slice model)
{
    const struct price *price = find_own(list, model);
    if (price == NULL) {
        price = find_built_in(list, model);
    }
    return price == NULL ? list->other : price;
}

const struct price *price_dearest(const struct price_list *list)
{
    return &list->dearest;
}

const struct price *price_for(const struct price_list *list, struct slice model,
                              bool *ret_stands_in)
{
    const struct price *own = price_find(list, model);
    *ret_stands_in = own == NULL;
    return own == NULL ? price_dearest(list) : own;
}

/* ---- an operator's ---- */

void token_prices_complete(struct token_prices *prices, unsigned said)
{
    const struct {
        enum usage_kind kind;
        uint64_t *price;
        uint64_t instead;
    } kinds[] = {
        {USAGE_CACHE_READ, &prices->cache_read, prices->input},
        {USAGE_CACHE_WRITE, &prices->cache_write, prices->input},
        {USAGE_AUDIO_INPUT, &prices->audio_input, prices->input},
        {USAGE_IMAGE_INPUT, &prices->image_input, prices->input},
        {USAGE_AUDIO_OUTPUT, &prices->audio_output, prices->output},
        {USAGE_IMAGE_OUTPUT, &prices->image_output, prices->output},
        {USAGE_REASONING, &prices->reasoning, prices->output},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((said >> kinds[i].kind & 1) == 0) {
            *kinds[i].price = kinds[i].instead;
        }
    }
}

/* How large it is, where the operator did not say. */
static void complete_sizes(const struct price_list *built_in, struct price *price)
{
    const struct price *known = NULL;
    if (built_in != NULL) {
        known = find_built_in(built_in, price->model);
        known = known == NULL ? &built_in->dearest : known;
    }
    if (price->context == 0) {
        price->context = known == NULL ? PRICE_CONTEXT : known->context;
    }
    if (price->max_output == 0) {
        price->max_output = known == NULL ? PRICE_MAX_OUTPUT : known->max_output;
    }
}

const struct price_list *price_list_override(struct arena *arena, const struct price_list *built_in,
                                             const struct price *prices, unsigned count)
{
    struct price_list *list = ARENA_NEW(arena, struct price_list);
    if (built_in != NULL) {
        *list = *built_in;
    }
    list->own = ARENA_ARRAY(arena, struct price, count);
    list->own_count = count;
    list->dearest.context = list->dearest.context == 0 ? 1 : list->dearest.context;
    list->dearest.max_output = list->dearest.max_output == 0 ? 1 : list->dearest.max_output;
    for (unsigned i = 0; i < count; i++) {
        list->own[i] = prices[i];
        complete_sizes(built_in, &list->own[i]);
        price_raise(&list->dearest, &list->own[i]);
        if (prices[i].model.len == 0) {
            list->other = &list->own[i];
        }
    }
    return list;
}

/* ---- what stands in for an unknown model ---- */

static void raise(uint64_t *most, uint64_t value)
{
    *most = value > *most ? value : *most;
}

static void raise_tokens(struct token_prices *most, const struct token_prices *prices)
{
    raise(&most->input, prices->input);
    raise(&most->output, prices->output);
    raise(&most->cache_read, prices->cache_read);
    raise(&most->cache_write, prices->cache_write);
    raise(&most->audio_input, prices->audio_input);
    raise(&most->audio_output, prices->audio_output);
    raise(&most->image_input, prices->image_input);
    raise(&most->image_output, prices->image_output);
    raise(&most->reasoning, prices->reasoning);
}

void price_raise(struct price *most, const struct price *price)
{
    raise_tokens(&most->base, &price->base);
    raise_tokens(&most->base, &price->tier);
    raise(&most->units.image, price->units.image);
    raise(&most->units.second, price->units.second);
    raise(&most->units.character, price->units.character);
    raise(&most->units.message, price->units.message);
    raise(&most->units.segment, price->units.segment);
    raise(&most->units.search, price->units.search);
    raise(&most->units.request, price->units.request);
    raise(&most->context, price->context);
    raise(&most->max_output, price->max_output);
}

/* ---- what a call costs ---- */

static const struct token_prices *prices_for(const struct price *price, uint128 input_tokens)
{
    return price->tier_above > 0 && input_tokens > price->tier_above ? &price->tier : &price->base;
}

/* Nano-USD from millionths of them, rounded up. */
static uint64_t round_up(uint128 millionths)
{
    uint128 whole = (millionths + TOKENS_A_PRICE - 1) / TOKENS_A_PRICE;
    return whole > UINT64_MAX ? UINT64_MAX : (uint64_t)whole;
}

/* In millionths of a nano-USD, as all that is summed. */
static uint128 cost_of_tokens(const struct price *price, const struct usage *usage)
{
    uint128 input = (uint128)usage->input + usage->cache_read + usage->cache_write +
                    usage->audio_input + usage->image_input;
    const struct token_prices *prices = prices_for(price, input);
    uint64_t reasoning = usage->reasoning < usage->output ? usage->reasoning : usage->output;
    return (uint128)usage->input * prices->input + (uint128)usage->cache_read * prices->cache_read +
           (uint128)usage->cache_write * prices->cache_write +
           (uint128)usage->audio_input * prices->audio_input +
           (uint128)usage->image_input * prices->image_input +
           (uint128)(usage->output - reasoning) * prices->output +
           (uint128)reasoning * prices->reasoning +
           (uint128)usage->audio_output * prices->audio_output +
           (uint128)usage->image_output * prices->image_output;
}

/* Instead of tokens. */
static uint128 cost_of_media(const struct unit_prices *units, const struct usage *usage)
{
    return (uint128)usage->images * units->image * TOKENS_A_PRICE +
           (uint128)usage->milliseconds * units->second * (TOKENS_A_PRICE / 1000) +
           (uint128)usage->characters * units->character * TOKENS_A_PRICE;
}

static uint128 cost_beside(const struct unit_prices *units, const struct usage *usage)
{
    return (uint128)usage->messages * units->message * TOKENS_A_PRICE +
           (uint128)usage->segments * units->segment * TOKENS_A_PRICE +
           (uint128)usage->searches * units->search * TOKENS_A_PRICE +
           (uint128)units->request * TOKENS_A_PRICE;
}

uint64_t price_cost(const struct price *price, const struct usage *usage)
{
    uint128 tokens = cost_of_tokens(price, usage);
    uint128 media = tokens > 0 ? 0 : cost_of_media(&price->units, usage);
    return round_up(tokens + media + cost_beside(&price->units, usage));
}

bool price_counts_tokens(const struct price *price)
{
    const struct token_prices *prices = &price->base;
    return (prices->input | prices->output | prices->audio_input | prices->audio_output |
            prices->image_input | prices->image_output) != 0;
}

static bool is_free(const struct price *price)
{
    const struct unit_prices *units = &price->units;
    return !price_counts_tokens(price) &&
           (units->image | units->second | units->character | units->message | units->segment |
            units->search | units->request) == 0;
}

static bool has_units(const struct usage *usage)
{
    return (usage->images | usage->characters | usage->milliseconds | usage->messages |
            usage->segments | usage->searches) != 0;
}

bool price_covers(const struct price *price, const struct usage *usage)
{
    return usage_tokens(usage) > 0 || !has_units(usage) || is_free(price) ||
           price_cost(price, usage) > 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t dearest_input(const struct token_prices *prices)
{
    uint64_t text = larger(prices->input, larger(prices->cache_read, prices->cache_write));
    return larger(text, larger(prices->audio_input, prices->image_input));
}

static uint64_t dearest_output(const struct token_prices *prices)
{
    uint64_t text = larger(prices->output, prices->reasoning);
    return larger(text, larger(prices->audio_output, prices->image_output));
}

/* Less may be read than the bound says: then the base counts, should it be the dearer one. */
uint64_t price_input_bound(const struct price *price, uint64_t input_tokens)
{
    const struct token_prices *prices = prices_for(price, input_tokens);
    return round_up((uint128)input_tokens *
                    larger(dearest_input(prices), dearest_input(&price->base)));
}

uint64_t price_output_token(const struct price *price, uint64_t input_tokens)
{
    return round_up(
        larger(dearest_output(prices_for(price, input_tokens)), dearest_output(&price->base)));
}
