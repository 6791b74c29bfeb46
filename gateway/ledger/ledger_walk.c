#include "gateway/ledger/ledger_walk.h"

#include "base/memory.h"
#include "gateway/ledger/ledger_block.h"
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_sql.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- layouts ---- */

static enum status load_layout(sqlite3_stmt *statement, struct ledger_layouts *cached,
                               struct error *err)
{
    const char *columns = (const char *)sqlite3_column_text(statement, 0);
    ledger_layouts_fini(cached);
    if (columns == NULL || ledger_layout_read(slice_from(columns), &cached->layout) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "its table of layouts is broken");
    }
    return STATUS_OK;
}

enum status ledger_layouts_get(sqlite3 *db, int64_t number, struct ledger_layouts *cached,
                               struct error *err)
{
    sqlite3_stmt *statement = NULL;
    if (cached->layout != NULL && cached->number == number) {
        return STATUS_OK;
    }
    TRY(ledger_sql_prepare(db, "SELECT columns FROM layouts WHERE number = ?", &statement, err));
    (void)sqlite3_bind_int64(statement, 1, number);
    (void)sqlite3_step(statement);
    enum status status = load_layout(statement, cached, err);
    (void)sqlite3_finalize(statement);
    cached->number = number;
    return status;
}

void ledger_layouts_fini(struct ledger_layouts *cached)
{
    ledger_layout_free(TAKE(cached->layout));
}

/* ---- a block's rows ---- */

static bool list_row(void *ctx, const struct ledger_row *row)
{
    struct ledger_row_list *list = ctx;
    if (list->count == LEDGER_BLOCK_ROWS_BEYOND) {
        return false;
    }
    if (list->count == list->room) {
        list->room = list->room == 0 ? LEDGER_BLOCK_ROWS : 2 * list->room;
        list->rows = memory_resize(list->rows, list->room * sizeof(*row));
    }
    list->rows[list->count++] = *row;
    return true;
}

enum status ledger_row_list_read(struct ledger_row_list *list, const struct ledger_layout *layout,
                                 struct slice packed)
{
    list->count = 0;
    TRY(ledger_block_read(layout, packed, list, list_row));
    return list->count < LEDGER_BLOCK_ROWS_BEYOND ? STATUS_OK : STATUS_INVALID;
}

void ledger_row_list_fini(struct ledger_row_list *list)
{
    memory_free(list->rows);
    *list = (struct ledger_row_list){0};
}

/* ---- walking ---- */

struct ledger_walker {
    sqlite3 *db;
    sqlite3_stmt *statement;
    const struct ledger_walk *walk;
    struct ledger_layouts layouts;
    struct ledger_row_list list;    /* of the block at hand */
    const struct ledger_row **rows; /* owned: the list's, in order */
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

static int compare(usec_t a, usec_t b)
{
    return a < b ? -1 : a > b;
}

/* Of rows at the same time the later one of the block is the later one. */
static int by_opened(const void *a, const void *b)
{
    const struct ledger_row *first = *(const struct ledger_row *const *)a;
    const struct ledger_row *second = *(const struct ledger_row *const *)b;
    int order = compare(first->opened_at, second->opened_at);
    return order != 0 ? order : first < second ? -1 : 1;
}

static int by_closed(const void *a, const void *b)
{
    const struct ledger_row *first = *(const struct ledger_row *const *)a;
    const struct ledger_row *second = *(const struct ledger_row *const *)b;
    int order = compare(first->closed_at, second->closed_at);
    return order != 0 ? order : first < second ? -1 : 1;
}

static bool is_backwards(const struct ledger_walk *walk)
{
    return walk->order == LEDGER_BY_OPENED_LAST || walk->order == LEDGER_BY_CLOSED_LAST;
}

static void sort_rows(struct ledger_walker *walker)
{
    unsigned count = walker->list.count;
    enum ledger_order order = walker->walk->order;
    if (walker->rows_room < count) {
        walker->rows_room = count;
        walker->rows = memory_resize(walker->rows, count * sizeof(const struct ledger_row *));
    }
    for (unsigned i = 0; i < count; i++) {
        walker->rows[i] = &walker->list.rows[i];
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
    while (walker->next < walker->list.count) {
        unsigned at = backwards ? walker->list.count - 1 - walker->next : walker->next;
        walker->next++;
        if (is_wanted(walker->walk, walker->rows[at])) {
            uint64_t number = (uint64_t)sqlite3_column_int64(walker->statement, 1);
            uint64_t index = (uint64_t)(walker->rows[at] - walker->list.rows);
            walker->place = (int64_t)(number * LEDGER_BLOCK_ROWS_BEYOND + index);
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
    "SELECT layout, number, packed FROM blocks WHERE opened_to >= ?1 AND opened_from <= ?2 "       \
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

static enum status read_block(struct ledger_walker *walker, struct error *err)
{
    sqlite3_stmt *statement = walker->statement;
    TRY(ledger_layouts_get(walker->db, sqlite3_column_int64(statement, 0), &walker->layouts, err));
    const char *packed = sqlite3_column_blob(statement, 2);
    size_t len = (size_t)sqlite3_column_bytes(statement, 2);
    if (ledger_row_list_read(&walker->list, walker->layouts.layout,
                             slice_make(packed == NULL ? "" : packed, len)) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "its block %" PRId64 " is broken",
             (int64_t)sqlite3_column_int64(statement, 1));
    }
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
        TRY(read_block(walker, err));
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
    ledger_layouts_fini(&walker->layouts);
    ledger_row_list_fini(&walker->list);
    memory_free(walker->rows);
    memory_free(walker);
}
