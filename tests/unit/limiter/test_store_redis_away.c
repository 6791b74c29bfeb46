/* store_redis while the server is stopped, cut off, full, or gone: what is decided alone, and that
 * nothing is lost or counted twice when it is back. */
#include "tests/unit/limiter/store_redis_rig.h"

TestSuite(store_redis_away, .init = rig_begin, .fini = rig_end, .timeout = 90);

/* Only timers: what has come over the link stays unread. */
static void pass_unread(usec_t span)
{
    rig_ahead += span;
    (void)timer_queue_run(&rig.timers, rig_now(), 1000);
}

static struct store_redis_counts counts(void)
{
    return store_redis_counts(rig.sides[0]);
}

/* Asked and settled while the store is away: true if it was admitted. */
static bool use_alone(unsigned side, const struct limit *limit, uint64_t amount)
{
    struct rig_request request;
    enum reservation_state state = rig_ask(&request, side, limit, amount);
    cr_assert(state == RESERVATION_HELD || state == RESERVATION_REFUSED);
    cr_assert_eq(request.reservation->basis, BASIS_LOCAL);
    rig_settle(&request, amount);
    return state == RESERVATION_HELD;
}

static void use(const struct limit *limit, uint64_t amount)
{
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, amount));
    rig_settle(&request, amount);
    rig_until(rig_is_quiet(0));
}

/* ---- stopped ---- */

Test(store_redis_away, what_waits_is_decided_after_the_timeout_and_what_comes_later_at_once)
{
    const struct limit *limits[] = {
        rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL),
        rig_daily(LIMIT_TOKENS, 100, STORE_DENY),
        rig_daily(LIMIT_BYTES, 100, STORE_ALLOW),
    };
    struct rig_request waiting[3];
    struct rig_request later[3];
    for (unsigned i = 0; i < 3; i++) {
        use(limits[i], 1);
    }
    redis_server_pause(&rig.server);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(rig_ask(&waiting[i], 0, limits[i], 1), RESERVATION_ASKED);
    }
    unsigned woken = rig.woken;
    rig_ahead += RIG_TIMEOUT - 2 * SEC;
    rig_turns(5);
    cr_assert_eq(rig.woken, woken);
    rig_ahead += 2 * SEC;
    rig_turns(2);
    cr_assert_eq(rig.woken, woken + 3);
    cr_assert_eq(counts().timeouts, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_neq(rig_ask(&later[i], 0, limits[i], 1), RESERVATION_ASKED);
    }
    struct rig_request *const all[] = {waiting, later};
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(all[i][0].reservation->state, RESERVATION_HELD);
        cr_assert_eq(all[i][0].reservation->basis, BASIS_LOCAL);
        cr_assert_eq(all[i][1].reservation->state, RESERVATION_UNAVAILABLE);
        cr_assert_eq(all[i][2].reservation->state, RESERVATION_HELD);
        cr_assert_eq(all[i][2].reservation->basis, BASIS_NONE);
        for (unsigned k = 0; k < 3; k++) {
            rig_settle(&all[i][k], 1);
        }
    }
    cr_assert_eq(counts().local, 2);
    cr_assert_eq(counts().denied, 2);
    cr_assert_eq(counts().uncounted, 2);
    cr_assert_eq(counts().failures, 1);
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 1);
    rig_find(0);
    rig_turns(5);
    cr_assert_eq(rig_entry(limits[0]).used, 3); /* all that were answered */
    cr_assert_eq(rig_entry(limits[1]).used, 1); /* the others were called off */
    cr_assert_eq(rig_entry(limits[2]).used, 1);
    cr_assert_eq(rig_entry(limits[1]).open, 0);
}

Test(store_redis_away, an_idle_link_to_a_stopped_server_is_noticed)
{
    redis_server_pause(&rig.server);
    rig_ahead += BEAT_EVERY;
    rig_turns(3);
    cr_assert(rig_is_up(0));
    rig_ahead += RIG_TIMEOUT;
    rig_turns(3);
    cr_assert_not(rig_is_up(0));
    cr_assert_eq(counts().timeouts, 0); /* nobody waited */
    cr_assert_eq(counts().failures, 1);
}

