/*
 * A disk that fails: the calls that SQLite writes and syncs with are made here. What was answered
 * as stored is there; all else was refused; and when it works again, so does the queue.
 *
 * And a machine that loses power: of each file there is a copy as it was when it was last synced.
 * What was acknowledged is in those copies at any moment.
 */
#include "tests/unit/gateway/webhook/queue_recounts.h"
#include "tests/unit/gateway/webhook/queue_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>

/* ---- the disk ---- */

static atomic_int failing;       /* the errno; 0: it works */
static atomic_uint fail_each;    /* 0: each call, else one of so many at random */
static atomic_uint failed_calls; /* that were told so */
static atomic_bool copying;
static pthread_mutex_t copy_lock = PTHREAD_MUTEX_INITIALIZER;
static char copies[100];
static atomic_uint_fast64_t dice = 1;

static bool fails(void)
{
    uint64_t next = atomic_load(&dice) * UINT64_C(6364136223846793005) + 1;
    unsigned each = atomic_load(&fail_each);
    atomic_store(&dice, next);
    if (atomic_load(&failing) == 0 || (each != 0 && (next >> 33) % each != 0)) {
        return false;
    }
    (void)atomic_fetch_add(&failed_calls, 1);
    errno = atomic_load(&failing);
    return true;
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t len = 0;
    while ((len = read(in, bytes, sizeof(bytes))) > 0) {
        if (syscall(SYS_pwrite64, out, bytes, (size_t)len, lseek(out, 0, SEEK_END)) != len) {
            abort();
        }
    }
    (void)close(in);
    (void)close(out);
}

static const char *name_in_folder(int fd)
{
    static char link[64];
    static char name[300];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, name, sizeof(name) - 1);
    name[len < 0 ? 0 : len] = '\0';
    return strrchr(name, '/') == NULL ? name : strrchr(name, '/') + 1;
}

/* What is on the disk for sure from now on. */
static void keep_copy(int fd)
{
    char to[500];
    char from[64];
    (void)pthread_mutex_lock(&copy_lock);
    (void)snprintf(to, sizeof(to), "%s/%s", copies, name_in_folder(fd));
    (void)snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    copy_file(from, to);
    (void)pthread_mutex_unlock(&copy_lock);
}

