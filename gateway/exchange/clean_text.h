/*
 * clean_text: what a provider says of itself, as the ledger may keep it: without the credential,
 * should it be in there, and as ledger_text() has it. Only for gateway/exchange.
 */
#pragma once

#include "base/slice.h"

#include <stddef.h>

struct exchange;
struct scrubber;

/* Of the credential in use; NULL: there is none, or nothing in it is to be scrubbed. */
const struct scrubber *exchange_scrubber(const struct exchange *exchange);

/* Into `ret`, with a zero behind it; empty, if the credential may be in what is beyond its first
 * bytes. */
void clean_text(const struct exchange *exchange, char *ret, size_t size, struct slice text);
#define CLEAN_TEXT(exchange, field, text) clean_text((exchange), (field), sizeof(field), (text))
