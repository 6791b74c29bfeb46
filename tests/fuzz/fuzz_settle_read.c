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

static void read_by(const struct hook_settle *rule, struct slice body)
{
    const struct hook hook = {.settles = rule, .settle_count = 1};
    struct ledger_settlement said;
    char text[SETTLE_TEXT_MAX];
    enum settle_verdict verdict = settle_read(&hook, SLICE("a"), body, &said, text);
    assert(verdict != SETTLE_SAID || said.object[0] != '\0');
    assert(!said.has_cost || said.cost <= LIMIT_AMOUNT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = slice_make((const char *)data, size);
    uint64_t usd = 0;
    uint64_t cent = 0;
    read_by(&pointers, body);
    read_by(&fields, body);
    read_by(&inside, body);
    bool is_usd = settle_amount(body, 9, &usd);
    bool is_cent = settle_amount(body, 7, &cent);
    assert(!is_usd || is_cent);
    assert(!is_usd || (usd <= LIMIT_AMOUNT_MAX && usd <= cent * 100 && (cent == 0) == (usd == 0)));
    return 0;
}
