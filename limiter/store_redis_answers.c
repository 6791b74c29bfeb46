/* store_redis_answers: what a reply to each kind of command means. */
#include "base/waiter.h"
#include "limiter/store_redis_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What an answer is about. */
struct answer {
    struct store_redis_side *side;
    struct operation *operation; /* owned: out of flight */
};

static bool make_no_sense(const struct answer *answer, const char *text)
{
    struct store_redis_side *side = answer->side;
    (void)snprintf(side->why, sizeof(side->why), "%.150s: %.240s", side->store->address.url_shown,
                   text);
    flight_lose(side, answer->operation, LOSS_OF_LINK);
    return false;
}

/* ---- verdicts ---- */

/* An ask that is called off tells nothing of the keys, and none of them refuses. */
static bool was_decided(const struct reservation *reservation)
{
    return reservation->state == RESERVATION_HELD || reservation_refusal(reservation) != NULL;
}

static void answer_extension(struct store_redis_side *side, struct operation *operation)
{
    struct reservation *reservation = operation->reservation;
    reservation->store_data = NULL;
    if (!reservation->extension_refused || reservation_refusal(reservation) != NULL) {
        local_shares_note(side->store->shares, reservation);
    }
    wake(reservation->waiter);
    operation_free(operation);
}

/* Nobody is there any more to use it. */
static void answer_orphan(struct store_redis_side *side, struct operation *operation)
{
    if (operation->reservation->state == RESERVATION_HELD) {
        operation->kind = OPERATION_CALL_OFF;
        operation->orphan = false;
        operation->repeated = false;
        if (!flight_send(side, operation)) {
            flight_keep(side, operation);
        }
        return;
    }
    operation_free(operation);
}

static void answer_ask(struct store_redis_side *side, struct operation *operation)
{
    struct reservation *reservation = operation->reservation;
    reservation->store_data = NULL;
    reservation->basis = BASIS_STORE;
    if (was_decided(reservation)) {
        local_shares_note(side->store->shares, reservation);
    }
    wake(reservation->waiter);
    operation_free(operation);
}

/* Nothing was taken. */
static void decide_alone(struct store_redis_side *side, struct operation *operation)
{
    struct reservation *reservation = operation->reservation;
    if (operation->orphan) {
        operation_free(operation);
        return;
    }
    if (operation->kind == OPERATION_EXTEND) {
        side_extend_alone(side, reservation);
    } else {
        side_decide_alone(side, reservation);
    }
    wake(reservation->waiter);
    operation_free(operation);
}

/* No window covered the server's clock, by which it is asked again once. */
static void ask_again(struct store_redis_side *side, struct operation *operation)
{
    if (!operation->repeated && flight_send(side, operation)) {
        operation->repeated = true;
        return;
    }
    decide_alone(side, operation);
}

static bool on_verdict(const struct answer *answer, struct slice text)
{
    struct store_redis_side *side = answer->side;
    struct operation *operation = answer->operation;
    struct reservation *reservation = operation->reservation;
    struct redis_answer told;
    struct error err;
    if (reservation == NULL) {
        operation_free(operation);
        return true;
    }
    bool extending = reservation->extending;
    enum status status = redis_read_verdict(text, reservation, &told, &err);
    if (status != STATUS_OK || told.clock_off || told.windows_lost) {
        reservation->state = RESERVATION_ASKED;
        reservation->extending = extending;
    }
    if (status != STATUS_OK) {
        return make_no_sense(answer, err.message);
    }
    store_redis_learn(side, &told, 0);
    if (told.windows_lost) {
        decide_alone(side, operation);
    } else if (told.clock_off) {
        ask_again(side, operation);
    } else if (operation->kind == OPERATION_EXTEND) {
        answer_extension(side, operation);
    } else if (operation->orphan) {
        answer_orphan(side, operation);
    } else {
        answer_ask(side, operation);
    }
    return true;
}

/* ---- the rest ---- */

static bool on_beat(const struct answer *answer, struct slice text)
{
    struct store_redis_side *side = answer->side;
    struct redis_answer told;
    struct error err;
    if (redis_read_beat(text, &told, &err) != STATUS_OK) {
        return make_no_sense(answer, err.message);
    }
    store_redis_learn(side, &told, answer->operation->incarnation);
    store_redis_learn_filling(side, &told);
    local_shares_note_gateways(side->store->shares, told.gateways);
    if (told.declared_dead && !side_write_beat(side)) {
        return make_no_sense(answer, "the link's buffer is full");
    }
    operation_free(answer->operation);
    return true;
}

