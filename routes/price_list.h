/*
 * price_list: how the prices of a provider lie in memory; for price.c and price_read.c.
 */
#pragma once

#include "routes/price.h"

struct price_name {
    struct slice name; /* a model's own, or an alias */
    const struct price *price;
};

struct price_list {
    struct slice provider;
    struct price *prices;
    unsigned count;
    struct price_name *names; /* sorted by price_name_compare() */
    unsigned name_count;
    struct price dearest;
    struct price *own; /* an operator's, which go before those above */
    unsigned own_count;
    const struct price *other; /* among them, of all that have no other; NULL: there is none */
};

struct price_book {
    struct price_list **lists;
    unsigned count;
};

/* Of each figure the larger. */
void price_raise(struct price *most, const struct price *price);

/* By bytes; a shorter one before a longer one that begins with it. */
static inline int price_name_compare(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}
