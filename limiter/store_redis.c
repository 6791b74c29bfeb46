#include "limiter/store_redis.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/secret.h"
#include "limiter/store_redis_state.h"

#include <stdio.h>
#include <string.h>

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : memory_copy(slice_from(text));
}

static void copy_address(const struct redis_address *from, struct redis_address *to)
{
    *to = *from;
    to->url_shown = copy_text(from->url_shown);
    to->host = copy_text(from->host);
    to->unix_path = copy_text(from->unix_path);
    to->user = copy_text(from->user);
    to->password = copy_text(from->password);
    to->ca = copy_text(from->ca);
}

static void free_text(const char *text)
{
    char *own;
    memcpy(&own, &text, sizeof(own)); /* ours, though const for all others */
    if (own != NULL) {
        secret_wipe(own, strlen(own));
    }
    memory_free(own);
}

static void free_address(struct redis_address *address)
{
    free_text(address->url_shown);
    free_text(address->host);
    free_text(address->unix_path);
    free_text(address->user);
    free_text(address->password);
    free_text(address->ca);
}

enum status store_redis_new(const struct store_redis_settings *settings, struct store_redis **ret,
                            struct error *err)
{
    struct ssl_ctx_st *tls = NULL;
    TRY(redis_tls_new(&settings->address, &tls, err));
    struct store_redis *store = MEMORY_NEW(struct store_redis);
    store->settings = *settings;
    store->tls = tls;
    copy_address(&settings->address, &store->address);
    store->name = copy_text(settings->name);
    store->scripts = redis_scripts_new();
    store->shares = local_shares_new(&settings->clock, settings->gateways);
    local_shares_set_away(store->shares, true);
    random_name(store->facts.gateway, STORE_NAME_BYTES);
    random_name(store->facts.ledger, STORE_NAME_BYTES);
    (void)pthread_mutex_init(&store->lock, NULL);
    atomic_store(&store->facts_version, 1);
    *ret = store;
    return STATUS_OK;
}

void store_redis_free(struct store_redis *store)
{
    if (store == NULL) {
        return;
    }
    struct operation *operation;
    while ((operation = store_redis_next_hand_in(store)) != NULL) {
        operation_free(operation);
    }
    local_shares_free(store->shares);
    redis_scripts_free(store->scripts);
    redis_tls_free(store->tls);
    free_address(&store->address);
    memory_free(store->name);
    (void)pthread_mutex_destroy(&store->lock);
    memory_free(store);
}

struct local_shares *store_redis_shares(struct store_redis *store)
{
    return store->shares;
}

/* ---- news ---- */

static void say(struct store_redis *store, enum store_news kind, const char *text)
{
    if (store->settings.ears.news != NULL) {
        store->settings.ears.news(store->settings.ears.ctx, kind, text);
    }
}

static void lock(struct store_redis *store)
{
    (void)pthread_mutex_lock(&store->lock);
}

static void unlock(struct store_redis *store)
{
    (void)pthread_mutex_unlock(&store->lock);
}

/* Under the lock. A side that is away decides alone, whatever the others do. */
static void tell_shares(struct store_redis *store)
{
    local_shares_set_away(store->shares, store->sides_up < store->sides);
}

void store_redis_note_side(struct store_redis *store)
{
    lock(store);
    store->sides++;
    tell_shares(store);
    unlock(store);
}

void store_redis_note_gone(struct store_redis *store, bool was_up)
{
    lock(store);
    store->sides--;
    store->sides_up -= was_up;
    tell_shares(store);
    unlock(store);
}

void store_redis_note_up(struct store_redis *store)
{
    char text[300];
    lock(store);
    bool first = store->sides_up++ == 0;
    if (first) {
        store->said_down = false;
    }
    tell_shares(store);
    unlock(store);
    if (first) {
        (void)snprintf(text, sizeof(text), "%s answers", store->address.url_shown);
        say(store, STORE_CAME_UP, text);
    }
}

void store_redis_note_away(struct store_redis *store, const char *why, bool was_up)
{
    char text[600];
    lock(store);
    store->sides_up -= was_up;
    bool news = store->sides_up == 0 && !store->said_down; /* else others still reach it */
    store->said_down = store->said_down || news;
    tell_shares(store);
    unlock(store);
    if (news) {
        (void)snprintf(text, sizeof(text), "%s; quotas follow on_failure until it is back", why);
        say(store, STORE_WENT_DOWN, text);
    }
}

void store_redis_note_policy(struct store_redis *store, const char *policy)
{
    char text[300];
    lock(store);
    bool first = !store->said_policy;
    store->said_policy = true;
    unlock(store);
    if (first) {
        (void)snprintf(text, sizeof(text),
                       "%s may throw counts away when its memory is full (maxmemory-policy %s): "
                       "set it to noeviction",
                       store->address.url_shown, policy);
        say(store, STORE_WARNING, text);
    }
}

