/* store_redis against a real server that is well: what is counted, by one gateway and by several.
 */
#include "tests/unit/limiter/store_redis_rig.h"

TestSuite(store_redis, .init = rig_begin, .fini = rig_end, .timeout = 60);

Test(store_redis, admits_up_to_the_limit_and_then_refuses)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 3, STORE_LOCAL);
    struct rig_request requests[4];
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(rig_get(&requests[i], 0, limit, 1), i < 3);
    }
    cr_assert(requests[3].reservation->demands[0].refused);
    cr_assert_eq(requests[2].reservation->demands[0].left, 0);
    cr_assert_eq(rig.woken, 4);
    for (unsigned i = 0; i < 4; i++) {
        rig_settle(&requests[i], 1);
    }
    cr_assert_eq(rig_entry(limit).used, 3);
    cr_assert_eq(rig_entry(limit).settled, 3);
}

Test(store_redis, nothing_is_called_back_inside_an_ask)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 3, STORE_LOCAL);
    struct rig_request request;
    cr_assert_eq(rig_ask(&request, 0, limit, 1), RESERVATION_ASKED);
    cr_assert_not(request.waiter.ready);
    cr_assert_eq(store_redis_counts(rig.sides[0]).waiting, 1);
    rig_until(rig.woken == 1);
    cr_assert_eq(store_redis_counts(rig.sides[0]).waiting, 0);
    rig_settle(&request, 1);
}

Test(store_redis, a_settlement_charges_what_was_used_and_gives_the_rest_back)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 80));
    cr_assert_eq(rig_entry(limit).reserved, 80);
    rig_settle(&request, 30);
    cr_assert_eq(store_redis_counts(rig.sides[0]).pending, 1);
    rig_until(rig_is_quiet(0));
    struct store_entry entry = rig_entry(limit);
    cr_assert_eq(entry.used, 30);
    cr_assert_eq(entry.reserved, 0);
    cr_assert_eq(entry.refunded, 50);
}

Test(store_redis, what_a_dead_process_left_is_settled_by_another_once)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 80));
    rig.stores[1] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(1, rig.stores[1]);
    for (unsigned i = 0; i < 2; i++) { /* before it is up, too */
        store_redis_settle_left(rig.sides[1], request.reservation->id, "acme", (uint64_t[]){30}, 1);
        rig_until(rig_is_quiet(1));
        cr_assert_eq(rig_entry(limit).used, 30);
        cr_assert_eq(rig_entry(limit).reserved, 0);
    }
    store_redis_settle_left(rig.sides[1], "0123456789abcdef0123456789abcdef", "acme",
                            (uint64_t[]){7}, 1); /* of which the store knows nothing */
    rig_settle(&request, 40);
    rig_until(rig_is_quiet(1) && rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 30);
}

Test(store_redis, an_extension_takes_more_or_is_refused_and_what_was_held_stays)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 60));
    rig_extend(&request, 30);
    cr_assert_eq(request.reservation->state, RESERVATION_ASKED);
    rig_until(request.reservation->state == RESERVATION_HELD);
    cr_assert_not(request.reservation->extension_refused);
    cr_assert_eq(request.reservation->demands[0].granted, 90);
    rig_extend(&request, 30);
    rig_until(request.reservation->state == RESERVATION_HELD);
    cr_assert(request.reservation->extension_refused);
    cr_assert_eq(request.reservation->demands[0].granted, 90);
    cr_assert_eq(rig.woken, 3);
    cr_assert_eq(rig_entry(limit).reserved, 90);
    rig_settle(&request, 85);
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 85);
}

Test(store_redis, what_settles_nothing_sends_nothing_at_the_end)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 10, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 1));
    rig_settle(&request, 1);
    cr_assert_eq(store_redis_counts(rig.sides[0]).pending, 0);
    cr_assert_eq(rig_entry(limit).used, 1);
}

/* ---- several ---- */

