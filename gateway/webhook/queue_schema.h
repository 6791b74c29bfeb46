/*
 * queue_schema: the queue's tables, and all statements that its writer has. Internal to the queue.
 */
#pragma once

#include "base/status.h"

#include <sqlite3.h>

enum {
    QUEUE_SCHEMA_VERSION = 1,
    QUEUE_APPLICATION_ID = 0x53505751, /* "SPWQ" */
    QUEUE_SEEN_KEY_BYTES = 16,         /* of a hash, kept */
    QUEUE_STATE_DROPPED = 4,           /* while it is under way; told to nobody */
};

enum queue_seen_kind { QUEUE_SEEN_KEY, QUEUE_SEEN_CONTENT };

enum queue_statement {
    QUEUE_BEGIN,
    QUEUE_COMMIT,
    QUEUE_SEEN_FIND,
    QUEUE_SEEN_PUT,
    QUEUE_SEEN_NEXT,
    QUEUE_SEEN_DELETE,
    QUEUE_EVENT_PUT,
    QUEUE_EVENT_ID,
    QUEUE_EVENT_SIZE,
    QUEUE_EVENT_OVER,
    QUEUE_EVENT_REOPEN,
    QUEUE_EVENT_DELETE,
    QUEUE_EVENT_OVER_FIRST,
    QUEUE_BODY_PUT,
    QUEUE_BODY_DELETE,
    QUEUE_DELIVERY_PUT,
    QUEUE_DELIVERY_READ,
    QUEUE_DELIVERY_WHOLE,
    QUEUE_DELIVERY_END,
    QUEUE_DELIVERY_AGAIN,
    QUEUE_DELIVERY_DUE,
    QUEUE_DELIVERY_REPLAY,
    QUEUE_DELIVERY_HURRY,
    QUEUE_DELIVERY_STATE,
    QUEUE_DELIVERY_DELETE,
    QUEUE_DELIVERIES_OF,
    QUEUE_DELIVERIES_DUE,
    QUEUE_DELIVERIES_OPEN,
    QUEUE_DELIVERIES_DROPPED,
    QUEUE_DELIVERIES_AFTER,
    QUEUE_DELIVERIES_NAMED,
    QUEUE_DELIVERIES_LAST,
    QUEUE_LINE_FIRST,
    QUEUE_LINE_LAST,
    QUEUE_TARGET_PUT,
    QUEUE_TARGET_WRITE,
    QUEUE_TARGETS_READ,
    QUEUE_TOTALS_READ,
    QUEUE_TOTALS_WRITE,
    QUEUE_STATEMENTS
};

/* STATUS_INVALID: it is of something else, or of another version. STATUS_NOT_FOUND: nothing is in
 * it, and it is only looked at. */
enum queue_schema_intent { QUEUE_SCHEMA_LOOK, QUEUE_SCHEMA_MAKE };
MUST_USE enum status queue_schema_check(sqlite3 *db, enum queue_schema_intent intent,
                                        struct error *err);
/* Each is sqlite3_finalize()'s, also after an error. */
MUST_USE enum status queue_schema_prepare(sqlite3 *db, sqlite3_stmt *statements[QUEUE_STATEMENTS],
                                          struct error *err);
