/* redis_replies: the scripts' answers, which are words with blanks between them. */
#include "limiter/redis_commands.h"

#include <string.h>

/* The words that are left. */
struct words {
    struct slice rest;
    bool good;
};

static struct slice next_word(struct words *words)
{
    struct slice word = slice_make(words->rest.ptr, slice_find(words->rest, ' '));
    words->good = words->good && word.len > 0;
    words->rest = slice_skip(words->rest, word.len + 1);
    return word;
}

static uint64_t next_number(struct words *words)
{
    uint64_t number = 0;
    words->good = slice_number(next_word(words), UINT64_C(1) << 62, &number) && words->good;
    return number;
}

/* -1 for "-1". */
static int64_t next_wait(struct words *words)
{
    if (slice_starts_with(words->rest, SLICE("-1 "))) {
        (void)next_word(words);
        return -1;
    }
    return (int64_t)next_number(words);
}

static bool next_flag(struct words *words)
{
    uint64_t number = next_number(words);
    words->good = words->good && number <= 1;
    return number == 1;
}

static void read_epoch(struct words *words, struct redis_answer *ret)
{
    struct slice epoch = next_word(words);
    words->good = words->good && epoch.len < sizeof(ret->epoch);
    if (words->good) {
        memcpy(ret->epoch, epoch.ptr, epoch.len);
        ret->epoch[epoch.len] = '\0';
    }
}

static enum status check(const struct words *words, struct error *err)
{
    if (!words->good || words->rest.len > 0) {
        FAIL(err, STATUS_INVALID,
             "a reply is not one of our scripts': is another program using "
             "these keys?");
    }
    return STATUS_OK;
}

static usec_t to_usec(int64_t ms)
{
    return ms < 0 ? -1 : ms * MSEC;
}

static void read_demand(struct words *words, struct demand *demand, bool admitted)
{
    demand->refused = next_flag(words);
    demand->over = next_flag(words) || demand->over;
    demand->crossed = next_flag(words);
    uint64_t taken = next_number(words);
    demand->left = next_number(words);
    demand->whole = next_number(words);
    demand->room_after = to_usec(next_wait(words));
    demand->reset_after = to_usec(next_wait(words));
    if (admitted) {
        demand->granted += taken;
        demand->last_taken = taken;
    }
}

static bool read_head(struct words *words, struct redis_answer *ret)
{
    struct slice verdict = next_word(words);
    ret->server_ms = (int64_t)next_number(words);
    ret->data_lost = next_flag(words);
    read_epoch(words, ret);
    ret->clock_off = slice_equal(verdict, SLICE("K"));
    return slice_equal(verdict, SLICE("A"));
}

enum status redis_read_verdict(struct slice text, struct reservation *reservation,
                               struct redis_answer *ret, struct error *err)
{
    struct words words = {.rest = text, .good = true};
    *ret = (struct redis_answer){0};
    bool admitted = read_head(&words, ret);
    uint64_t output = next_number(&words);
    bool told =
        words.rest.len > 0; /* demands follow, unless it was called off or the clock is off */
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        demand->refused = false;
        if (told) {
            read_demand(&words, demand, admitted);
        }
    }
    TRY(check(&words, err));
    if (admitted) {
        reservation->output_granted += output;
    }
    bool extension = reservation->extending;
    reservation->extending = false;
    reservation->extension_refused = extension && !admitted;
    reservation->state = admitted || extension ? RESERVATION_HELD : RESERVATION_REFUSED;
    return STATUS_OK;
}

enum status redis_read_beat(struct slice text, struct redis_answer *ret, struct error *err)
{
    struct words words = {.rest = text, .good = true};
    *ret = (struct redis_answer){0};
    ret->server_ms = (int64_t)next_number(&words);
    ret->data_lost = next_flag(&words);
    read_epoch(&words, ret);
    ret->gateways = (unsigned)next_number(&words);
    ret->declared_dead = next_flag(&words);
    return check(&words, err);
}

enum status redis_read_entry(struct slice text, const struct limit *limit, struct store_entry *ret,
                             struct error *err)
{
    struct words words = {.rest = text, .good = true};
    *ret = (struct store_entry){.span = limit->span};
    ret->used = next_number(&words);
    ret->reserved = next_number(&words);
    ret->taken = next_number(&words);
    ret->settled = next_number(&words);
    ret->refunded = next_number(&words);
    ret->open = next_number(&words);
    return check(&words, err);
}
