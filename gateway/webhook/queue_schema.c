#include "gateway/webhook/queue_schema.h"

#include "gateway/ledger/ledger_sql.h"

#include <stddef.h>
#include <stdint.h>

/* States are numbers as enum queue_state has them; 4 is one that was dropped while it is under way.
 * A delivery's number is its event's times 16, and its place among the event's: so neither needs an
 * index to find the other. Bodies lie apart: what looks through events does not read them. What is
 * delivered is in no index, so that those are as large as what waits. */
static const char schema[] =
    "CREATE TABLE targets (id INTEGER PRIMARY KEY, hook TEXT NOT NULL, name TEXT NOT NULL, "
    "waiting INTEGER NOT NULL, held_back INTEGER NOT NULL, delivered INTEGER NOT NULL, "
    "dead INTEGER NOT NULL, UNIQUE (hook, name)) STRICT;"
    "CREATE TABLE totals (one INTEGER PRIMARY KEY CHECK (one = 1), next_event INTEGER NOT NULL, "
    "events INTEGER NOT NULL, bytes INTEGER NOT NULL, over_events INTEGER NOT NULL, "
    "over_bytes INTEGER NOT NULL) STRICT;"
    "INSERT INTO totals VALUES (1, 1, 0, 0, 0, 0);"
    "CREATE TABLE events (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
    "event_id TEXT NOT NULL, type TEXT NOT NULL, received_at INTEGER NOT NULL, "
    "suspect INTEGER NOT NULL, fields_bytes INTEGER NOT NULL, body_bytes INTEGER NOT NULL, "
    "over_at INTEGER) STRICT;"
    "CREATE INDEX events_event_id ON events (event_id) WHERE event_id != '';"
    "CREATE INDEX events_received ON events (received_at);"
    "CREATE INDEX events_over ON events (over_at) WHERE over_at IS NOT NULL;"
    "CREATE TABLE bodies (number INTEGER PRIMARY KEY, fields BLOB NOT NULL, body BLOB NOT NULL) "
    "STRICT;"
    "CREATE TABLE deliveries (number INTEGER PRIMARY KEY, target INTEGER NOT NULL, "
    "state INTEGER NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL, "
    "opened_at INTEGER NOT NULL, line INTEGER, place INTEGER NOT NULL, status INTEGER NOT NULL, "
    "took INTEGER NOT NULL, ended_at INTEGER NOT NULL, error TEXT NOT NULL) STRICT;"
    "CREATE INDEX deliveries_due ON deliveries (target, state, due) WHERE state = 0;"
    "CREATE INDEX deliveries_line ON deliveries (target, line, place) "
    "WHERE line IS NOT NULL AND state IN (0, 1, 4);"
    "CREATE INDEX deliveries_open ON deliveries (target, state, opened_at) "
    "WHERE state IN (0, 1, 3);"
    "CREATE INDEX deliveries_dropped ON deliveries (number) WHERE state = 4;"
    "CREATE TABLE seen (kind INTEGER NOT NULL, key BLOB NOT NULL, at INTEGER NOT NULL, "
    "event INTEGER NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;"
    "PRAGMA application_id = 0x53505751; PRAGMA user_version = 1;";
_Static_assert(QUEUE_SCHEMA_VERSION == 1 && QUEUE_APPLICATION_ID == 0x53505751, "as written above");

/* A row as queue_row_read() wants it. */
#define ROW "number, target, state, due, line"

