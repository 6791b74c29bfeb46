#include "gateway/ledger/ledger_reprice.h"

#include "base/memory.h"
#include "gateway/ledger/ledger_block.h"
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_loaded.h"
#include "gateway/ledger/ledger_reader.h"
#include "gateway/ledger/ledger_rewrite.h"
#include "gateway/ledger/ledger_sql.h"

#include <assert.h>

enum {
    BUSY_MSEC = 5000,
    PAUSE_MSEC = 10, /* after a transaction: the gateway has its turn */
};

/* What is to be changed of a row. */
struct change {
    unsigned at; /* in its block */
    uint64_t cost, new_cost;
    uint32_t flags, new_flags;
};

enum statement { NEXT_BLOCK, SAME_BLOCK, STATEMENTS };

struct walk {
    const struct ledger_repricing *repricing;
    struct ledger_repriced *ret;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct ledger_loaded block; /* at hand; its number is 0 before the first */
    struct change *changes;     /* owned */
    unsigned change_count, change_room;
    struct ledger_rewrite rewrite;
};

/* ---- opening ---- */

static enum status prepare(struct walk *walk, struct error *err)
{
    static const char *const texts[STATEMENTS] = {
        [NEXT_BLOCK] = "SELECT " LEDGER_LOADED_COLUMNS " FROM blocks WHERE number > ?1 "
                       "AND opened_to >= ?2 AND opened_from < ?3 ORDER BY number LIMIT 1",
        [SAME_BLOCK] = "SELECT " LEDGER_LOADED_COLUMNS " FROM blocks WHERE number = ?1",
    };
    for (unsigned i = 0; i < STATEMENTS; i++) {
        TRY(ledger_sql_prepare(walk->db, texts[i], &walk->statements[i], err));
    }
    return walk->repricing->write ? ledger_rewrite_open(&walk->rewrite, walk->db, err) : STATUS_OK;
}

static enum status open_file(struct walk *walk, const char *path, struct error *err)
{
    TRY(ledger_sql_open(path, walk->repricing->write, BUSY_MSEC, &walk->db, err));
    /* As the gateway does: each transaction is whole, the last ones may be lost with the power. */
    TRY(ledger_sql_run(walk->db, "PRAGMA synchronous = NORMAL", err));
    return prepare(walk, err);
}

static void close_file(struct walk *walk)
{
    for (unsigned i = 0; i < STATEMENTS; i++) {
        (void)sqlite3_finalize(walk->statements[i]);
    }
    ledger_rewrite_close(&walk->rewrite);
    (void)sqlite3_close(walk->db);
    ledger_loaded_fini(&walk->block);
    memory_free(walk->changes);
}

/* ---- reading ---- */

/* *ret_there: there is one; it is the walk's block. */
static enum status read_block(struct walk *walk, enum statement which, bool *ret_there,
                              struct error *err)
{
    sqlite3_stmt *statement = walk->statements[which];
    (void)sqlite3_bind_int64(statement, 1, walk->block.number);
    if (which == NEXT_BLOCK) {
        (void)sqlite3_bind_int64(statement, 2, walk->repricing->filter.since);
        (void)sqlite3_bind_int64(statement, 3, walk->repricing->filter.until);
    }
    int code = sqlite3_step(statement);
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(walk->db, code, err);
    if (code == SQLITE_ROW) {
        status = ledger_loaded_take(&walk->block, statement, err);
    }
    *ret_there = code == SQLITE_ROW;
    (void)sqlite3_reset(statement);
    return status;
}

static bool is_wanted(const struct ledger_filter *filter, const struct ledger_row *row)
{
    return row->opened_at >= filter->since && row->opened_at < filter->until &&
           ledger_filter_fits(filter, row);
}

static void look_at(struct walk *walk, unsigned at)
{
    const struct ledger_row *row = &walk->block.list.rows[at];
    uint64_t cost = row->cost;
    bool fallback = false;
    walk->ret->rows++;
    if (!walk->repricing->price(walk->repricing->ctx, row, &cost, &fallback) || cost == row->cost) {
        return;
    }
    MEMORY_GROW(walk->changes, walk->change_count, &walk->change_room);
    walk->changes[walk->change_count++] = (struct change){
        .at = at,
        .cost = row->cost,
        .new_cost = (uint64_t)ledger_saturated(cost),
        .flags = row->flags,
        .new_flags = (row->flags & ~(uint32_t)LEDGER_PRICE_FALLBACK) | LEDGER_REPRICED |
                     (fallback ? (uint32_t)LEDGER_PRICE_FALLBACK : 0),
    };
}

static void look_at_all(struct walk *walk)
{
    walk->change_count = 0;
    for (unsigned i = 0; i < walk->block.list.count; i++) {
        if (is_wanted(&walk->repricing->filter, &walk->block.list.rows[i])) {
            look_at(walk, i);
        }
    }
}

/* ---- writing ---- */

/* Only of rows that still are as they were read. Who deletes them takes nothing out of the sums. */
static enum status apply(struct walk *walk, uint64_t *ret_changed, struct error *err)
{
    bool there = false;
    TRY(read_block(walk, SAME_BLOCK, &there, err));
    for (unsigned i = 0; there && i < walk->change_count; i++) {
        const struct change *change = &walk->changes[i];
        if (change->at >= walk->block.list.count) {
            break;
        }
        struct ledger_row *row = &walk->block.list.rows[change->at];
        if (row->cost == change->cost && row->flags == change->flags) {
            row->cost = change->new_cost;
            row->flags = change->new_flags;
            TRY(ledger_rewrite_minute(&walk->rewrite, row, change->cost, change->new_cost, err));
            (*ret_changed)++;
        }
    }
    return *ret_changed > 0 ? ledger_rewrite_block(&walk->rewrite, &walk->block, err) : STATUS_OK;
}

static enum status write_changes(struct walk *walk, struct error *err)
{
    uint64_t changed = 0;
    TRY(ledger_sql_run(walk->db, "BEGIN IMMEDIATE", err));
    enum status status = apply(walk, &changed, err);
    if (status == STATUS_OK) {
        status = ledger_sql_run(walk->db, "COMMIT", err);
    }
    if (status != STATUS_OK) {
        (void)sqlite3_exec(walk->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    walk->ret->changed += changed;
    (void)sqlite3_sleep(PAUSE_MSEC); /* a command may */
    return STATUS_OK;
}

static enum status go(struct walk *walk, const char *path, struct error *err)
{
    bool there = false;
    TRY(open_file(walk, path, err));
    for (;;) {
        TRY(read_block(walk, NEXT_BLOCK, &there, err));
        if (!there) {
            return STATUS_OK;
        }
        look_at_all(walk);
        if (!walk->repricing->write) {
            walk->ret->changed += walk->change_count;
        } else if (walk->change_count > 0) {
            TRY(write_changes(walk, err));
        }
    }
}

enum status ledger_reprice(const char *path, const struct ledger_repricing *repricing,
                           struct ledger_repriced *ret, struct error *err)
{
    assert(repricing->filter.until > 0); /* else a gateway could keep it going */
    *ret = (struct ledger_repriced){0};
    struct walk *walk = MEMORY_NEW(struct walk);
    walk->repricing = repricing;
    walk->ret = ret;
    enum status status = go(walk, path, err);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", path);
    }
    close_file(walk);
    memory_free(walk);
    return status;
}
