/*
 * ledger_format: what the ledger has, as people and machines read it. Money is written from whole
 * numbers.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_query.h"

#include <stdint.h>

struct buffer;

enum { LEDGER_COST_TEXT_MAX = 24 };

/* US dollars with so many decimals, 0 to 9; those beyond are cut. Returns `out`. */
const char *ledger_cost_text(uint64_t nanousd, unsigned decimals, char out[LEDGER_COST_TEXT_MAX]);
/* So many say it exactly; 2 at least. */
unsigned ledger_cost_decimals(uint64_t nanousd);

/* "input_tokens" */
const char *ledger_unit_name(enum ledger_unit unit);
/* "tenant"; "" of LEDGER_BY_NOTHING. */
const char *ledger_by_name(enum ledger_by by);

/* A field of CSV (RFC 4180), in quotes where it needs them. One that a spreadsheet would take for a
 * formula gets a ' in front. */
MUST_USE enum status ledger_csv_text(struct slice text, struct buffer *out);

/* {"tenant":"checkout","requests":1,...,"cost_nanousd":1,"cost_usd":"0.000000001"} */
MUST_USE enum status ledger_sum_json(const struct ledger_sum *sum, enum ledger_by by,
                                     struct buffer *out);
/* {"time":"...","request_id":"...",...,"amount":1250,"currency":"eur",...,"cost_usd":"0.000000000"}:
 * a row that names an object.
 */
MUST_USE enum status ledger_object_json(const struct ledger_row *row, struct buffer *out);
