/*
 * A process with a queue is killed at random moments, again and again, while 64 events are always
 * on their way in, and what is due goes out and is settled. It says through a pipe what it was
 * told. Nothing that was acknowledged is lost, what is settled does not come back, and lines keep
 * their order. QUEUE_KILLS: how often.
 */
#include "tests/unit/gateway/webhook/queue_recounts.h"
#include "tests/unit/gateway/webhook/queue_rig.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    OUTSTANDING = 64,
    EVENTS_MAX = 20000,
    OBJECTS = 8,
    SETTLED_MAX = 8 * EVENTS_MAX,
    KILLS_OF_ONE = 50
};

/* What the child tells. */
enum kind {
    STORED,   /* the event: acknowledged */
    TAKEN,    /* the event, as that delivery */
    SETTLING, /* the event: told to the queue */
    SETTLED,  /* so many of those it told are on disk */
};

struct record {
    enum kind kind;
    unsigned event; /* counts up over all runs */
    unsigned count; /* SETTLED */
    int64_t number; /* TAKEN */
    bool over;      /* SETTLING: delivered, or dead */
    char id[QUEUE_ID_BYTES];
};

/* ---- the child ---- */

struct going {
    struct queue_put put;
    unsigned event;
    unsigned told; /* settlements that were told before it */
    char name[16];
};

static struct going going[OUTSTANDING];
static struct queue_take taking;
static int told_to = -1;
static unsigned next_event;
static unsigned settlements;
static bool asking;
static uint64_t any_state;

static unsigned any(unsigned below)
{
    any_state = any_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(any_state >> 33) % below;
}

static void say(const struct record *record)
{
    if (write(told_to, record, sizeof(*record)) != (ssize_t)sizeof(*record)) {
        _exit(3);
    }
}

static unsigned event_of(struct slice name)
{
    uint64_t event = 0;
    return slice_number(name, UINT32_MAX, &event) ? (unsigned)event : 0;
}

static void put_next(struct going *one);

static void on_stored(struct letter *letter, void *receiver)
{
    struct going *one = (struct going *)letter;
    (void)receiver;
    if (one->put.result != QUEUE_STORED) {
        _exit(4);
    }
    struct record record = {.kind = STORED, .event = one->event};
    memcpy(record.id, one->put.id, sizeof(record.id));
    say(&record);
    /* What was told before it was put is in its transaction, or in one before. */
    say(&(struct record){.kind = SETTLED, .count = one->told});
    put_next(one);
}

static void put_next(struct going *one)
{
    one->event = next_event++;
    one->told = settlements;
    (void)snprintf(one->name, sizeof(one->name), "%u", one->event);
    one->put = an_event(one->name);
    one->put.letter.run = on_stored;
    one->put.targets[0].ordered = one->event % 2 == 0;
    one->put.targets[0].order = one->event / 2 % OBJECTS;
    queue_put(queue, &one->put);
}

static void ask_for_more(void);

static void settle_taken(struct queue_delivery *delivery)
{
    unsigned event = event_of(delivery->event_id);
    unsigned dice = any(100);
    enum queue_outcome outcome = dice < 70   ? QUEUE_DELIVERED
                                 : dice < 90 ? QUEUE_AGAIN
                                 : dice < 95 ? QUEUE_DEAD
                                             : QUEUE_GIVEN_BACK;
    struct record record = {.kind = TAKEN, .event = event, .number = delivery->number};
    memcpy(record.id, delivery->id, sizeof(record.id));
    say(&record);
    say(&(struct record){.kind = SETTLING,
                         .event = event,
                         .over = outcome == QUEUE_DELIVERED || outcome == QUEUE_DEAD});
    settle(delivery, outcome, clock_wall());
    settlements++;
}

static void on_taken(struct letter *letter, void *receiver)
{
    struct queue_delivery *next = taking.first;
    (void)letter;
    (void)receiver;
    asking = false;
    while (next != NULL) {
        struct queue_delivery *delivery = next;
        next = next->next;
        settle_taken(delivery);
    }
}

static void ask_for_more(void)
{
    asking = true;
    taking = (struct queue_take){.letter = {.run = on_taken},
                                 .reply = mailbox,
                                 .hook = "stripe",
                                 .target = "billing",
                                 .most = 1 + any(40),
                                 .most_bytes = 1 << 20};
    queue_take(queue, &taking);
}

static void run_child(int fd, unsigned first_event)
{
    told_to = fd;
    next_event = first_event;
    any_state = first_event + 1;
    OK(loop_init(&loop, &err));
    OK(mailbox_new(&loop, NULL, &mailbox, &err));
    rig_start();
    for (unsigned i = 0; i < OUTSTANDING; i++) {
        put_next(&going[i]);
    }
    for (;;) {
        if (!asking) {
            ask_for_more();
        }
        loop_turn(&loop, LOOP_WAIT);
    }
}

/* ---- who watches it ---- */

struct event {
    char id[QUEUE_ID_BYTES]; /* "": it was not acknowledged */
    bool told_over;          /* it is over, if that was written */
    bool over;               /* and that was */
};

static struct event *events; /* by number; runs follow each other */
static unsigned *told;       /* events by their settlements, in order, of this run */
static bool *told_over;
static unsigned told_count, firm_count;
static int64_t last_taken[OBJECTS]; /* of each line */
static bool last_over[OBJECTS];
static unsigned acknowledged;

