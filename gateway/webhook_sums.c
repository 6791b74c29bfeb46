#include "gateway/webhook_sums.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/webhook/delivery.h"
#include "gateway/webhook/queue_reader.h"
#include "gateway/webhook_report.h"

#include <inttypes.h>

struct sums {
    struct arena arena; /* of the names */
    struct webhook_sum *list;
    unsigned count, size;
};

static void sums_fini(struct sums *sums)
{
    arena_fini(&sums->arena);
    memory_free(sums->list);
}

/* It is made if it is not there. */
static struct webhook_sum *find(struct sums *sums, struct slice hook, struct slice target)
{
    for (unsigned i = 0; i < sums->count; i++) {
        struct webhook_sum *sum = &sums->list[i];
        if (slice_equal(slice_from(sum->hook), hook) &&
            slice_equal(slice_from(sum->target), target)) {
            return sum;
        }
    }
    MEMORY_GROW(sums->list, sums->count, &sums->size);
    struct webhook_sum *sum = &sums->list[sums->count++];
    *sum = (struct webhook_sum){.hook = arena_copy(&sums->arena, hook).ptr,
                                .target = arena_copy(&sums->arena, target).ptr};
    return sum;
}

static void add_configured(const struct snapshot *snapshot, struct sums *sums)
{
    for (unsigned i = 0; i < snapshot->hook_count; i++) {
        const struct hook *hook = snapshot->hooks[i];
        for (unsigned k = 0; k < hook->target_count; k++) {
            find(sums, slice_from(hook->name), slice_from(hook->targets[k].name))->configured =
                true;
        }
    }
}

static void add_count(void *ctx, struct slice hook, struct slice target, enum queue_state state,
                      uint64_t count, usec_t oldest)
{
    struct webhook_sum *sum = find(ctx, hook, target);
    bool open = state == QUEUE_STATE_WAITING || state == QUEUE_STATE_HELD_BACK;
    sum->count[state] += count;
    if (open && oldest > 0 && (sum->oldest == 0 || oldest < sum->oldest)) {
        sum->oldest = oldest;
    }
}

static enum status add_counts(const struct queue *queue, struct sums *sums, struct error *err)
{
    struct queue_reader *reader = NULL;
    TRY(queue_reader_open(queue_path(queue), &reader, err));
    enum status status = queue_reader_sums(reader, sums, add_count, err);
    queue_reader_close(reader);
    return status;
}

static void add_target_state(void *ctx, const struct delivery_target_state *state)
{
    struct sums *sums = ctx;
    struct webhook_sum *sum = find(sums, slice_from(state->hook), slice_from(state->target));
    sum->breaker = arena_copy(&sums->arena, slice_from(state->breaker)).ptr;
    sum->in_flight = state->in_flight;
}

enum status webhook_sums_tell(const struct webhook_sums_source *source, struct buffer *out,
                              struct error *err)
{
    struct sums sums CLEANUP(sums_fini) = {0};
    struct queue_stats stats;
    usec_t now = clock_wall();
    add_configured(source->snapshot, &sums);
    TRY(add_counts(source->queue, &sums, err));
    if (source->delivery != NULL) {
        delivery_show(source->delivery, &sums, add_target_state);
    }
    queue_get_stats(source->queue, &stats);
    TRY(buffer_append(out, SLICE("{\"queue\":")));
    TRY(webhook_report_queue(&stats, now, out));
    TRY(buffer_print(out, ",\"max_events\":%" PRIu64 ",\"max_bytes\":%" PRIu64 ",\"targets\":[\n",
                     source->snapshot->queue.max_events, source->snapshot->queue.max_bytes));
    for (unsigned i = 0; i < sums.count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",\n")));
        TRY(webhook_report_sum(&sums.list[i], now, out));
    }
    return buffer_append(out, SLICE("\n]}\n"));
}