Test(store_redis_away, a_gateway_that_was_late_itself_reads_its_answers_first)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_DENY);
    struct rig_request request;
    (void)rig_ask(&request, 0, limit, 1);
    rig_send(0);
    while (rig_entry(limit).used == 0) {
        redis_server_nap();
    }
    pass_unread(10 * RIG_TIMEOUT);
    rig_until(request.reservation->state != RESERVATION_ASKED);
    cr_assert_eq(request.reservation->state, RESERVATION_HELD);
    cr_assert_eq(request.reservation->basis, BASIS_STORE);
    rig_settle(&request, 1);
}

Test(store_redis_away, but_it_does_not_wait_for_ever)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_DENY);
    struct rig_request request;
    redis_server_pause(&rig.server);
    (void)rig_ask(&request, 0, limit, 1);
    pass_unread(10 * RIG_TIMEOUT);
    cr_assert_eq(request.reservation->state, RESERVATION_ASKED);
    pass_unread(RIG_TIMEOUT / 2);
    cr_assert_eq(request.reservation->state, RESERVATION_UNAVAILABLE);
    rig_settle(&request, 1);
}

Test(store_redis_away, while_it_is_greeted_nobody_waits_for_it)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    use(limit, 1);
    rig_lose(0);
    redis_server_resume(&rig.server);
    rig_ahead += BACKOFF_MAX;
    while (rig.sides[0]->state != SIDE_GREETING) {
        (void)event_base_loop(rig.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        (void)timer_queue_run(&rig.timers, rig_now(), 1000);
    }
    cr_assert(use_alone(0, limit, 1));
    rig_find(0);
    rig_turns(5);
    cr_assert_eq(rig_entry(limit).used, 2);
}

/* ---- in doubt ---- */

Test(store_redis_away, an_ask_that_was_taken_without_an_answer_is_given_back)
{
    const struct limit *limits[] = {rig_daily(LIMIT_REQUESTS, 100, STORE_DENY),
                                    rig_daily(LIMIT_TOKENS, 100, STORE_DENY)};
    struct rig_request requests[2];
    for (unsigned i = 0; i < 2; i++) {
        (void)rig_ask(&requests[i], 0, limits[i], 1);
    }
    rig_send(0);
    while (rig_entry(limits[1]).used == 0) {
        redis_server_nap();
    }
    pass_unread(RIG_TIMEOUT);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(requests[i].reservation->state, RESERVATION_UNAVAILABLE);
        rig_settle(&requests[i], 1); /* before the store is told */
    }
    cr_assert_eq(counts().pending, 2);
    rig_find(0);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(rig_entry(limits[i]).used, 0);
        cr_assert_eq(rig_entry(limits[i]).refunded, 1);
        cr_assert_eq(rig_entry(limits[i]).open, 0);
    }
}

Test(store_redis_away, what_was_called_off_may_be_asked_again)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 3, STORE_LOCAL);
    struct rig_request request;
    rig.stores[1] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(1, rig.stores[1]);
    rig_until(rig_is_up(1));
    rig_ahead += BEAT_EVERY; /* both know of two gateways */
    rig_turn();
    rig_until(rig_is_quiet(0) && rig.sides[0]->flight.count == 0);
    use(limit, 1);
    (void)rig_ask(&request, 0, limit, 2);
    redis_server_pause(&rig.server);
    rig_send(0);
    rig_ahead += RIG_TIMEOUT;
    rig_until(request.reservation->state != RESERVATION_ASKED);
    cr_assert_eq(request.reservation->state, RESERVATION_REFUSED); /* its share is 1 */
    rig_find(0);
    cr_assert_eq(rig_ask_again(&request), RESERVATION_ASKED);
    rig_until(request.reservation->state != RESERVATION_ASKED);
    cr_assert_eq(request.reservation->state, RESERVATION_HELD);
    rig_settle(&request, 2);
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 3);
}

