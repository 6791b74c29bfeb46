/* remote_flight: one call to a store: a login, a renewal or a read. */
#include "auth/secrets/secret_store.h"
#include "auth/secrets/small_file.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/remote_store.h"
#include "config/snapshot.h"
#include "gateway/secrets/remote_state.h"
#include "gateway/upstream/fetch.h"

#include <stdio.h>

enum { IDENTITY_MAX = 16 * 1024 };

/* ---- life ---- */

static void unlink_flight(struct remote_flight *flight)
{
    struct remote_source *source = flight->source;
    if (flight->prev != NULL) {
        flight->prev->next = flight->next;
    } else {
        source->flights = flight->next;
    }
    if (flight->next != NULL) {
        flight->next->prev = flight->prev;
    }
    source->flight_count--;
}

static void free_flight(struct remote_flight *flight)
{
    fetch_cancel(flight->fetch);
    buffer_wipe(&flight->head);
    buffer_wipe(&flight->body);
    credential_unref(flight->credential);
    snapshot_unref(flight->snapshot);
    memory_free(flight);
}

static void reap(struct reapable *reapable)
{
    free_flight((struct remote_flight *)reapable);
}

void remote_flight_cancel(struct remote_flight *flight)
{
    unlink_flight(flight);
    free_flight(flight);
}

/* ---- what comes of it ---- */

static void settle(struct remote_flight *flight, const struct store_answer *answer,
                   const char *failure)
{
    if (flight->purpose == REMOTE_READ) {
        remote_source_was_read(flight, answer, failure);
    } else {
        remote_source_logged_in(flight, answer, failure);
    }
}

static void on_done(void *ctx, const struct fetch_result *result)
{
    struct remote_flight *flight = ctx;
    const struct store_answer answer = {.status = result->status, .body = result->body};
    const char *message = result->message == NULL ? "" : result->message;
    char why[300];
    flight->fetch = NULL;
    unlink_flight(flight);
    if (result->fault != ATTEMPT_OK) {
        (void)snprintf(why, sizeof(why), "%s%s%s", fetch_fault_text(result->fault),
                       message[0] == '\0' ? "" : ": ", message);
        settle(flight, NULL, why);
    } else if (result->cut) {
        (void)snprintf(why, sizeof(why), "answered %u with more than %d KiB", result->status,
                       STORE_ANSWER_MAX >> 10);
        settle(flight, NULL, why);
    } else {
        settle(flight, &answer, NULL);
    }
    loop_reap(&flight->source->remote->loop, &flight->reapable, reap);
}

/* ---- the call ---- */

/* All at once: growing would leave copies of a secret behind. */
static enum status make_room(struct buffer *buffer)
{
    buffer_init(buffer, STORE_CALL_MAX);
    return buffer_reserve(buffer, STORE_CALL_MAX);
}

struct store_input remote_flight_input(const struct remote_flight *flight)
{
    const struct secret *token = flight->source->session.token;
    return (struct store_input){
        .plan = &flight->store->plan,
        .credential =
            flight->credential == NULL ? SLICE("") : secret_reveal(flight->credential->secret),
        .token =
            token == NULL || flight->purpose == REMOTE_LOGIN ? SLICE("") : secret_reveal(token),
        .name = flight->entry == NULL ? NULL : flight->entry->name,
        .wall = clock_wall(),
    };
}

static enum status write_call(struct remote_flight *flight, const struct store_input *input,
                              enum http1_method *ret_method, struct error *err)
{
    const struct store_kind *kind = input->plan->kind;
    struct store_call call = {.head = &flight->head, .body = &flight->body};
    (void)error_set(err, STATUS_TOO_LARGE, __FILE__, __LINE__,
                    "is not asked: the request would be longer than %d KiB", STORE_CALL_MAX >> 10);
    switch (flight->purpose) {
    case REMOTE_LOGIN:
        TRY(kind->login(input, &call, err));
        break;
    case REMOTE_RENEWAL:
        TRY(kind->renew(input, &call, err));
        break;
    case REMOTE_READ:
        TRY(kind->read(input, &call, err));
        break;
    }
    if (buffer_len(&flight->body) > 0) {
        TRY(buffer_print(&flight->head, "Content-Length: %zu\r\n", buffer_len(&flight->body)));
    }
    *ret_method = call.method;
    return buffer_append(&flight->head, SLICE("\r\n"));
}