void store_redis_warn(struct store_redis *store, const char *text)
{
    usec_t now = store->settings.clock.now();
    lock(store);
    bool may = now >= store->may_warn_at;
    if (may) {
        store->may_warn_at = now + WARN_EVERY;
    }
    unlock(store);
    if (may) {
        say(store, STORE_WARNING, text);
    }
}

/* ---- facts ---- */

void store_redis_refresh(struct store_redis_side *side)
{
    struct store_redis *store = side->store;
    unsigned version = atomic_load_explicit(&store->facts_version, memory_order_acquire);
    if (version != side->facts_version) {
        lock(store);
        side->facts_version = atomic_load_explicit(&store->facts_version, memory_order_relaxed);
        memcpy(side->ns.gateway, store->facts.gateway, sizeof(side->ns.gateway));
        memcpy(side->ns.epoch, store->facts.epoch, sizeof(side->ns.epoch));
        side->ns.has_beaten = store->facts.has_beaten;
        memcpy(side->ns.ledger, store->facts.ledger, sizeof(side->ns.ledger));
        side->ns.has_ledger = store->facts.has_ledger;
        side->ns.known = store->facts.known;
        side->ns.handed_in = store->facts.handed_in && store->facts.known > 0;
        side->incarnation = store->facts.incarnation;
        side->offset_ms = store->facts.offset_ms;
        unlock(store);
    }
    side->ns.wall_ms = store->settings.clock.wall() / MSEC + side->offset_ms;
}

/* Under the lock, as the next three: true if something of it is new. An answer may be older than
 * what another side has learned since, so an epoch is replaced only by who says that it is gone. */
static bool take_epoch(struct store_facts *facts, const struct redis_answer *answer, bool *ret_lost)
{
    bool known = facts->epoch[0] != '\0';
    if (answer->epoch[0] == '\0' || strcmp(facts->epoch, answer->epoch) == 0 ||
        (known && !answer->data_lost)) {
        return false;
    }
    memcpy(facts->epoch, answer->epoch, sizeof(facts->epoch));
    *ret_lost = known;
    return true;
}

/* Under the lock. */
static void begin_filling(struct store_redis *store)
{
    struct store_facts *facts = &store->facts;
    facts->known = store->gateways > 0 ? store->gateways : 1;
    facts->handed_in = !facts->has_ledger;
    atomic_store(&store->filling_until, store->settings.clock.now() + FILL_PATIENCE);
}

static bool take_clock(struct store_redis *store, const struct redis_answer *answer)
{
    int64_t offset_ms = answer->server_ms - store->settings.clock.wall() / MSEC;
    int64_t drift = offset_ms - store->facts.offset_ms;
    if (drift > -20 && drift < 20) {
        return false;
    }
    store->facts.offset_ms = offset_ms;
    local_shares_set_offset(store->shares, offset_ms);
    return true;
}

/* Several sides may hear that the same incarnation is dead: it is replaced once. */
static bool take_life(struct store_facts *facts, const struct redis_answer *answer,
                      unsigned incarnation)
{
    if (answer->gateways == 0 && !answer->declared_dead) {
        return false; /* not of a heartbeat */
    }
    if (incarnation != facts->incarnation || (!answer->declared_dead && facts->has_beaten)) {
        return false;
    }
    if (answer->declared_dead) {
        random_name(facts->gateway, STORE_NAME_BYTES);
        facts->incarnation++;
    }
    facts->has_beaten = !answer->declared_dead;
    return true;
}

void store_redis_learn(struct store_redis_side *side, const struct redis_answer *answer,
                       unsigned incarnation)
{
    struct store_redis *store = side->store;
    bool heartbeat = answer->gateways > 0 || answer->declared_dead;
    bool lost = false;
    if (!heartbeat && !answer->clock_off && !answer->data_lost && side->ns.epoch[0] != '\0') {
        return; /* an ordinary verdict tells nothing new */
    }
    lock(store);
    bool changed = take_epoch(&store->facts, answer, &lost);
    if (lost) {
        begin_filling(store);
    }
    changed = take_clock(store, answer) || changed;
    changed = take_life(&store->facts, answer, incarnation) || changed;
    if (changed) {
        (void)atomic_fetch_add_explicit(&store->facts_version, 1, memory_order_release);
    }
    unlock(store);
    if (lost) {
        char text[300];
        (void)snprintf(text, sizeof(text),
                       "%s has lost its data: rates begin anew; windows are filled in again from "
                       "the gateways' ledgers, and follow on_failure until all have done so",
                       store->address.url_shown);
        say(store, STORE_LOST_DATA, text);
    }
    if (lost && side->state == SIDE_UP) {
        timer_set(side->timers, &side->beat, store->settings.clock.now());
    }
    store_redis_refresh(side);
}
