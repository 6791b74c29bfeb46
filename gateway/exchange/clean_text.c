#include "gateway/exchange/clean_text.h"

#include "auth/outbound/scrub.h"
#include "auth/secrets/secret_store.h"
#include "base/secret.h"
#include "gateway/exchange/exchange.h"
#include "gateway/ledger/ledger_row.h"

enum { TEXT_BYTES = 256 }; /* that are looked at: more than any text of a row has room for */

const struct scrubber *exchange_scrubber(const struct exchange *exchange)
{
    return exchange->credential == NULL ? NULL : exchange->credential->scrubber;
}

void clean_text(const struct exchange *exchange, char *ret, size_t size, struct slice text)
{
    char copy[TEXT_BYTES];
    const struct scrubber *scrubber = exchange_scrubber(exchange);
    struct slice kept = slice_make(text.ptr, text.len < sizeof(copy) ? text.len : sizeof(copy));
    bool cut = text.len >= sizeof(copy); /* at its end may be the beginning of a match */
    if (scrubber == NULL ||
        (cut ? scrub_is_clean(scrubber, kept) : !scrub_has_match(scrubber, kept))) {
        ledger_text(ret, size, kept);
        return;
    }
    memcpy(copy, kept.ptr, kept.len);
    (void)scrub_in_place(scrubber, copy, kept.len);
    struct slice clean = slice_make(copy, kept.len);
    if (cut && !scrub_is_clean(scrubber, clean)) {
        clean.len = 0;
    }
    ledger_text(ret, size, clean);
    secret_wipe(copy, sizeof(copy));
}
