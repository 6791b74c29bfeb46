/* redis_replies: the scripts' answers, which are words with blanks between them. */
#include "limiter/redis_commands.h"

#include <string.h>

enum { NUMBER_DIGITS_MAX = 18 }; /* fit 64 bits; what a double counts has 16 */

/* The words that are left. */
struct words {
    struct slice rest;
    bool good;
};

/* Goes on behind a word of `len` bytes, and the blank behind that, which another word has to
 * follow. */
static void skip_word(struct words *words, size_t len)
{
    const char *at = words->rest.ptr + len;
    size_t left = words->rest.len - len;
    words->good = words->good && len > 0 && (left == 0 || (left > 1 && *at == ' '));
    words->rest = left == 0 ? slice_make(at, 0) : slice_make(at + 1, left - 1);
}

static struct slice next_word(struct words *words)
{
    struct slice word = slice_make(words->rest.ptr, slice_find(words->rest, ' '));
    skip_word(words, word.len);
    return word;
}

static uint64_t next_number(struct words *words)
{
    const char *at = words->rest.ptr;
    uint64_t number = 0;
    size_t len = 0;
    while (len < words->rest.len && (unsigned char)(at[len] - '0') <= 9) {
        number = number * 10 + (uint64_t)(at[len] - '0');
        len++;
    }
    words->good = words->good && len <= NUMBER_DIGITS_MAX;
    skip_word(words, len);
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

/* What is granted is added when all of the reply is known to be good. */
static void read_demand(struct words *words, struct demand *demand)
{
    demand->refused = next_flag(words);
    demand->over = next_flag(words) || demand->over;
    demand->crossed = next_flag(words);
    demand->last_taken = next_number(words);
    demand->left = next_number(words);
    demand->whole = next_number(words);
    demand->room_after = to_usec(next_wait(words));
    demand->reset_after = to_usec(next_wait(words));
}

/* The verdict's letter, see redis_scripts/admit.lua; 0: it is none. */
static char read_head(struct words *words, struct redis_answer *ret)
{
    struct slice verdict = next_word(words);
    bool known = verdict.len == 1 && strchr("ARCK", verdict.ptr[0]) != NULL;
    words->good = words->good && known;
    ret->server_ms = (int64_t)next_number(words);
    ret->data_lost = next_flag(words);
    read_epoch(words, ret);
    return known ? verdict.ptr[0] : '\0';
}

/* An admission tells of all demands; a refusal, too, unless there was nothing to extend. */
static void read_demands(struct words *words, char verdict, struct reservation *reservation)
{
    bool told = verdict == 'A' || (verdict == 'R' && words->rest.len > 0);
    for (unsigned i = 0; i < reservation->count; i++) {
        reservation->demands[i].refused = false;
        reservation->demands[i].last_taken = 0;
        if (told) {
            read_demand(words, &reservation->demands[i]);
        }
    }
}

enum status redis_read_verdict(struct slice text, struct reservation *reservation,
                               struct redis_answer *ret, struct error *err)
{
    struct words words = {.rest = text, .good = true};
    *ret = (struct redis_answer){0};
    char verdict = read_head(&words, ret);
    uint64_t output = next_number(&words);
    read_demands(&words, verdict, reservation);
    TRY(check(&words, err));
    bool admitted = verdict == 'A';
    bool extension = reservation->extending;
    ret->clock_off = verdict == 'K';
    for (unsigned i = 0; i < reservation->count; i++) {
        reservation->demands[i].granted += reservation->demands[i].last_taken;
    }
    reservation->output_granted += output;
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
