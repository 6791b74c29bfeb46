#include "gateway/ledger/ledger_settler.h"

#include "base/memory.h"
#include "base/table.h"
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_differences.h"
#include "gateway/ledger/ledger_entries.h"
#include "gateway/ledger/ledger_loaded.h"
#include "gateway/ledger/ledger_rewrite.h"
#include "gateway/ledger/ledger_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum statement { FIND_BLOCK, CHANGE_SUM, CHANGE_PAST_SUM, ADD_DIFFERENCE, STATEMENTS };

struct ledger_settler {
    sqlite3 *db;                    /* borrowed */
    struct ledger_entries *entries; /* borrowed */
    sqlite3_stmt *statements[STATEMENTS];
    struct ledger_rewrite rewrite;
    struct ledger_loaded block; /* at hand, if has_block: for the next one may lie there, too */
    bool has_block, changed;    /* it is not written yet */
    struct ledger_entry found[LEDGER_ENTRIES_MAX];
    /* Of the settlement at hand. */
    const struct ledger_settlement *settlement; /* borrowed */
    const struct ledger_settler_now *now;       /* borrowed */
    const struct ledger_entry *entry;           /* of `found` */
};

/* ---- opening ---- */

#define CHANGED_SUM                                                                                \
    "CASE WHEN ?5 > 0 THEN min(used, " LEDGER_SQL_LARGEST " - max(?5, 0)) + ?5 "                   \
    "ELSE max(used + ?5, 0) END"

static enum status prepare(struct ledger_settler *settler, struct error *err)
{
    static const char *const texts[STATEMENTS] = {
        [FIND_BLOCK] = "SELECT " LEDGER_LOADED_COLUMNS " FROM blocks WHERE closed_to >= ?1 AND "
                       "closed_from <= ?1 AND instr(ids, ?2) > 0",
        [CHANGE_SUM] = "INSERT INTO quota_sums (ends_ms, hash, epoch, starts_ms, used) "
                       "VALUES (?1, ?2, ?3, ?4, max(?5, 0)) "
                       "ON CONFLICT (ends_ms, hash, epoch) DO UPDATE SET used = " CHANGED_SUM,
        [CHANGE_PAST_SUM] = "UPDATE quota_sums SET used = " CHANGED_SUM " "
                            "WHERE ends_ms = ?1 AND hash = ?2 AND epoch = ?3 AND starts_ms = ?4",
        [ADD_DIFFERENCE] = LEDGER_DIFFERENCES_ADD,
    };
    for (unsigned i = 0; i < STATEMENTS; i++) {
        TRY(ledger_sql_prepare(settler->db, texts[i], &settler->statements[i], err));
    }
    return ledger_rewrite_open(&settler->rewrite, settler->db, err);
}

enum status ledger_settler_open(sqlite3 *db, struct ledger_entries *entries,
                                struct ledger_settler **ret, struct error *err)
{
    struct ledger_settler *settler = MEMORY_NEW(struct ledger_settler);
    settler->db = db;
    settler->entries = entries;
    enum status status = prepare(settler, err);
    if (status != STATUS_OK) {
        ledger_settler_close(settler);
        return status;
    }
    *ret = settler;
    return STATUS_OK;
}

void ledger_settler_close(struct ledger_settler *settler)
{
    if (settler == NULL) {
        return;
    }
    for (unsigned i = 0; i < STATEMENTS; i++) {
        (void)sqlite3_finalize(settler->statements[i]);
    }
    ledger_rewrite_close(&settler->rewrite);
    ledger_loaded_fini(&settler->block);
    memory_free(settler);
}

/* ---- the row ---- */

static enum status write_block(struct ledger_settler *settler, struct error *err)
{
    if (settler->changed) {
        TRY(ledger_rewrite_block(&settler->rewrite, &settler->block, err));
    }
    settler->changed = false;
    return STATUS_OK;
}

static struct ledger_row *row_in_block(struct ledger_settler *settler,
                                       const struct ledger_entry *entry)
{
    for (unsigned i = 0; settler->has_block && i < settler->block.list.count; i++) {
        struct ledger_row *row = &settler->block.list.rows[i];
        if (row->closed_at == entry->closed_at && strcmp(row->id, entry->id) == 0) {
            return row;
        }
    }
    return NULL;
}

/* *ret_row: in the block at hand, until the next call; NULL: it is gone. A block that cannot be
 * read may be another one's: it is an error only if the row is in none that can. */