static void note_taken(const struct record *record)
{
    struct event *event = &events[record->event];
    cr_assert_not(event->over, "event %u came back", record->event);
    if (event->id[0] != '\0') {
        cr_assert_str_eq(event->id, record->id, "event %u", record->event);
    }
    if (record->event % 2 == 0) { /* its line's last once more, or the next, if that was over */
        unsigned line = record->event / 2 % OBJECTS;
        cr_assert_geq(record->number, last_taken[line], "line %u", line);
        cr_assert(record->number == last_taken[line] || last_taken[line] == 0 || last_over[line],
                  "line %u", line);
        last_taken[line] = record->number;
        last_over[line] = false;
    }
}

static void note(const struct record *record)
{
    struct event *event = &events[record->event];
    switch (record->kind) {
    case STORED:
        memcpy(event->id, record->id, sizeof(event->id));
        acknowledged++;
        break;
    case TAKEN:
        note_taken(record);
        break;
    case SETTLING:
        cr_assert_lt(told_count, (unsigned)SETTLED_MAX);
        told[told_count] = record->event;
        told_over[told_count++] = record->over;
        if (record->over && record->event % 2 == 0) {
            last_over[record->event / 2 % OBJECTS] = true;
        }
        event->told_over = event->told_over || record->over;
        break;
    case SETTLED:
        for (; firm_count < record->count; firm_count++) {
            events[told[firm_count]].over = events[told[firm_count]].over || told_over[firm_count];
        }
        break;
    }
}

/* Until it has ended; kills it after that time, from its first word on. */
static void watch(int fd, pid_t child, int msec)
{
    struct record record;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    usec_t until = 0;
    bool killed = false;
    told_count = 0;
    firm_count = 0;
    for (;;) {
        usec_t left = until == 0 ? 30 * SEC : until - clock_now();
        if (!killed && (left <= 0 || poll(&readable, 1, (int)(left / MSEC)) == 0)) {
            (void)kill(child, SIGKILL);
            killed = true;
        }
        ssize_t len = read(fd, &record, sizeof(record));
        if (len != (ssize_t)sizeof(record)) {
            break;
        }
        until = until == 0 ? clock_now() + msec * MSEC : until;
        note(&record);
    }
}

/* What is over may be so for it was told, though its SETTLED was not heard. */
static void check_events(unsigned end)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int *states = memory_alloc(end * sizeof(*states));
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db,
                                    "SELECT CAST(e.event_id AS INTEGER), d.state FROM deliveries d "
                                    "JOIN events e ON e.number = d.number / 16",
                                    -1, &statement, NULL),
                 SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        unsigned event = (unsigned)sqlite3_column_int64(statement, 0);
        cr_assert_lt(event, end);
        cr_assert_eq(states[event], 0, "event %u is there twice", event);
        states[event] = 1 + sqlite3_column_int(statement, 1);
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    for (unsigned i = 0; i < end; i++) {
        bool over = states[i] == 1 + QUEUE_STATE_DELIVERED || states[i] == 1 + QUEUE_STATE_DEAD;
        /* Criterion's own comparisons cost too much for so many. */
        const char *fault = events[i].id[0] != '\0' && states[i] == 0 ? "lost"
                            : events[i].over && !over                 ? "not over any more"
                            : over && !events[i].told_over            ? "over"
                                                                      : NULL;
        if (fault != NULL) {
            cr_assert_fail("event %u is %s", i, fault);
        }
    }
    memory_free(states);
}

static void check(unsigned end)
{
    for (size_t i = 0; i < QUEUE_RECOUNTS; i++) {
        cr_assert_eq(ask(queue_recounts[i]), 0, "%s", queue_recounts[i]);
    }
    check_events(end);
}

static void run_once(unsigned first_event, int msec)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        (void)close(ends[0]);
        run_child(ends[1], first_event);
    }
    (void)close(ends[1]);
    watch(ends[0], child, msec);
    (void)close(ends[0]);
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "it ended by itself: %x",
              (unsigned)how);
}

static void setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "webhooks.db");
    settings = (struct queue_settings){.path = path,
                                       .keep = 7 * 86400 * SEC,
                                       .max_age = 7 * 86400 * SEC,
                                       .max_events = 10000000,
                                       .max_bytes = UINT64_C(1) << 32,
                                       .due = on_due};
}

static void teardown(void)
{
    scratch_remove(&folder);
}

TestSuite(queue_killed, .init = setup, .fini = teardown, .timeout = 2900);

/* With a database of its own: each look at it reads all that it has. */
static void kill_often(unsigned kills)
{
    events = memory_alloc(kills * EVENTS_MAX * sizeof(*events));
    memset(last_taken, 0, sizeof(last_taken));
    memset(last_over, 0, sizeof(last_over));
    for (unsigned i = 0; i < kills; i++) {
        run_once(i * EVENTS_MAX, (int)any(300));
        check((i + 1) * EVENTS_MAX);
    }
    memory_free(TAKE(events));
}

Test(queue_killed, nothing_that_was_acknowledged_is_lost_and_nothing_settled_comes_back)
{
    const char *wanted = getenv("QUEUE_KILLS");
    unsigned kills = wanted == NULL ? 10 : (unsigned)strtoul(wanted, NULL, 10);
    told = memory_alloc(SETTLED_MAX * sizeof(*told));
    told_over = memory_alloc(SETTLED_MAX * sizeof(*told_over));
    any_state = (uint64_t)clock_wall();
    for (unsigned done = 0; done < kills; done += KILLS_OF_ONE) {
        kill_often(kills - done < KILLS_OF_ONE ? kills - done : KILLS_OF_ONE);
        teardown();
        setup();
    }
    cr_expect_gt(acknowledged, kills * 5);
    (void)fprintf(stderr, "%u kills, %u events acknowledged\n", kills, acknowledged);
    memory_free(told_over);
    memory_free(told);
}