Test(store_redis, what_is_written_soon_after_a_send_waits_for_its_answer_or_a_moment)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    struct rig_request requests[4];
    redis_server_pause(&rig.server); /* no answer */
    const struct store_side side = store_redis_side(rig.sides[0]);
    (void)rig_ask(&requests[0], 0, limit, 1);
    side.ops->turn_end(side.side);
    cr_assert_eq(rig.sides[0]->unsent, 0, "nothing is in flight");
    rig.sides[0]->sent_at += SEC; /* the moment lasts */
    for (unsigned i = 1; i < 3; i++) {
        (void)rig_ask(&requests[i], 0, limit, 1);
        side.ops->turn_end(side.side);
        cr_assert_eq(rig.sides[0]->unsent, i);
    }
    rig.sides[0]->sent_at -= 2 * SEC; /* it is over */
    side.ops->turn_end(side.side);
    cr_assert_eq(rig.sides[0]->unsent, 0);
    rig.sides[0]->sent_at += 100 * SEC;
    (void)rig_ask(&requests[3], 0, limit, 1);
    side.ops->turn_end(side.side);
    cr_assert_eq(rig.sides[0]->unsent, 1);
    redis_server_resume(&rig.server);
    rig_until(rig.woken == 4); /* the answers are reason enough */
    for (unsigned i = 0; i < 4; i++) {
        rig_settle(&requests[i], 1);
    }
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 4);
}

Test(store_redis, two_gateways_admit_exactly_the_limit)
{
    enum { ASKS = 150 };
    static struct rig_request requests[2][ASKS];
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    unsigned held = 0;
    rig.stores[1] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(1, rig.stores[1]);
    rig_until(rig_is_up(1));
    for (unsigned i = 0; i < ASKS; i++) {
        for (unsigned gateway = 0; gateway < 2; gateway++) {
            (void)rig_ask(&requests[gateway][i], gateway, limit, 1);
        }
    }
    rig_until(rig.woken == 2 * ASKS);
    for (unsigned i = 0; i < ASKS; i++) {
        for (unsigned gateway = 0; gateway < 2; gateway++) {
            held += requests[gateway][i].reservation->state == RESERVATION_HELD;
            rig_settle(&requests[gateway][i], 1);
        }
    }
    cr_assert_eq(held, 100);
    cr_assert_eq(rig_entry(limit).used, 100);
}

Test(store_redis, slots_are_given_back_by_settling)
{
    const struct limit *limit = rig_slots(2);
    struct rig_request requests[4];
    rig_add_side(1, rig.stores[0]);
    rig_until(rig_is_up(1));
    cr_assert(rig_get(&requests[0], 0, limit, 1));
    cr_assert(rig_get(&requests[1], 1, limit, 1));
    cr_assert_not(rig_get(&requests[2], 1, limit, 1));
    rig_settle(&requests[0], 0);
    rig_until(rig_is_quiet(0));
    cr_assert(rig_get(&requests[3], 1, limit, 1));
    for (unsigned i = 1; i < 4; i++) {
        rig_settle(&requests[i], 0);
    }
    rig_until(rig_is_quiet(1));
    cr_assert_eq(rig_entry(limit).used, 0);
}

/* ---- who leaves ---- */

Test(store_redis, an_ask_whose_client_is_gone_is_given_back)
{
    const struct limit *tokens = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    const struct limit *requests = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    struct rig_request gone[2];
    (void)rig_ask(&gone[0], 0, tokens, 70);
    (void)rig_ask(&gone[1], 0, requests, 1);
    rig_settle(&gone[0], 0);
    rig_settle(&gone[1], 1);
    rig_until(rig_is_quiet(0));
    rig_turns(2);
    cr_assert_eq(rig.woken, 0);
    cr_assert_eq(rig_entry(tokens).used, 0);
    cr_assert_eq(rig_entry(tokens).refunded, 70);
    cr_assert_eq(rig_entry(requests).used, 0);
}

