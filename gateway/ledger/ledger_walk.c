#include "gateway/ledger/ledger_walk.h"

#include "base/memory.h"
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_loaded.h"
#include "gateway/ledger/ledger_sql.h"

#include <stdlib.h>

struct ledger_walker {
    sqlite3 *db;
    sqlite3_stmt *statement;
    const struct ledger_walk *walk;
    struct ledger_loaded block;     /* at hand */
    const struct ledger_row **rows; /* owned: the block's, in order */
    unsigned next, rows_room;
    int64_t place; /* of the row that was told last */
};

static bool is_between(usec_t time, usec_t from, usec_t to)
{
    return (from == 0 || time >= from) && (to == 0 || time < to);
}

static bool is_wanted(const struct ledger_walk *walk, const struct ledger_row *row)
{
    return is_between(row->opened_at, walk->opened_from, walk->opened_to) &&
           is_between(row->closed_at, walk->closed_from, walk->closed_to) &&
           (walk->id == NULL || strcmp(row->id, walk->id) == 0) &&
           (walk->object == NULL || strcmp(row->object.id, walk->object) == 0) &&
           (!walk->objects || row->object.id[0] != '\0') &&
           (!walk->failed || ledger_row_failed(row));
}

/* Of rows at the same time the later one of the block is the later one. */
static int compare(const struct ledger_row *a, usec_t a_time, const struct ledger_row *b,
                   usec_t b_time)
{
    bool earlier = a_time == b_time ? a < b : a_time < b_time;
    return earlier ? -1 : 1;
}

static int by_opened(const void *a, const void *b)
{
    const struct ledger_row *first = *(const struct ledger_row *const *)a;
    const struct ledger_row *second = *(const struct ledger_row *const *)b;
    return compare(first, first->opened_at, second, second->opened_at);
}

static int by_closed(const void *a, const void *b)
{
    const struct ledger_row *first = *(const struct ledger_row *const *)a;
    const struct ledger_row *second = *(const struct ledger_row *const *)b;
    return compare(first, first->closed_at, second, second->closed_at);
}

static bool is_backwards(const struct ledger_walk *walk)
{
    return walk->order == LEDGER_BY_OPENED_LAST || walk->order == LEDGER_BY_CLOSED_LAST;
}

static void sort_rows(struct ledger_walker *walker)
{
    unsigned count = walker->block.list.count;
    enum ledger_order order = walker->walk->order;
    if (walker->rows_room < count) {
        walker->rows_room = count;
        walker->rows = memory_resize(walker->rows, count * sizeof(const struct ledger_row *));
    }
    for (unsigned i = 0; i < count; i++) {
        walker->rows[i] = &walker->block.list.rows[i];
    }
    if (order != LEDGER_AS_KEPT && count > 0) {
        qsort(walker->rows, count, sizeof(struct ledger_row *),
              order == LEDGER_BY_CLOSED_LAST ? by_closed : by_opened);
    }
    walker->next = 0;
}

static const struct ledger_row *next_of_block(struct ledger_walker *walker)
{
    bool backwards = is_backwards(walker->walk);
    while (walker->next < walker->block.list.count) {
        unsigned at = backwards ? walker->block.list.count - 1 - walker->next : walker->next;
        walker->next++;
        if (is_wanted(walker->walk, walker->rows[at])) {
            uint64_t index = (uint64_t)(walker->rows[at] - walker->block.list.rows);
            walker->place =
                (int64_t)((uint64_t)walker->block.number * LEDGER_BLOCK_ROWS_BEYOND + index);
            return walker->rows[at];
        }
    }
    return NULL;
}

static void bind_print(sqlite3_stmt *statement, int index, const char *id)
{
    unsigned char print[LEDGER_PRINT_BYTES];
    if (id != NULL) {
        ledger_print(id, print);
        (void)sqlite3_bind_blob(statement, index, print, sizeof(print), SQLITE_TRANSIENT);
    }
}

/* The last one that may be, not the first that may not. */
static void bind_times(sqlite3_stmt *statement, int index, usec_t from, usec_t to)
{
    (void)sqlite3_bind_int64(statement, index, from == 0 ? INT64_MIN : from);
    (void)sqlite3_bind_int64(statement, index + 1, to == 0 ? INT64_MAX : to - 1);
}

static enum status prepare(struct ledger_walker *walker, struct error *err)
{
    const struct ledger_walk *walk = walker->walk;
#define WHERE                                                                                      \
    "SELECT " LEDGER_LOADED_COLUMNS " FROM blocks WHERE opened_to >= ?1 AND opened_from <= ?2 "    \
    "AND closed_to >= ?3 AND closed_from <= ?4 AND (?5 IS NULL OR instr(ids, ?5) > 0) "            \
    "AND (?6 IS NULL OR instr(object_ids, ?6) > 0) AND objects >= ?7 AND failed >= ?8 "
    TRY(ledger_sql_prepare(
        walker->db, is_backwards(walk) ? WHERE "ORDER BY number DESC" : WHERE "ORDER BY number",
        &walker->statement, err));
#undef WHERE
    sqlite3_stmt *statement = walker->statement;
    bind_times(statement, 1, walk->opened_from, walk->opened_to);
    bind_times(statement, 3, walk->closed_from, walk->closed_to);
    bind_print(statement, 5, walk->id);
    bind_print(statement, 6, walk->object);
    (void)sqlite3_bind_int64(statement, 7, walk->objects || walk->object != NULL);
    (void)sqlite3_bind_int64(statement, 8, walk->failed);
    return STATUS_OK;
}

enum status ledger_walk_begin(sqlite3 *db, const struct ledger_walk *walk,
                              struct ledger_walker **ret, struct error *err)
{
    struct ledger_walker *walker = MEMORY_NEW(struct ledger_walker);
    walker->db = db;
    walker->walk = walk;
    enum status status = prepare(walker, err);
    if (status != STATUS_OK) {
        ledger_walk_end(walker);
        return status;
    }
    *ret = walker;
    return STATUS_OK;
}

enum status ledger_walk_next(struct ledger_walker *walker, const struct ledger_row **ret_row,
                             struct error *err)
{
    while ((*ret_row = next_of_block(walker)) == NULL) {
        int code = sqlite3_step(walker->statement);
        if (code != SQLITE_ROW) {
            return code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(walker->db, code, err);
        }
        TRY(ledger_loaded_take(&walker->block, walker->statement, err));
        sort_rows(walker);
    }
    return STATUS_OK;
}

int64_t ledger_walk_place(const struct ledger_walker *walker)
{
    return walker->place;
}

void ledger_walk_end(struct ledger_walker *walker)
{
    if (walker == NULL) {
        return;
    }
    (void)sqlite3_finalize(walker->statement);
    ledger_loaded_fini(&walker->block);
    memory_free(walker->rows);
    memory_free(walker);
}
