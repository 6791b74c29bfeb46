#include "gateway/ledger/ledger_sql.h"

#include "base/buffer.h"
#include "gateway/ledger/ledger_columns.h"

enum { SQL_MAX_BYTES = 16 * 1024 };

enum status ledger_sql_fail(sqlite3 *db, int code, struct error *err)
{
    int system = sqlite3_system_errno(db);
    bool tell = system != 0 && (code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_FULL;
    FAIL(err, STATUS_UNAVAILABLE, "%s%s%s%s", sqlite3_errmsg(db), tell ? " (" : "",
         tell ? strerrordesc_np(system) : "", tell ? ")" : "");
}

enum status ledger_sql_run(sqlite3 *db, const char *sql, struct error *err)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? STATUS_OK : ledger_sql_fail(db, code, err);
}

enum status ledger_sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct error *err)
{
    int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
    return code == SQLITE_OK ? STATUS_OK : ledger_sql_fail(db, code, err);
}

enum status ledger_sql_number(sqlite3 *db, const char *sql, int64_t *ret, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    TRY(ledger_sql_prepare(db, sql, &statement, err));
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret = sqlite3_column_int64(statement, 0);
    }
    enum status status = code == SQLITE_ROW ? STATUS_OK : ledger_sql_fail(db, code, err);
    (void)sqlite3_finalize(statement);
    return status;
}

enum status ledger_sql_columns(struct buffer *out)
{
    for (unsigned i = 0; i < ledger_column_count; i++) {
        TRY(buffer_print(out, "%s%s", i > 0 ? ", " : "", ledger_columns[i].name));
    }
    return STATUS_OK;
}

/* ---- the schema ---- */

/* Ids are random: an index of them alone would have each row write a page of its own, somewhere. So
 * a row is known by its end and its id, which comes with the order of time; and to find one by its
 * id, rows are in runs of some thousands, each of which is asked. */
static enum status put_requests(struct buffer *out)
{
    TRY(buffer_append(out, SLICE("CREATE TABLE requests (run INTEGER NOT NULL")));
    for (unsigned i = 0; i < ledger_column_count; i++) {
        const struct ledger_column *column = &ledger_columns[i];
        TRY(buffer_print(out, ", %s %s%s", column->name,
                         column->kind == LEDGER_COLUMN_TEXT ? "TEXT" : "INTEGER",
                         column->kind == LEDGER_COLUMN_MONEY ? "" : " NOT NULL"));
    }
    return buffer_append(
        out, SLICE(") STRICT;"
                   "CREATE UNIQUE INDEX requests_closed ON requests (closed_at, id);"
                   "CREATE INDEX requests_run ON requests (run, id);"
                   "CREATE INDEX requests_failed ON requests (closed_at)"
                   " WHERE status >= 400 OR status = 0 OR ended_by <> '';"
                   "CREATE INDEX requests_objects ON requests (opened_at) WHERE object_id <> '';"));
}

static enum status put_minutes(struct buffer *out)
{
#define UNIT_COLUMN(unit, name) name " INTEGER NOT NULL, "
    return buffer_append(out,
                         SLICE("CREATE TABLE minutes (minute INTEGER NOT NULL, "
                               "tenant TEXT NOT NULL, route TEXT NOT NULL, "
                               "model TEXT NOT NULL, requests INTEGER NOT NULL, "
                               "errors INTEGER NOT NULL, estimated INTEGER NOT NULL, " LEDGER_UNITS(
                                   UNIT_COLUMN) "cost_nanousd INTEGER NOT NULL, "
                                                "PRIMARY KEY (minute, tenant, route, model)) "
                                                "STRICT, WITHOUT ROWID;"));
#undef UNIT_COLUMN
}

/* Windows by their end: those that are over are the first, those that are not the last. A seed is
 * made once for each database. Keys are those that the config alone does not name. (Versions 2 and
 * 3 had other tables by these names.) */
