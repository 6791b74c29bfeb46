#include "gateway/ledger/ledger_ring.h"
#include "gateway/ledger/ledger_ring_state.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PLACES = 8 };

static struct scratch_folder folder;
static const char *path;
static struct ledger_ring *ring;
static struct row_list list;
static struct error err;

static void setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "usage.db.ring-0");
}

static void teardown(void)
{
    ledger_ring_close(ring);
    row_list_fini(&list);
    scratch_remove(&folder);
}

TestSuite(ledger_ring, .init = setup, .fini = teardown);

static void reopen(void)
{
    ledger_ring_close(TAKE(ring));
    cr_assert_eq(ledger_ring_open(path, PLACES, &ring, &err), STATUS_OK, "%s", err.message);
}

static struct ledger_row *open_row(unsigned n)
{
    struct ledger_row *row = ledger_ring_take(ring);
    cr_assert_not_null(row);
    fill_row(row, n);
    ledger_ring_opened(ring, row);
    return row;
}

static void close_row(unsigned n)
{
    ledger_ring_closed(ring, open_row(n));
}

static unsigned look(void)
{
    row_list_fini(&list);
    return ledger_ring_closed_rows(ring, ROWS_MAX, &list, list_row);
}

static void expect_costs(unsigned count, const unsigned *costs)
{
    cr_expect_eq(look(), count);
    for (unsigned i = 0; i < count && i < list.count; i++) {
        cr_expect_eq(list.rows[i].cost, (uint64_t)costs[i], "%u: %lu", i, list.rows[i].cost);
    }
}

Test(ledger_ring, closed_rows_come_out_in_their_order)
{
    reopen();
    struct ledger_row *first = open_row(1);
    struct ledger_row *second = open_row(2);
    close_row(3);
    ledger_ring_closed(ring, second);
    cr_expect_eq(ledger_ring_backlog(ring), 2U);
    expect_costs(2, (unsigned[]){3, 2});
    ledger_ring_free_taken(ring);
    ledger_ring_closed(ring, first);
    expect_costs(1, (unsigned[]){1});
    ledger_ring_free_taken(ring);
    cr_expect_eq(ledger_ring_backlog(ring), 0U);
    cr_expect_eq(look(), 0U);
}

Test(ledger_ring, rows_that_are_not_freed_come_out_again)
{
    reopen();
    close_row(1);
    expect_costs(1, (unsigned[]){1});
    close_row(2);
    expect_costs(2, (unsigned[]){1, 2});
    cr_expect_eq(ledger_ring_closed_rows(ring, 1, &list, list_row), 1U);
    ledger_ring_free_taken(ring); /* only what the last call gave */
    expect_costs(1, (unsigned[]){2});
}

Test(ledger_ring, a_full_ring_says_so_and_goes_on_when_places_are_free)
{
    reopen();
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < PLACES; i++) {
            close_row(i);
        }
        cr_expect_null(ledger_ring_take(ring));
        cr_expect_eq(look(), (unsigned)PLACES);
        cr_expect_null(ledger_ring_take(ring)); /* looked at is not freed */
        ledger_ring_free_taken(ring);
    }
    cr_expect_eq(look(), 0U);
}

Test(ledger_ring, a_place_is_cleared_before_it_is_given_out_again)
{
    reopen();
    for (unsigned i = 0; i < 3 * PLACES; i++) {
        struct ledger_row *row = ledger_ring_take(ring);
        cr_assert_str_empty(row->path);
        cr_assert_str_empty(row->details);
        cr_assert_eq(row->cost, 0U);
        cr_assert_eq(row->charge_count, 0U);
        memset(row, 'x', sizeof(*row));
        ledger_ring_opened(ring, row);
        ledger_ring_closed(ring, row);
        cr_assert_eq(look(), 1U);
        ledger_ring_free_taken(ring);
    }
}

/* A row that is just closed, with settlements under way. */
static struct ledger_row *close_owing(unsigned n, unsigned owes)
{
    struct ledger_row *row = open_row(n);
    row->closed_at = clock_wall();
    ledger_ring_owes(row, owes);
    ledger_ring_closed(ring, row);
    return row;
}

