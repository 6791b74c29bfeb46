#include "base/waiter.h"
#include "gateway/exchange/wait_line.h"
#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"

#include <criterion/criterion.h>

enum { GUESTS = 4 };

struct guest {
    struct waiter waiter;
    struct wait_place *place;
    unsigned woken;
};

/* One worker with some who wait. */
struct scene {
    struct loop loop;
    struct mailbox *mailbox;
    struct wait_lines *lines;
    struct guest guests[GUESTS];
};

static struct scene scene; /* each test is a process of its own */

static void on_news(struct waiter *waiter)
{
    ((struct guest *)waiter)->woken++;
}

static void open_scene(void)
{
    struct error err;
    cr_assert_eq(loop_init(&scene.loop, &err), STATUS_OK, "%s", err.message);
    cr_assert_eq(mailbox_new(&scene.loop, NULL, &scene.mailbox, &err), STATUS_OK, "%s",
                 err.message);
    scene.lines = wait_lines_new();
    for (unsigned i = 0; i < GUESTS; i++) {
        waiter_init(&scene.guests[i].waiter, &scene.loop.ready, on_news);
    }
}

static void close_scene(void)
{
    for (unsigned i = 0; i < GUESTS; i++) {
        wait_place_leave(scene.guests[i].place);
        waiter_cancel(&scene.guests[i].waiter);
    }
    mailbox_free(scene.mailbox);
    wait_lines_free(scene.lines);
    loop_fini(&scene.loop);
}

TestSuite(wait_line, .init = open_scene, .fini = close_scene);

static void join(unsigned guest, const char *key)
{
    scene.guests[guest].place =
        wait_line_join(scene.lines, slice_from(key), scene.mailbox, &scene.guests[guest].waiter);
    cr_assert_not_null(scene.guests[guest].place);
}

static void leave(unsigned guest)
{
    wait_place_leave(scene.guests[guest].place);
    scene.guests[guest].place = NULL;
}

static bool is_head(unsigned guest)
{
    return wait_place_is_head(scene.guests[guest].place);
}

/* Lets letters arrive. */
static void turn(void)
{
    loop_turn(&scene.loop, LOOP_POLL);
    loop_turn(&scene.loop, LOOP_POLL);
}

Test(wait_line, the_first_of_a_key_is_its_head_at_once)
{
    join(0, "a");
    join(1, "a");
    join(2, "b");
    cr_assert(is_head(0));
    cr_assert_not(is_head(1));
    cr_assert(is_head(2));
    cr_assert(slice_equal(wait_place_key(scene.guests[1].place), SLICE("a")));
}

Test(wait_line, when_the_head_leaves_the_next_one_is_woken_as_head)
{
    join(0, "a");
    join(1, "a");
    join(2, "a");
    leave(0);
    turn();
    cr_assert(is_head(1));
    cr_assert_not(is_head(2));
    cr_assert_eq(scene.guests[1].woken, 1);
    cr_assert_eq(scene.guests[2].woken, 0);
}

Test(wait_line, leaving_from_the_middle_wakes_nobody_and_keeps_the_order)
{
    join(0, "a");
    join(1, "a");
    join(2, "a");
    leave(1);
    turn();
    cr_assert_eq(scene.guests[2].woken, 0);
    leave(0);
    turn();
    cr_assert(is_head(2));
}

Test(wait_line, room_wakes_the_head_of_that_key_alone)
{
    join(0, "a");
    join(1, "a");
    join(2, "b");
    wait_line_room(scene.lines, SLICE("a"));
    wait_line_room(scene.lines, SLICE("a")); /* twice is once */
    wait_line_room(scene.lines, SLICE("nobody"));
    turn();
    cr_assert_eq(scene.guests[0].woken, 1);
    cr_assert_eq(scene.guests[1].woken, 0);
    cr_assert_eq(scene.guests[2].woken, 0);
}

Test(wait_line, one_that_left_before_its_letter_came_is_not_woken)
{
    join(0, "a");
    wait_line_room(scene.lines, SLICE("a"));
    leave(0);
    turn();
    cr_assert_eq(scene.guests[0].woken, 0);
}

Test(wait_line, is_busy_while_somebody_stands_in_it)
{
    cr_assert_not(wait_line_busy(scene.lines, SLICE("a")));
    join(0, "a");
    cr_assert(wait_line_busy(scene.lines, SLICE("a")));
    cr_assert_not(wait_line_busy(scene.lines, SLICE("b")));
    cr_assert_eq(wait_lines_count(scene.lines), 1);
    leave(0);
    cr_assert_not(wait_line_busy(scene.lines, SLICE("a")));
    cr_assert_eq(wait_lines_count(scene.lines), 0);
}

Test(wait_line, takes_no_more_than_its_maximum)
{
    static struct wait_place *places[WAIT_LINE_MAX];
    for (unsigned i = 0; i < WAIT_LINE_MAX; i++) {
        places[i] = wait_line_join(scene.lines, SLICE("a"), scene.mailbox, &scene.guests[0].waiter);
        cr_assert_not_null(places[i]);
    }
    cr_assert_null(wait_line_join(scene.lines, SLICE("a"), scene.mailbox, &scene.guests[0].waiter));
    join(1, "b"); /* another line is not full */
    for (unsigned i = WAIT_LINE_MAX; i > 0; i--) {
        wait_place_leave(places[i - 1]);
    }
}

static bool join_alike(unsigned guest, const char *key, uint64_t tag)
{
    bool other = false;
    scene.guests[guest].place = wait_line_join_alike(
        scene.lines, slice_from(key), tag, scene.mailbox, &scene.guests[guest].waiter, &other);
    cr_expect_eq(other, scene.guests[guest].place == NULL);
    return !other;
}

Test(wait_line, only_those_alike_stand_in_one_line)
{
    cr_expect(join_alike(0, "a", 7));
    cr_expect(join_alike(1, "a", 7));
    cr_expect_not(join_alike(2, "a", 8));
    cr_expect(join_alike(3, "b", 8), "another line is another matter");
    cr_expect(wait_place_is_head(scene.guests[0].place));
    cr_expect_not(wait_place_is_head(scene.guests[1].place));
}

Test(wait_line, what_a_line_was_of_is_forgotten_with_its_last_one)
{
    cr_expect(join_alike(0, "a", 7));
    wait_place_leave(TAKE(scene.guests[0].place));
    cr_expect(join_alike(1, "a", 8));
}
