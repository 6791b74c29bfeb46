/*
 * entry_details: the part of the ledger's row that `sallyport explain` reads: quotas before and
 * after, attempts, price and times, as a JSON object.
 */
#pragma once

#include <stddef.h>

struct exchange;

/* {"quotas":[...],"tries":[...],"price":{...},"times":{...},"waited":{...},"reason":"..."}, with a
 * zero behind it. Parts that do not fit into `size` are left out, which "cut":true says. */
void entry_details_write(const struct exchange *exchange, char *ret, size_t size);
