#include "gateway/web/verify_keys.h"

#include "base/memory.h"
#include "base/waiter.h"
#include "gateway/loop/loop.h"
#include "gateway/observe/log.h"
#include "gateway/web/max_age.h"
#include "gateway/web/web_call.h"

#include <assert.h>

struct verify_key {
    struct verify_keys *keys; /* borrowed */
    struct slice url, name;   /* owned: memory_copy() */
    char *text;               /* owned; NULL: it is not here */
    size_t len;
    usec_t asked;   /* when it was fetched last, well or not; 0: never */
    usec_t expires; /* of the text */
    bool absent;    /* as far as was said last */
    usec_t used;
    struct web_call *call; /* owned; NULL: none runs */
    struct verify_key_wait *waits;
};

struct verify_keys {
    struct loop *loop;               /* borrowed */
    struct upstream_side *upstreams; /* borrowed */
    struct verify_key *all[VERIFY_KEYS_MAX];
    unsigned count;
    unsigned fetches;
};

struct verify_keys *verify_keys_new(struct loop *loop, struct upstream_side *upstreams)
{
    struct verify_keys *keys = MEMORY_NEW(struct verify_keys);
    keys->loop = loop;
    keys->upstreams = upstreams;
    return keys;
}

static void free_key(struct verify_key *key)
{
    assert(key->waits == NULL);
    web_call_cancel(key->call);
    memory_free((char *)key->url.ptr);
    memory_free((char *)key->name.ptr);
    memory_free(key->text);
    memory_free(key);
}

void verify_keys_free(struct verify_keys *keys)
{
    if (keys == NULL) {
        return;
    }
    while (keys->count > 0) {
        free_key(keys->all[--keys->count]);
    }
    memory_free(keys);
}

void verify_key_leave(struct verify_key_wait *wait)
{
    if (wait->key == NULL) {
        return;
    }
    if (wait->prev != NULL) {
        wait->prev->next = wait->next;
    } else {
        wait->key->waits = wait->next;
    }
    if (wait->next != NULL) {
        wait->next->prev = wait->prev;
    }
    *wait = (struct verify_key_wait){0};
}

/* ---- fetching ---- */

static void take_answer(struct verify_key *key, const struct fetch_result *result)
{
    usec_t now = key->keys->loop->now;
    usec_t keep = max_age_of(result->fields, result->field_count);
    memory_free(key->text);
    key->text = memory_copy(result->body);
    key->len = result->body.len;
    keep = keep < VERIFY_KEY_KEEP_LEAST ? VERIFY_KEY_KEEP_LEAST : keep;
    key->expires = now + (keep < VERIFY_KEY_KEEP_MOST ? keep : VERIFY_KEY_KEEP_MOST);
}

/* It is not there; not that it cannot be told, or not to us. */
static bool is_absent(const struct fetch_result *result)
{
    return result->fault == ATTEMPT_OK &&
           (result->status == 400 || result->status == 404 || result->status == 410);
}

static void wake_all(struct verify_key *key)
{
    while (key->waits != NULL) {
        struct waiter *waiter = key->waits->waiter;
        verify_key_leave(key->waits);
        wake(waiter);
    }
}

static void on_fetched(void *ctx, const struct fetch_result *result)
{
    struct verify_key *key = ctx;
    key->call = NULL;
    key->keys->fetches--;
    key->absent = is_absent(result);
    if (result->fault != ATTEMPT_OK) {
        log_warn("webhooks: %.*s cannot be fetched: %s", SLICE_ARG(key->url),
                 result->message == NULL ? "no answer" : result->message);
    } else if (result->status != 200 || result->cut || result->body.len == 0) {
        log_warn("webhooks: %.*s cannot be fetched: status %u, %zu bytes%s", SLICE_ARG(key->url),
                 result->status, result->body.len, result->cut ? " and more than is taken" : "");
    } else {
        take_answer(key, result);
    }
    wake_all(key);
}

/* One that nobody waits for makes place, the one that was not used for longest. */
static bool make_place(struct verify_keys *keys)
{
    unsigned oldest = VERIFY_KEYS_MAX;
    if (keys->count < VERIFY_KEYS_MAX) {
        return true;
    }
    for (unsigned i = 0; i < keys->count; i++) {
        const struct verify_key *key = keys->all[i];
        bool older = oldest == VERIFY_KEYS_MAX || key->used < keys->all[oldest]->used;
        if (key->call == NULL && older) {
            oldest = i;
        }
    }
    if (oldest == VERIFY_KEYS_MAX) {
        return false;
    }
    free_key(keys->all[oldest]);
    keys->all[oldest] = keys->all[--keys->count];
    return true;
}

static struct verify_key *find(struct verify_keys *keys, const struct verify_key_question *question)
{
    for (unsigned i = 0; i < keys->count; i++) {
        if (slice_equal(keys->all[i]->url, question->url) &&
            slice_equal(keys->all[i]->name, question->name)) {
            return keys->all[i];
        }
    }
    return NULL;
}

static struct verify_key *add(struct verify_keys *keys, const struct verify_key_question *question)
{
    if (!make_place(keys)) {
        return NULL;
    }
    struct verify_key *key = MEMORY_NEW(struct verify_key);
    key->keys = keys;
    key->url = slice_make(memory_copy(question->url), question->url.len);
    key->name = slice_make(memory_copy(question->name), question->name.len);
    keys->all[keys->count++] = key;
    return key;
}

static void enlist(struct verify_key *key, struct verify_key_wait *wait, struct waiter *waiter)
{
    assert(wait->key == NULL);
    *wait = (struct verify_key_wait){.key = key, .next = key->waits, .waiter = waiter};
    if (key->waits != NULL) {
        key->waits->prev = wait;
    }
    key->waits = wait;
}

/* Is it too early to ask for it again? */
static bool was_asked(const struct verify_key *key, usec_t now)
{
    return key->asked != 0 && now - key->asked < VERIFY_KEY_RENEW;
}

enum verify_key_answer verify_keys_ask(struct verify_keys *keys,
                                       const struct verify_key_question *question,
                                       struct verify_key_wait *wait, struct waiter *waiter,
                                       struct slice *ret_text)
{
    usec_t now = keys->loop->now;
    struct verify_key *key = find(keys, question);
    if (key != NULL && key->text != NULL && now < key->expires && !question->newer) {
        key->used = now;
        *ret_text = slice_make(key->text, key->len);
        return VERIFY_KEY_HERE;
    }
    if (key != NULL && key->call == NULL && was_asked(key, now)) {
        return key->absent ? VERIFY_KEY_ABSENT : VERIFY_KEY_NONE;
    }
    if (!question->may_fetch) {
        return VERIFY_KEY_UNASKED;
    }
    if (key == NULL || key->call == NULL) {
        key = keys->fetches == VERIFY_KEYS_FETCHES_MAX ? NULL
              : key != NULL                            ? key
                                                       : add(keys, question);
        if (key == NULL) {
            return VERIFY_KEY_NONE;
        }
        key->asked = now;
        key->used = now;
        key->call = web_call_start(&(struct web_call_request){.loop = keys->loop,
                                                              .upstreams = keys->upstreams,
                                                              .snapshot = question->snapshot,
                                                              .url = question->url,
                                                              .body = question->body,
                                                              .answer_bytes = VERIFY_KEY_BYTES_MAX},
                                   key, on_fetched);
        if (key->call == NULL) {
            return VERIFY_KEY_NONE;
        }
        keys->fetches++;
    }
    enlist(key, wait, waiter);
    return VERIFY_KEY_PENDING;
}