Test(store_redis, a_refused_ask_whose_client_is_gone_is_nothing)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    (void)rig_ask(&request, 0, limit, 101);
    rig_settle(&request, 0);
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).taken, 0);
}

Test(store_redis, an_extension_without_an_answer_yet_is_settled_with_all_that_was_used)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 10));
    rig_extend(&request, 20);
    rig_settle(&request, 25);
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig.woken, 1);
    struct store_entry entry = rig_entry(limit);
    cr_assert_eq(entry.used, 25);
    cr_assert_eq(entry.open, 0);
}

Test(store_redis, a_side_that_is_freed_sends_what_is_queued)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 10));
    rig_settle(&request, 4);
    rig_free_side(0);
    for (unsigned i = 0; i < 1000 && rig_entry(limit).reserved > 0; i++) {
        redis_server_nap();
    }
    cr_assert_eq(rig_entry(limit).used, 4);
}

Test(store_redis, a_side_that_is_freed_hands_over_what_was_taken_alone)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 1));
    rig_settle(&request, 1);
    rig_make(&request, 0, limit, 7);
    local_shares_ask(store_redis_shares(rig.stores[0]), request.reservation);
    rig_settle(&request, 7);
    rig_free_side(0);
    cr_assert_eq(rig_entry(limit).used, 8); /* it was waited for */
}

Test(store_redis, a_side_is_freed_with_everything_in_flight)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request requests[4];
    cr_assert(rig_get(&requests[0], 0, limit, 10));
    cr_assert(rig_get(&requests[1], 0, limit, 10));
    redis_server_pause(&rig.server);
    (void)rig_ask(&requests[2], 0, limit, 1);
    (void)rig_ask(&requests[3], 0, limit, 1);
    rig_settle(&requests[0], 1);
    rig_extend(&requests[1], 10);
    rig_settle(&requests[1], 1);
    rig_settle(&requests[2], 1);
    rig_send(0);
    rig_free_side(0);
    cr_assert_eq(requests[3].reservation->state, RESERVATION_HELD); /* by its share */
    waiter_cancel(&requests[3].waiter);
    reservation_free(requests[3].reservation);
}

/* ---- clocks, epochs, lives ---- */

Test(store_redis, a_gateway_whose_clock_is_wrong_asks_by_the_servers)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 10, STORE_LOCAL);
    struct rig_request request;
    rig_wall_ahead = -5 * 86400 * SEC;
    cr_assert(rig_get(&request, 0, limit, 1));
    cr_assert_gt(request.reservation->demands[0].reset_after, 0);
    cr_assert_leq(request.reservation->demands[0].reset_after, 86400 * SEC);
    cr_assert_eq(store_redis_counts(rig.sides[0]).local, 0);
    rig_settle(&request, 1);
    cr_assert_eq(rig_entry(limit).used, 1);
}

Test(store_redis, an_extension_by_a_wrong_clock_is_one_still_when_it_is_asked_again)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 60));
    rig_wall_ahead = -5 * 86400 * SEC;
    rig_extend(&request, 50);
    rig_until(request.reservation->state != RESERVATION_ASKED);
    cr_assert_eq(request.reservation->state, RESERVATION_HELD);
    cr_assert(request.reservation->extension_refused);
    cr_assert_eq(request.reservation->demands[0].granted, 60);
    rig_settle(&request, 60);
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 60);
}

