#include "gateway/ledger/ledger_minutes.h"

#include "gateway/ledger/ledger_columns.h"

static void add(uint64_t *sum, uint64_t amount)
{
    uint64_t room = (uint64_t)INT64_MAX - *sum;
    *sum += amount < room ? amount : room;
}

static struct slice key_bytes(const struct ledger_minute_key *key)
{
    return slice_make((const char *)key, sizeof(*key));
}

static struct ledger_minute *find(const struct ledger_minutes *minutes,
                                  const struct ledger_minute_key *key)
{
    return table_get(&minutes->index, key_bytes(key));
}

static struct ledger_minute *make(struct ledger_minutes *minutes,
                                  const struct ledger_minute_key *key)
{
    struct ledger_minute *minute = ARENA_NEW(&minutes->arena, struct ledger_minute);
    minute->key = *key;
    minute->next = minutes->first;
    minutes->first = minute;
    minutes->count++;
    (void)table_add(&minutes->index, key_bytes(&minute->key), minute);
    return minute;
}

/* The rest of the texts is zeros whatever the row has there, for keys are compared as bytes. */
static void set_text(char *ret, size_t size, const char *text)
{
    memset(ret, 0, size);
    memcpy(ret, text, strnlen(text, size - 1));
}
#define SET_TEXT(field, text) set_text((field), sizeof(field), (text))

/* Is it the one that was found last? Rows come in runs. */
static bool is_last(const struct ledger_minutes *minutes, const struct ledger_row *row)
{
    const struct ledger_minute *last = minutes->last;
    return last != NULL && last->key.minute == row->opened_at / (60 * SEC) &&
           strcmp(last->key.tenant, row->tenant) == 0 && strcmp(last->key.route, row->route) == 0 &&
           strcmp(last->key.model, row->model) == 0;
}

static struct ledger_minute *place_for(struct ledger_minutes *minutes, const struct ledger_row *row)
{
    struct ledger_minute_key key;
    key.minute = row->opened_at / (60 * SEC);
    SET_TEXT(key.tenant, row->tenant);
    SET_TEXT(key.route, row->route);
    SET_TEXT(key.model, row->model);
    struct ledger_minute *found = find(minutes, &key);
    if (found != NULL || minutes->count < LEDGER_MINUTES_MAX) {
        return found != NULL ? found : make(minutes, &key);
    }
    SET_TEXT(key.model, LEDGER_OTHER);
    found = find(minutes, &key);
    if (found == NULL) {
        SET_TEXT(key.tenant, LEDGER_OTHER);
        SET_TEXT(key.route, LEDGER_OTHER);
        found = find(minutes, &key);
    }
    if (found == NULL && minutes->count >= 2 * LEDGER_MINUTES_MAX) {
        return minutes->first; /* some minute of late is better than none */
    }
    return found != NULL ? found : make(minutes, &key);
}

void ledger_minutes_add(struct ledger_minutes *minutes, const struct ledger_row *row)
{
    if (!is_last(minutes, row)) {
        minutes->last = place_for(minutes, row);
    }
    struct ledger_minute *minute = minutes->last;
    add(&minute->requests, 1);
    add(&minute->errors, row->status >= 500 || row->status == 0);
    add(&minute->estimated, (row->flags & LEDGER_ESTIMATED) != 0);
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        add(&minute->units[i], row->units[i]);
    }
    add(&minute->cost, row->cost);
    for (unsigned i = 0; i < row->charge_count; i++) {
        ledger_charges_add(&minutes->charges, &row->charges[i]);
    }
}

void ledger_minutes_fini(struct ledger_minutes *minutes)
{
    table_fini(&minutes->index);
    arena_fini(&minutes->arena);
    ledger_charges_fini(&minutes->charges);
    *minutes = (struct ledger_minutes){0};
}