Test(ledger_ring, a_row_stays_until_all_its_settlements_have_arrived)
{
    reopen();
    struct ledger_row *row = close_owing(1, 2);
    cr_expect_eq(look(), 0U);
    ledger_ring_paid(row, row->id);
    cr_expect_eq(look(), 0U);
    ledger_ring_paid(row,
                     "00000000000000000000000000000002"); /* of one that had the place before */
    cr_expect_eq(look(), 0U);
    ledger_ring_paid(row, row->id);
    expect_costs(1, (unsigned[]){1});
    ledger_ring_free_taken(ring);
    ledger_ring_paid(row, row->id); /* too late, and nothing */
    (void)close_owing(2, 0);
    expect_costs(1, (unsigned[]){2});
}

Test(ledger_ring, a_row_waits_a_second_for_its_settlements_and_not_where_places_are_few)
{
    reopen();
    close_owing(1, 1)->closed_at -= SEC;
    expect_costs(1, (unsigned[]){1});
    ledger_ring_free_taken(ring);
    close_owing(2, 1)->closed_at += 3600 * SEC; /* a clock that was set back */
    expect_costs(1, (unsigned[]){2});
    ledger_ring_free_taken(ring);
    (void)close_owing(3, 1);
    cr_expect_eq(look(), 0U);
    (void)close_owing(4, 1);
    expect_costs(2, (unsigned[]){3, 4});
}

Test(ledger_ring, after_reopening_nothing_is_waited_for)
{
    reopen();
    (void)close_owing(1, 1);
    reopen();
    expect_costs(1, (unsigned[]){1});
}

Test(ledger_ring, what_was_closed_is_there_after_reopening)
{
    reopen();
    close_row(5);
    close_row(4);
    close_row(6);
    reopen();
    cr_expect_eq(ledger_ring_recovered(ring), 3U);
    expect_costs(3, (unsigned[]){4, 5, 6}); /* by the time of their end */
    cr_expect_eq(list.rows[0].flags, (uint32_t)LEDGER_METERED);
    cr_expect_str_eq(list.rows[0].code, "");
    ledger_ring_free_taken(ring);
    reopen();
    cr_expect_eq(ledger_ring_recovered(ring), 0U);
}

Test(ledger_ring, what_was_open_is_closed_with_all_that_was_reserved)
{
    reopen();
    struct ledger_row *row = open_row(7);
    row->units[LEDGER_UNIT_CACHE_READ] = 5; /* its end was being written */
    row->units[LEDGER_UNIT_REASONING] = 5;
    row->units[LEDGER_UNIT_IMAGES] = 2;
    reopen();
    cr_assert_eq(look(), 1U);
    const struct ledger_row *died = &list.rows[0];
    cr_expect_eq(died->cost, 70U);
    cr_expect_eq(died->units[LEDGER_UNIT_INPUT], 10U);
    cr_expect_eq(died->units[LEDGER_UNIT_OUTPUT], 90U);
    cr_expect_eq(died->units[LEDGER_UNIT_CACHE_READ], 0U);
    cr_expect_eq(died->units[LEDGER_UNIT_REASONING], 0U);
    cr_expect_eq(died->units[LEDGER_UNIT_IMAGES], 2U);
    cr_expect_eq(died->flags, (uint32_t)(LEDGER_METERED | LEDGER_GATEWAY_DIED | LEDGER_ESTIMATED));
    cr_expect_str_eq(died->code, "gateway_died");
    cr_expect_eq(died->duration, -1);
    cr_expect_gt(died->closed_at, died->opened_at);
    cr_expect_str_eq(died->tenant, "checkout");
    reopen(); /* and so it stays */
    cr_assert_eq(look(), 1U);
    cr_expect_eq(list.rows[0].cost, 70U);
}

Test(ledger_ring, what_its_client_was_told_is_what_an_open_row_is_closed_with)
{
    reopen();
    struct ledger_row *row = open_row(7);
    row->units[LEDGER_UNIT_CACHE_READ] = 5;
    row->flags |= LEDGER_TOLD;
    reopen();
    cr_assert_eq(look(), 1U);
    const struct ledger_row *died = &list.rows[0];
    cr_expect_eq(died->cost, 7U);
    cr_expect_eq(died->reserved_cost, 70U);
    cr_expect_eq(died->units[LEDGER_UNIT_INPUT], 10U);
    cr_expect_eq(died->units[LEDGER_UNIT_CACHE_READ], 5U);
    cr_expect_eq(died->units[LEDGER_UNIT_OUTPUT], 20U);
    cr_expect_eq(died->flags, (uint32_t)(LEDGER_METERED | LEDGER_GATEWAY_DIED));
}

