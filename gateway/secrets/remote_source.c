/* remote_source: one store, by the thread: its session, who waits for it, and when names are read
 * again. */
#include "auth/secrets/secret_store.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/remote_store.h"
#include "config/snapshot.h"
#include "gateway/observe/log.h"
#include "gateway/secrets/remote_state.h"

#include <stddef.h>
#include <stdio.h>

static void pump(struct remote_source *source);

static usec_t now_of(const struct remote_source *source)
{
    return source->remote->loop.now;
}

/* ---- when ---- */

/* By up to a fifth earlier or later. */
static usec_t spread(usec_t time)
{
    usec_t part = time * REMOTE_JITTER / 100;
    return time - part + (usec_t)(random_number() % (uint64_t)(2 * part + 1));
}

static usec_t back_off(unsigned failures, usec_t most)
{
    usec_t wait = REMOTE_BACK_OFF;
    for (unsigned i = 1; i < failures && wait < most; i++) {
        wait *= 2;
    }
    return spread(wait < most ? wait : most);
}

static void read_again(struct remote_entry *entry, usec_t after)
{
    loop_timer(&entry->source->remote->loop, &entry->timer, after);
}

/* ---- what a read came to ---- */

static void settle_value(struct remote_entry *entry, struct store_value *value)
{
    entry->failures = 0;
    remote_entry_settle(entry, &(struct remote_result){.known = SECRET_KNOWN,
                                                       .take_secret = value->secret,
                                                       .version = value->version});
    read_again(entry, spread(entry->source->store->plan.refresh));
}

static void settle_absence(struct remote_entry *entry)
{
    entry->failures = 0;
    remote_entry_settle(entry, &(struct remote_result){.known = SECRET_ABSENT});
    read_again(entry, spread(entry->source->store->plan.refresh));
}

static void settle_failure(struct remote_entry *entry, const char *failure)
{
    entry->failures++;
    remote_entry_settle(entry, &(struct remote_result){.known = SECRET_FAILS, .failure = failure});
    read_again(entry, back_off(entry->failures, entry->source->store->plan.refresh));
}

/* ---- who waits ---- */

static struct remote_entry *take_first(struct remote_source *source)
{
    struct remote_entry *entry = source->waiting;
    source->waiting = entry->next;
    if (source->waiting == NULL) {
        source->waiting_last = NULL;
    } else {
        source->waiting->prev = NULL;
    }
    entry->next = NULL;
    entry->waits = false;
    return entry;
}

static void fail_all(struct remote_source *source, const char *failure)
{
    while (source->waiting != NULL) {
        settle_failure(take_first(source), failure);
    }
}

/* The store is away, or lets nobody in: it is left alone for a while. */
static void store_failed(struct remote_source *source, const char *failure)
{
    source->failures++;
    source->retry_at = now_of(source) + back_off(source->failures, source->store->plan.refresh);
    (void)snprintf(source->failure, sizeof(source->failure), "%s", failure);
}

static void store_is_well(struct remote_source *source)
{
    source->failures = 0;
    source->retry_at = 0;
}

void remote_source_want(struct remote_entry *entry)
{
    struct remote_source *source = entry->source;
    if (entry->waits || entry->flight != NULL) {
        return;
    }
    timer_stop(&entry->timer);
    if (source->store != NULL && entry->generation == 0 && now_of(source) < source->retry_at) {
        settle_failure(entry, source->failure); /* who waits for it hears at once */
        return;
    }
    entry->waits = true;
    entry->prev = source->waiting_last;
    if (source->waiting_last != NULL) {
        source->waiting_last->next = entry;
    } else {
        source->waiting = entry;
    }
    source->waiting_last = entry;
    pump(source);
}

/* ---- the session ---- */

static void drop_session(struct remote_source *source)
{
    secret_free(TAKE(source->session.token));
    source->session = (struct remote_session){0};
    timer_stop(&source->renewal);
}

static uint64_t credential_version(struct remote_source *source)
{
    (void)pthread_mutex_lock(&source->remote->lock);
    struct credential *credential =
        source->credential == NULL ? NULL : credential_acquire(source->credential);
    (void)pthread_mutex_unlock(&source->remote->lock);
    uint64_t version = credential == NULL ? 0 : credential->version;
    credential_unref(credential);
    return version;
}

static bool session_is_good(struct remote_source *source)
{
    const struct remote_session *session = &source->session;
    if (source->store->plan.kind->login == NULL) {
        return true;
    }
    return session->token != NULL && session->made_for == credential_version(source) &&
           (session->expires == 0 || now_of(source) < session->expires);
}

static void take_session(struct remote_source *source, const struct remote_flight *flight,
                         struct store_session *take)
{
    struct remote_session *session = &source->session;
    usec_t now = now_of(source);
    if (take->token != NULL) {
        secret_free(session->token);
        session->token = take->token;
        source->session_number++;
    }
    if (flight->purpose != REMOTE_RENEWAL) { /* which goes on for what the login was made with */
        session->made_for = flight->credential == NULL ? 0 : flight->credential->version;
    }
    session->expires = take->life == 0 ? 0 : now + take->life - take->life / 20;
    bool renews = take->life > 0 && take->renewable && source->store->plan.kind->renew != NULL;
    if (renews) {
        loop_timer(&source->remote->loop, &source->renewal, take->life / 3 * 2);
    } else {
        timer_stop(&source->renewal);
    }
}

static void renewal_failed(struct remote_source *source, const char *why)
{
    log_warn("secrets: %s: its token could not be renewed (%s): logging in again",
             source->store->plan.where, why);
    drop_session(source);
}

