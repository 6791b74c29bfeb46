/*
 * price: what a model's tokens cost, and images, seconds and the like, and how large it is. Built
 * in as dated data (prices/PROVIDER.json, whose form is in prices/README.md); a route may have
 * others. Money is integer nano-USD; a receipt is rounded up once, at its end. Pure.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "routes/usage.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;

/* Nano-USD for 1,000,000 tokens: 2.50 USD are 2,500,000,000. */
struct token_prices {
    uint64_t input, output, cache_read, cache_write;
    uint64_t audio_input, audio_output, image_input, image_output;
    uint64_t reasoning; /* of the output; the rest of it costs `output` */
};

/* Nano-USD for one. */
struct unit_prices {
    uint64_t image, second, character; /* instead of tokens, where no tokens are told */
    uint64_t message, segment, search; /* beside them */
    uint64_t request;                  /* of each call */
};

struct price {
    struct slice model; /* empty: price_dearest(), or of all that have no other */
    struct token_prices base;
    struct unit_prices units;
    uint64_t tier_above; /* more input tokens than this (all kinds): `tier` for the whole call; 0:
                            none */
    struct token_prices tier;
    uint64_t context;    /* most input tokens; never 0: unknown ones have the provider's largest */
    uint64_t max_output; /* likewise */
};

struct price_list; /* of one provider */
struct price_book; /* all of them */

/* The built-in ones. An error is a bug of the data, found by a test. */
MUST_USE enum status price_book_load(struct arena *arena, struct price_book **ret,
                                     struct error *err);
/* One provider's file, for tests. Refuses floats, unknown members, a model twice. */
MUST_USE enum status price_list_read(struct arena *arena, struct slice provider, struct slice json,
                                     struct price_list **ret, struct error *err);
/* NULL: no prices are known for this profile's name. */
const struct price_list *price_book_find(const struct price_book *book, struct slice provider);

/* What an operator says that a model costs; a name that ends with '*' stands for all that begin
 * like it, an empty one for all that have no other price, and for calls that name no model.
 * `price.model` is that name. `context` and `max_output` 0: as the built-in price of the model, or
 * else the largest of the provider. `built_in` may be NULL. Names are unique, slices are borrowed.
 */
const struct price_list *price_list_override(struct arena *arena, const struct price_list *built_in,
                                             const struct price *prices, unsigned count);
/* What is not said of the tokens: `cache_read`, `cache_write`, sound and images cost as input and
 * output do. `said` has a bit 1 << enum usage_kind for what is. */
void token_prices_complete(struct token_prices *prices, unsigned said);

/* The model's own price, by its name or an alias; that of "ft:MODEL" for a model that was tuned
 * from it ("ft:MODEL:ORGANISATION:..."). NULL: not known. */
const struct price *price_find(const struct price_list *list, struct slice model);
/* What stands in for an unknown model: of each figure the dearest, the largest, of the provider. */
const struct price *price_dearest(const struct price_list *list);

/* What a call of that model is charged by: its own price, or what stands in for it. */
const struct price *price_for(const struct price_list *list, struct slice model,
                              bool *ret_stands_in);

/* Of one call. Rounded up to whole nano-USD. Saturates at UINT64_MAX. Where there are prices of
 * tokens, and tokens were told, images, seconds and characters cost nothing beside them. */
uint64_t price_cost(const struct price *price, const struct usage *usage);
/* False: it counts something, but has no price for it, though it is not free: then this usage does
 * not say what the call cost. */
bool price_covers(const struct price *price, const struct usage *usage);
/* Its tokens cost something. */
bool price_counts_tokens(const struct price *price);
/* Upper bounds for a reservation: of so many input tokens of the dearest kind, and of one output
 * token, rounded up; both with the tier that so many input tokens lead to. */
uint64_t price_input_bound(const struct price *price, uint64_t input_tokens);
uint64_t price_output_token(const struct price *price, uint64_t input_tokens);
