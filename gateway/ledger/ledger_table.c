/* A virtual table of SQLite's, and a cursor for each time that it is read. Blocks that cannot have
 * what a statement asks for, by times and ids, are left out; the rest SQLite looks at itself. */
#include "gateway/ledger/ledger_table.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/ledger/ledger_walk.h"

enum { SQL_MAX_BYTES = 16 * 1024 };
#define ROWS_ASSUMED 1e7

struct table {
    sqlite3_vtab base; /* the first */
    sqlite3 *db;
};

struct cursor {
    sqlite3_vtab_cursor base; /* the first */
    struct ledger_walk walk;
    char *id, *object; /* owned: of the walk */
    struct ledger_walker *walker;
    const struct ledger_row *row; /* NULL: behind the last */
};

/* What a constraint on a column makes of the walk. */
static const struct {
    const char *column;
    char letter; /* what the plan calls it: 'x' a lower end, 'X' an upper one */
} uses[] = {{"opened_at", 'o'}, {"closed_at", 'c'}, {"id", 'i'}, {"object_id", 'b'}};

/* ---- the table ---- */

static enum status write_declaration(struct buffer *out)
{
    TRY(buffer_append(out, SLICE("CREATE TABLE requests (")));
    for (unsigned i = 0; i < ledger_column_count; i++) {
        TRY(buffer_print(out, "%s%s %s", i > 0 ? ", " : "", ledger_columns[i].name,
                         ledger_columns[i].kind == LEDGER_COLUMN_TEXT ? "TEXT" : "INTEGER"));
    }
    return buffer_append(out, slice_make(")", 2)); /* and its NUL */
}

static int on_connect(sqlite3 *db, void *ctx, int argc, const char *const *argv, sqlite3_vtab **ret,
                      char **ret_error)
{
    struct buffer sql CLEANUP(buffer_fini);
    (void)ctx;
    (void)argc;
    (void)argv;
    (void)ret_error;
    buffer_init(&sql, SQL_MAX_BYTES);
    if (write_declaration(&sql) != STATUS_OK) {
        return SQLITE_NOMEM;
    }
    int code = sqlite3_declare_vtab(db, buffer_bytes(&sql).ptr);
    if (code == SQLITE_OK) {
        struct table *table = MEMORY_NEW(struct table);
        table->db = db;
        *ret = &table->base;
    }
    return code;
}

static int on_disconnect(sqlite3_vtab *base)
{
    memory_free(base);
    return SQLITE_OK;
}

/* ---- plans ---- */

/* 0: of no use. */
static char letter_of(int column, unsigned char op)
{
    for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        bool named = column >= 0 && strcmp(ledger_columns[column].name, uses[i].column) == 0;
        char letter = uses[i].letter;
        bool is_time = letter == 'o' || letter == 'c';
        if (named && op == SQLITE_INDEX_CONSTRAINT_EQ && !is_time) {
            return letter;
        }
        if (named && is_time &&
            (op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT)) {
            return letter;
        }
        if (named && is_time &&
            (op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT)) {
            return (char)(letter - 'a' + 'A');
        }
    }
    return 0;
}

/* The walk compares bytes. */
static bool compares_bytes(sqlite3_index_info *info, int index)
{
    return sqlite3_stricmp(sqlite3_vtab_collation(info, index), "BINARY") == 0;
}

/* All blocks are looked at, but few are unpacked. */
static void estimate(sqlite3_index_info *info, const char *plan)
{
    bool has_id = strpbrk(plan, "ib") != NULL;
    double share = 1;
    for (size_t i = 0; i < strlen(plan); i++) {
        share /= 4; /* no more than a guess */
    }
    info->estimatedRows = has_id ? 2 : (sqlite3_int64)(ROWS_ASSUMED * share) + 1;
    info->estimatedCost = ROWS_ASSUMED * (has_id ? 0.01 : share);
}

/* The plan is a letter for each value that on_filter() gets. */
static int on_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    char plan[32] = "";
    int count = 0;
    (void)base;
    for (int i = 0; i < info->nConstraint && count < (int)sizeof(plan) - 1; i++) {
        const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
        char letter = letter_of(constraint->iColumn, constraint->op);
        if (constraint->usable && letter != 0 && compares_bytes(info, i)) {
            plan[count++] = letter;
            info->aConstraintUsage[i].argvIndex = count;
        }
    }
    info->idxStr = sqlite3_mprintf("%s", plan);
    info->needToFreeIdxStr = 1;
    estimate(info, plan);
    return info->idxStr == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* ---- cursors ---- */

static int on_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
    (void)base;
    struct cursor *cursor = MEMORY_NEW(struct cursor);
    *ret = &cursor->base;
    return SQLITE_OK;
}