static enum status find_row(struct ledger_settler *settler, const struct ledger_entry *entry,
                            struct ledger_row **ret_row, struct error *err)
{
    sqlite3_stmt *statement = settler->statements[FIND_BLOCK];
    unsigned char print[LEDGER_PRINT_BYTES];
    int code = SQLITE_DONE;
    enum status broken = STATUS_OK;
    *ret_row = row_in_block(settler, entry);
    if (*ret_row != NULL) {
        return STATUS_OK;
    }
    TRY(write_block(settler, err));
    settler->has_block = false;
    ledger_print(entry->id, print);
    (void)sqlite3_bind_int64(statement, 1, entry->closed_at);
    (void)sqlite3_bind_blob(statement, 2, print, sizeof(print), SQLITE_STATIC);
    while (*ret_row == NULL && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        enum status status = ledger_loaded_take(&settler->block, statement, err);
        settler->has_block = status == STATUS_OK;
        broken = status == STATUS_OK ? broken : status;
        *ret_row = row_in_block(settler, entry);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        broken = ledger_sql_fail(settler->db, code, err);
    }
    (void)sqlite3_reset(statement);
    return *ret_row != NULL ? STATUS_OK : broken;
}

/* ---- what it changes ---- */

static const char settled_mark[] = "\"settled\":{\"hook\":";
static const char element_mark[] = "\"element\":";

/* What `explain` tells of it; it is the last member. */
static void note_in_details(struct ledger_row *row, const struct ledger_settlement *settlement)
{
    char text[256];
    size_t len = strlen(row->details);
    const char *former = strstr(row->details, settled_mark);
    if (len < 2) {
        len = 1; /* "{", which is not there yet */
    } else if (former != NULL) {
        len = (size_t)(former - row->details);
        len -= row->details[len - 1] == ',';
    } else {
        len--; /* the closing brace */
    }
    char element[32] = "";
    if (settlement->element > 0) {
        (void)snprintf(element, sizeof(element), "%s%u,", element_mark, settlement->element);
    }
    int more = snprintf(
        text, sizeof(text), "%s%s\"%s\",\"event\":\"%s\",%s\"before_nanousd\":%" PRIu64 "}}",
        len > 1 ? "," : "", settled_mark, settlement->hook, settlement->event, element, row->cost);
    if (more > 0 && (size_t)more < sizeof(text) && len + (size_t)more < sizeof(row->details)) {
        row->details[0] = '{';
        memcpy(row->details + len, text, (size_t)more + 1);
    } else if (former != NULL) {
        row->details[len] = '}'; /* what it told is not so any more */
        row->details[len + 1] = '\0';
    }
}

