/* What an event says of costs, by rules with pointers and with fields of a form; and amounts: what
 * is read of one in USD and in cents fits together. */
#include "config/hook.h"
#include "gateway/webhook/settle_read.h"
#include "limiter/limit.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice states[] = {SLICE_INIT("canceled"), SLICE_INIT("f*")};
static const struct hook_settle pointers = {.object = SLICE_INIT("/data/id"),
                                            .cost = SLICE_INIT("/data/cost"),
                                            .currency = SLICE_INIT("/data/currency"),
                                            .status = SLICE_INIT("/data/status"),
                                            .free = {states, 2},
                                            .provider = "twilio"};
static const struct hook_settle fields = {.object = SLICE_INIT("Sid"),
                                          .cost = SLICE_INIT("Price"),
                                          .unit = HOOK_CENT,
                                          .status = SLICE_INIT("Status"),
                                          .provider = ""};

static const struct hook_settle inside = {.inside = SLICE_INIT("/data"),
                                          .object = SLICE_INIT("/id"),
                                          .cost = SLICE_INIT("/cost"),
                                          .provider = ""};

static const struct hook_settle each = {
    .is_array = true, .object = SLICE_INIT("/id"), .cost = SLICE_INIT("/cost"), .provider = ""};
static const struct hook_settle deep = {.is_array = true,
                                        .each = SLICE_INIT("/data/0"),
                                        .object = SLICE_INIT("/0"),
                                        .cost = SLICE_INIT("/1"),
                                        .provider = ""};

static void look(void *ctx, struct settle_said *said)
{
    unsigned *elements = ctx;
    const struct ledger_settlement *settlement = &said->settlement;
    assert(said->verdict != SETTLE_NOTHING);
    assert(settlement->object[0] != '\0');
    assert(!settlement->has_cost || settlement->cost <= LIMIT_AMOUNT_MAX);
    assert(settlement->element <= SETTLE_ELEMENTS_MAX);
    assert(*elements == 0 || settlement->element > *elements);
    *elements = settlement->element;
}

static void read_by(const struct hook_settle *rule, struct slice body)
{
    const struct hook hook = {.settles = rule, .settle_count = 1};
    unsigned elements = 0;
    (void)settle_read(&hook, SLICE("a"), body, &elements, look);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = slice_make((const char *)data, size);
    uint64_t usd = 0;
    uint64_t cent = 0;
    read_by(&pointers, body);
    read_by(&fields, body);
    read_by(&inside, body);
    read_by(&each, body);
    read_by(&deep, body);
    bool is_usd = settle_amount(body, 9, &usd);
    bool is_cent = settle_amount(body, 7, &cent);
    assert(!is_usd || is_cent);
    assert(!is_usd || (usd <= LIMIT_AMOUNT_MAX && usd <= cent * 100 && (cent == 0) == (usd == 0)));
    return 0;
}