Test(ledger_ring, an_estimate_of_the_input_above_the_reservation_is_cut_to_it)
{
    reopen();
    open_row(7)->units[LEDGER_UNIT_INPUT] = UINT64_MAX;
    reopen();
    cr_assert_eq(look(), 1U);
    cr_expect_eq(list.rows[0].units[LEDGER_UNIT_INPUT], 100U);
    cr_expect_eq(list.rows[0].units[LEDGER_UNIT_OUTPUT], 0U);
}

Test(ledger_ring, a_place_that_was_never_opened_is_free_again)
{
    reopen();
    for (unsigned i = 0; i < PLACES; i++) {
        fill_row(ledger_ring_take(ring), i);
    }
    reopen();
    cr_expect_eq(ledger_ring_recovered(ring), 0U);
    for (unsigned i = 0; i < PLACES; i++) {
        close_row(i);
    }
    cr_expect_eq(look(), (unsigned)PLACES);
}

/* ---- killed ---- */

/* Opens, closes, frees, on and on, and tells after each step what surely holds. */
static void work_until_killed(int out)
{
    struct ledger_ring *own = NULL;
    if (ledger_ring_open(path, PLACES, &own, &err) != STATUS_OK) {
        _exit(1);
    }
    for (unsigned n = 1;; n++) {
        struct ledger_row *row = ledger_ring_take(own);
        if (row == NULL) {
            struct row_list taken = {0};
            (void)ledger_ring_closed_rows(own, PLACES / 2, &taken, list_row);
            row_list_fini(&taken);
            uint32_t freed = n - PLACES / 2 - 1; /* PLACES closed: the older half goes */
            if (write(out, &(uint64_t){(uint64_t)freed << 32}, 8) != 8) {
                _exit(2);
            }
            ledger_ring_free_taken(own);
            row = ledger_ring_take(own);
        }
        fill_row(row, n);
        ledger_ring_opened(own, row);
        if (write(out, &(uint64_t){n}, 8) != 8) {
            _exit(2);
        }
        row->cost = 3;
        ledger_ring_closed(own, row);
    }
}

Test(ledger_ring, a_killed_process_loses_no_row)
{
    for (unsigned round = 0; round < 40; round++) {
        int pipe_fds[2];
        cr_assert_eq(pipe(pipe_fds), 0);
        pid_t child = fork();
        if (child == 0) {
            work_until_killed(pipe_fds[1]);
        }
        (void)close(pipe_fds[1]);
        uint64_t word = 0;
        uint32_t opened = 0;
        uint32_t freed = 0;
        for (unsigned steps = 0; read(pipe_fds[0], &word, 8) == 8; steps++) {
            opened = (uint32_t)word > 0 ? (uint32_t)word : opened;
            freed = word >> 32 > 0 ? (uint32_t)(word >> 32) : freed;
            if (steps == 50 + 7 * round) {
                cr_assert_eq(kill(child, SIGKILL), 0);
            }
        }
        (void)close(pipe_fds[0]);
        int how = 0;
        cr_assert_eq(waitpid(child, &how, 0), child);
        cr_assert(WIFSIGNALED(how));
        reopen();
        unsigned found = look();
        bool seen[ROWS_MAX] = {false};
        for (unsigned i = 0; i < found; i++) {
            const struct ledger_row *row = &list.rows[i];
            unsigned n = (unsigned)(row->opened_at - row_time);
            bool died = (row->flags & LEDGER_GATEWAY_DIED) != 0;
            cr_expect_not(seen[n], "%u is there twice", n);
            seen[n] = true;
            cr_expect_eq(row->cost, died ? 10 * (uint64_t)n : 3, "%u: %lu", n, row->cost);
        }
        for (unsigned n = freed + 1; n <= opened; n++) {
            cr_expect(seen[n], "%u is lost, of %u to %u", n, freed + 1, opened);
        }
        ledger_ring_free_taken(ring);
        ledger_ring_close(TAKE(ring));
    }
}

/* ---- files that are not as they should be ---- */

static void patch(off_t offset, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, bytes, len, offset), (ssize_t)len);
    cr_assert_eq(close(fd), 0);
}

