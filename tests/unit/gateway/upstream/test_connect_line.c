#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/connect_line.h"
#include "gateway/upstream/endpoint.h"

#include <limits.h>
#include <stdio.h>

#include <criterion/criterion.h>

enum { MOST_TICKETS = 2000 };

static struct loop loop;
static struct connect_line line;
static struct endpoint_table endpoints;
static struct connect_ticket tickets[MOST_TICKETS];
static unsigned ticket_count;
static struct connect_ticket *running[MOST_TICKETS];
static unsigned running_count;
static unsigned places_told;

static void on_place(void *ctx)
{
    (void)ctx;
    places_told++;
}

static void set_up(void)
{
    struct error err;
    cr_assert_eq(loop_init(&loop, &err), STATUS_OK);
    loop.now = 1000 * SEC;
    connect_line_init(&line, &loop, on_place, NULL);
}

static void end_all(enum connect_outcome outcome)
{
    while (running_count > 0) {
        connect_line_end(&line, running[--running_count], outcome);
    }
}

static void tear_down(void)
{
    end_all(CONNECT_FAILED);
    connect_line_fini(&line);
    for (struct endpoint *at = endpoints.first; at != NULL; at = at->next) {
        at->users = 0;
        cr_assert_eq(at->taken.lookups, 0);
        cr_assert_eq(at->taken.running, 0);
    }
    endpoint_table_fini(&endpoints);
    loop_fini(&loop);
}

TestSuite(connect_line, .init = set_up, .fini = tear_down);

static struct endpoint *named(unsigned number)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "host %u", number);
    return endpoint_use(&endpoints, key);
}

static void join(struct endpoint *endpoint, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_lt(ticket_count, MOST_TICKETS);
        connect_line_join(&line, &tickets[ticket_count++], endpoint);
    }
}

/* Starts all that may; returns how many. */
static unsigned start(void)
{
    unsigned count = 0;
    struct connect_ticket *ticket;
    while ((ticket = connect_line_next(&line)) != NULL) {
        running[running_count++] = ticket;
        count++;
    }
    return count;
}

static void leave_all(void)
{
    for (unsigned i = 0; i < ticket_count; i++) {
        if (tickets[i].waiting) {
            connect_line_leave(&line, &tickets[i]);
        }
    }
}

static void prove(struct endpoint *endpoint)
{
    join(endpoint, 1);
    cr_assert_eq(start(), 1);
    end_all(CONNECT_DONE);
}

Test(connect_line, an_unproven_endpoint_gets_less_than_one_that_has_answered)
{
    struct endpoint *endpoint = named(1);
    join(endpoint, 100);
    cr_assert_eq(start(), CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT);
    end_all(CONNECT_DONE);
    cr_assert_eq(start(), CONNECT_LINE_LOOKUPS_AN_ENDPOINT);
    cr_assert_eq(line.waiting, 100 - running_count - CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT);
    leave_all();
}

Test(connect_line, who_comes_first_starts_first)
{
    join(named(1), 10);
    connect_line_leave(&line, &tickets[0]);
    connect_line_leave(&line, &tickets[2]);
    connect_line_leave(&line, &tickets[9]);
    unsigned expected[] = {1, 3, 4, 5, 6, 7, 8};
    for (unsigned i = 0; i < 7; i++) {
        struct connect_ticket *ticket = connect_line_next(&line);
        cr_assert_eq(ticket, &tickets[expected[i]]);
        connect_line_end(&line, ticket, CONNECT_FAILED);
    }
    cr_assert_null(connect_line_next(&line));
    cr_assert_eq(line.waiting, 0);
}

Test(connect_line, endpoints_take_turns)
{
    struct endpoint *many = named(1);
    struct endpoint *few = named(2);
    prove(many);
    join(many, 20);
    join(few, 1);
    cr_assert_eq(connect_line_next(&line)->endpoint, many);
    cr_assert_eq(connect_line_next(&line)->endpoint, few);
    leave_all();
    line.taken = (struct connect_places){0};
    many->taken = few->taken = (struct connect_places){0};
}

Test(connect_line, an_address_takes_no_lookup)
{
    struct endpoint *endpoint = named(1);
    endpoint->is_address = true;
    join(endpoint, 100);
    cr_assert_eq(start(), CONNECT_LINE_RUNNING_AN_UNPROVEN_ENDPOINT);
    cr_assert_eq(line.taken.lookups, 0);
    leave_all();
}

Test(connect_line, names_that_hang_leave_places_for_those_that_have_answered)
{
    struct endpoint *good = named(0);
    prove(good);
    for (unsigned i = 1; i <= 200; i++) {
        join(named(i), 3);
    }
    cr_assert_eq(start(), CONNECT_LINE_LOOKUPS_UNPROVEN);
    join(good, 5);
    cr_assert_eq(start(), 5);
    leave_all();
}

Test(connect_line, hosts_that_hang_leave_places_for_those_that_have_answered)
{
    struct endpoint *good = named(0);
    good->is_address = true;
    prove(good);
    for (unsigned i = 1; i <= 40; i++) {
        struct endpoint *bad = named(i);
        bad->is_address = true;
        join(bad, 20);
    }
    cr_assert_eq(start(), CONNECT_LINE_RUNNING_UNPROVEN);
    join(good, 50);
    cr_assert_eq(start(), 50);
    leave_all();
}

/* libcurl's thread runs on, so its place stays taken. */
Test(connect_line, a_lookup_given_up_keeps_its_place_for_a_while)
{
    static const struct {
        usec_t given_up_after, kept_for;
    } cases[] = {{10 * MSEC, 1 * SEC}, {5 * SEC, 10 * SEC}};
    for (unsigned i = 0; i < 2; i++) {
        struct endpoint *endpoint = named(i);
        join(endpoint, 2 * CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT);
        cr_assert_eq(start(), CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT);
        loop.now += cases[i].given_up_after;
        end_all(CONNECT_GIVEN_UP);
        cr_assert_eq(start(), 0);
        (void)timer_queue_run(&loop.timers, loop.now + cases[i].kept_for - MSEC, UINT_MAX);
        cr_assert_eq(start(), 0);
        places_told = 0;
        (void)timer_queue_run(&loop.timers, loop.now + cases[i].kept_for + MSEC, UINT_MAX);
        cr_assert_eq(places_told, CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT);
        cr_assert_eq(start(), CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT);
        end_all(CONNECT_FAILED);
    }
}

Test(connect_line, an_endpoint_that_hangs_has_to_prove_itself_again)
{
    struct endpoint *endpoint = named(1);
    prove(endpoint);
    cr_assert(endpoint->proven);
    join(endpoint, 1);
    cr_assert_eq(start(), 1);
    connect_line_answered(&line, running[0]);
    loop.now += 5 * SEC; /* the name is known, but the host does not answer */
    end_all(CONNECT_GIVEN_UP);
    cr_assert_not(endpoint->proven);
}

/* However soon each asker leaves: else each would leave one more thread behind. */
Test(connect_line, askers_that_leave_soon_do_not_hide_that_a_name_hangs)
{
    struct endpoint *endpoint = named(1);
    prove(endpoint);
    unsigned started = 0;
    for (unsigned i = 0; i < 200; i++) {
        join(endpoint, 1);
        started += start();
        loop.now += 100 * MSEC;
        end_all(CONNECT_GIVEN_UP);
        leave_all();
        (void)timer_queue_run(&loop.timers, loop.now, UINT_MAX);
    }
    cr_assert_not(endpoint->proven);
    cr_assert_lt(started, 20, "%u lookups in 20 s", started);
}