/* First maxmemory-policy, then maxmemory: where that is 0 nothing is evicted. */
static void on_policy(struct store_redis_side *side, const struct redis_reply *reply)
{
    if (reply->kind != REDIS_LIST || reply->count < 2) {
        return;
    }
    struct slice value = reply->items[1].text;
    if (slice_equal(reply->items[0].text, SLICE("maxmemory-policy"))) {
        size_t len = value.len < sizeof(side->policy) ? value.len : sizeof(side->policy) - 1;
        memcpy(side->policy, value.ptr, len);
        side->policy[len] = '\0';
    } else if (!slice_equal(value, SLICE("0")) && side->policy[0] != '\0' &&
               strcmp(side->policy, "noeviction") != 0) {
        store_redis_note_policy(side->store, side->policy);
    }
}

static bool contains(struct slice text, struct slice part)
{
    return memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

/* Of this command alone, as where another program has used the key; not of the server's state,
 * which some versions put into the message of a script that failed. */
static bool is_particular(const struct operation *operation, struct slice text)
{
    static const struct slice states[] = {SLICE_INIT("OOM "), SLICE_INIT("READONLY "),
                                          SLICE_INIT("MISCONF "), SLICE_INIT("NOREPLICAS ")};
    bool command = operation->kind != OPERATION_LOAD && operation->kind != OPERATION_BEAT;
    bool particular =
        slice_starts_with(text, SLICE("ERR ")) || slice_starts_with(text, SLICE("WRONGTYPE "));
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        particular = particular && !contains(text, states[i]);
    }
    return command && particular;
}

/* Said again it would fail again: given up, so that it does not hold up all others. */
static void give_up(const struct answer *answer)
{
    struct operation *operation = answer->operation;
    store_redis_warn(answer->side->store, answer->side->why);
    if (operation->kind == OPERATION_ASK || operation->kind == OPERATION_EXTEND) {
        flight_lose(answer->side, operation, LOSS_OF_LINK);
    } else {
        flight_give_up(answer->side, operation);
        count_up(&answer->side->counts.unsettled);
        operation_free(operation);
    }
}

/* The server forgot the scripts: they are loaded again, and the command is said once more. False:
 * it does not fit, or did not help; nothing is changed. */
static bool repeat(const struct answer *answer)
{
    struct store_redis_side *side = answer->side;
    struct operation *operation = answer->operation;
    if (operation->repeated || !flight_load(side)) {
        return false;
    }
    bool settled = operation->kind == OPERATION_EXTEND && operation->reservation == NULL;
    if (operation->kind == OPERATION_BEAT && !side_write_beat(side)) {
        return false;
    }
    if (operation->kind == OPERATION_BEAT || settled) {
        operation_free(operation);
        return true;
    }
    operation->repeated = flight_send(side, operation);
    return operation->repeated;
}

static bool on_error(const struct answer *answer, struct slice text)
{
    struct store_redis_side *side = answer->side;
    struct operation *operation = answer->operation;
    if (operation->kind == OPERATION_POLICY) { /* not all may ask that */
        operation_free(operation);
        return true;
    }
    if (slice_starts_with(text, SLICE("NOSCRIPT")) && repeat(answer)) {
        return true;
    }
    (void)snprintf(side->why, sizeof(side->why), "%s says: %.*s", side->store->address.url_shown,
                   text.len > 120 ? 120 : (int)text.len, text.ptr);
    if (is_particular(operation, text)) {
        give_up(answer);
        return true;
    }
    flight_lose(side, operation, LOSS_OF_LINK);
    return false;
}

bool flight_reply(struct store_redis_side *side, const struct redis_reply *reply)
{
    struct operation *operation = flight_pop(side);
    assert(operation != NULL); /* the link matches replies to what was expected */
    const struct answer answer = {side, operation};
    if (reply->kind == REDIS_ERROR) {
        return on_error(&answer, reply->text);
    }
    switch (operation->kind) {
    case OPERATION_ASK:
    case OPERATION_EXTEND:
        return on_verdict(&answer, reply->text);
    case OPERATION_BEAT:
        return on_beat(&answer, reply->text);
    case OPERATION_POLICY:
        on_policy(side, reply);
        break;
    case OPERATION_LOAD:
    case OPERATION_SETTLE:
    case OPERATION_CALL_OFF:
        break;
    case OPERATION_HAND_OVER:
        store_redis_hand_over_ends(side->store);
        break;
    case OPERATION_HAND_IN:
        store_redis_hand_in_ends(side->store);
        break;
    }
    operation_free(operation);
    return true;
}