static enum status put_quotas(struct buffer *out)
{
    return buffer_append(
        out, SLICE("DROP TABLE IF EXISTS quota_sums; DROP TABLE IF EXISTS quota_seed;"
                   "CREATE TABLE quota_keys (hash INTEGER PRIMARY KEY, ends_ms INTEGER NOT NULL, "
                   "key TEXT NOT NULL) STRICT;"
                   "CREATE INDEX quota_keys_ends ON quota_keys (ends_ms);"
                   "CREATE TABLE quota_sums (ends_ms INTEGER NOT NULL, hash INTEGER NOT NULL, "
                   "epoch INTEGER NOT NULL, "
                   "starts_ms INTEGER NOT NULL, used INTEGER NOT NULL, "
                   "PRIMARY KEY (ends_ms, hash, epoch)) STRICT, WITHOUT ROWID;"
                   "CREATE TABLE quota_seed (one INTEGER PRIMARY KEY CHECK (one = 1), "
                   "low INTEGER NOT NULL, high INTEGER NOT NULL) STRICT;"));
}

/* What rows had no place for: rows from before it have nothing there. */
#define LATER_UNITS(X)                                                                             \
    X("searches") X("audio_output_tokens") X("image_input_tokens") X("image_output_tokens")
static enum status put_later_units(struct buffer *out)
{
#define ADD_UNIT(name)                                                                             \
    "ALTER TABLE requests ADD COLUMN " name " INTEGER NOT NULL DEFAULT 0;"                         \
    "ALTER TABLE minutes ADD COLUMN " name " INTEGER NOT NULL DEFAULT 0;"
    return buffer_append(out, SLICE(LATER_UNITS(ADD_UNIT)));
#undef ADD_UNIT
}

static enum status put_object_ids(struct buffer *out)
{
    return buffer_append(out, SLICE("CREATE INDEX requests_object_ids ON requests (object_id, "
                                    "opened_at) WHERE object_id <> '';"));
}

static enum status put_schema(struct buffer *out, int64_t version)
{
    if (version == 0) {
        TRY(put_requests(out));
        TRY(put_minutes(out));
    }
    if (version < 4) {
        TRY(put_quotas(out));
    }
    if (version > 0 && version < 3) {
        TRY(put_later_units(out));
    }
    if (version < 3) {
        TRY(put_object_ids(out));
    }
    TRY(buffer_print(out, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                     (int)LEDGER_APPLICATION_ID, (int)LEDGER_SCHEMA_VERSION));
    return buffer_append(out, slice_make("", 1)); /* its NUL */
}

/* *ret_version: 0 if there is nothing in it. */
static enum status look_at(sqlite3 *db, int64_t *ret_version, struct error *err)
{
    int64_t version = 0;
    int64_t application = 0;
    int64_t tables = 0;
    TRY(ledger_sql_number(db, "PRAGMA user_version", &version, err));
    TRY(ledger_sql_number(db, "PRAGMA application_id", &application, err));
    TRY(ledger_sql_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    bool empty = version == 0 && application == 0 && tables == 0;
    *ret_version = version;
    if (!empty && (application != LEDGER_APPLICATION_ID || version < 1)) {
        FAIL(err, STATUS_INVALID, "it is the database of something else; name another file");
    }
    if (version > LEDGER_SCHEMA_VERSION) {
        FAIL(
            err, STATUS_INVALID,
            "it was written by a newer version of the gateway; use that one, or name another file");
    }
    return STATUS_OK;
}

static enum status make_tables(sqlite3 *db, int64_t version, struct error *err)
{
    struct buffer sql CLEANUP(buffer_fini);
    buffer_init(&sql, SQL_MAX_BYTES);
    if (put_schema(&sql, version) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "the schema is too long");
    }
    return ledger_sql_run(db, buffer_bytes(&sql).ptr, err);
}

/* Two that start at once: the second sees what the first has made. */
enum status ledger_sql_make_schema(sqlite3 *db, struct error *err)
{
    int64_t version = 0;
    TRY(ledger_sql_run(db, "BEGIN IMMEDIATE", err));
    enum status status = look_at(db, &version, err);
    if (status == STATUS_OK && version < LEDGER_SCHEMA_VERSION) {
        status = make_tables(db, version, err);
    }
    if (status == STATUS_OK) {
        status = ledger_sql_run(db, "COMMIT", err);
    }
    if (status != STATUS_OK && sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

enum status ledger_sql_check_schema(sqlite3 *db, struct error *err)
{
    int64_t version = 0;
    TRY(look_at(db, &version, err));
    if (version == 0) {
        FAIL(err, STATUS_NOT_FOUND, "nothing has been written to it yet");
    }
    if (version < LEDGER_SCHEMA_VERSION) {
        FAIL(err, STATUS_INVALID,
             "it was written by an older version of the gateway; start this one with it first");
    }
    return STATUS_OK;
}