Test(store_redis_away, it_is_the_step_in_doubt_that_is_called_off)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 10, STORE_DENY);
    struct rig_request request;
    cr_assert_not(rig_get(&request, 0, limit, 11));
    request.reservation->demands[0].fixed = 4;
    (void)rig_ask_again(&request);
    rig_send(0);
    while (rig_entry(limit).used == 0) {
        redis_server_nap();
    }
    pass_unread(RIG_TIMEOUT);
    cr_assert_eq(request.reservation->state, RESERVATION_UNAVAILABLE);
    rig_settle(&request, 0);
    rig_find(0);
    cr_assert_eq(rig_entry(limit).used, 0);
}

Test(store_redis_away, an_ask_whose_client_has_left_is_called_off_on_the_next_link)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    (void)rig_ask(&request, 0, limit, 50);
    rig_send(0);
    while (rig_entry(limit).used == 0) {
        redis_server_nap();
    }
    rig_settle(&request, 0);
    pass_unread(RIG_TIMEOUT);
    cr_assert_eq(counts().local + counts().denied + counts().timeouts, 0); /* nothing to decide */
    rig_find(0);
    cr_assert_eq(rig.woken, 0);
    cr_assert_eq(rig_entry(limit).used, 0);
}

Test(store_redis_away, a_settlement_without_an_answer_is_repeated_and_counted_once)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request requests[2];
    cr_assert(rig_get(&requests[0], 0, limit, 50));
    cr_assert(rig_get(&requests[1], 0, limit, 10));
    rig_settle(&requests[0], 20);
    rig_send(0);
    while (rig_entry(limit).reserved == 60) {
        redis_server_nap();
    }
    pass_unread(RIG_TIMEOUT);
    cr_assert_not(rig_is_up(0));
    rig_settle(&requests[1], 4); /* while it is away */
    cr_assert_eq(counts().pending, 2);
    rig_find(0);
    struct store_entry entry = rig_entry(limit);
    cr_assert_eq(entry.used, 24);
    cr_assert_eq(entry.refunded, 36);
    cr_assert_eq(counts().unsettled, 0);
}

Test(store_redis_away, an_extension_in_doubt_goes_by_the_share_and_is_settled_exactly)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request requests[2];
    cr_assert(rig_get(&requests[0], 0, limit, 10));
    cr_assert(rig_get(&requests[1], 0, limit, 10));
    redis_server_pause(&rig.server);
    rig_extend(&requests[0], 20);
    rig_turns(2);
    rig_ahead += RIG_TIMEOUT;
    rig_turns(2);
    rig_extend(&requests[1], 5); /* it is known to be away */
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(requests[i].reservation->state, RESERVATION_HELD);
        cr_assert_not(requests[i].reservation->extension_refused);
        cr_assert_eq(requests[i].reservation->demands[0].granted, i == 0 ? 30 : 15);
    }
    rig_settle(&requests[0], 25);
    rig_settle(&requests[1], 15);
    rig_find(0);
    cr_assert_eq(rig_entry(limit).used, 40);
    cr_assert_eq(rig_entry(limit).open, 0);
}

Test(store_redis_away, an_extension_that_is_settled_without_an_answer_takes_nothing_alone)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 10));
    redis_server_pause(&rig.server);
    rig_extend(&request, 20);
    rig_settle(&request, 25);
    rig_send(0);
    pass_unread(RIG_TIMEOUT);
    rig_find(0);
    rig_turns(5);
    cr_assert_eq(rig_entry(limit).used, 25);
}

Test(store_redis_away, an_extension_is_refused_where_on_failure_says_deny)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_DENY);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 10));
    redis_server_pause(&rig.server);
    rig_extend(&request, 20);
    pass_unread(RIG_TIMEOUT);
    cr_assert_eq(request.reservation->state, RESERVATION_HELD);
    cr_assert(request.reservation->extension_refused);
    rig_settle(&request, 10);
    rig_find(0);
    cr_assert_eq(rig_entry(limit).used, 10);
}