Test(store_redis, lost_data_is_said_each_time_and_once)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 3, STORE_LOCAL);
    struct rig_request request;
    rig_add_side(1, rig.stores[0]);
    rig_until(rig_is_up(1));
    for (unsigned time = 1; time <= 3; time++) {
        cr_assert(rig_get(&request, 0, limit, 3));
        rig_settle(&request, 3);
        cr_assert_eq(rig.news[STORE_LOST_DATA], time - 1);
        (void)rig_cli("FLUSHALL");
        for (unsigned side = 0; side < 2; side++) {
            (void)rig_ask(&request, side, limit, 1);
            rig_until(request.reservation->state != RESERVATION_ASKED);
            cr_assert_eq(request.reservation->basis, BASIS_LOCAL, "until all have handed in");
            rig_settle(&request, 1);
        }
        cr_assert_eq(rig.news[STORE_LOST_DATA], time);
        rig_until(!store_redis_is_filling(rig.stores[0]));
        for (unsigned side = 0; side < 2; side++) {
            cr_assert(rig_get(&request, side, limit, 1));
            rig_settle(&request, 1);
        }
        (void)rig_cli("DEL", "{shop:acme}:v2:q:requests/day");
    }
}

Test(store_redis, a_server_that_comes_back_empty_has_lost_its_data)
{
    const struct limit *limit = rig_daily(LIMIT_REQUESTS, 3, STORE_LOCAL);
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, 3));
    rig_settle(&request, 3);
    redis_server_restart(&rig.server);
    rig_until(!rig_is_up(0));
    rig_find(0);
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 1);
    cr_assert_eq(rig.news[STORE_CAME_UP], 2);
    cr_assert_eq(rig.news[STORE_LOST_DATA], 1);
    cr_assert(rig_get(&request, 0, limit, 3));
    rig_settle(&request, 3);
}

/* Its name, as its sides write it. */
static const char *gateway_name(void)
{
    return rig.stores[0]->facts.gateway;
}

Test(store_redis, a_gateway_that_was_held_dead_goes_on_under_another_name_once)
{
    char before[17];
    rig_add_side(1, rig.stores[0]);
    rig_until(rig_is_up(1));
    for (unsigned death = 1; death <= 2; death++) {
        memcpy(before, gateway_name(), sizeof(before));
        cr_assert_str_eq(rig_cli("ZRANGE", "{shop}:v2:gateways", "0", "-1"), before);
        (void)rig_cli("DEL", "{shop}:v2:gateways");
        rig_ahead += BEAT_EVERY; /* of both sides */
        rig_until(strcmp(gateway_name(), before) != 0);
        rig_turns(20);
        cr_assert_eq(rig.stores[0]->facts.incarnation, death);
        cr_assert_str_eq(rig_cli("ZRANGE", "{shop}:v2:gateways", "0", "-1"), gateway_name());
        cr_assert(rig_is_up(0) && rig_is_up(1));
    }
}

Test(store_redis, a_heartbeat_settles_what_is_overdue_of_its_tenants)
{
    static const char *const tenants[] = {"other", "acme"};
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    store_redis_set_tenants(rig.sides[0], tenants, 2);
    rig_make(&request, 0, limit, 40);
    request.reservation->lifetime = MSEC;
    (void)rig_ask_again(&request);
    rig_until(request.reservation->state == RESERVATION_HELD);
    rig_turns(3);
    rig_ahead += BEAT_EVERY;
    rig_turn();
    rig_until(strcmp(rig_cli("ZCARD", "{shop:acme}:v2:open"), "0") == 0);
    rig_settle(&request, 10); /* late, and once */
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, 10);
}

/* ---- scripts and settings ---- */

/* However many commands find that out. */
static bool is_quiet_and_loads_once(void)
{
    cr_assert_leq(rig.sides[0]->loading, SCRIPTS);
    return rig_is_quiet(0);
}

Test(store_redis, scripts_that_the_server_forgot_are_loaded_again)
{
    enum { ASKS = 60 };
    static struct rig_request requests[ASKS];
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 1000, STORE_DENY);
    struct rig_request open;
    cr_assert(rig_get(&open, 0, limit, 1));
    (void)rig_cli("SCRIPT", "FLUSH");
    for (unsigned i = 0; i < ASKS; i++) {
        (void)rig_ask(&requests[i], 0, limit, 1);
    }
    rig_settle(&requests[0], 0); /* orphaned */
    rig_extend(&open, 5);
    rig_settle(&open, 3);
    rig_until(is_quiet_and_loads_once());
    for (unsigned i = 1; i < ASKS; i++) {
        cr_assert_eq(requests[i].reservation->state, RESERVATION_HELD);
        rig_settle(&requests[i], 1);
    }
    rig_until(rig_is_quiet(0));
    cr_assert_eq(rig_entry(limit).used, ASKS - 1 + 3);
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 0);
}

