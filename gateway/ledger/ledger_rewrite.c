#include "gateway/ledger/ledger_rewrite.h"

#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_loaded.h"
#include "gateway/ledger/ledger_sql.h"

enum { PACKED_MAX_BYTES = 4 * LEDGER_BLOCK_BYTES };

enum status ledger_rewrite_open(struct ledger_rewrite *rewrite, sqlite3 *db, struct error *err)
{
    rewrite->db = db;
    ledger_block_init(&rewrite->packed, PACKED_MAX_BYTES);
    TRY(ledger_sql_prepare(db,
                           "UPDATE blocks SET edition = edition + 1, layout = ?3, packed = ?2 "
                           "WHERE number = ?1",
                           &rewrite->set_block, err));
    return ledger_sql_prepare(db,
                              "UPDATE minutes SET cost_nanousd = "
                              "min(max(cost_nanousd - ?1, 0), " LEDGER_SQL_LARGEST " - ?2) + ?2 "
                              "WHERE minute = ?3 AND tenant = ?4 AND route = ?5 AND model = ?6 "
                              "AND cost_nanousd < " LEDGER_SQL_LARGEST,
                              &rewrite->set_minute, err);
}

void ledger_rewrite_close(struct ledger_rewrite *rewrite)
{
    (void)sqlite3_finalize(rewrite->set_block);
    (void)sqlite3_finalize(rewrite->set_minute);
    if (rewrite->db != NULL) {
        ledger_block_fini(&rewrite->packed);
    }
    *rewrite = (struct ledger_rewrite){0};
}

static enum status run(struct ledger_rewrite *rewrite, sqlite3_stmt *statement, struct error *err)
{
    int code = sqlite3_step(statement);
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(rewrite->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

enum status ledger_rewrite_minute(struct ledger_rewrite *rewrite, const struct ledger_row *row,
                                  uint64_t before, uint64_t now, struct error *err)
{
    sqlite3_stmt *statement = rewrite->set_minute;
    (void)sqlite3_bind_int64(statement, 1, ledger_saturated(before));
    (void)sqlite3_bind_int64(statement, 2, ledger_saturated(now));
    (void)sqlite3_bind_int64(statement, 3, row->opened_at / (60 * SEC));
    (void)sqlite3_bind_text(statement, 4, row->tenant, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 5, row->route, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 6, row->model, -1, SQLITE_STATIC);
    return run(rewrite, statement, err);
}

static enum status pack(struct ledger_rewrite *rewrite, const struct ledger_loaded *block,
                        struct error *err)
{
    ledger_block_clear(&rewrite->packed);
    for (unsigned i = 0; i < block->list.count; i++) {
        if (ledger_block_add(&rewrite->packed, &block->list.rows[i]) != STATUS_OK) {
            FAIL(err, STATUS_TOO_LARGE, "its block %lld is too large", (long long)block->number);
        }
    }
    return STATUS_OK;
}

enum status ledger_rewrite_block(struct ledger_rewrite *rewrite, const struct ledger_loaded *block,
                                 struct error *err)
{
    int64_t layout = 0;
    TRY(ledger_blocks_layout(rewrite->db, &layout, err));
    TRY(pack(rewrite, block, err));
    struct slice packed = buffer_bytes(&rewrite->packed.bytes);
    (void)sqlite3_bind_int64(rewrite->set_block, 1, block->number);
    (void)sqlite3_bind_blob(rewrite->set_block, 2, packed.ptr, (int)packed.len, SQLITE_STATIC);
    (void)sqlite3_bind_int64(rewrite->set_block, 3, layout);
    return run(rewrite, rewrite->set_block, err);
}
