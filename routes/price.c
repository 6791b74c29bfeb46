#include "routes/price.h"

#include "base/memory.h"
#include "base/table.h"
#include "routes/price_list.h"

__extension__ typedef unsigned __int128 uint128;

enum { TOKENS_A_PRICE = 1000000 };

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

const struct price *price_find(const struct price_list *list, struct slice model)
{
    const struct price *price = find_name(list, model);
    while (price == NULL && model.len > 0) {
        model = less_specific(model);
        price = find_name(list, model);
    }
    return price;
}

const struct price *price_dearest(const struct price_list *list)
{
    return &list->dearest;
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

uint64_t price_cost(const struct price *price, const struct usage *usage)
{
    uint128 input = (uint128)usage->input + usage->cache_read + usage->cache_write;
    const struct token_prices *prices = prices_for(price, input);
    return round_up((uint128)usage->input * prices->input +
                    (uint128)usage->cache_read * prices->cache_read +
                    (uint128)usage->cache_write * prices->cache_write +
                    (uint128)usage->output * prices->output);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t dearest_input(const struct token_prices *prices)
{
    return larger(prices->input, larger(prices->cache_read, prices->cache_write));
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
    return round_up(larger(prices_for(price, input_tokens)->output, price->base.output));
}
