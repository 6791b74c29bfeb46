/*
 * ledger_ask: questions in SQL, for what no report has. The tables: "requests", with a column for
 * each thing that a row has (ledger_columns), and "minutes", the sums.
 */
#pragma once

#include "gateway/ledger/ledger_query.h"

#include <stdio.h>

/* The answer as CSV with a head, or as a JSON list of objects. STATUS_INVALID: it is not one
 * statement that only reads. What was written before an error stays. */
MUST_USE enum status ledger_ask(struct ledger_reader *reader, const char *sql, bool json, FILE *out,
                                struct error *err);
