/*
 * ledger_windows: what quotas' calendar windows were charged with, as the database keeps it: from
 * where a gateway that starts anew goes on. Internal to ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <stdint.h>

struct ledger_charges;
struct sqlite3;

/* The seed of its hashes. `seed` of zeros: the database's own, made if it has none; else one that
 * was begun anew goes on with it. */
MUST_USE enum status ledger_windows_seed(struct sqlite3 *db, uint64_t seed[2], struct error *err);
/* Those that end after `now_ms`, in no order. */
MUST_USE enum status
ledger_windows_read(struct sqlite3 *db, int64_t now_ms, void *ctx,
                    void (*each)(void *ctx, const struct ledger_charge *charge), struct error *err);
/* The texts of their keys, as far as they were noted. */
MUST_USE enum status ledger_windows_find_keys(struct sqlite3 *db, struct ledger_charges *charges,
                                              struct error *err);