void remote_source_logged_in(struct remote_flight *flight, const struct store_answer *answer,
                             const char *failure)
{
    struct remote_source *source = flight->source;
    const struct store_kind *kind = flight->store->plan.kind;
    struct store_input input = remote_flight_input(flight);
    struct store_session session = {0};
    struct error err;
    bool renewal = flight->purpose == REMOTE_RENEWAL;
    if (source->login == flight) {
        source->login = NULL;
    }
    if (answer != NULL) {
        enum status status = renewal ? kind->renew_answer(&input, answer, &session, &err)
                                     : kind->login_answer(&input, answer, &session, &err);
        failure = status == STATUS_OK ? NULL : err.message;
    }
    if (failure == NULL) {
        take_session(source, flight, &session);
    } else if (renewal) {
        renewal_failed(source, failure);
    } else {
        store_failed(source, failure);
        fail_all(source, failure);
    }
    pump(source);
}

static void on_renewal(struct timer *timer)
{
    struct remote_source *source =
        (struct remote_source *)((char *)timer - offsetof(struct remote_source, renewal));
    struct error err;
    if (source->login == NULL && source->session.token != NULL &&
        remote_flight_start(source, REMOTE_RENEWAL, NULL, &err) != STATUS_OK) {
        renewal_failed(source, err.message);
    }
}

/* All who wait are told if that is not to be. */
static void start_login(struct remote_source *source)
{
    struct error err;
    drop_session(source);
    if (remote_flight_start(source, REMOTE_LOGIN, NULL, &err) != STATUS_OK) {
        store_failed(source, err.message);
        fail_all(source, err.message);
    }
}

/* ---- reads ---- */

/* A session that was refused may have ended early, or was replaced meanwhile: with a new one it is
 * worth another try. */
static bool worth_again(const struct remote_flight *flight)
{
    struct remote_source *source = flight->source;
    usec_t now = now_of(source);
    if (flight->store->plan.kind->login == NULL || flight->entry->again) {
        return false;
    }
    if (flight->session_number != source->session_number || source->session.token == NULL) {
        return true;
    }
    if (source->logged_in_at != 0 && now - source->logged_in_at < REMOTE_LOGIN_REST) {
        return false;
    }
    source->logged_in_at = now;
    drop_session(source);
    return true;
}

static void take_answer(struct remote_flight *flight, const struct store_answer *answer)
{
    struct remote_source *source = flight->source;
    struct remote_entry *entry = flight->entry;
    struct store_input input = remote_flight_input(flight);
    struct store_value value = {0};
    struct error err;
    enum status status = flight->store->plan.kind->read_answer(&input, answer, &value, &err);
    if (status == STATUS_DENIED && worth_again(flight)) {
        entry->again = true;
        remote_source_want(entry);
        return;
    }
    entry->again = false;
    if (answer->status >= 500 || answer->status == 429) {
        store_failed(source, err.message);
    } else {
        store_is_well(source);
    }
    if (status == STATUS_OK) {
        settle_value(entry, &value);
    } else if (status == STATUS_NOT_FOUND) {
        settle_absence(entry);
    } else {
        settle_failure(entry, err.message);
    }
}

void remote_source_was_read(struct remote_flight *flight, const struct store_answer *answer,
                            const char *failure)
{
    flight->entry->flight = NULL;
    if (answer != NULL) {
        take_answer(flight, answer);
    } else {
        store_failed(flight->source, failure);
        settle_failure(flight->entry, failure);
    }
    pump(flight->source);
}

static void read_next(struct remote_source *source)
{
    struct error err;
    struct remote_entry *entry = take_first(source);
    if (remote_flight_start(source, REMOTE_READ, entry, &err) != STATUS_OK) {
        settle_failure(entry, err.message);
    }
}

/* May as many flights start as there are names that wait? A store that was away is tried with one.
 */
static void pump(struct remote_source *source)
{
    while (source->waiting != NULL && source->store != NULL && !source->remote->stopping) {
        unsigned most = source->failures > 0 ? 1 : REMOTE_FLIGHTS_MAX;
        if (now_of(source) < source->retry_at) {
            loop_timer(&source->remote->loop, &source->pause, source->retry_at - now_of(source));
            return;
        }
        bool good = session_is_good(source);
        if ((!good && source->login != NULL) || source->flight_count >= most) {
            return;
        }
        if (good) {
            read_next(source);
        } else {
            start_login(source);
        }
    }
}

static void on_pause(struct timer *timer)
{
    pump((struct remote_source *)((char *)timer - offsetof(struct remote_source, pause)));
}

/* ---- life ---- */

void remote_source_init(struct remote_source *source)
{
    timer_init(&source->renewal, on_renewal);
    timer_init(&source->pause, on_pause);
}

void remote_source_adopt(struct remote_source *source, struct snapshot *take_snapshot,
                         const struct remote_store *store)
{
    snapshot_unref(source->snapshot);
    source->snapshot = take_snapshot;
    source->store = store;
    pump(source);
}

void remote_source_cancel(struct remote_source *source)
{
    struct timer_queue *timers = &source->remote->loop.timers;
    while (source->flights != NULL) {
        remote_flight_cancel(source->flights);
    }
    timer_cancel(timers, &source->renewal);
    timer_cancel(timers, &source->pause);
    for (struct remote_entry *entry = source->entries; entry != NULL; entry = entry->sibling) {
        timer_cancel(timers, &entry->timer);
    }
    drop_session(source);
    snapshot_unref(TAKE(source->snapshot));
}
