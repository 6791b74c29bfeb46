#include "gateway/ledger/ledger_windows.h"

#include "base/digest.h"
#include "gateway/ledger/ledger_charges.h"
#include "gateway/ledger/ledger_sql.h"

/* *ret_found: there is one. */
static enum status read_seed(sqlite3 *db, uint64_t seed[2], bool *ret_found, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    TRY(ledger_sql_prepare(db, "SELECT low, high FROM quota_seed", &statement, err));
    int code = sqlite3_step(statement);
    *ret_found = code == SQLITE_ROW;
    if (*ret_found) {
        seed[0] = (uint64_t)sqlite3_column_int64(statement, 0);
        seed[1] = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    bool fine = code == SQLITE_ROW || code == SQLITE_DONE;
    enum status status = fine ? STATUS_OK : ledger_sql_fail(db, code, err);
    (void)sqlite3_finalize(statement);
    return status;
}

/* Two that start at once: the first one's stays. */
static enum status write_seed(sqlite3 *db, const uint64_t seed[2], struct error *err)
{
    sqlite3_stmt *statement = NULL;
    TRY(ledger_sql_prepare(db, "INSERT OR IGNORE INTO quota_seed VALUES (1, ?, ?)", &statement,
                           err));
    (void)sqlite3_bind_int64(statement, 1, (int64_t)seed[0]);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)seed[1]);
    int code = sqlite3_step(statement);
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(db, code, err);
    (void)sqlite3_finalize(statement);
    return status;
}

enum status ledger_windows_seed(sqlite3 *db, uint64_t seed[2], struct error *err)
{
    bool found = false;
    uint64_t kept[2] = {0};
    TRY(read_seed(db, kept, &found, err));
    if (!found) {
        uint64_t made[2] = {seed[0], seed[1]};
        if (made[0] == 0 && made[1] == 0) {
            random_bytes(made, sizeof(made));
        }
        TRY(write_seed(db, made, err));
        TRY(read_seed(db, kept, &found, err));
    }
    if (seed[0] == 0 && seed[1] == 0) {
        seed[0] = kept[0];
        seed[1] = kept[1];
    }
    return STATUS_OK;
}

enum status ledger_windows_read(sqlite3 *db, int64_t now_ms, void *ctx,
                                void (*each)(void *ctx, const struct ledger_charge *charge),
                                struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code;
    TRY(ledger_sql_prepare(
        db, "SELECT hash, starts_ms, ends_ms, used, epoch FROM quota_sums WHERE ends_ms > ?",
        &statement, err));
    (void)sqlite3_bind_int64(statement, 1, now_ms);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct ledger_charge charge = {
            .hash = (uint64_t)sqlite3_column_int64(statement, 0),
            .start_ms = sqlite3_column_int64(statement, 1),
            .end_ms = sqlite3_column_int64(statement, 2),
            .amount = (uint64_t)sqlite3_column_int64(statement, 3),
            .epoch = (uint64_t)sqlite3_column_int64(statement, 4),
        };
        each(ctx, &charge);
    }
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(db, code, err);
    (void)sqlite3_finalize(statement);
    return status;
}

enum status ledger_windows_find_keys(sqlite3 *db, struct ledger_charges *charges, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_DONE;
    TRY(ledger_sql_prepare(db, "SELECT key FROM quota_keys WHERE hash = ?", &statement, err));
    for (struct ledger_window *at = charges->first; at != NULL; at = at->next) {
        (void)sqlite3_bind_int64(statement, 1, (int64_t)at->sum.hash);
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            at->key = arena_copy(&charges->arena,
                                 slice_make((const char *)sqlite3_column_text(statement, 0),
                                            (size_t)sqlite3_column_bytes(statement, 0)));
        } else if (code != SQLITE_DONE) {
            break;
        }
        (void)sqlite3_reset(statement);
    }
    bool fine = code == SQLITE_ROW || code == SQLITE_DONE;
    enum status status = fine ? STATUS_OK : ledger_sql_fail(db, code, err);
    (void)sqlite3_finalize(statement);
    return status;
}