static const char *const texts[QUEUE_STATEMENTS] = {
    [QUEUE_BEGIN] = "BEGIN IMMEDIATE",
    [QUEUE_COMMIT] = "COMMIT",
    [QUEUE_SEEN_FIND] = "SELECT at, event FROM seen WHERE kind = ? AND key = ?",
    [QUEUE_SEEN_PUT] = "INSERT OR REPLACE INTO seen (kind, key, at, event) VALUES (?, ?, ?, ?)",
    [QUEUE_SEEN_NEXT] = "SELECT kind, key, at FROM seen WHERE (kind, key) > (?, ?) "
                        "ORDER BY kind, key LIMIT ?",
    [QUEUE_SEEN_DELETE] = "DELETE FROM seen WHERE kind = ? AND key = ?",
    [QUEUE_EVENT_PUT] = "INSERT INTO events (number, id, event_id, type, received_at, suspect, "
                        "fields_bytes, body_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [QUEUE_EVENT_ID] = "SELECT id FROM events WHERE number = ?",
    [QUEUE_DELIVERY_WHOLE] =
        "SELECT e.id, e.received_at, d.attempts, e.event_id, e.type, b.fields, b.body "
        "FROM deliveries d JOIN events e ON e.number = d.number / 16 "
        "JOIN bodies b ON b.number = d.number / 16 WHERE d.number = ?",
    [QUEUE_EVENT_SIZE] = "SELECT fields_bytes + body_bytes, over_at IS NOT NULL FROM events "
                         "WHERE number = ?",
    [QUEUE_EVENT_OVER] = "UPDATE events SET over_at = ? WHERE number = ?",
    [QUEUE_EVENT_REOPEN] = "UPDATE events SET over_at = NULL WHERE number = ?",
    [QUEUE_EVENT_DELETE] = "DELETE FROM events WHERE number = ?",
    [QUEUE_EVENT_OVER_FIRST] =
        "SELECT number FROM events INDEXED BY events_over "
        "WHERE over_at IS NOT NULL AND over_at <= ? ORDER BY over_at LIMIT 1",
    [QUEUE_BODY_PUT] = "INSERT INTO bodies (number, fields, body) VALUES (?, ?, ?)",
    [QUEUE_BODY_DELETE] = "DELETE FROM bodies WHERE number = ?",
    [QUEUE_DELIVERY_PUT] =
        "INSERT INTO deliveries (number, target, state, attempts, due, opened_at, line, place, "
        "status, took, ended_at, error) VALUES (?1, ?2, ?3, 0, ?4, ?4, ?5, ?6, 0, 0, 0, '')",
    [QUEUE_DELIVERY_READ] = "SELECT " ROW " FROM deliveries WHERE number = ?",
    [QUEUE_DELIVERY_END] = "UPDATE deliveries SET state = ?, attempts = attempts + ?, status = ?, "
                           "took = ?, error = ?, ended_at = ? WHERE number = ?",
    [QUEUE_DELIVERY_AGAIN] = "UPDATE deliveries SET due = ?, attempts = attempts + 1, status = ?, "
                             "took = ?, error = ? WHERE number = ?",
    [QUEUE_DELIVERY_DUE] = "UPDATE deliveries SET due = ? WHERE number = ?",
    [QUEUE_DELIVERY_REPLAY] =
        "UPDATE deliveries SET state = ?, attempts = 0, due = ?2, opened_at = ?2, place = ?3, "
        "status = 0, took = 0, ended_at = 0, error = '' WHERE number = ?4",
    [QUEUE_DELIVERY_HURRY] = "UPDATE deliveries SET attempts = 0, due = ?1, opened_at = ?1 "
                             "WHERE number = ?2",
    [QUEUE_DELIVERY_STATE] = "UPDATE deliveries SET state = ? WHERE number = ?",
    [QUEUE_DELIVERY_DELETE] = "DELETE FROM deliveries WHERE number = ?",
    [QUEUE_DELIVERIES_OF] = "SELECT " ROW " FROM deliveries WHERE number BETWEEN ? AND ?",
    [QUEUE_DELIVERIES_DUE] = "SELECT number, due FROM deliveries INDEXED BY "
                             "deliveries_due WHERE target = ? AND state = 0 AND due >= ? "
                             "ORDER BY due, number",
    [QUEUE_DELIVERIES_OPEN] = "SELECT number, opened_at FROM deliveries INDEXED BY "
                              "deliveries_open WHERE target = ? AND state = ? AND "
                              "state IN (0, 1, 3) ORDER BY opened_at",
    [QUEUE_DELIVERIES_DROPPED] = "SELECT " ROW " FROM deliveries INDEXED BY deliveries_dropped "
                                 "WHERE state = 4 LIMIT 1",
    [QUEUE_DELIVERIES_AFTER] =
        "SELECT d.number, d.target, d.state, d.due, d.line, e.type, e.received_at "
        "FROM deliveries d JOIN events e ON e.number = d.number / 16 "
        "WHERE d.number > ? AND d.number <= ? ORDER BY d.number LIMIT ?",
    [QUEUE_DELIVERIES_NAMED] =
        "SELECT d.number, d.target, d.state, d.due, d.line, e.type, e.received_at "
        "FROM (SELECT number FROM events WHERE id = ?4 UNION "
        "SELECT number FROM events WHERE event_id = ?4 AND event_id != '') f "
        "CROSS JOIN events e ON e.number = f.number CROSS JOIN deliveries d "
        "ON d.number BETWEEN e.number * 16 AND e.number * 16 + 15 "
        "WHERE d.number > ?1 AND d.number <= ?2 ORDER BY d.number LIMIT ?3",
    [QUEUE_DELIVERIES_LAST] = "SELECT coalesce(max(number), 0) FROM deliveries",
    [QUEUE_LINE_FIRST] = "SELECT number, state, due FROM deliveries INDEXED BY deliveries_line "
                         "WHERE target = ? AND line = ? AND state IN (0, 1, 4) "
                         "ORDER BY place LIMIT 1",
    [QUEUE_LINE_LAST] = "SELECT place FROM deliveries INDEXED BY deliveries_line "
                        "WHERE target = ? AND line = ? AND state IN (0, 1, 4) "
                        "ORDER BY place DESC LIMIT 1",
    [QUEUE_TARGET_PUT] = "INSERT INTO targets VALUES (?, ?, ?, 0, 0, 0, 0)",
    [QUEUE_TARGET_WRITE] = "UPDATE targets SET waiting = ?, held_back = ?, delivered = ?, "
                           "dead = ? WHERE id = ?",
    [QUEUE_TARGETS_READ] = "SELECT id, hook, name, waiting, held_back, delivered, dead "
                           "FROM targets ORDER BY id",
    [QUEUE_TOTALS_READ] = "SELECT next_event, events, bytes, over_events, over_bytes FROM totals",
    [QUEUE_TOTALS_WRITE] = "UPDATE totals SET next_event = ?, events = ?, bytes = ?, "
                           "over_events = ?, over_bytes = ?",
};

enum status queue_schema_check(sqlite3 *db, enum queue_schema_intent intent, struct error *err)
{
    int64_t version = 0;
    TRY(ledger_sql_version(db, QUEUE_APPLICATION_ID, QUEUE_SCHEMA_VERSION, &version, err));
    if (version > 0) {
        return STATUS_OK;
    }
    if (intent == QUEUE_SCHEMA_LOOK) {
        FAIL(err, STATUS_NOT_FOUND, "nothing has been written to it yet");
    }
    TRY(ledger_sql_run(db, "BEGIN IMMEDIATE", err));
    enum status status = ledger_sql_run(db, schema, err);
    if (status == STATUS_OK) {
        status = ledger_sql_run(db, "COMMIT", err);
    }
    if (status != STATUS_OK && sqlite3_get_autocommit(db) == 0) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

enum status queue_schema_prepare(sqlite3 *db, sqlite3_stmt *statements[QUEUE_STATEMENTS],
                                 struct error *err)
{
    for (unsigned i = 0; i < QUEUE_STATEMENTS; i++) {
        TRY(ledger_sql_prepare(db, texts[i], &statements[i], err));
    }
    return STATUS_OK;
}