static bool is_there(const char *name)
{
    return access(scratch_path(&folder, name), F_OK) == 0;
}

Test(ledger_ring, another_layout_is_set_aside_with_its_rows)
{
    reopen();
    close_row(1);
    ledger_ring_close(TAKE(ring));
    patch(8, &(uint32_t){99}, 4); /* the version */
    reopen();
    cr_expect_eq(ledger_ring_recovered(ring), 0U);
    cr_expect(is_there("usage.db.ring-0.aside-1"));
    ledger_ring_close(TAKE(ring));
    patch(16, &(uint32_t){64}, 4); /* the size of a place */
    reopen();
    cr_expect(is_there("usage.db.ring-0.aside-2"));
    ledger_ring_close(TAKE(ring));
    cr_assert_eq(rename(scratch_path(&folder, "usage.db.ring-0.aside-1"), path), 0);
    patch(8, &(uint32_t){RING_VERSION}, 4);
    reopen(); /* the version that it is of finds them */
    cr_expect_eq(ledger_ring_recovered(ring), 1U);
}

Test(ledger_ring, a_strange_or_cut_file_is_set_aside)
{
    scratch_write_text(&folder, "usage.db.ring-0", "not a ring");
    reopen();
    cr_expect(is_there("usage.db.ring-0.aside-1"));
    ledger_ring_close(TAKE(ring));
    cr_assert_eq(truncate(path, 5000), 0);
    reopen();
    cr_expect(is_there("usage.db.ring-0.aside-2"));
}

Test(ledger_ring, one_whose_making_was_interrupted_is_made_anew)
{
    static const char zeros[8192];
    scratch_write(&folder, "usage.db.ring-0", zeros, sizeof(zeros), 0600);
    reopen();
    cr_expect_not(is_there("usage.db.ring-0.aside-1"));
    close_row(1);
    cr_expect_eq(look(), 1U);
}

Test(ledger_ring, torn_rows_are_no_rows)
{
    reopen();
    open_row(1);
    struct ledger_row *row = open_row(2);
    memset(row->tenant, 'x', sizeof(row->tenant)); /* without an end */
    struct ledger_row *torn = open_row(3);
    memset(torn->id, 0, sizeof(torn->id));
    reopen();
    cr_assert_eq(look(), 2U);
    cr_expect_eq(strlen(list.rows[1].tenant), sizeof(row->tenant) - 1);
}

Test(ledger_ring, a_ring_that_is_there_keeps_its_places)
{
    reopen();
    close_row(1);
    ledger_ring_close(TAKE(ring));
    cr_assert_eq(ledger_ring_open(path, 2 * PLACES, &ring, &err), STATUS_OK);
    cr_expect_eq(ledger_ring_recovered(ring), 1U);
    for (unsigned i = 1; i < PLACES; i++) {
        close_row(i);
    }
    cr_expect_null(ledger_ring_take(ring));
}

Test(ledger_ring, is_allocated_whole)
{
    reopen();
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_geq(info.st_blocks * 512, info.st_size);
    cr_expect_gt(info.st_size, PLACES * (off_t)sizeof(struct ledger_row));
    cr_expect_eq(info.st_mode & 07, 0U);
}

Test(ledger_ring, belongs_to_one_process_at_a_time)
{
    reopen();
    struct ledger_ring *other = NULL;
    cr_expect_eq(ledger_ring_open(path, PLACES, &other, &err), STATUS_DENIED);
    cr_expect_not_null(strstr(err.message, "another process has it"), "%s", err.message);
    pid_t child = fork();
    if (child == 0) {
        _exit(ledger_ring_open(path, PLACES, &other, NULL) == STATUS_DENIED ? 0 : 1);
    }
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_expect_eq(how, 0);
}

Test(ledger_ring, no_room_is_a_failure_that_leaves_nothing_behind)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 8192, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(ledger_ring_open(path, 1000, &ring, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "File too large"), "%s", err.message);
    struct stat info;
    cr_expect_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_size, 0);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    reopen();
}

Test(ledger_ring, a_folder_that_is_not_there_is_said)
{
    cr_expect_eq(ledger_ring_open(scratch_path(&folder, "no/ring-0"), PLACES, &ring, &err),
                 STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "No such file or directory"), "%s", err.message);
}