static void forget(struct cursor *cursor)
{
    ledger_walk_end(TAKE(cursor->walker));
    memory_free(TAKE(cursor->id));
    memory_free(TAKE(cursor->object));
    cursor->walk = (struct ledger_walk){0};
    cursor->row = NULL;
}

static int on_close(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    forget(cursor);
    memory_free(cursor);
    return SQLITE_OK;
}

static int fail(struct cursor *cursor, const struct error *err)
{
    sqlite3_free(cursor->base.pVtab->zErrMsg);
    cursor->base.pVtab->zErrMsg = sqlite3_mprintf("%s", err->message);
    return SQLITE_ERROR;
}

static int on_next(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = (struct cursor *)base;
    struct error err;
    return ledger_walk_next(cursor->walker, &cursor->row, &err) == STATUS_OK ? SQLITE_OK
                                                                             : fail(cursor, &err);
}

/* A number may be equal to many a text. */
static void note_text(char **text, sqlite3_value *value)
{
    bool is_text = sqlite3_value_type(value) == SQLITE_TEXT;
    const char *wanted = is_text ? (const char *)sqlite3_value_text(value) : NULL;
    if (wanted != NULL && wanted[0] != '\0' && *text == NULL) { /* those without one are no list */
        *text = memory_copy(slice_from(wanted));
    }
}

/* What is no whole number is left to SQLite. */
static void note(struct cursor *cursor, char letter, sqlite3_value *value)
{
    bool is_number = sqlite3_value_type(value) == SQLITE_INTEGER;
    int64_t number = sqlite3_value_int64(value);
    struct ledger_walk *walk = &cursor->walk;
    if (letter == 'i') {
        note_text(&cursor->id, value);
    } else if (letter == 'b') {
        note_text(&cursor->object, value);
    } else if (is_number && number >= 0 && number < INT64_MAX) {
        usec_t *lower = letter == 'o' ? &walk->opened_from : &walk->closed_from;
        usec_t *upper = letter == 'O' ? &walk->opened_to : &walk->closed_to;
        if (letter == 'o' || letter == 'c') {
            *lower = number > *lower ? number : *lower;
        } else {
            *upper = *upper == 0 || number + 1 < *upper ? number + 1 : *upper;
        }
    }
}

static int on_filter(sqlite3_vtab_cursor *base, int plan, const char *letters, int argc,
                     sqlite3_value **values)
{
    struct cursor *cursor = (struct cursor *)base;
    struct error err;
    (void)plan;
    forget(cursor);
    for (int i = 0; i < argc; i++) {
        note(cursor, letters[i], values[i]);
    }
    cursor->walk.id = cursor->id;
    cursor->walk.object = cursor->object;
    sqlite3 *db = ((struct table *)base->pVtab)->db;
    return ledger_walk_begin(db, &cursor->walk, &cursor->walker, &err) == STATUS_OK
               ? on_next(base)
               : fail(cursor, &err);
}

static int on_eof(sqlite3_vtab_cursor *base)
{
    return ((struct cursor *)base)->row == NULL;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    *ret = ledger_walk_place(((struct cursor *)base)->walker);
    return SQLITE_OK;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int index)
{
    const struct ledger_row *row = ((struct cursor *)base)->row;
    const struct ledger_column *column = &ledger_columns[index];
    const void *at = (const char *)row + column->offset;
    switch (column->kind) {
    case LEDGER_COLUMN_TEXT:
        sqlite3_result_text(context, at, -1, SQLITE_TRANSIENT);
        break;
    case LEDGER_COLUMN_SHORT:
        sqlite3_result_int64(context, *(const uint16_t *)at);
        break;
    case LEDGER_COLUMN_FLAGS:
        sqlite3_result_int64(context, *(const uint32_t *)at);
        break;
    case LEDGER_COLUMN_COUNT:
        sqlite3_result_int64(context, ledger_saturated(*(const uint64_t *)at));
        break;
    case LEDGER_COLUMN_TIME:
        sqlite3_result_int64(context, *(const int64_t *)at);
        break;
    case LEDGER_COLUMN_MONEY:
        if (row->object.has_amount) {
            sqlite3_result_int64(context, *(const int64_t *)at);
        }
        break;
    }
    return SQLITE_OK;
}

enum status ledger_table_register(sqlite3 *db, struct error *err)
{
    static const sqlite3_module module = {
        .iVersion = 0,
        .xConnect = on_connect, /* without xCreate: it is there by its name alone */
        .xBestIndex = on_best_index,
        .xDisconnect = on_disconnect,
        .xOpen = on_open,
        .xClose = on_close,
        .xFilter = on_filter,
        .xNext = on_next,
        .xEof = on_eof,
        .xColumn = on_column,
        .xRowid = on_rowid,
    };
    int code = sqlite3_create_module_v2(db, "requests", &module, NULL, NULL);
    return code == SQLITE_OK ? STATUS_OK : ledger_sql_fail(db, code, err);
}
