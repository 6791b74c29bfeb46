#include "base/timer.h"

#include "base/memory.h"

#include <assert.h>

static void put(struct timer_queue *queue, size_t place, struct timer *timer)
{
    queue->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct timer_queue *queue, struct timer *timer, size_t place)
{
    while (place > 1 && queue->heap[place / 2]->queued > timer->queued) {
        put(queue, place, queue->heap[place / 2]);
        place /= 2;
    }
    put(queue, place, timer);
}

static void sift_down(struct timer_queue *queue, struct timer *timer, size_t place)
{
    for (;;) {
        size_t child = place * 2;
        if (child > queue->count) {
            break;
        }
        if (child < queue->count && queue->heap[child + 1]->queued < queue->heap[child]->queued) {
            child++;
        }
        if (queue->heap[child]->queued >= timer->queued) {
            break;
        }
        put(queue, place, queue->heap[child]);
        place = child;
    }
    put(queue, place, timer);
}

void timer_queue_fini(struct timer_queue *queue)
{
    for (size_t i = 1; i <= queue->count; i++) {
        queue->heap[i]->place = 0;
    }
    memory_free(queue->heap);
    *queue = (struct timer_queue){0};
}

void timer_set(struct timer_queue *queue, struct timer *timer, usec_t due)
{
    assert(due > 0);
    timer->due = due;
    if (timer->place != 0) {
        if (due < timer->queued) {
            timer->queued = due;
            sift_up(queue, timer, timer->place);
        }
        return;
    }
    if (queue->count + 1 >= queue->size) {
        queue->size = queue->size == 0 ? 64 : queue->size * 2;
        queue->heap = memory_resize(queue->heap, queue->size * sizeof(*queue->heap));
    }
    timer->queued = due;
    sift_up(queue, timer, ++queue->count);
}

void timer_cancel(struct timer_queue *queue, struct timer *timer)
{
    size_t place = timer->place;
    timer->due = 0;
    if (place == 0) {
        return;
    }
    struct timer *last = queue->heap[queue->count--];
    timer->place = 0;
    if (last == timer) {
        return;
    }
    if (place > 1 && queue->heap[place / 2]->queued > last->queued) {
        sift_up(queue, last, place);
    } else {
        sift_down(queue, last, place);
    }
}

bool timer_queue_run(struct timer_queue *queue, usec_t now, unsigned limit)
{
    while (queue->count > 0 && queue->heap[1]->queued <= now) {
        struct timer *timer = queue->heap[1];
        if (timer->due > now) { /* it was moved away meanwhile */
            timer->queued = timer->due;
            sift_down(queue, timer, 1);
            continue;
        }
        if (limit == 0) {
            return true;
        }
        usec_t due = timer->due;
        timer_cancel(queue, timer);
        if (due != 0) {
            limit--;
            timer->fire(timer);
        }
    }
    return false;
}

usec_t timer_queue_next(const struct timer_queue *queue)
{
    return queue->count == 0 ? 0 : queue->heap[1]->queued;
}
