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
const struct price *price_find(const struct price_list *list, struct slice model)
{
    unsigned low = 0;
    unsigned high = list->name_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = price_name_compare(list->names[middle].name, model);
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

const struct price *price_dearest(const struct price_list *list)
{
    return &list->dearest;
}

/* ---- what a call costs ---- */

static const struct token_prices *prices_for(const struct price *price, uint64_t input_tokens)
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
    uint64_t input = usage->input + usage->cache_read + usage->cache_write;
    const struct token_prices *prices = prices_for(price, input);
    return round_up((uint128)usage->input * prices->input +
                    (uint128)usage->cache_read * prices->cache_read +
                    (uint128)usage->cache_write * prices->cache_write +
                    (uint128)usage->output * prices->output);
}

uint64_t price_input_bound(const struct price *price, uint64_t input_tokens)
{
    const struct token_prices *prices = prices_for(price, input_tokens);
    uint64_t dearest = prices->input;
    dearest = prices->cache_read > dearest ? prices->cache_read : dearest;
    dearest = prices->cache_write > dearest ? prices->cache_write : dearest;
    return round_up((uint128)input_tokens * dearest);
}

uint64_t price_output_token(const struct price *price, uint64_t input_tokens)
{
    return round_up(prices_for(price, input_tokens)->output);
}
