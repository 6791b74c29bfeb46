#include "gateway/web/issuer_keys.h"

#include "auth/inbound/jwt_issuer.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/waiter.h"
#include "config/snapshot.h"
#include "gateway/loop/loop.h"
#include "gateway/observe/log.h"
#include "gateway/web/max_age.h"
#include "gateway/web/web_call.h"

#include <assert.h>
#include <string.h>

struct issuer_set {
    struct issuer_keys *owner; /* borrowed */
    char *place;               /* owned; origin and path: the same for each config that has it */
    char *url;                 /* owned; for the log */
    struct key_set *keys;      /* owned; NULL: none */
    unsigned char hash[SHA256_BYTES]; /* of its document */
    uint64_t version;
    usec_t asked;   /* when the last fetch began, and when it is over, ended; 0: never */
    usec_t expires; /* of `keys` */
    bool failed;    /* the last fetch */
    usec_t used;
    struct web_call *call; /* owned; NULL: none runs */
    struct issuer_wait *waits;
};

/* Twice what one config may have: a reload brings others, and the old ones go then. */
enum { SETS_MAX = 2 * JWT_SITES_MAX };

struct issuer_keys {
    struct loop *loop;               /* borrowed */
    struct upstream_side *upstreams; /* borrowed */
    struct issuer_set *all[SETS_MAX];
    unsigned count;
    uint64_t versions; /* given so far */
};

struct issuer_keys *issuer_keys_new(struct loop *loop, struct upstream_side *upstreams)
{
    struct issuer_keys *keys = MEMORY_NEW(struct issuer_keys);
    keys->loop = loop;
    keys->upstreams = upstreams;
    return keys;
}

static void free_set(struct issuer_set *set)
{
    assert(set->waits == NULL);
    web_call_cancel(set->call);
    key_set_free(set->keys);
    memory_free(set->place);
    memory_free(set->url);
    memory_free(set);
}

void issuer_keys_free(struct issuer_keys *keys)
{
    if (keys == NULL) {
        return;
    }
    while (keys->count > 0) {
        free_set(keys->all[--keys->count]);
    }
    memory_free(keys);
}

/* ---- who waits ---- */

void issuer_wait_leave(struct issuer_wait *wait)
{
    if (wait->set == NULL) {
        return;
    }
    if (wait->prev != NULL) {
        wait->prev->next = wait->next;
    } else {
        wait->set->waits = wait->next;
    }
    if (wait->next != NULL) {
        wait->next->prev = wait->prev;
    }
    *wait = (struct issuer_wait){0};
}

static void enlist(struct issuer_set *set, struct issuer_wait *wait, struct waiter *waiter)
{
    assert(wait->set == NULL);
    *wait = (struct issuer_wait){.set = set, .next = set->waits, .waiter = waiter};
    if (set->waits != NULL) {
        set->waits->prev = wait;
    }
    set->waits = wait;
}

static void wake_all(struct issuer_set *set)
{
    while (set->waits != NULL) {
        struct waiter *waiter = set->waits->waiter;
        issuer_wait_leave(set->waits);
        wake(waiter);
    }
}

/* ---- fetching ---- */

/* False: there is no key in it, so it says nothing: the old set stays. */
static bool take_document(struct issuer_set *set, const struct fetch_result *result)
{
    unsigned char hash[SHA256_BYTES];
    digest_sha256(result->body, hash);
    if (set->keys == NULL || memcmp(hash, set->hash, sizeof(hash)) != 0) {
        struct key_set *keys = key_set_new(result->body);
        if (keys == NULL) {
            return false;
        }
        key_set_free(set->keys);
        set->keys = keys;
        set->version = ++set->owner->versions;
        memcpy(set->hash, hash, sizeof(hash));
    }
    usec_t keep = max_age_of(result->fields, result->field_count);
    keep = keep < ISSUER_KEYS_KEEP_LEAST ? ISSUER_KEYS_KEEP_LEAST : keep;
    set->expires =
        set->owner->loop->now + (keep < ISSUER_KEYS_KEEP_MOST ? keep : ISSUER_KEYS_KEEP_MOST);
    return true;
}

