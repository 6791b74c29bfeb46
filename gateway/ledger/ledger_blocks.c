#include "gateway/ledger/ledger_blocks.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_block.h"
#include "gateway/ledger/ledger_loaded.h"
#include "gateway/ledger/ledger_sql.h"

enum {
    GROWS_UP_TO = 64, /* rows: then a block is left as it is */
    LAYOUT_MAX_BYTES = 8 * 1024,
    LISTS_MAX_BYTES = LEDGER_BLOCK_ROWS * LEDGER_PRINT_BYTES,
};

/* So that rows do not outlive their time by more. */
#define GROWS_FOR (60 * SEC)

enum statement { INSERT, UPDATE, EDITION, HAVE, DROP, STATEMENTS };

struct ledger_blocks {
    sqlite3 *db; /* borrowed */
    sqlite3_stmt *statements[STATEMENTS];
    int64_t layout;
    /* The last block, as far as this process knows it. */
    struct ledger_block block;
    struct buffer ids, object_ids;
    unsigned failed, objects;
    usec_t opened_from, opened_to, closed_from, closed_to;
    int64_t number; /* 0: not in the database yet */
    bool is_new;    /* what the database has of it is older */
};

void ledger_print(const char *id, unsigned char ret[LEDGER_PRINT_BYTES])
{
    uint32_t hash = 2166136261U; /* FNV-1a: ids are random, and what is found is compared whole */
    for (; *id != '\0'; id++) {
        hash = (hash ^ (unsigned char)*id) * 16777619U;
    }
    memcpy(ret, &hash, LEDGER_PRINT_BYTES);
}

/* ---- opening ---- */

static enum status find_layout(sqlite3 *db, const char *columns, int64_t *ret, struct error *err)
{
    sqlite3_stmt *insert = NULL;
    sqlite3_stmt *find = NULL;
    TRY(ledger_sql_prepare(db, "INSERT INTO layouts (columns) VALUES (?) ON CONFLICT DO NOTHING",
                           &insert, err));
    enum status status =
        ledger_sql_prepare(db, "SELECT number FROM layouts WHERE columns = ?", &find, err);
    if (status == STATUS_OK) {
        (void)sqlite3_bind_text(insert, 1, columns, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(find, 1, columns, -1, SQLITE_STATIC);
        bool found = sqlite3_step(insert) == SQLITE_DONE && sqlite3_step(find) == SQLITE_ROW;
        status = found ? STATUS_OK : ledger_sql_fail(db, sqlite3_errcode(db), err);
        *ret = found ? sqlite3_column_int64(find, 0) : 0;
    }
    (void)sqlite3_finalize(insert);
    (void)sqlite3_finalize(find);
    return status;
}

enum status ledger_blocks_layout(sqlite3 *db, int64_t *ret, struct error *err)
{
    struct buffer columns CLEANUP(buffer_fini);
    buffer_init(&columns, LAYOUT_MAX_BYTES);
    if (ledger_block_write_layout(&columns) != STATUS_OK ||
        buffer_append(&columns, slice_make("", 1)) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "its layout is too long");
    }
    return find_layout(db, buffer_bytes(&columns).ptr, ret, err);
}

static enum status prepare(struct ledger_blocks *blocks, struct error *err)
{
    static const char *const texts[STATEMENTS] = {
        [INSERT] = "INSERT INTO blocks (rows, failed, objects, opened_from, opened_to, "
                   "closed_from, closed_to, ids, object_ids, packed, edition, layout) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11)",
        [UPDATE] = "UPDATE blocks SET rows = ?1, failed = ?2, objects = ?3, opened_from = ?4, "
                   "opened_to = ?5, closed_from = ?6, closed_to = ?7, ids = ?8, "
                   "object_ids = ?9, packed = ?10 WHERE number = ?11",
        [EDITION] = "SELECT 1 FROM blocks WHERE number = ?1 AND edition = 0 AND ids = ?2",
        [HAVE] = "SELECT " LEDGER_LOADED_COLUMNS
                 " FROM blocks WHERE closed_to >= ?1 AND closed_from <= ?1 AND "
                 "instr(ids, ?2) > 0",
        [DROP] = ("DELETE FROM blocks WHERE number IN (SELECT number FROM blocks "
                  "WHERE closed_to < ?1 ORDER BY closed_to LIMIT ?2)"),
    };
    for (unsigned i = 0; i < STATEMENTS; i++) {
        TRY(ledger_sql_prepare(blocks->db, texts[i], &blocks->statements[i], err));
    }
    return ledger_blocks_layout(blocks->db, &blocks->layout, err);
}

