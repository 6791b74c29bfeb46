/*
 * queue: what the webhooks' queue costs. bench_micro_queue FILE WAITING COUNT: fills it until so
 * many wait, then puts, takes and settles so many more, 64 at a time, and tells how many a second
 * were acknowledged, and the CPU time of each. FILE is on the disk that is asked about.
 */
#include "gateway/webhook/queue.h"

#include "base/digest.h"
#include "base/memory.h"
#include "gateway/loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { OUTSTANDING = 64, BODY_BYTES = 1024, LARGE = 256 };

static struct queue *queue;
static struct loop loop;
static struct mailbox *mailbox;
static char body[BODY_BYTES];
static struct queue_put places[LARGE];
static unsigned left, answered;

static void put(struct queue_put *one)
{
    unsigned char key[QUEUE_KEY_BYTES];
    random_bytes(key, sizeof(key));
    *one = (struct queue_put){.letter = one->letter,
                              .reply = mailbox,
                              .hook = SLICE("stripe"),
                              .event_id = slice_make((const char *)one->key, 16),
                              .type = SLICE("invoice.payment_succeeded"),
                              .received_at = clock_wall(),
                              .content_known = true,
                              .fields = SLICE("Stripe-Signature: t=1,v1=0123456789abcdef\r\n"),
                              .body = slice_make(body, sizeof(body)),
                              .targets = {{.name = SLICE("billing")}},
                              .target_count = 1};
    queue_make_id(one->received_at, one->id);
    memcpy(one->key, key, sizeof(key));
    random_bytes(one->content, sizeof(one->content));
    left--;
    queue_put(queue, one);
}

static void on_stored(struct letter *letter, void *receiver)
{
    struct queue_put *one = (struct queue_put *)letter;
    (void)receiver;
    if (one->result != QUEUE_STORED) {
        (void)fprintf(stderr, "not stored: %s\n", one->error);
        exit(1);
    }
    answered++;
    if (left > 0) {
        put(one);
    }
}

static void put_many(unsigned count, unsigned outstanding)
{
    left = count;
    answered = 0;
    for (unsigned i = 0; i < outstanding && left > 0; i++) {
        places[i].letter.run = on_stored;
        put(&places[i]);
    }
    while (answered < count) {
        loop_turn(&loop, LOOP_WAIT);
    }
}

static bool taken;

static void on_taken(struct letter *letter, void *receiver)
{
    (void)letter;
    (void)receiver;
    taken = true;
}

static void take_and_settle(unsigned count)
{
    while (count > 0) {
        struct queue_take take = {.letter = {.run = on_taken},
                                  .reply = mailbox,
                                  .hook = "stripe",
                                  .target = "billing",
                                  .most = OUTSTANDING,
                                  .most_bytes = 1 << 20};
        taken = false;
        queue_take(queue, &take);
        while (!taken) {
            loop_turn(&loop, LOOP_WAIT);
        }
        for (struct queue_delivery *next = take.first; next != NULL;) {
            struct queue_settlement *settlement = MEMORY_NEW(struct queue_settlement);
            settlement->take_delivery = next;
            next = next->next;
            settlement->outcome = QUEUE_DELIVERED;
            settlement->status = 200;
            queue_settle(queue, settlement);
        }
        count -= take.count < count ? take.count : count;
    }
}

static double cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void measure(const char *what, unsigned count, void (*run)(unsigned count))
{
    double cpu = cpu_seconds();
    usec_t began = clock_now();
    run(count);
    double seconds = (double)(clock_now() - began) / 1e6;
    cpu = cpu_seconds() - cpu;
    (void)printf("%-10s %8u  %8.0f/s  %6.1f us CPU each\n", what, count, count / seconds,
                 cpu * 1e6 / count);
}

static void put_as_many(unsigned count)
{
    put_many(count, OUTSTANDING);
}

static void on_due(void *ctx)
{
    (void)ctx;
}

static unsigned number_of(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct error err;
    struct rusage usage;
    if (argc != 4) {
        (void)fprintf(stderr, "usage: bench_micro_queue FILE WAITING COUNT\n");
        return 2;
    }
    const struct queue_settings settings = {.path = argv[1],
                                            .keep = 86400 * SEC,
                                            .max_age = 86400 * SEC,
                                            .max_events = 10000000,
                                            .max_bytes = UINT64_C(1) << 40,
                                            .due = on_due};
    if (loop_init(&loop, &err) != STATUS_OK ||
        mailbox_new(&loop, NULL, &mailbox, &err) != STATUS_OK ||
        queue_start(&settings, &queue, &err) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    put_many(number_of(argv[2]), LARGE);
    measure("put", number_of(argv[3]), put_as_many);
    measure("deliver", number_of(argv[3]), take_and_settle);
    usec_t began = clock_now();
    queue_stop(queue);
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("closed in %ld ms; %ld MB at most\n", (long)((clock_now() - began) / MSEC),
                 usage.ru_maxrss / 1024);
    mailbox_free(mailbox);
    loop_fini(&loop);
    return 0;
}