/* ---- alone ---- */

Test(store_redis_away, two_gateways_alone_stay_below_the_limit_and_hand_over_what_they_took)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    struct rig_request request;
    unsigned admitted = 0;
    rig.stores[1] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(1, rig.stores[1]);
    rig_until(rig_is_up(1));
    rig_ahead += BEAT_EVERY; /* both know of two gateways */
    rig_turn();
    rig_until(rig.sides[0]->flight.count == 0 && rig.sides[1]->flight.count == 0);
    for (unsigned i = 0; i < 12; i++) {
        cr_assert(rig_get(&request, i % 2, limit, 1));
        rig_settle(&request, 1);
    }
    rig_lose(0);
    rig_until(!rig_is_up(1));
    for (unsigned i = 0; i < 200; i++) {
        admitted += use_alone(i % 2, limit, 1);
    }
    cr_assert_eq(admitted, 44 + 44);
    rig_find(0);
    rig_until(rig_is_quiet(1));
    rig_turns(5);
    cr_assert_eq(rig_entry(limit).used, 12 + admitted);
}

Test(store_redis_away, what_is_handed_over_twice_is_counted_once)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    struct rig_request request;
    use(limit, 1);
    rig_make(&request, 0, limit, 7);
    local_shares_ask(store_redis_shares(rig.stores[0]), request.reservation);
    rig_settle(&request, 7);
    rig_send(0);
    while (rig_entry(limit).used == 1) {
        redis_server_nap();
    }
    pass_unread(RIG_TIMEOUT);
    cr_assert_not(rig_is_up(0));
    cr_assert_eq(counts().pending, 1);
    rig_find(0);
    cr_assert_eq(rig_entry(limit).used, 8);
}

Test(store_redis_away, what_is_settled_after_it_is_back_corrects_what_was_handed_over)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    use(limit, 1);
    rig_lose(0);
    cr_assert_eq(rig_ask(&request, 0, limit, 20), RESERVATION_HELD);
    rig_find(0);
    rig_turns(5);
    cr_assert_eq(rig_entry(limit).used, 21);
    rig_settle(&request, 5);
    rig_turn();
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 6);
}

Test(store_redis_away, what_was_admitted_alone_is_extended_alone)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    use(limit, 1);
    rig_lose(0);
    cr_assert_eq(rig_ask(&request, 0, limit, 20), RESERVATION_HELD);
    rig_find(0);
    rig_extend(&request, 5); /* the store has no record to extend */
    cr_assert_eq(request.reservation->state, RESERVATION_HELD);
    cr_assert_not(request.reservation->extension_refused);
    rig_settle(&request, 23);
    rig_turn();
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 24);
}

Test(store_redis_away, slots_of_its_own_may_be_filled_again)
{
    const struct limit *limit = rig_slots(1);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 1));
    rig_lose(0);
    struct rig_request second;
    cr_assert_eq(rig_ask(&second, 0, limit, 1), RESERVATION_REFUSED);
    rig_settle(&second, 0);
    rig_settle(&request, 0);
    cr_assert_eq(rig_ask(&second, 0, limit, 1), RESERVATION_HELD);
    rig_settle(&second, 0);
    rig_find(0);
    cr_assert_eq(rig_entry(limit).used, 0);
}

Test(store_redis_away, the_bound_is_told_while_one_side_is_away)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    struct local_view view;
    use(limit, 1);
    cr_assert(local_shares_view(store_redis_shares(rig.stores[0]), limit->key, &view));
    cr_assert_eq(view.bound, 0);
    rig_add_side(1, rig.stores[0]); /* not up yet */
    cr_assert(local_shares_view(store_redis_shares(rig.stores[0]), limit->key, &view));
    cr_assert_eq(view.bound, 99);
    rig_until(rig_is_up(1));
    cr_assert(local_shares_view(store_redis_shares(rig.stores[0]), limit->key, &view));
    cr_assert_eq(view.bound, 0);
}

/* ---- what it says ---- */

