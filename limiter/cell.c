#include "limiter/cell.h"

#include "limiter/past_windows.h"
#include "limiter/window.h"

#include <assert.h>

static int64_t to_ms(usec_t time)
{
    return time / MSEC;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What was counted belongs to a window that is over. Its open parts are left to themselves: their
 * era tells them not to touch this cell's sums and list. */
static void begin_window(struct cell *cell, const struct window *window)
{
    cell->start_ms = window->start_ms;
    cell->end_ms = window->end_ms;
    cell->era++;
    cell->open = NULL;
    cell->reserved = 0;
    cell->taken = 0;
    cell->settled = 0;
    cell->refunded = 0;
    cell->forgiven = 0;
}

void cell_recall(struct cell *cell, const struct past_window *past)
{
    assert(cell_is_new(cell));
    const struct window window = {.start_ms = past->start_ms, .end_ms = past->end_ms};
    begin_window(cell, &window);
    cell->taken = past->used;
    cell->settled = past->used;
    cell->past_edition = past->edition;
}

static void advance_window(struct cell *cell, const struct limit *limit, int64_t wall_ms)
{
    if (wall_ms >= cell->start_ms && wall_ms < cell->end_ms) {
        return;
    }
    struct window window = window_at(limit, wall_ms);
    if (wall_ms < cell->start_ms && window.end_ms >= cell->start_ms) {
        return; /* set back over the border, or another thread was a little faster */
    }
    begin_window(cell, &window);
}

void cell_advance(struct cell *cell, const struct limit *limit, const struct cell_instant *at)
{
    assert(cell->span == limit->span); /* the key has it */
    switch (limit->span) {
    case LIMIT_RATE:
        cell->rate =
            (struct bucket_rate){limit->amount, limit->burst, (uint64_t)to_ms(limit->period)};
        bucket_advance(&cell->bucket, &cell->rate, to_ms(at->now));
        break;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        advance_window(cell, limit, to_ms(at->wall));
        break;
    case LIMIT_HELD:
        break;
    }
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

uint64_t cell_used(const struct cell *cell)
{
    return cell->span == LIMIT_RATE ? cell->bucket.debt
                                    : difference(cell->reserved + cell->settled, cell->forgiven);
}

uint64_t cell_left(const struct cell *cell, const struct limit *limit)
{
    return cell->span == LIMIT_RATE
               ? bucket_left(&cell->bucket, &cell->rate)
               : difference(limit->amount + cell->forgiven, cell->reserved + cell->settled);
}

static usec_t window_ends_after(const struct cell *cell, const struct cell_instant *at)
{
    return cell->end_ms * MSEC - at->wall;
}

usec_t cell_room_after(const struct cell *cell, const struct limit *limit, uint64_t amount,
                       const struct cell_instant *at)
{
    if (amount > limit_whole(limit)) {
        return -1;
    }
    switch (limit->span) {
    case LIMIT_RATE:
        return bucket_wait_ms(&cell->bucket, &cell->rate, amount) * MSEC;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return window_ends_after(cell, at);
    case LIMIT_HELD:
        break;
    }
    return 0;
}

usec_t cell_reset_after(const struct cell *cell, const struct limit *limit,
                        const struct cell_instant *at)
{
    switch (limit->span) {
    case LIMIT_RATE:
        return bucket_full_ms(&cell->bucket, &cell->rate) * MSEC;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return window_ends_after(cell, at);
    case LIMIT_HELD:
        break;
    }
    return 0;
}

/* Out of the list of the era that it is of. */
static void part_unlink(struct cell_part *part)
{
    *part->prev = part->next;
    if (part->next != NULL) {
        part->next->prev = part->prev;
    }
}

static void part_link(struct cell_part *part, struct cell *cell)
{
    part->amount = 0;
    part->era = cell->era;
    part->prev = &cell->open;
    part->next = cell->open;
    if (part->next != NULL) {
        part->next->prev = &part->next;
    }
    cell->open = part;
}

static void part_add(struct cell_part *part, struct cell *cell, uint64_t amount)
{
    if (part->cell == NULL) {
        part->cell = cell;
        cell->parts++;
        part_link(part, cell);
    } else if (part->era != cell->era) {
        part_link(part, cell);
    }
    part->amount += amount;
}

static void note_window(const struct cell *cell, struct demand *demand)
{
    if (demand->window_end_ms != cell->end_ms) {
        demand->former = demand->granted; /* in a window that is over */
        demand->window_start_ms = cell->start_ms;
        demand->window_end_ms = cell->end_ms;
    }
}

void cell_take(struct cell *cell, struct demand *demand, struct cell_part *part, uint64_t amount)
{
    cell->taken += amount;
    if (part == NULL) {
        cell->settled += amount;
    } else {
        part_add(part, cell, amount);
        cell->reserved += amount;
    }
    note_window(cell, demand);
    demand->position =
        cell->span == LIMIT_RATE ? bucket_take(&cell->bucket, amount) : (uint64_t)cell->start_ms;
    demand->last_taken = amount;
    demand->granted += amount;
}

/* Of what is given back, time has refilled some already. Where the steps before the last one lie is
 * not known: what is not used of them is left to time, too. */
static void settle_bucket(struct cell *cell, const struct demand *demand, uint64_t unused,
                          uint64_t overrun, usec_t now)
{
    bucket_advance(&cell->bucket, &cell->rate, to_ms(now));
    (void)bucket_give_back(&cell->bucket, demand->position, demand->last_taken,
                           least(unused, demand->last_taken));
    (void)bucket_take(&cell->bucket, overrun);
}

void cell_settle(struct cell_part *part, const struct demand *demand, usec_t now)
{
    struct cell *cell = part->cell;
    cell->parts--;
    if (part->era != cell->era) {
        return;
    }
    part_unlink(part);
    uint64_t used = cell->span == LIMIT_HELD ? 0 : demand->used; /* a slot is always given back */
    uint64_t overrun = difference(used, demand->granted);
    uint64_t unused = difference(demand->granted, used);
    uint64_t back = least(unused, part->amount); /* a former window may have granted the rest */
    cell->reserved -= part->amount;
    cell->taken += overrun;
    cell->refunded += back;
    cell->settled += part->amount - back + overrun;
    if (cell->span == LIMIT_RATE) {
        settle_bucket(cell, demand, back, overrun, now);
    }
}

void cell_reset(struct cell *cell)
{
    if (cell->span == LIMIT_RATE) {
        (void)bucket_forgive(&cell->bucket, difference(cell->bucket.debt, cell->reserved));
    } else {
        cell->forgiven = cell->settled;
    }
}

void cell_raise(struct cell *cell, uint64_t amount)
{
    if (cell->span == LIMIT_RATE) {
        (void)bucket_forgive(&cell->bucket, amount);
    } else if (cell->span != LIMIT_HELD) {
        cell->forgiven += least(amount, LIMIT_AMOUNT_MAX);
        cell->forgiven = least(cell->forgiven, cell->reserved + cell->settled + LIMIT_AMOUNT_MAX);
    }
}

/* What was forgiven by hand is not given back once more. */
void cell_correct(struct cell *cell, int64_t change)
{
    assert(limit_span_is_window(cell->span));
    if (change >= 0) {
        cell->taken += (uint64_t)change;
        cell->settled += (uint64_t)change;
        return;
    }
    uint64_t back = least((uint64_t)-change, cell->settled);
    cell->settled -= back;
    cell->refunded += back;
    if (cell->forgiven > cell->settled) {
        uint64_t rest = difference(cell->forgiven, back);
        cell->forgiven = rest > cell->settled ? rest : cell->settled;
    }
}

void cell_read(const struct cell *cell, struct store_entry *ret)
{
    *ret = (struct store_entry){
        .key = cell_key(cell),
        .span = cell->span,
        .used = cell_used(cell),
        .reserved = cell->reserved,
        .taken = cell->taken,
        .settled = cell->settled,
        .refunded = cell->refunded,
    };
    for (const struct cell_part *part = cell->open; part != NULL; part = part->next) {
        ret->open += part->amount;
    }
}

static bool window_is_over(const struct cell *cell, const struct cell_instant *at)
{
    return limit_span_is_window(cell->span) && to_ms(at->wall) >= cell->end_ms;
}

static uint64_t debt_at(const struct cell *cell, usec_t now)
{
    struct bucket bucket = cell->bucket;
    if (bucket.debt > 0) { /* so there was a limit, and the rate is known */
        bucket_advance(&bucket, &cell->rate, to_ms(now));
    }
    return bucket.debt;
}

bool cell_is_idle(const struct cell *cell, const struct cell_instant *at)
{
    if (cell->parts > 0) {
        return false;
    }
    if (cell->span == LIMIT_RATE) {
        return debt_at(cell, at->now) == 0;
    }
    return cell->span == LIMIT_HELD || window_is_over(cell, at) ||
           (cell->taken == 0 && cell->forgiven == 0);
}
