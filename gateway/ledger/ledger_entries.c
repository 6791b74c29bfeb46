#include "gateway/ledger/ledger_entries.h"

#include "base/memory.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_sql.h"

enum { TRIM_AT_ONCE = 1000 };

enum statement { ADD, FIND, SET_COST, TRIM, STATEMENTS };

struct ledger_entries {
    sqlite3 *db; /* borrowed */
    sqlite3_stmt *statements[STATEMENTS];
};

/* A window as an entry keeps it. */
struct window {
    uint64_t hash, epoch;
    int64_t start_ms, end_ms;
};

static enum status prepare(struct ledger_entries *entries, struct error *err)
{
    static const char *const texts[STATEMENTS] = {
        [ADD] = "INSERT INTO objects (object, opened_at, closed_at, id, cost, beside, windows) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        [FIND] = "SELECT number, opened_at, closed_at, id, cost, beside, windows FROM objects "
                 "WHERE object = ?1 ORDER BY opened_at, number LIMIT ?2",
        [SET_COST] = "UPDATE objects SET cost = ?2 WHERE number = ?1",
        /* Blocks are deleted by their last row's end, so none of the oldest one's goes too early.
         */
        [TRIM] = "DELETE FROM objects WHERE number IN (SELECT number FROM objects ORDER BY number "
                 "LIMIT ?1) AND closed_at < coalesce((SELECT closed_from FROM blocks "
                 "ORDER BY closed_to LIMIT 1), " LEDGER_SQL_LARGEST ")",
    };
    for (unsigned i = 0; i < STATEMENTS; i++) {
        TRY(ledger_sql_prepare(entries->db, texts[i], &entries->statements[i], err));
    }
    return STATUS_OK;
}

enum status ledger_entries_open(sqlite3 *db, struct ledger_entries **ret, struct error *err)
{
    struct ledger_entries *entries = MEMORY_NEW(struct ledger_entries);
    entries->db = db;
    enum status status = prepare(entries, err);
    if (status != STATUS_OK) {
        ledger_entries_close(entries);
        return status;
    }
    *ret = entries;
    return STATUS_OK;
}

void ledger_entries_close(struct ledger_entries *entries)
{
    for (unsigned i = 0; entries != NULL && i < STATEMENTS; i++) {
        (void)sqlite3_finalize(entries->statements[i]);
    }
    memory_free(entries);
}

static enum status run(struct ledger_entries *entries, enum statement which, struct error *err)
{
    int code = sqlite3_step(entries->statements[which]);
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(entries->db, code, err);
    (void)sqlite3_reset(entries->statements[which]);
    return status;
}

enum status ledger_entries_add(struct ledger_entries *entries, uint64_t object,
                               const struct ledger_row *row, struct error *err)
{
    sqlite3_stmt *statement = entries->statements[ADD];
    struct window windows[LEDGER_CHARGES_MAX];
    unsigned count = 0;
    uint64_t own = row->object_cost < row->cost ? row->object_cost : row->cost;
    for (unsigned i = 0; i < row->charge_count && i < LEDGER_CHARGES_MAX; i++) {
        const struct ledger_charge *charge = &row->charges[i];
        if ((row->object_charges >> i & 1) != 0) {
            windows[count++] =
                (struct window){charge->hash, charge->epoch, charge->start_ms, charge->end_ms};
        }
    }
    (void)sqlite3_bind_int64(statement, 1, (int64_t)object);
    (void)sqlite3_bind_int64(statement, 2, row->opened_at);
    (void)sqlite3_bind_int64(statement, 3, row->closed_at);
    (void)sqlite3_bind_text(statement, 4, row->id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 5, ledger_saturated(own));
    (void)sqlite3_bind_int64(statement, 6, ledger_saturated(row->cost - own));
    (void)sqlite3_bind_blob(statement, 7, windows, (int)(count * sizeof(*windows)), SQLITE_STATIC);
    return run(entries, ADD, err);
}

static void read_windows(sqlite3_stmt *statement, int column, struct ledger_entry *entry)
{
    const char *bytes = sqlite3_column_blob(statement, column);
    size_t count = (size_t)sqlite3_column_bytes(statement, column) / sizeof(struct window);
    for (size_t i = 0; i < count && i < LEDGER_CHARGES_MAX; i++) {
        struct window window;
        memcpy(&window, bytes + i * sizeof(window), sizeof(window));
        entry->charges[entry->charge_count++] = (struct ledger_charge){.hash = window.hash,
                                                                       .epoch = window.epoch,
                                                                       .start_ms = window.start_ms,
                                                                       .end_ms = window.end_ms};
    }
}

static void read_entry(sqlite3_stmt *statement, struct ledger_entry *ret)
{
    const char *id = (const char *)sqlite3_column_text(statement, 3);
    *ret = (struct ledger_entry){
        .number = sqlite3_column_int64(statement, 0),
        .closed_at = sqlite3_column_int64(statement, 2),
        .cost = (uint64_t)sqlite3_column_int64(statement, 4),
        .beside = (uint64_t)sqlite3_column_int64(statement, 5),
    };
    LEDGER_TEXT(ret->id, slice_from(id == NULL ? "" : id));
    read_windows(statement, 6, ret);
}

enum status ledger_entries_find(struct ledger_entries *entries, uint64_t object,
                                struct ledger_entry ret[LEDGER_ENTRIES_MAX], unsigned *ret_count,
                                struct error *err)
{
    sqlite3_stmt *statement = entries->statements[FIND];
    int code;
    *ret_count = 0;
    (void)sqlite3_bind_int64(statement, 1, (int64_t)object);
    (void)sqlite3_bind_int64(statement, 2, LEDGER_ENTRIES_MAX);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        read_entry(statement, &ret[(*ret_count)++]);
    }
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(entries->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

enum status ledger_entries_set_cost(struct ledger_entries *entries,
                                    const struct ledger_entry *entry, uint64_t cost,
                                    struct error *err)
{
    sqlite3_stmt *statement = entries->statements[SET_COST];
    (void)sqlite3_bind_int64(statement, 1, entry->number);
    (void)sqlite3_bind_int64(statement, 2, ledger_saturated(cost));
    return run(entries, SET_COST, err);
}

enum status ledger_entries_trim(struct ledger_entries *entries, struct error *err)
{
    (void)sqlite3_bind_int64(entries->statements[TRIM], 1, TRIM_AT_ONCE);
    return run(entries, TRIM, err);
}