Test(store_redis_away, several_sides_say_once_that_it_is_away_and_back)
{
    rig_add_side(1, rig.stores[0]);
    rig_until(rig_is_up(1));
    cr_assert_eq(rig.news[STORE_CAME_UP], 1);
    rig_lose(0);
    rig_until(!rig_is_up(1));
    rig_ahead += BACKOFF_MAX;
    rig_turns(5);
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 1);
    cr_assert(strstr(rig.text, "redis://SHOWN: no answer within 20000 ms") == rig.text, "%s",
              rig.text);
    rig_find(0);
    rig_ahead += BACKOFF_MAX;
    rig_until(rig_is_quiet(1));
    cr_assert_eq(rig.news[STORE_CAME_UP], 2);
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 1);
}

Test(store_redis_away, as_long_as_one_side_reaches_it_it_is_not_said_to_be_away)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_ALLOW);
    struct rig_request request;
    rig_add_side(1, rig.stores[0]);
    rig_until(rig_is_up(1));
    (void)rig_cli("CONFIG", "SET", "maxmemory", "1");
    (void)rig_ask(&request, 0, limit, 1); /* drops this side's link alone */
    rig_until(!rig_is_up(0));
    (void)rig_cli("CONFIG", "SET", "maxmemory", "0");
    rig_settle(&request, 1);
    cr_assert(rig_is_up(1));
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 0);
    rig_find(0);
    cr_assert_eq(rig.news[STORE_CAME_UP], 1);
}

/* ---- errors ---- */

Test(store_redis_away, a_server_that_is_full_is_as_good_as_away)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    struct rig_request request;
    use(limit, 1);
    (void)rig_cli("CONFIG", "SET", "maxmemory", "1");
    (void)rig_ask(&request, 0, limit, 1);
    rig_until(request.reservation->state != RESERVATION_ASKED);
    cr_assert_eq(request.reservation->state, RESERVATION_HELD);
    cr_assert_eq(request.reservation->basis, BASIS_LOCAL);
    rig_settle(&request, 1);
    cr_assert_not(rig_is_up(0));
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 1);
    cr_assert(strstr(rig.text, "OOM") != NULL, "%s", rig.text);
    rig_ahead += BACKOFF_MAX;
    rig_turns(20);
    cr_assert_not(rig_is_up(0)); /* it answers, but is of no use */
    (void)rig_cli("CONFIG", "SET", "maxmemory", "0");
    rig_find(0);
    rig_turns(5);
    cr_assert_eq(rig_entry(limit).used, 2);
}

/* A list lies where the record of a reservation is kept. */
static void spoil(unsigned id)
{
    char key[80];
    (void)snprintf(key, sizeof(key), "{shop:acme}:v2:r:%032x", id);
    (void)rig_cli("DEL", key);
    (void)rig_cli("LPUSH", key, "something else");
}

Test(store_redis_away, a_key_that_another_program_spoiled_concerns_its_own_requests_alone)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request before;
    struct rig_request after;
    cr_assert(rig_get(&before, 0, limit, 10));
    spoil(1);
    spoil(2);
    (void)rig_ask(&after, 0, limit, 10);
    rig_until(after.reservation->state != RESERVATION_ASKED);
    cr_assert_eq(after.reservation->state, RESERVATION_HELD);
    cr_assert_eq(after.reservation->basis, BASIS_LOCAL);
    rig_settle(&after, 10);
    rig_settle(&before, 10); /* would fail for ever */
    rig_until(rig_is_quiet(0));
    use(limit, 1);
    cr_assert(rig_is_up(0));
    cr_assert_eq(counts().unsettled, 2); /* that, and calling the other one off */
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 0);
    cr_assert_eq(rig.news[STORE_WARNING], 1); /* not for each */
    cr_assert(strstr(rig.text, "redis://SHOWN says: WRONGTYPE") == rig.text, "%s", rig.text);
}

/* ---- bounds ---- */

