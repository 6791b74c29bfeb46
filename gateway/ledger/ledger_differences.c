#include "gateway/ledger/ledger_differences.h"

#include "gateway/ledger/ledger_charges.h"
#include "gateway/ledger/ledger_sql.h"

struct window_key {
    uint64_t hash, epoch;
    int64_t end_ms;
};

struct place {
    struct window_key key; /* the index borrows it */
    struct ledger_difference_at at;
};

static struct slice key_bytes(const struct window_key *key)
{
    return slice_make((const char *)key, sizeof(*key));
}

static struct ledger_difference_at *make(struct ledger_differences *differences,
                                         const struct window_key *key,
                                         const struct ledger_charge *window)
{
    struct place *place = ARENA_NEW(&differences->arena, struct place);
    place->key = *key;
    place->at.difference.window = *window;
    place->at.next = differences->first;
    differences->first = &place->at;
    differences->count++;
    (void)table_add(&differences->index, key_bytes(&place->key), &place->at);
    return &place->at;
}

/* A sum of amounts that are each far from it stops at the largest. */
static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b > 0 ? INT64_MAX : -INT64_MAX;
    }
    return sum;
}

void ledger_differences_add(struct ledger_differences *differences,
                            const struct ledger_difference *difference)
{
    const struct ledger_charge *window = &difference->window;
    const struct window_key key = {window->hash, window->epoch, window->end_ms};
    struct ledger_difference_at *at = table_get(&differences->index, key_bytes(&key));
    if (at == NULL && differences->count >= LEDGER_WINDOWS_MAX) {
        differences->lost++;
        return;
    }
    if (at == NULL) {
        at = make(differences, &key, window);
    }
    struct ledger_difference *own = &at->difference;
    own->change = sum_of(own->change, difference->change);
    if (difference->since > own->since ||
        (difference->since == own->since && difference->edition >= own->edition)) {
        own->since = difference->since;
        own->edition = difference->edition;
        own->sum = difference->sum;
    }
    if (own->key.len == 0 && difference->key.len > 0) {
        own->key = arena_copy(&differences->arena, difference->key);
    }
}

void ledger_differences_fini(struct ledger_differences *differences)
{
    table_fini(&differences->index);
    arena_fini(&differences->arena);
    *differences = (struct ledger_differences){0};
}

/* ---- the table ---- */

enum status ledger_differences_read(sqlite3 *db, int64_t now_ms,
                                    struct ledger_differences *differences, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code;
    TRY(ledger_sql_prepare(db,
                           "SELECT hash, epoch, starts_ms, ends_ms, since, edition, difference "
                           "FROM quota_differences WHERE ends_ms > ?",
                           &statement, err));
    (void)sqlite3_bind_int64(statement, 1, now_ms);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct ledger_difference difference = {
            .window = {.hash = (uint64_t)sqlite3_column_int64(statement, 0),
                       .epoch = (uint64_t)sqlite3_column_int64(statement, 1),
                       .start_ms = sqlite3_column_int64(statement, 2),
                       .end_ms = sqlite3_column_int64(statement, 3)},
            .since = sqlite3_column_int64(statement, 4),
            .edition = sqlite3_column_int64(statement, 5),
            .sum = sqlite3_column_int64(statement, 6),
        };
        ledger_differences_add(differences, &difference);
    }
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(db, code, err);
    (void)sqlite3_finalize(statement);
    return status;
}

enum status ledger_differences_find_keys(sqlite3 *db, struct ledger_differences *differences,
                                         struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_DONE;
    TRY(ledger_sql_prepare(db, "SELECT key FROM quota_keys WHERE hash = ?", &statement, err));
    for (struct ledger_difference_at *at = differences->first; at != NULL; at = at->next) {
        (void)sqlite3_bind_int64(statement, 1, (int64_t)at->difference.window.hash);
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            at->difference.key = arena_copy(
                &differences->arena, slice_make((const char *)sqlite3_column_text(statement, 0),
                                                (size_t)sqlite3_column_bytes(statement, 0)));
        } else if (code != SQLITE_DONE) {
            break;
        }
        (void)sqlite3_reset(statement);
    }
    bool fine = code == SQLITE_ROW || code == SQLITE_DONE;
    enum status status = fine ? STATUS_OK : ledger_sql_fail(db, code, err);
    (void)sqlite3_finalize(statement);
    return status;
}
