/* Workers that put and are answered by their own loops, one that takes and settles, one that asks
 * for figures and changes the limits, one that replays; the queue's own thread. In the end each
 * event that was acknowledged is there. */
#include "base/digest.h"
#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "gateway/webhook/queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 3, EVENTS = 1500, OUTSTANDING = 16, REPLAYS = 5 };

/* A thread with a loop, and how many answers came to it. */
struct asker {
    pthread_t thread;
    struct queue *queue;
    struct loop loop;
    struct mailbox *mailbox;
    unsigned answers, wanted;
    bool failed;
};

static struct queue_settings settings;
static atomic_uint dues;
static atomic_bool over;

static void on_answer(struct letter *letter, void *receiver)
{
    struct asker *asker = receiver;
    (void)letter;
    asker->answers++;
}

static void await(struct asker *asker)
{
    while (asker->answers < asker->wanted) {
        loop_turn(&asker->loop, LOOP_WAIT);
    }
}

static bool begin(struct asker *asker, struct queue *queue)
{
    struct error err;
    *asker = (struct asker){.queue = queue};
    return loop_init(&asker->loop, &err) == STATUS_OK &&
           mailbox_new(&asker->loop, asker, &asker->mailbox, &err) == STATUS_OK;
}

static void end(struct asker *asker)
{
    mailbox_free(asker->mailbox);
    loop_fini(&asker->loop);
}

static void *put_all(void *ctx)
{
    struct asker *asker = ctx;
    static _Thread_local struct queue_put puts[OUTSTANDING];
    for (unsigned n = 0; n < EVENTS; n += OUTSTANDING) {
        for (unsigned i = 0; i < OUTSTANDING; i++) {
            puts[i] = (struct queue_put){
                .letter = {.run = on_answer},
                .reply = asker->mailbox,
                .hook = SLICE("stripe"),
                .received_at = clock_wall(),
                .body = SLICE("{}"),
                .targets = {{.name = SLICE("billing"), .ordered = i % 2 == 0, .order = i}},
                .target_count = 1};
            queue_make_id(puts[i].received_at, puts[i].id);
            random_bytes(puts[i].key, sizeof(puts[i].key));
            queue_put(asker->queue, &puts[i]);
        }
        asker->wanted += OUTSTANDING;
        await(asker);
        for (unsigned i = 0; i < OUTSTANDING; i++) {
            asker->failed = asker->failed || puts[i].result != QUEUE_STORED;
        }
    }
    return NULL;
}

static void settle(struct queue *queue, struct queue_delivery *delivery)
{
    struct queue_settlement *settlement = MEMORY_NEW(struct queue_settlement);
    settlement->outcome =
        delivery->number % 5 == 0 && delivery->attempts == 0 ? QUEUE_AGAIN : QUEUE_DELIVERED;
    settlement->due = clock_wall();
    settlement->take_delivery = delivery;
    queue_settle(queue, settlement);
}

static void *deliver_all(void *ctx)
{
    struct asker *asker = ctx;
    while (!atomic_load(&over)) {
        struct queue_take take = {.letter = {.run = on_answer},
                                  .reply = asker->mailbox,
                                  .hook = "stripe",
                                  .target = "billing",
                                  .most = 50,
                                  .most_bytes = 1 << 20};
        queue_take(asker->queue, &take);
        asker->wanted++;
        await(asker);
        for (struct queue_delivery *at = take.first; at != NULL;) {
            struct queue_delivery *next = at->next;
            settle(asker->queue, at);
            at = next;
        }
    }
    return NULL;
}

static void *replay(void *ctx)
{
    struct asker *asker = ctx;
    for (unsigned i = 0; i < REPLAYS; i++) {
        struct queue_change change = {.letter = {.run = on_answer},
                                      .reply = asker->mailbox,
                                      .kind = QUEUE_REPLAY,
                                      .per_second = 100000};
        queue_change(asker->queue, &change);
        asker->wanted++;
        await(asker);
        asker->failed = asker->failed || change.error[0] != '\0';
    }
    return NULL;
}

static void *look(void *ctx)
{
    struct asker *asker = ctx;
    uint64_t events = 0;
    while (!atomic_load(&over)) {
        struct queue_stats stats;
        queue_get_stats(asker->queue, &stats);
        asker->failed = asker->failed || stats.events < events;
        events = stats.events;
        queue_set_limits(asker->queue, &settings);
        (void)usleep(1000);
    }
    return NULL;
}

static void on_due(void *ctx)
{
    (void)ctx;
    (void)atomic_fetch_add(&dues, 1);
}

enum { PUTTERS_FROM = 3, ASKERS = PUTTERS_FROM + WORKERS };

static bool run(struct queue *queue)
{
    static struct asker askers[ASKERS];
    static void *(*const runs[PUTTERS_FROM])(void *) = {deliver_all, look, replay};
    bool fine = true;
    for (unsigned i = 0; i < ASKERS; i++) {
        fine = begin(&askers[i], queue) && fine;
        fine = pthread_create(&askers[i].thread, NULL, i < PUTTERS_FROM ? runs[i] : put_all,
                              &askers[i]) == 0 &&
               fine;
    }
    for (unsigned i = 2; i < ASKERS; i++) {
        fine = pthread_join(askers[i].thread, NULL) == 0 && !askers[i].failed && fine;
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < 2; i++) {
        fine = pthread_join(askers[i].thread, NULL) == 0 && !askers[i].failed && fine;
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        end(&askers[i]);
    }
    return fine;
}

int main(void)
{
    char folder[] = "/tmp/race_queue.XXXXXX";
    char path[100];
    struct error err;
    struct queue *queue = NULL;
    struct queue_stats stats;
    if (mkdtemp(folder) == NULL) {
        perror("race_queue");
        return 2;
    }
    (void)snprintf(path, sizeof(path), "%s/webhooks.db", folder);
    settings = (struct queue_settings){.path = path,
                                       .keep = 86400 * SEC,
                                       .max_age = 86400 * SEC,
                                       .max_events = 1000000,
                                       .max_bytes = 1 << 30,
                                       .due = on_due};
    if (queue_start(&settings, &queue, &err) != STATUS_OK) {
        (void)fprintf(stderr, "race_queue: %s\n", err.message);
        return 2;
    }
    bool fine = run(queue);
    queue_get_stats(queue, &stats);
    queue_stop(queue);
    unsigned events = WORKERS * ((EVENTS + OUTSTANDING - 1) / OUTSTANDING) * OUTSTANDING;
    fine = fine && stats.events == events && atomic_load(&dues) > 0 && stats.failures == 0;
    (void)fprintf(stderr, "race_queue: %u of %u events, %u delivered\n", (unsigned)stats.events,
                  events, (unsigned)stats.delivered);
    static const char *const files[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/webhooks.db%s", folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    return fine ? 0 : 1;
}