enum status ledger_blocks_open(sqlite3 *db, struct ledger_blocks **ret, struct error *err)
{
    struct ledger_blocks *blocks = MEMORY_NEW(struct ledger_blocks);
    blocks->db = db;
    ledger_block_init(&blocks->block, LEDGER_BLOCK_BYTES);
    buffer_init(&blocks->ids, LISTS_MAX_BYTES);
    buffer_init(&blocks->object_ids, LISTS_MAX_BYTES);
    enum status status = prepare(blocks, err);
    if (status != STATUS_OK) {
        ledger_blocks_close(blocks);
        return status;
    }
    *ret = blocks;
    return STATUS_OK;
}

void ledger_blocks_close(struct ledger_blocks *blocks)
{
    if (blocks == NULL) {
        return;
    }
    for (unsigned i = 0; i < STATEMENTS; i++) {
        (void)sqlite3_finalize(blocks->statements[i]);
    }
    ledger_block_fini(&blocks->block);
    buffer_fini(&blocks->ids);
    buffer_fini(&blocks->object_ids);
    memory_free(blocks);
}

/* ---- writing ---- */

static void clear(struct ledger_blocks *blocks)
{
    ledger_block_clear(&blocks->block);
    buffer_consume(&blocks->ids, buffer_len(&blocks->ids));
    buffer_consume(&blocks->object_ids, buffer_len(&blocks->object_ids));
    blocks->failed = 0;
    blocks->objects = 0;
    blocks->number = 0;
    blocks->is_new = false;
}

static void bind_blob(sqlite3_stmt *statement, int index, const struct buffer *bytes)
{
    struct slice blob = buffer_bytes(bytes);
    (void)sqlite3_bind_blob(statement, index, blob.ptr, (int)blob.len, SQLITE_STATIC);
}

static enum status run(struct ledger_blocks *blocks, enum statement which, struct error *err)
{
    int code = sqlite3_step(blocks->statements[which]);
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(blocks->db, code, err);
    (void)sqlite3_reset(blocks->statements[which]);
    return status;
}

static enum status write_block(struct ledger_blocks *blocks, struct error *err)
{
    enum statement which = blocks->number == 0 ? INSERT : UPDATE;
    sqlite3_stmt *statement = blocks->statements[which];
    (void)sqlite3_bind_int64(statement, 1, blocks->block.rows);
    (void)sqlite3_bind_int64(statement, 2, blocks->failed);
    (void)sqlite3_bind_int64(statement, 3, blocks->objects);
    (void)sqlite3_bind_int64(statement, 4, blocks->opened_from);
    (void)sqlite3_bind_int64(statement, 5, blocks->opened_to);
    (void)sqlite3_bind_int64(statement, 6, blocks->closed_from);
    (void)sqlite3_bind_int64(statement, 7, blocks->closed_to);
    bind_blob(statement, 8, &blocks->ids);
    bind_blob(statement, 9, &blocks->object_ids);
    bind_blob(statement, 10, &blocks->block.bytes);
    (void)sqlite3_bind_int64(statement, 11, which == INSERT ? blocks->layout : blocks->number);
    TRY(run(blocks, which, err));
    if (which == INSERT) {
        blocks->number = sqlite3_last_insert_rowid(blocks->db);
    }
    blocks->is_new = false;
    return STATUS_OK;
}

/* Another process may have deleted or repriced what was there, and even have one by its number: it
 * is not this one's any more. */
enum status ledger_blocks_begin(struct ledger_blocks *blocks, struct error *err)
{
    sqlite3_stmt *statement = blocks->statements[EDITION];
    if (blocks->number == 0) {
        return STATUS_OK;
    }
    (void)sqlite3_bind_int64(statement, 1, blocks->number);
    bind_blob(statement, 2, &blocks->ids);
    int code = sqlite3_step(statement);
    enum status status = code == SQLITE_ROW || code == SQLITE_DONE
                             ? STATUS_OK
                             : ledger_sql_fail(blocks->db, code, err);
    (void)sqlite3_reset(statement);
    if (code != SQLITE_ROW) {
        clear(blocks);
    }
    return status;
}

static usec_t earlier(usec_t a, usec_t b)
{
    return a < b ? a : b;
}

static usec_t later(usec_t a, usec_t b)
{
    return a > b ? a : b;
}