Test(store_redis, a_heartbeat_survives_forgotten_scripts)
{
    (void)rig_cli("SCRIPT", "FLUSH");
    (void)rig_cli("DEL", "{shop}:v2:gateways");
    rig_ahead += BEAT_EVERY;
    rig_turn();
    rig_until(strcmp(rig_cli("ZCARD", "{shop}:v2:gateways"), "1") == 0);
    rig_turns(3);
    cr_assert(rig_is_up(0));
    cr_assert_eq(rig.sides[0]->flight.count, 0); /* each has its answer */
    cr_assert_eq(rig.news[STORE_WENT_DOWN], 0);
}

Test(store_redis, a_policy_that_may_evict_is_said_once)
{
    (void)rig_cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    rig_add_side(1, rig.stores[0]);
    rig_until(rig_is_up(1));
    cr_assert_eq(rig.news[STORE_WARNING], 0); /* no maximum: nothing is evicted */
    (void)rig_cli("CONFIG", "SET", "maxmemory", "100mb");
    for (unsigned side = 2; side < 4; side++) {
        rig_add_side(side, rig.stores[0]);
        rig_until(rig_is_up(side));
    }
    cr_assert_eq(rig.news[STORE_WARNING], 1);
    cr_assert(strstr(rig.text, "allkeys-lru") != NULL, "%s", rig.text);
}

/* ---- the operator ---- */

static struct store_redis_admin *admin_open(void)
{
    struct store_redis_admin *admin = NULL;
    struct error err;
    cr_assert_eq(store_redis_admin_open(rig.stores[0], &admin, &err), STATUS_OK, "%s", err.message);
    return admin;
}

Test(store_redis, an_operator_resets_and_raises)
{
    const struct limit *limit = rig_daily(LIMIT_TOKENS, 100, STORE_LOCAL);
    struct rig_request request;
    struct error err;
    cr_assert_eq(rig_entry(limit).taken, 0);
    cr_assert(rig_get(&request, 0, limit, 100));
    rig_settle(&request, 100);
    rig_until(rig_is_quiet(0));
    struct store_redis_admin *admin = admin_open();
    cr_assert_eq(store_redis_admin_raise(admin, limit, limit->key, 20, &err), STATUS_OK);
    cr_assert_eq(rig_entry(limit).used, 80);
    cr_assert(rig_get(&request, 0, limit, 20));
    rig_settle(&request, 20);
    cr_assert_eq(store_redis_admin_reset(admin, limit, limit->key, &err), STATUS_OK);
    rig_until(rig_is_quiet(0));
    cr_assert_eq(store_redis_admin_reset(admin, limit, limit->key, &err), STATUS_OK);
    cr_assert_eq(rig_entry(limit).used, 0);
    cr_assert_eq(rig_entry(limit).settled, 120);
    store_redis_admin_close(admin);
}

Test(store_redis, an_operator_waits_for_a_stopped_server_about_a_second)
{
    struct store_redis_admin *admin = NULL;
    struct error err;
    usec_t began = clock_now();
    redis_server_pause(&rig.server);
    cr_assert_neq(store_redis_admin_open(rig.stores[0], &admin, &err), STATUS_OK);
    cr_assert_null(admin);
    cr_assert_gt(clock_now() - began, SEC / 2);
    cr_assert_lt(clock_now() - began, 5 * SEC);
    cr_assert(strstr(err.message, "SHOWN") != NULL, "%s", err.message);
}
