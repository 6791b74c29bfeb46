#include "gateway/ledger/ledger_sql.h"

#include "base/buffer.h"
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_differences.h"
#include "gateway/ledger/ledger_entries.h"

#include <errno.h>
#include <unistd.h>

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

/* ---- the schema ---- */

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
 * made once for each database. Keys are those that the config alone does not name. */
static enum status put_quotas(struct buffer *out)
{
    return buffer_append(
        out, SLICE("CREATE TABLE quota_keys (hash INTEGER PRIMARY KEY, ends_ms INTEGER NOT NULL, "
                   "key TEXT NOT NULL) STRICT;"
                   "CREATE INDEX quota_keys_ends ON quota_keys (ends_ms);"
                   "CREATE TABLE quota_sums (ends_ms INTEGER NOT NULL, hash INTEGER NOT NULL, "
                   "epoch INTEGER NOT NULL, "
                   "starts_ms INTEGER NOT NULL, used INTEGER NOT NULL, "
                   "PRIMARY KEY (ends_ms, hash, epoch)) STRICT, WITHOUT ROWID;"
                   "CREATE TABLE quota_seed (one INTEGER PRIMARY KEY CHECK (one = 1), "
                   "low INTEGER NOT NULL, high INTEGER NOT NULL) STRICT;"));
}

static enum status put_schema(struct buffer *out)
{
    TRY(buffer_append(out, SLICE(LEDGER_BLOCKS_SCHEMA)));
    TRY(put_minutes(out));
    TRY(put_quotas(out));
    TRY(buffer_print(out, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                     (int)LEDGER_APPLICATION_ID, (int)LEDGER_SCHEMA_VERSION));
    return buffer_append(out, slice_make("", 1)); /* its NUL */
}

bool ledger_sql_moved(sqlite3 *db)
{
    int moved = 0;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           moved != 0;
}

enum status ledger_sql_version(sqlite3 *db, int application, int newest, int64_t *ret,
                               struct error *err)
{
    int64_t version = 0;
    int64_t found = 0;
    int64_t tables = 0;
    TRY(ledger_sql_number(db, "PRAGMA user_version", &version, err));
    TRY(ledger_sql_number(db, "PRAGMA application_id", &found, err));
    TRY(ledger_sql_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    bool empty = version == 0 && found == 0 && tables == 0;
    if (!empty && (found != application || version < 1)) {
        FAIL(err, STATUS_INVALID, "it is the database of something else; name another file");
    }
    if (version > newest) {
        FAIL(
            err, STATUS_INVALID,
            "it was written by a newer version of the gateway; use that one, or name another file");
    }
    *ret = version;
    return STATUS_OK;
}

/* *ret_version: 0 if there is nothing in it. */
static enum status look_at(sqlite3 *db, int64_t *ret_version, struct error *err)
{
    TRY(ledger_sql_version(db, LEDGER_APPLICATION_ID, LEDGER_SCHEMA_VERSION, ret_version, err));
    if (*ret_version > 0 && *ret_version < LEDGER_SCHEMA_VERSION) {
        FAIL(err, STATUS_INVALID,
             "it was written by an early version of the gateway; move it away, or name another "
             "file");
    }
    return STATUS_OK;
}

static enum status make_tables(sqlite3 *db, struct error *err)
{
    struct buffer sql CLEANUP(buffer_fini);
    buffer_init(&sql, SQL_MAX_BYTES);
    if (put_schema(&sql) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "the schema is too long");
    }
    return ledger_sql_run(db, buffer_bytes(&sql).ptr, err);
}

/* What a ledger of this version may lack, for it was begun before there was that. */
static enum status make_later_tables(sqlite3 *db, struct error *err)
{
    return ledger_sql_run(db, LEDGER_ENTRIES_SCHEMA LEDGER_DIFFERENCES_SCHEMA, err);
}

/* Two that start at once: the second sees what the first has made. */
enum status ledger_sql_make_schema(sqlite3 *db, struct error *err)
{
    int64_t version = 0;
    TRY(ledger_sql_run(db, "BEGIN IMMEDIATE", err));
    enum status status = look_at(db, &version, err);
    if (status == STATUS_OK && version == 0) {
        status = make_tables(db, err);
    }
    if (status == STATUS_OK) {
        status = make_later_tables(db, err);
    }
    if (status == STATUS_OK) {
        status = ledger_sql_run(db, "COMMIT", err);
    }
    if (status != STATUS_OK && sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

/* ---- one that is there ---- */

static enum status check_schema(sqlite3 *db, struct error *err)
{
    int64_t version = 0;
    TRY(look_at(db, &version, err));
    if (version == 0) {
        FAIL(err, STATUS_NOT_FOUND, "nothing has been written to it yet");
    }
    return STATUS_OK;
}

enum status ledger_sql_open(const char *path, bool write, int busy_msec, sqlite3 **ret,
                            struct error *err)
{
    if (access(path, write ? R_OK | W_OK : R_OK) != 0) {
        FAIL(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE, "%s",
             errno == ENOENT ? "there is no such file; the gateway makes it when it starts"
                             : strerrordesc_np(errno));
    }
    int mode = write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int code = sqlite3_open_v2(path, ret, mode | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return ledger_sql_fail(*ret, code, err);
    }
    (void)sqlite3_extended_result_codes(*ret, 1);
    (void)sqlite3_busy_timeout(*ret, busy_msec);
    return check_schema(*ret, err);
}