/* As if the store had admitted it, and `used` were known now. */
static void settle_old(const struct limit *limit)
{
    struct rig_request request;
    rig_make(&request, 0, limit, 1);
    request.reservation->state = RESERVATION_HELD;
    request.reservation->basis = BASIS_STORE;
    request.reservation->demands[0].granted = 1;
    rig_settle(&request, 1);
}

Test(store_redis_away, settlements_that_wait_are_bounded_and_what_is_given_up_is_counted)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    rig_lose(0);
    for (unsigned i = 0; i < OPERATIONS_MAX + 10; i++) {
        settle_old(limit);
    }
    cr_assert_eq(counts().pending, OPERATIONS_MAX);
    cr_assert_eq(counts().unsettled, 10);
}

Test(store_redis_away, a_long_backlog_does_not_hold_up_an_ask)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_DENY);
    struct rig_request request;
    rig_lose(0);
    for (unsigned i = 0; i < 5000; i++) {
        settle_old(limit);
    }
    redis_server_resume(&rig.server);
    rig_ahead += BACKOFF_MAX;
    rig_until(rig_is_up(0));
    cr_assert_gt(counts().pending, 4000);
    cr_assert(rig_get(&request, 0, limit, 1));
    cr_assert_gt(counts().pending, 1000);
    rig_settle(&request, 1);
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 1);
}

Test(store_redis_away, it_is_tried_again_more_and_more_seldom)
{
    const struct store_redis_side *side = rig.sides[0];
    usec_t most = BACKOFF_MIN;
    rig_ahead += STEADY_AFTER;
    redis_server_kill(&rig.server);
    rig_until(!rig_is_up(0));
    for (unsigned i = 0; i < 10; i++) {
        usec_t wait = side->retry.due - rig_now();
        cr_assert_leq(wait, most);
        cr_assert_geq(wait, most / 2 - 100 * MSEC); /* some of it has passed */
        most = most * 2 < BACKOFF_MAX ? most * 2 : BACKOFF_MAX;
        usec_t due = side->retry.due;
        rig_ahead += wait;
        rig_until(side->retry.due > due);
    }
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 1);
}

Test(store_redis_away, a_side_that_is_freed_does_not_wait_longer_than_the_timeout)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    rig.stores[1] = rig_new_store(300 * MSEC);
    rig_add_side(1, rig.stores[1]);
    rig_until(rig_is_up(1));
    redis_server_pause(&rig.server);
    for (unsigned i = 0; i < 40000; i++) { /* more than the kernel takes */
        struct rig_request request;
        rig_make(&request, 1, limit, 1);
        request.reservation->state = RESERVATION_HELD;
        request.reservation->basis = BASIS_STORE;
        rig_settle(&request, 1);
    }
    usec_t began = clock_now();
    rig_free_side(1);
    cr_assert_geq(clock_now() - began, 200 * MSEC);
    cr_assert_lt(clock_now() - began, 3 * SEC);
}

static void begin_tls(void)
{
    rig_begin_with(&(struct redis_server_settings){.tls = true});
    rig.stores[0] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(0, rig.stores[0]);
    rig_until(rig_is_up(0));
}

Test(store_redis_tls, a_side_that_is_freed_sends_all_that_is_queued, .init = begin_tls,
     .fini = rig_end, .timeout = 90)
{
    enum { HELD = 3000 }; /* more than a record, and than libevent's buffer */
    static struct rig_request requests[HELD];
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100000, STORE_LOCAL);
    for (unsigned i = 0; i < HELD; i++) {
        (void)rig_ask(&requests[i], 0, limit, 2);
    }
    rig_until(rig.woken == HELD);
    for (unsigned i = 0; i < HELD; i++) {
        cr_assert_eq(requests[i].reservation->state, RESERVATION_HELD);
        rig_settle(&requests[i], 1);
    }
    rig_free_side(0);
    for (unsigned i = 0; i < 100 && rig_entry(limit).reserved > 0; i++) {
        redis_server_nap();
    }
    cr_assert_eq(rig_entry(limit).used, HELD, "%u", (unsigned)rig_entry(limit).used);
}