static void note_times(struct ledger_blocks *blocks, const struct ledger_row *row)
{
    bool first = blocks->block.rows == 1;
    blocks->opened_from = first ? row->opened_at : earlier(blocks->opened_from, row->opened_at);
    blocks->opened_to = first ? row->opened_at : later(blocks->opened_to, row->opened_at);
    blocks->closed_from = first ? row->closed_at : earlier(blocks->closed_from, row->closed_at);
    blocks->closed_to = first ? row->closed_at : later(blocks->closed_to, row->closed_at);
}

static enum status note_ids(struct ledger_blocks *blocks, const struct ledger_row *row)
{
    unsigned char print[LEDGER_PRINT_BYTES];
    ledger_print(row->id, print);
    TRY(buffer_append(&blocks->ids, slice_make((const char *)print, sizeof(print))));
    if (row->object.id[0] != '\0') {
        blocks->objects++;
        ledger_print(row->object.id, print);
        TRY(buffer_append(&blocks->object_ids, slice_make((const char *)print, sizeof(print))));
    }
    return STATUS_OK;
}

static bool is_full(const struct ledger_blocks *blocks)
{
    return blocks->block.rows == LEDGER_BLOCK_ROWS ||
           buffer_room(&blocks->block.bytes) < LEDGER_BLOCK_ROW_MAX;
}

/* Also of times that cannot be. */
static bool is_long(usec_t from, usec_t to)
{
    return to > from && (uint64_t)to - (uint64_t)from >= (uint64_t)GROWS_FOR;
}

/* It was begun by an earlier batch, and would then have rows of more than a minute. */
static bool is_of_another_time(const struct ledger_blocks *blocks, const struct ledger_row *row)
{
    return blocks->number != 0 && (is_long(blocks->closed_from, row->closed_at) ||
                                   is_long(row->closed_at, blocks->closed_to));
}

enum status ledger_blocks_add(struct ledger_blocks *blocks, const struct ledger_row *row,
                              struct error *err)
{
    if (is_full(blocks) || is_of_another_time(blocks, row)) {
        if (blocks->is_new) {
            TRY(write_block(blocks, err));
        }
        clear(blocks);
    }
    if (ledger_block_add(&blocks->block, row) != STATUS_OK || note_ids(blocks, row) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "a row does not fit into an empty block");
    }
    note_times(blocks, row);
    blocks->failed += ledger_row_failed(row);
    blocks->is_new = true;
    return STATUS_OK;
}

enum status ledger_blocks_end(struct ledger_blocks *blocks, struct error *err)
{
    if (blocks->is_new) {
        TRY(write_block(blocks, err));
    }
    if (blocks->block.rows >= GROWS_UP_TO ||
        (blocks->block.rows > 0 && is_long(blocks->closed_from, blocks->closed_to))) {
        clear(blocks);
    }
    return STATUS_OK;
}

void ledger_blocks_call_off(struct ledger_blocks *blocks)
{
    clear(blocks);
}

/* ---- what is there, and goes ---- */

static bool has_row(const struct ledger_row_list *list, const struct ledger_row *row)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (list->rows[i].closed_at == row->closed_at && strcmp(list->rows[i].id, row->id) == 0) {
            return true;
        }
    }
    return false;
}

enum status ledger_blocks_have(struct ledger_blocks *blocks, const struct ledger_row *row,
                               bool *ret, struct error *err)
{
    int code = SQLITE_DONE;
    struct ledger_loaded loaded CLEANUP(ledger_loaded_fini) = {0};
    unsigned char print[LEDGER_PRINT_BYTES];
    sqlite3_stmt *statement = blocks->statements[HAVE];
    enum status status = STATUS_OK;
    ledger_print(row->id, print);
    (void)sqlite3_bind_int64(statement, 1, row->closed_at);
    (void)sqlite3_bind_blob(statement, 2, print, sizeof(print), SQLITE_STATIC);
    *ret = false;
    while (status == STATUS_OK && !*ret && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        status = ledger_loaded_take(&loaded, statement, err);
        *ret = status == STATUS_OK && has_row(&loaded.list, row);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        status = ledger_sql_fail(blocks->db, code, err);
    }
    (void)sqlite3_reset(statement);
    return status;
}

enum status ledger_blocks_drop(struct ledger_blocks *blocks, usec_t before, unsigned most,
                               unsigned *ret_blocks, struct error *err)
{
    sqlite3_stmt *statement = blocks->statements[DROP];
    (void)sqlite3_bind_int64(statement, 1, before);
    (void)sqlite3_bind_int64(statement, 2, most);
    TRY(run(blocks, DROP, err));
    *ret_blocks = (unsigned)sqlite3_changes(blocks->db);
    return STATUS_OK;
}