static enum status change_sum(struct ledger_settler *settler, const struct ledger_charge *window,
                              int64_t change, bool is_over, struct error *err)
{
    sqlite3_stmt *statement = settler->statements[is_over ? CHANGE_PAST_SUM : CHANGE_SUM];
    (void)sqlite3_bind_int64(statement, 1, window->end_ms);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)window->hash);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)window->epoch);
    (void)sqlite3_bind_int64(statement, 4, window->start_ms);
    (void)sqlite3_bind_int64(statement, 5, change);
    int code = sqlite3_step(statement);
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(settler->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

static enum status keep_difference(struct ledger_settler *settler,
                                   struct ledger_difference *difference, struct error *err)
{
    sqlite3_stmt *statement = settler->statements[ADD_DIFFERENCE];
    const struct ledger_charge *window = &difference->window;
    (void)sqlite3_bind_int64(statement, 1, window->end_ms);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)window->hash);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)window->epoch);
    (void)sqlite3_bind_int64(statement, 4, window->start_ms);
    (void)sqlite3_bind_int64(statement, 5, settler->now->now_ms);
    (void)sqlite3_bind_int64(statement, 6, difference->change);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        difference->since = sqlite3_column_int64(statement, 0);
        difference->edition = sqlite3_column_int64(statement, 1);
        difference->sum = sqlite3_column_int64(statement, 2);
        code = sqlite3_step(statement);
    }
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(settler->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

/* A store in memory is told the change alone: its charges are here. */
static enum status change_windows(struct ledger_settler *settler, int64_t change, struct error *err)
{
    const struct ledger_entry *entry = settler->entry;
    for (unsigned i = 0; change != 0 && i < entry->charge_count; i++) {
        struct ledger_difference difference = {.window = entry->charges[i], .change = change};
        bool is_over = difference.window.end_ms <= settler->now->now_ms;
        TRY(change_sum(settler, &difference.window, change, is_over, err));
        if (is_over) {
            continue;
        }
        if (difference.window.epoch != LEDGER_EPOCH_MEMORY) {
            TRY(keep_difference(settler, &difference, err));
        }
        ledger_differences_add(settler->now->differences, &difference);
    }
    return STATUS_OK;
}

static uint64_t sum_of(uint64_t a, uint64_t b)
{
    uint64_t room = (uint64_t)INT64_MAX - a;
    return a + (b < room ? b : room);
}

static enum status set_cost(struct ledger_settler *settler, struct ledger_row *row,
                            struct error *err)
{
    const struct ledger_entry *entry = settler->entry;
    uint64_t own = (uint64_t)ledger_saturated(settler->settlement->cost);
    uint64_t cost = sum_of(entry->beside, own);
    TRY(ledger_rewrite_minute(&settler->rewrite, row, row->cost, cost, err));
    TRY(change_windows(settler, (int64_t)own - (int64_t)entry->cost, err));
    TRY(ledger_entries_set_cost(settler->entries, entry, own, err));
    note_in_details(row, settler->settlement);
    row->cost = cost;
    row->flags &= ~(uint32_t)LEDGER_EXACT;
    row->flags |= LEDGER_SETTLED | LEDGER_METERED;
    return STATUS_OK;
}

/* Of an event; it says nothing of one: 0. */
static unsigned long element_of(const char *event)
{
    const char *element = strstr(event, element_mark);
    return element == NULL ? 0 : strtoul(element + strlen(element_mark), NULL, 10);
}

/* By this event or a later one, as far as the row tells. */
static bool is_known(const struct ledger_settlement *settlement, const struct ledger_row *row)
{
    static const char mark[] = "\"event\":\"";
    const char *settled = strstr(row->details, settled_mark);
    const char *event = settled == NULL ? NULL : strstr(settled, mark);
    if ((row->flags & LEDGER_SETTLED) == 0) {
        return false;
    }
    int order = event == NULL
                    ? 1
                    : strncmp(event + strlen(mark), settlement->event, strlen(settlement->event));
    return order > 0 || (order == 0 && element_of(event) >= settlement->element);
}

/* The row is as the event says, and so is what its quotas are charged with. */
static bool is_settled(const struct ledger_settler *settler, const struct ledger_row *row)
{
    const struct ledger_entry *entry = settler->entry;
    return (row->flags & LEDGER_SETTLED) != 0 && entry->cost == settler->settlement->cost &&
           row->cost == sum_of(entry->beside, entry->cost);
}

static enum status settle_row(struct ledger_settler *settler, struct ledger_row *row,
                              struct ledger_settler_outcome *ret, struct error *err)
{
    const struct ledger_settlement *settlement = settler->settlement;
    *ret = (struct ledger_settler_outcome){
        .found = true, .result = LEDGER_SETTLE_SAME, .before = row->cost, .after = row->cost};
    if (settlement->again && is_known(settlement, row)) {
        return STATUS_OK;
    }
    if (settlement->status[0] != '\0' && strcmp(row->object.status, settlement->status) != 0) {
        memcpy(row->object.status, settlement->status, sizeof(row->object.status));
        ret->result = LEDGER_SETTLE_STATUS;
        settler->changed = true;
    }
    if (settlement->has_cost && !is_settled(settler, row)) {
        TRY(set_cost(settler, row, err));
        ret->result = LEDGER_SETTLE_COST;
        ret->after = row->cost;
        settler->changed = true;
    }
    return STATUS_OK;
}

enum status ledger_settler_settle(struct ledger_settler *settler,
                                  const struct ledger_settlement *settlement,
                                  const struct ledger_settler_now *now,
                                  struct ledger_settler_outcome *ret, struct error *err)
{
    unsigned count = 0;
    uint64_t object = table_hash_with(now->seed, slice_from(settlement->object));
    *ret = (struct ledger_settler_outcome){0};
    settler->settlement = settlement;
    settler->now = now;
    TRY(ledger_entries_find(settler->entries, object, settler->found, &count, err));
    for (unsigned i = 0; i < count; i++) {
        struct ledger_row *row = NULL;
        TRY(find_row(settler, &settler->found[i], &row, err));
        bool fits =
            row != NULL && strcmp(row->object.id, settlement->object) == 0 &&
            (settlement->provider[0] == '\0' || strcmp(row->provider, settlement->provider) == 0);
        if (fits) {
            settler->entry = &settler->found[i];
            return settle_row(settler, row, ret, err);
        }
    }
    return STATUS_OK;
}

enum status ledger_settler_end(struct ledger_settler *settler, struct error *err)
{
    TRY(write_block(settler, err));
    settler->has_block = false; /* others may change it from now on */
    return STATUS_OK;
}

void ledger_settler_call_off(struct ledger_settler *settler)
{
    settler->has_block = false;
    settler->changed = false;
}
