/* Workers that open and close, fold what finds no place, and wake; a thread that asks for figures
 * and changes what is kept; another that asks what a former epoch was charged, which only grows;
 * the ledger's own thread. In the end all rows were counted, and once. */
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_ring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 3, ROWS = 20000, OPEN = 16 };

struct worker {
    pthread_t thread;
    struct ledger *ledger;
    unsigned number;
    unsigned folded;
};

static atomic_bool over;

static void charge(struct ledger_row *row)
{
    const struct ledger_charge one = {
        .hash = 7, .epoch = 1, .end_ms = INT64_C(1) << 50, .amount = 1};
    ledger_row_charge(row, 0, &one);
}

static void fill(struct ledger_row *row, unsigned worker, unsigned n)
{
    row->opened_at = clock_wall();
    row->closed_at = row->opened_at;
    row->status = 200;
    row->cost = 1;
    (void)snprintf(row->id, sizeof(row->id), "%016x%016x", worker, n);
    LEDGER_TEXT(row->tenant, SLICE("checkout"));
    LEDGER_TEXT(row->route, SLICE("openai"));
    charge(row);
}

static void close_or_fold(struct worker *worker, struct ledger_ring *ring, struct ledger_row *row)
{
    if (row != NULL) {
        charge(row); /* as what was used is put in */
        ledger_ring_closed(ring, row);
    }
    ledger_wake(worker->ledger);
}

static void *work(void *ctx)
{
    struct worker *worker = ctx;
    struct ledger_ring *ring = ledger_ring_of(worker->ledger, worker->number);
    struct ledger_row *open[OPEN] = {NULL};
    for (unsigned n = 0; n < ROWS; n++) {
        struct ledger_row **place = &open[n % OPEN];
        close_or_fold(worker, ring, *place);
        *place = ledger_ring_take(ring);
        if (*place == NULL) {
            struct ledger_row row = {.cost = 0};
            fill(&row, worker->number, n);
            ledger_fold(worker->ledger, &row);
            worker->folded++;
        } else {
            fill(*place, worker->number, n);
            ledger_ring_opened(ring, *place);
        }
    }
    for (unsigned i = 0; i < OPEN; i++) {
        close_or_fold(worker, ring, open[i]);
    }
    return NULL;
}

static void *watch(void *ctx)
{
    uint64_t written = 0;
    while (!atomic_load(&over)) {
        struct ledger_stats stats;
        ledger_get_stats(ctx, &stats);
        if (stats.rows_written < written || stats.backlog > WORKERS * ROWS) {
            return ctx;
        }
        written = stats.rows_written;
        ledger_set_keep(ctx, 86400 * SEC + (usec_t)written);
    }
    return NULL;
}

static void add(void *ctx, const struct ledger_charge *sum, struct slice key)
{
    (void)key;
    *(uint64_t *)ctx += sum->amount;
}

static uint64_t ask_former(struct ledger *ledger)
{
    bool open;
    uint64_t sum = 0;
    ledger_ask_former(ledger, 2);
    while (!ledger_take_former(ledger, 2, &open, &sum, add)) {
        (void)usleep(1000);
    }
    return sum;
}

/* A row that was told of twice, or missed while it was moved, would show as a step back. */
static void *ask(void *ctx)
{
    uint64_t told = 0;
    while (!atomic_load(&over)) {
        uint64_t sum = ask_former(ctx);
        if (sum < told) {
            (void)fprintf(stderr, "race_ledger: %lu charged, then %lu\n", (unsigned long)told,
                          (unsigned long)sum);
            return ctx;
        }
        told = sum;
    }
    return ask_former(ctx) == (uint64_t)WORKERS * ROWS ? NULL : ctx;
}

static bool run(const char *path, unsigned *ret_folded)
{
    struct error err;
    struct ledger *ledger = NULL;
    struct worker workers[WORKERS];
    pthread_t watcher;
    pthread_t asker;
    void *failed = NULL;
    const struct ledger_settings settings = {
        .path = path, .keep = 86400 * SEC, .workers = WORKERS, .max_bytes = 1 << 30};
    if (ledger_start(&settings, &ledger, &err) != STATUS_OK) {
        (void)fprintf(stderr, "race_ledger: %s\n", err.message);
        return false;
    }
    bool fine = pthread_create(&watcher, NULL, watch, ledger) == 0 &&
                pthread_create(&asker, NULL, ask, ledger) == 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.ledger = ledger, .number = i};
        fine = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0 && fine;
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        fine = pthread_join(workers[i].thread, NULL) == 0 && fine;
        *ret_folded += workers[i].folded;
    }
    atomic_store(&over, true);
    fine = pthread_join(watcher, &failed) == 0 && failed == NULL && fine;
    fine = pthread_join(asker, &failed) == 0 && failed == NULL && fine;
    ledger_stop(ledger);
    return fine;
}

static void note_sum(void *ctx, const struct ledger_sum *sum)
{
    *(struct ledger_sum *)ctx = *sum;
}

static bool all_counted(const char *path)
{
    struct ledger_reader *reader = NULL;
    struct ledger_sum sum = {.requests = 0};
    bool fine = ledger_reader_open(path, &reader, NULL) == STATUS_OK &&
                ledger_sums(reader, &(struct ledger_filter){.by = LEDGER_BY_NOTHING}, &sum,
                            note_sum, NULL) == STATUS_OK;
    ledger_reader_close(reader);
    if (sum.requests != (uint64_t)WORKERS * ROWS || sum.cost != sum.requests) {
        (void)fprintf(stderr, "race_ledger: %lu rows\n", (unsigned long)sum.requests);
        return false;
    }
    return fine;
}

int main(void)
{
    char folder[] = "/tmp/race_ledger.XXXXXX";
    char path[100];
    unsigned folded = 0;
    if (mkdtemp(folder) == NULL) {
        perror("race_ledger");
        return 2;
    }
    (void)snprintf(path, sizeof(path), "%s/usage.db", folder);
    bool fine = run(path, &folded) && all_counted(path);
    (void)fprintf(stderr, "race_ledger: %u rows found no place\n", folded);
    static const char *const files[] = {"", "-wal", "-shm", ".ring-0", ".ring-1", ".ring-2"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/usage.db%s", folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    return fine ? 0 : 1;
}
