/* Whatever happens, and however often it is said, what was taken is what was settled, given back
 * and is open; and what is open is what the open reservations hold. */
#include "dice.h"
#include "script_fixture.h"

TestSuite(redis_audit, .init = begin, .fini = end, .timeout = 110);

enum { LIMITS = 6, OPEN_MAX = 16 };

struct world {
    struct limit limits[LIMITS];
    struct reservation *open[OPEN_MAX];
    struct dice dice;
    unsigned incarnations, hand_overs;
};

static void make_limits(struct limit *limits)
{
    limits[0] = rate_of(LIMIT_REQUESTS, 200, 60000);
    limits[1] = rate_of(LIMIT_COST, UINT64_C(200000000000001), HOUR);
    limits[2] = daily(LIMIT_TOKENS, 100000);
    limits[3] = slots(8);
    limits[4] = daily(LIMIT_COST, UINT64_C(300000000000001));
    limits[5] = rate_of(LIMIT_TOKENS, 5000, 60000);
    for (unsigned i = 0; i < LIMITS; i++) {
        bool all = i >= 4;
        limits[i].tenant = all ? NULL : "shop";
        limits[i].key = slice_from(
            arena_print(&arena, "{%s%s}:v2:q:limit%u", store_name, all ? "" : ":shop", i));
    }
}

static void want(struct world *world, struct reservation *reservation)
{
    reservation->output_want = roll(&world->dice, 500);
    reservation->output_share = (unsigned)roll(&world->dice, 2);
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        if (demand->limit->unit == LIMIT_COST) {
            demand->fixed = roll(&world->dice, UINT64_C(20000000000000));
        } else if (demand->limit->unit == LIMIT_TOKENS) {
            demand->fixed = roll(&world->dice, 1000);
            demand->per_output = 1;
        }
    }
}

static struct reservation *random_reservation(struct world *world)
{
    const struct limit *limit = world->limits;
    unsigned first = (unsigned)roll(&world->dice, LIMITS);
    unsigned step = 1 + (unsigned)roll(&world->dice, LIMITS - 1);
    const struct limit *second = &limit[(first + step) % LIMITS];
    struct reservation *reservation =
        roll(&world->dice, 2) == 0 ? reserve(1, &limit[first]) : reserve(2, &limit[first], second);
    reservation->lifetime = (usec_t)(1 + roll(&world->dice, 200)) * SEC;
    want(world, reservation);
    return reservation;
}

static void use_some(struct world *world, struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        demand->used = roll(&world->dice, demand->granted + demand->granted / 8 + 2);
    }
    (void)settle(reservation, reservation->demands[0].used);
}

/* One or two commands of its life; it may go on afterwards as if it had heard nothing. */
static void step_reservation(struct world *world, struct reservation **place)
{
    struct reservation *reservation = *place;
    switch (roll(&world->dice, 8)) {
    case 0:
    case 1:
        want(world, reservation);
        (void)extend(reservation);
        break;
    case 2:
        reservation->step -= reservation->step > 1 ? 1 : 0; /* the last step again */
        (void)extend(reservation);
        break;
    case 3:
        (void)call_off(reservation);
        break;
    case 4:
        reservation->step += (unsigned)roll(&world->dice, 2);
        (void)ask(reservation);
        break;
    case 5:
        use_some(world, reservation);
        break;
    default: /* settled, or forgotten by a gateway that died */
        if (roll(&world->dice, 3) > 0) {
            use_some(world, reservation);
        }
        reservation_free(reservation);
        *place = NULL;
        break;
    }
}

static void hand_over_some(struct world *world)
{
    const struct limit *limit = &world->limits[1 + roll(&world->dice, LIMITS - 1)];
    struct hand_over debt = {.tenant = "shop", .limit = limit, .key = limit->key};
    debt.amount = (int64_t)roll(&world->dice, 2000) - 1000;
    debt.window_start_ms = now_ms - now_ms % DAY - (roll(&world->dice, 9) == 0 ? DAY : 0);
    world->hand_overs += (unsigned)roll(&world->dice, 2);
    (void)snprintf(debt.id, sizeof(debt.id), "%u", world->hand_overs);
    if (limit->span != LIMIT_HELD) {
        (void)send_written(redis_write_hand_over(&ns, &debt, &out));
    }
}

static void live_on(struct world *world)
{
    unsigned chance = (unsigned)roll(&world->dice, 40);
    pass((int64_t)roll(&world->dice, chance == 0 ? 9 * (uint64_t)HOUR : 3000));
    if (chance < 8) {
        beat((const char *const[]){"shop"}, chance < 4);
        ns.has_beaten = true;
    }
    if (chance == 9 || answer.declared_dead) {
        (void)snprintf(ns.gateway, sizeof(ns.gateway), "%016x", ++world->incarnations);
        ns.has_beaten = false;
    }
}

static void check_all(const struct world *world)
{
    for (unsigned i = 0; i < LIMITS; i++) {
        (void)entry_of(&world->limits[i]);
    }
}

Test(redis_audit, ten_thousand_random_operations_add_up)
{
    struct world *world = memory_alloc(sizeof(*world));
    world->dice.state = 7;
    make_limits(world->limits);
    for (unsigned i = 0; i < 10000; i++) {
        struct reservation **place = &world->open[roll(&world->dice, OPEN_MAX)];
        unsigned chance = (unsigned)roll(&world->dice, 12);
        if (chance == 0) {
            live_on(world);
        } else if (chance == 1) {
            hand_over_some(world);
        } else if (*place != NULL) {
            step_reservation(world, place);
        } else {
            *place = random_reservation(world);
            (void)ask(*place);
        }
        (void)entry_of(&world->limits[roll(&world->dice, LIMITS)]);
    }
    check_all(world);
    pass(200 * 1000); /* all that nobody settles is overdue now */
    check_all(world);
    for (unsigned i = 0; i < LIMITS; i++) {
        cr_expect_eq(entry_of(&world->limits[i]).open, 0, "%u", i);
    }
    cr_expect_str_eq(command("ZCARD {%s:shop}:v2:open", store_name), "0");
    cr_expect_str_eq(command("ZCARD {%s}:v2:open", store_name), "0");
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        reservation_free(world->open[i]);
    }
    memory_free(world);
}
