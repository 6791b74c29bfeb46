/*
 * ledger_rows: rows as statements read them: which, and their columns. Internal to ledger/.
 */
#pragma once

#include "base/clock.h"
#include "base/status.h"

#include <sqlite3.h>

struct buffer;
struct ledger_filter;
struct ledger_row;

/* "SELECT ... FROM requests BEHIND", for ledger_rows_read(). */
MUST_USE enum status ledger_rows_select(const char *behind, struct buffer *out);
void ledger_rows_read(sqlite3_stmt *statement, struct ledger_row *ret);

/* Binds 1 and 2: from, and up to, which minute, or moment, by `unit`; 3 to 5: what has to be equal;
 * 6: the offset of days, in seconds. */
void ledger_rows_bind(sqlite3_stmt *statement, const struct ledger_filter *filter, usec_t unit);
#define LEDGER_ROWS_EQUAL                                                                          \
    "(?3 IS NULL OR tenant = ?3) AND (?4 IS NULL OR route = ?4) AND (?5 IS NULL OR model = ?5)"