static void on_fetched(void *ctx, const struct fetch_result *result)
{
    struct issuer_set *set = ctx;
    const char *left = set->keys != NULL ? "; the keys so far stay for now" : "";
    set->call = NULL;
    set->failed = true;
    set->asked = set->owner->loop->now; /* else who waited for a slow one would ask at once again */
    if (result->fault != ATTEMPT_OK) {
        log_warn("jwks: %s cannot be fetched: %s%s", set->url,
                 result->message == NULL ? "no answer" : result->message, left);
    } else if (result->status != 200 || result->cut) {
        log_warn("jwks: %s cannot be fetched: status %u, %zu bytes%s%s", set->url, result->status,
                 result->body.len, result->cut ? " and more than is taken" : "", left);
    } else if (!take_document(set, result)) {
        log_warn("jwks: %s has no usable key: %zu bytes%s", set->url, result->body.len, left);
    } else {
        set->failed = false;
    }
    wake_all(set);
}

static void fetch_set(struct issuer_set *set, const struct issuer_question *question)
{
    struct issuer_keys *keys = set->owner;
    set->asked = keys->loop->now;
    set->call = web_call_start(&(struct web_call_request){.loop = keys->loop,
                                                          .upstreams = keys->upstreams,
                                                          .snapshot = question->snapshot,
                                                          .site = question->site,
                                                          .answer_bytes = KEY_SET_BYTES_MAX},
                               set, on_fetched);
    set->failed = set->failed || set->call == NULL;
}

/* ---- sets ---- */

/* The one that was not used for longest and is not under way makes place. */
static bool make_place(struct issuer_keys *keys)
{
    unsigned oldest = SETS_MAX;
    for (unsigned i = 0; keys->count == SETS_MAX && i < SETS_MAX; i++) {
        const struct issuer_set *set = keys->all[i];
        if (set->call == NULL && (oldest == SETS_MAX || set->used < keys->all[oldest]->used)) {
            oldest = i;
        }
    }
    if (oldest < SETS_MAX) {
        free_set(keys->all[oldest]);
        keys->all[oldest] = keys->all[--keys->count];
    }
    return keys->count < SETS_MAX;
}

static bool is_at(const struct issuer_set *set, const struct key_site *site)
{
    size_t origin = strlen(site->origin.key);
    return strncmp(set->place, site->origin.key, origin) == 0 &&
           slice_equal(slice_from(set->place + origin), site->path);
}

/* NULL: there is no room. */
static struct issuer_set *set_of(struct issuer_keys *keys, const struct key_site *site)
{
    for (unsigned i = 0; i < keys->count; i++) {
        if (is_at(keys->all[i], site)) {
            return keys->all[i];
        }
    }
    if (!make_place(keys)) {
        return NULL;
    }
    struct arena arena CLEANUP(arena_fini) = {0};
    struct issuer_set *set = MEMORY_NEW(struct issuer_set);
    set->owner = keys;
    set->url = memory_copy(slice_from(site->url));
    set->place = memory_copy(
        slice_from(arena_print(&arena, "%s%.*s", site->origin.key, SLICE_ARG(site->path))));
    keys->all[keys->count++] = set;
    return set;
}

/* ---- asking ---- */

static bool asked_within(const struct issuer_set *set, usec_t time, usec_t now)
{
    return set->asked != 0 && now - set->asked < time;
}

/* Drops what is too old, and has the next one fetched behind its time. */
static void look_after(struct issuer_set *set, const struct issuer_question *question, usec_t now)
{
    if (set->keys != NULL && now >= set->expires + ISSUER_KEYS_STALE) {
        key_set_free(TAKE(set->keys));
    }
    if (set->keys != NULL && now >= set->expires && set->call == NULL &&
        !asked_within(set, ISSUER_KEYS_RENEW, now)) {
        fetch_set(set, question);
    }
}

enum issuer_keys_answer issuer_keys_ask(struct issuer_keys *keys,
                                        const struct issuer_question *question,
                                        struct issuer_wait *wait, struct waiter *waiter,
                                        const struct key_set **ret_set, uint64_t *ret_version)
{
    usec_t now = keys->loop->now;
    struct issuer_set *set = set_of(keys, question->site);
    if (set == NULL) {
        return ISSUER_KEYS_NONE;
    }
    set->used = now;
    look_after(set, question, now);
    if (set->keys != NULL && !question->newer) {
        *ret_set = set->keys;
        *ret_version = set->version;
        return ISSUER_KEYS_HERE;
    }
    usec_t pause = set->keys == NULL ? ISSUER_KEYS_RETRY : ISSUER_KEYS_RENEW;
    if (set->call == NULL && !asked_within(set, pause, now)) {
        fetch_set(set, question);
    }
    if (set->call != NULL) {
        enlist(set, wait, waiter);
        return ISSUER_KEYS_PENDING;
    }
    if (set->keys == NULL || set->failed) {
        return ISSUER_KEYS_NONE;
    }
    *ret_set = set->keys;
    *ret_version = set->version;
    return ISSUER_KEYS_HERE;
}
