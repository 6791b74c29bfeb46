#include "gateway/ledger/ledger_loaded.h"

#include "base/memory.h"
#include "gateway/ledger/ledger_block.h"
#include "gateway/ledger/ledger_sql.h"

#include <inttypes.h>

/* ---- rows ---- */

static bool list_row(void *ctx, const struct ledger_row *row)
{
    struct ledger_row_list *list = ctx;
    if (list->count == LEDGER_BLOCK_ROWS_BEYOND) {
        return false;
    }
    MEMORY_GROW(list->rows, list->count, &list->room);
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

/* ---- layouts ---- */

static enum status read_layout(sqlite3_stmt *statement, struct ledger_layout **ret,
                               struct error *err)
{
    const char *columns = (const char *)sqlite3_column_text(statement, 0);
    if (columns == NULL || ledger_layout_read(slice_from(columns), ret) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "its table of layouts is broken");
    }
    return STATUS_OK;
}

static enum status know_layout(struct ledger_loaded *loaded, sqlite3 *db, int64_t number,
                               struct error *err)
{
    sqlite3_stmt *statement = NULL;
    if (loaded->layout != NULL && loaded->layout_number == number) {
        return STATUS_OK;
    }
    ledger_layout_free(TAKE(loaded->layout));
    TRY(ledger_sql_prepare(db, "SELECT columns FROM layouts WHERE number = ?", &statement, err));
    (void)sqlite3_bind_int64(statement, 1, number);
    (void)sqlite3_step(statement);
    enum status status = read_layout(statement, &loaded->layout, err);
    (void)sqlite3_finalize(statement);
    loaded->layout_number = number;
    return status;
}

/* ---- blocks ---- */

enum status ledger_loaded_take(struct ledger_loaded *loaded, sqlite3_stmt *statement,
                               struct error *err)
{
    loaded->number = sqlite3_column_int64(statement, 0);
    TRY(know_layout(loaded, sqlite3_db_handle(statement), sqlite3_column_int64(statement, 1), err));
    const char *packed = sqlite3_column_blob(statement, 2);
    size_t len = (size_t)sqlite3_column_bytes(statement, 2);
    if (ledger_row_list_read(&loaded->list, loaded->layout,
                             slice_make(packed == NULL ? "" : packed, len)) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "its block %" PRId64 " is broken", loaded->number);
    }
    return STATUS_OK;
}

void ledger_loaded_fini(struct ledger_loaded *loaded)
{
    ledger_row_list_fini(&loaded->list);
    ledger_layout_free(TAKE(loaded->layout));
}
