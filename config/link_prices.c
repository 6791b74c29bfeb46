/* A route's prices: those that are built in for its provider, and those that the config says, which
 * go before them. */
#include "config/link.h"
#include "config/quota_values.h"
#include "routes/price.h"
#include "routes/profile.h"

#include <stddef.h>
#include <string.h>

enum { MODEL_MAX = 128 };

static const struct {
    size_t node;
    size_t price; /* in struct token_prices */
    enum usage_kind kind;
} token_fields[] = {
#define TOKEN(member, kind)                                                                        \
    {                                                                                              \
        offsetof(struct price_section, member), offsetof(struct token_prices, member), kind        \
    }
    TOKEN(input, USAGE_INPUT),
    TOKEN(output, USAGE_OUTPUT),
    TOKEN(cache_read, USAGE_CACHE_READ),
    TOKEN(cache_write, USAGE_CACHE_WRITE),
    TOKEN(audio_input, USAGE_AUDIO_INPUT),
    TOKEN(audio_output, USAGE_AUDIO_OUTPUT),
    TOKEN(image_input, USAGE_IMAGE_INPUT),
    TOKEN(image_output, USAGE_IMAGE_OUTPUT),
    TOKEN(reasoning, USAGE_REASONING),
#undef TOKEN
};

static const struct {
    size_t node;
    size_t price; /* in struct unit_prices */
} unit_fields[] = {
#define UNIT(member)                                                                               \
    {                                                                                              \
        offsetof(struct price_section, per_##member), offsetof(struct unit_prices, member)         \
    }
    UNIT(image),   UNIT(second), UNIT(character), UNIT(message),
    UNIT(segment), UNIT(search), UNIT(request),
#undef UNIT
};

/* False: it is not there. What is faulty is reported, and as good as there. */
static bool read_money(const struct link *link, const struct price_section *section, size_t offset,
                       void *prices, size_t price)
{
    struct error err;
    const struct tree *node;
    uint64_t value = 0;
    memcpy(&node, (const char *)section + offset, sizeof(node));
    if (node == NULL) {
        return false;
    }
    if (quota_money_parse(node->text, &value, &err) != STATUS_OK) {
        tree_report(link->problems, node, "\"%s\": %s", QUOTE(node->source), err.message);
    }
    memcpy((char *)prices + price, &value, sizeof(value));
    return true;
}

static void check_tokens(const struct link *link, const struct price_section *section,
                         const struct route *route, unsigned said, bool any_unit)
{
    const unsigned both = 1U << USAGE_INPUT | 1U << USAGE_OUTPUT;
    if (section->node->faulty) {
        return;
    }
    if (said == 0 && !any_unit) {
        tree_report(link->problems, section->node,
                    "it has no price; write one such as input and output, or per_request");
    } else if (said != 0 && (said & both) != both) {
        tree_report(link->problems, section->node,
                    "tokens need both, input and output; write 0 USD for what costs nothing");
    } else if (route->profile->call_count == 0 &&
               (said != 0 || section->per_request == NULL || section->model != NULL)) {
        tree_report(link->problems, section->node,
                    "calls of provider %s tell neither model nor usage; write per_request alone",
                    route->profile->name);
    }
}

static void link_price(const struct link *link, const struct price_section *section,
                       const struct route *route, struct price *ret)
{
    unsigned said = 0;
    bool any_unit = false;
    for (size_t i = 0; i < sizeof(token_fields) / sizeof(token_fields[0]); i++) {
        if (read_money(link, section, token_fields[i].node, &ret->base, token_fields[i].price)) {
            said |= 1U << token_fields[i].kind;
        }
    }
    for (size_t i = 0; i < sizeof(unit_fields) / sizeof(unit_fields[0]); i++) {
        any_unit |=
            read_money(link, section, unit_fields[i].node, &ret->units, unit_fields[i].price);
    }
    check_tokens(link, section, route, said, any_unit);
    token_prices_complete(&ret->base, said);
    ret->context = section->context;
    ret->max_output = section->max_output;
    if (section->model != NULL) {
        ret->model = link_keep_slice(link, section->model->text);
    }
}

static void check_model(const struct link *link, const struct price_section *section,
                        const struct price *prices, unsigned index)
{
    const struct tree *place = section->model != NULL ? section->model : section->node;
    struct slice model = prices[index].model;
    size_t star = slice_find(model, '*');
    if (model.len > MODEL_MAX || (model.len > 0 && star + 1 < model.len)) {
        tree_report(link->problems, place,
                    "a model's name has up to %d bytes here, and a * only at its end", MODEL_MAX);
    }
    for (unsigned i = 0; i < index; i++) {
        if (slice_equal(prices[i].model, model)) {
            tree_report(link->problems, place,
                        "there are two prices for the same model; take one of them out");
        }
    }
}

void link_prices(const struct link *link, const struct route_section *section, struct route *route)
{
    const struct price_section *sections = section->prices.items;
    if (route->profile == NULL) {
        return;
    }
    const struct slice provider = slice_from(route->profile->name);
    route->prices = price_book_find(link->snapshot->prices, provider);
    if (section->prices.count == 0) {
        return;
    }
    struct price *prices = ARENA_ARRAY(link->arena, struct price, section->prices.count);
    for (unsigned i = 0; i < section->prices.count; i++) {
        link_price(link, &sections[i], route, &prices[i]);
        check_model(link, &sections[i], prices, i);
    }
    route->prices = price_list_override(link->arena, route->prices, prices, section->prices.count);
    route->priced_by_request = route->profile->call_count == 0;
}