int fdatasync(int fd);
int fdatasync(int fd)
{
    if (fails()) {
        return -1;
    }
    if (atomic_load(&copying)) {
        keep_copy(fd);
        return 0;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd);
int fsync(int fd)
{
    return fdatasync(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    return fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

/* ---- a disk that fails ---- */

TestSuite(queue_faults, .init = rig_setup, .fini = rig_teardown, .timeout = 120);

static void set_failing(int code, unsigned each)
{
    atomic_store(&fail_each, each);
    atomic_store(&failing, code);
}

static void await_writable(bool wanted)
{
    struct queue_stats stats;
    do {
        queue_get_stats(queue, &stats);
        (void)usleep(1000);
    } while (stats.writable != wanted);
}

Test(queue_faults, what_cannot_be_written_is_refused_until_it_can)
{
    static const int codes[] = {EIO, ENOSPC};
    for (unsigned i = 0; i < 2; i++) {
        struct queue_put put = an_event(i == 0 ? "a" : "b");
        uint64_t failures = stats_now().failures;
        set_failing(codes[i], 0);
        cr_expect_eq(put_it(&put), QUEUE_FAILED);
        cr_expect_neq(put.error[0], '\0');
        struct queue_change change = change_of(QUEUE_DROP, (struct queue_filter){0}, 0);
        cr_expect_eq(change.error[0] == '\0', i == 0, "%s", change.error); /* nothing to write */
        struct queue_stats stats;
        queue_get_stats(queue, &stats);
        cr_expect_gt(stats.failures, failures);
        set_failing(0, 0);
        cr_expect_eq(put_it(&put), QUEUE_STORED, "%s", put.error);
        await_writable(true);
    }
    cr_expect_eq(ask("SELECT count(*) FROM events"), 2);
}

Test(queue_faults, it_finds_by_itself_that_it_can_write_again)
{
    set_failing(EIO, 0);
    cr_expect_eq(put_event("a"), QUEUE_FAILED);
    await_writable(false);
    set_failing(0, 0);
    await_writable(true);
}

Test(queue_faults, what_is_settled_is_written_when_it_can_be_and_is_under_way_until_then)
{
    put_event("a");
    put_event("b");
    struct queue_delivery *a = take_one();
    set_failing(ENOSPC, 0);
    settle(a, QUEUE_DELIVERED, 0);
    cr_expect_eq(put_event("c"), QUEUE_FAILED);
    struct queue_take take = take_of("billing", 5);
    cr_assert_eq(take.count, 1U); /* what is there can be read */
    cr_expect_str_eq(name_of(take.first), "b");
    set_failing(0, 0);
    struct queue_stats stats;
    do { /* without anything else that is to be written */
        queue_get_stats(queue, &stats);
        (void)usleep(1000);
    } while (stats.delivered == 0);
    cr_expect_eq(stats.waiting, 1U);
    settle(take.first, QUEUE_DELIVERED, 0);
    rig_restart();
    cr_expect_eq(stats_now().delivered, 2U);
}

Test(queue_faults, what_cannot_be_written_at_the_end_waits_again)
{
    put_event("a");
    struct queue_delivery *a = take_one();
    set_failing(EIO, 0);
    settle(a, QUEUE_DELIVERED, 0);
    queue_stop(TAKE(queue));
    set_failing(0, 0);
    rig_start();
    a = take_one();
    cr_expect_str_eq(name_of(a), "a");
    settle(a, QUEUE_DELIVERED, 0);
}

/* ---- it fails now and then ---- */

enum { ROUNDS = 100, AT_ONCE = 8 };

struct stored {
    char ids[ROUNDS * AT_ONCE][QUEUE_ID_BYTES];
    unsigned count, refused;
};

static struct stored stored;
static struct queue_put asked[AT_ONCE];

static void put_some(unsigned round)
{
    for (unsigned i = 0; i < AT_ONCE; i++) {
        asked[i] = an_event(arena_print(&folder.arena, "%u", round * AT_ONCE + i));
        asked[i].targets[0].ordered = i % 2 == 0;
        asked[i].targets[0].order = i;
        queue_put(queue, &asked[i]);
    }
    await_answers(AT_ONCE);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        if (asked[i].result == QUEUE_STORED) {
            memcpy(stored.ids[stored.count++], asked[i].id, QUEUE_ID_BYTES);
        } else {
            cr_assert_eq(asked[i].result, QUEUE_FAILED);
            stored.refused++;
        }
    }
}

static void settle_some(unsigned round)
{
    struct queue_take take = take_of("billing", 4);
    for (struct queue_delivery *at = take.first; at != NULL;) {
        struct queue_delivery *next = at->next;
        settle(at, round % 3 == 0 ? QUEUE_AGAIN : QUEUE_DELIVERED, clock_wall());
        at = next;
    }
}

/* All that was stored, and nothing that is not whole. */
static void check(const char *file)
{
    const char *queue_path = path;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    path = file;
    for (size_t i = 0; i < QUEUE_RECOUNTS; i++) {
        cr_assert_eq(ask(queue_recounts[i]), 0, "%s", queue_recounts[i]);
    }
    path = queue_path;
    cr_assert_eq(sqlite3_open(file, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT 1 FROM events WHERE id = ?", -1, &statement, NULL),
                 SQLITE_OK);
    for (unsigned i = 0; i < stored.count; i++) {
        (void)sqlite3_bind_text(statement, 1, stored.ids[i], -1, SQLITE_STATIC);
        cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%u of %u", i, stored.count);
        (void)sqlite3_reset(statement);
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
}

static void fail_now_and_then(int code)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        set_failing(round % 10 < 7 ? code : 0, 40);
        put_some(round);
        settle_some(round);
    }
    set_failing(0, 0);
    queue_stop(TAKE(queue));
    check(path);
    cr_expect_gt(stored.count, 50U);
    cr_expect_gt(stored.refused, 30U);
    cr_expect_gt(atomic_load(&failed_calls), 20U);
}

Test(queue_faults, a_disk_with_errors_now_and_then)
{
    fail_now_and_then(EIO);
}

Test(queue_faults, a_disk_that_is_full_now_and_then)
{
    fail_now_and_then(ENOSPC);
}

/* ---- power ---- */

/* As a machine would find it that lost power now. */
static void check_copies(unsigned round)
{
    static const char *const names[] = {"webhooks.db", "webhooks.db-wal"};
    const char *to = arena_print(&folder.arena, "%s-%u", copies, round);
    cr_assert_eq(mkdir(to, 0700), 0);
    (void)pthread_mutex_lock(&copy_lock);
    for (unsigned i = 0; i < 2; i++) {
        const char *from = arena_print(&folder.arena, "%s/%s", copies, names[i]);
        if (access(from, F_OK) == 0) {
            copy_file(from, arena_print(&folder.arena, "%s/%s", to, names[i]));
        }
    }
    (void)pthread_mutex_unlock(&copy_lock);
    check(arena_print(&folder.arena, "%s/webhooks.db", to));
    for (unsigned i = 0; i < 2; i++) {
        (void)unlink(arena_print(&folder.arena, "%s/%s", to, names[i]));
    }
    (void)rmdir(to);
}

Test(queue_faults, what_was_acknowledged_outlives_a_loss_of_power)
{
    (void)snprintf(copies, sizeof(copies), "%s/copies", folder.path);
    cr_assert_eq(mkdir(copies, 0700), 0);
    queue_stop(TAKE(queue));
    copy_file(path, arena_print(&folder.arena, "%s/webhooks.db", copies));
    atomic_store(&copying, true);
    rig_start();
    for (unsigned round = 0; round < 60; round++) {
        put_some(round);
        settle_some(round);
        if (round % 10 == 9) {
            check_copies(round);
        }
    }
    queue_stop(TAKE(queue));
    atomic_store(&copying, false);
    (void)unlink(arena_print(&folder.arena, "%s/webhooks.db", copies));
    (void)unlink(arena_print(&folder.arena, "%s/webhooks.db-wal", copies));
    (void)rmdir(copies);
}
