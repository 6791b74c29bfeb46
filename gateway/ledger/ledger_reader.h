/* ledger_reader: what the files that answer questions share of a reader. Internal to ledger/. */
#pragma once

#include "gateway/ledger/ledger_query.h"

#include <sqlite3.h>

struct ledger_reader {
    sqlite3 *db;
    char *path; /* owned */
};

/* By names alone; not by times, and not by `object`. */
bool ledger_filter_fits(const struct ledger_filter *filter, const struct ledger_row *row);