/* A small file, by a thread that serves nobody. */
static enum status read_identity(const struct remote_flight *flight, struct secret **ret,
                                 struct error *err)
{
    const char *file = flight->store->plan.token_file;
    if (file == NULL || flight->purpose != REMOTE_LOGIN) {
        return STATUS_OK;
    }
    enum status status = small_file_read(file, IDENTITY_MAX, ret, NULL, err);
    if (status != STATUS_OK) {
        error_prefix(err, "is not asked: auth.kubernetes.token_file");
    }
    return status;
}

static enum status send_call(struct remote_flight *flight, struct error *err)
{
    struct secret *identity CLEANUP(secret_free_at) = NULL;
    const struct store_plan *plan = &flight->store->plan;
    struct remote_secrets *remote = flight->source->remote;
    enum http1_method method = HTTP1_GET;
    TRY(make_room(&flight->head));
    TRY(make_room(&flight->body));
    TRY(read_identity(flight, &identity, err));
    struct store_input input = remote_flight_input(flight);
    input.identity = identity == NULL ? SLICE("") : secret_reveal(identity);
    TRY(write_call(flight, &input, &method, err));
    flight->fetch = fetch_start(
        &(struct fetch_request){
            .loop = &remote->loop,
            .upstreams = remote->upstreams,
            .origin = flight->purpose == REMOTE_LOGIN && plan->token != NULL
                          ? &flight->store->token_origin
                          : &flight->store->origin,
            .egress = egress_everywhere(),
            .connect_timeout = plan->timeout,
            .timeout = plan->timeout,
            .method = method,
            .head = buffer_bytes(&flight->head),
            .body = buffer_bytes(&flight->body),
            .answer_bytes = STORE_ANSWER_MAX,
            .answer_secret = true,
            .repeatable = flight->purpose != REMOTE_LOGIN,
        },
        flight, on_done);
    return STATUS_OK;
}

static enum status take_credential(struct remote_flight *flight, struct error *err)
{
    struct remote_source *source = flight->source;
    const char *name = flight->store->plan.credential;
    if (name == NULL) {
        return STATUS_OK;
    }
    (void)pthread_mutex_lock(&source->remote->lock);
    flight->credential = source->credential == NULL ? NULL : credential_acquire(source->credential);
    (void)pthread_mutex_unlock(&source->remote->lock);
    if (flight->credential == NULL) {
        FAIL(err, STATUS_UNAVAILABLE,
             "is not asked: its own secret \"%s\" is in none of the sources above it", name);
    }
    return STATUS_OK;
}

enum status remote_flight_start(struct remote_source *source, enum remote_purpose purpose,
                                struct remote_entry *entry, struct error *err)
{
    struct remote_flight *flight = MEMORY_NEW(struct remote_flight);
    flight->source = source;
    flight->purpose = purpose;
    flight->entry = entry;
    flight->snapshot = snapshot_ref(source->snapshot);
    flight->store = source->store;
    flight->session_number = source->session_number;
    buffer_init(&flight->head, 0);
    buffer_init(&flight->body, 0);
    enum status status = take_credential(flight, err);
    if (status == STATUS_OK) {
        status = send_call(flight, err);
    }
    if (status != STATUS_OK) {
        free_flight(flight);
        return status;
    }
    flight->next = source->flights;
    if (flight->next != NULL) {
        flight->next->prev = flight;
    }
    source->flights = flight;
    source->flight_count++;
    if (entry != NULL) {
        entry->flight = flight;
    }
    if (purpose != REMOTE_READ) {
        source->login = flight;
    }
    return STATUS_OK;
}
