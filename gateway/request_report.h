/* request_report: a row of the ledger as JSON, for the admin API and `sallyport explain`. */
#pragma once

#include "base/status.h"

struct buffer;
struct ledger_row;

/* One object; times in microseconds, money in nano-USD. */
MUST_USE enum status request_report_write(const struct ledger_row *row, struct buffer *out);
