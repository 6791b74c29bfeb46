/* redis_replies: the scripts' answers: verdicts, which are packed, and words with blanks between.
 */
#include "limiter/bucket.h"
#include "limiter/redis_commands.h"

#include <endian.h>
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

static bool next_flag(struct words *words)
{
    uint64_t number = next_number(words);
    words->good = words->good && number <= 1;
    return number == 1;
}

static void take_epoch(struct words *words, struct slice epoch, struct redis_answer *ret)
{
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

/* ---- what is packed ---- */

static struct slice next_bytes(struct words *words, size_t len)
{
    struct slice bytes = slice_make(words->rest.ptr, len);
    words->good = words->good && len <= words->rest.len;
    if (!words->good) {
        return slice_make("", 0);
    }
    words->rest = slice_make(words->rest.ptr + len, words->rest.len - len);
    return bytes;
}

static unsigned next_byte(struct words *words)
{
    struct slice byte = next_bytes(words, 1);
    return byte.len == 0 ? 0 : (unsigned char)byte.ptr[0];
}

/* A double that is a whole number which it counts exactly; else it is 0, and *good false. */
static inline uint64_t unpack_number(const char *at, bool *good)
{
    static const double most = (double)(UINT64_C(1) << 53);
    uint64_t bits;
    double value;
    memcpy(&bits, at, sizeof(bits));
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof(value));
    /* Through int64_t: uint64_t is not one instruction. */
    if (!(value >= 0 && value <= most) || (double)(int64_t)value != value) {
        *good = false;
        return 0;
    }
    return (uint64_t)(int64_t)value;
}

static uint64_t next_double(struct words *words)
{
    struct slice bytes = next_bytes(words, sizeof(double));
    return bytes.len == 0 ? 0 : unpack_number(bytes.ptr, &words->good);
}

static struct slice next_text(struct words *words)
{
    struct slice text = next_bytes(words, slice_find(words->rest, '\0'));
    (void)next_byte(words); /* the zero */
    return text;
}

/* ---- verdicts: see redis_scripts/admit.lua ---- */

enum { MARK_OVER = 1, MARK_CROSSED = 2, MARK_REFUSED = 4 };

/* What was told of a demand. */
struct told {
    unsigned marks;
    uint64_t amount; /* granted, or refused */
    uint64_t count;  /* a rate's debt, else what is left */
    uint64_t rest;   /* a rate's fraction, a window's end */
    int64_t server_ms;
};

static void conclude_rate(struct demand *demand, const struct told *told)
{
    const struct limit *limit = demand->limit;
    const struct bucket bucket = {.debt = told->count, .fraction = told->rest};
    const struct bucket_rate rate = {limit->amount, limit->burst, (uint64_t)(limit->period / MSEC)};
    demand->left = bucket_left(&bucket, &rate);
    demand->reset_after = bucket_full_ms(&bucket, &rate) * MSEC;
    if (demand->refused) {
        int64_t wait_ms = bucket_wait_ms(&bucket, &rate, told->amount);
        demand->room_after = wait_ms < 0 ? -1 : wait_ms * MSEC;
    }
}

/* Before what was granted is added. */
static void note_window(struct demand *demand, const struct told *told)
{
    if (!demand->refused && told->amount > 0 && demand->window_end_ms != (int64_t)told->rest) {
        demand->former = demand->granted;
        demand->window_start_ms = 0; /* only its end is told */
        demand->window_end_ms = (int64_t)told->rest;
    }
}

static void conclude_window(struct demand *demand, const struct told *told)
{
    note_window(demand, told);
    demand->left = told->count;
    demand->reset_after = ((int64_t)told->rest - told->server_ms) * MSEC;
    if (demand->refused) {
        demand->room_after = told->amount > demand->whole ? -1 : demand->reset_after;
    }
}

static void conclude_held(struct demand *demand, const struct told *told)
{
    demand->left = told->count;
    demand->reset_after = 0;
    if (demand->refused) {
        demand->room_after = told->amount > demand->whole ? -1 : 0;
    }
}

/* What is granted is added when all of the reply is known to be good. */
static void conclude(struct demand *demand, const struct told *told)
{
    demand->refused = (told->marks & MARK_REFUSED) != 0;
    demand->over = (told->marks & MARK_OVER) != 0 || demand->over;
    demand->crossed = (told->marks & MARK_CROSSED) != 0;
    demand->last_taken = demand->refused ? 0 : told->amount;
    demand->whole = limit_whole(demand->limit);
    demand->room_after = 0;
    switch (demand->limit->span) {
    case LIMIT_RATE:
        conclude_rate(demand, told);
        break;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        conclude_window(demand, told);
        break;
    case LIMIT_HELD:
        conclude_held(demand, told);
        break;
    }
}

static void read_demand(struct words *words, char verdict, int64_t server_ms, struct demand *demand)
{
    enum { ANSWER_BYTES = 1 + 3 * sizeof(double) };
    struct slice answer = next_bytes(words, ANSWER_BYTES);
    if (answer.len == 0) {
        return;
    }
    struct told told = {.server_ms = server_ms, .marks = (unsigned char)answer.ptr[0]};
    told.amount = unpack_number(answer.ptr + 1, &words->good);
    told.count = unpack_number(answer.ptr + 1 + sizeof(double), &words->good);
    told.rest = unpack_number(answer.ptr + 1 + 2 * sizeof(double), &words->good);
    bool known =
        told.marks <= MARK_OVER + MARK_CROSSED || (told.marks == MARK_REFUSED && verdict == 'R');
    words->good = words->good && known;
    if (words->good) {
        conclude(demand, &told);
    }
}

/* The verdict's letter; 0: it is none. */
static char read_head(struct words *words, struct redis_answer *ret, uint64_t *ret_output)
{
    unsigned verdict = next_byte(words);
    bool known = verdict != 0 && strchr("ARCKL", (int)verdict) != NULL;
    ret->server_ms = (int64_t)next_double(words);
    unsigned lost = next_byte(words);
    ret->data_lost = lost == 1;
    *ret_output = next_double(words);
    words->good = words->good && known && lost <= 1;
    take_epoch(words, next_text(words), ret);
    return known ? (char)verdict : '\0';
}

/* An admission tells of all demands; a refusal, too, unless there was nothing to extend. */
static void read_demands(struct words *words, char verdict, int64_t server_ms,
                         struct reservation *reservation)
{
    bool told = verdict == 'A' || (verdict == 'R' && words->rest.len > 0);
    for (unsigned i = 0; i < reservation->count; i++) {
        reservation->demands[i].refused = false;
        reservation->demands[i].last_taken = 0;
        if (told) {
            read_demand(words, verdict, server_ms, &reservation->demands[i]);
        }
    }
}

uint64_t redis_epoch_number(const char *epoch)
{
    uint64_t number = 0;
    for (; *epoch != '\0'; epoch++) {
        number = number * 16 + (unsigned)(*epoch <= '9' ? *epoch - '0' : *epoch - 'a' + 10);
    }
    return number;
}

enum status redis_read_verdict(struct slice text, struct reservation *reservation,
                               struct redis_answer *ret, struct error *err)
{
    struct words words = {.rest = text, .good = true};
    *ret = (struct redis_answer){0};
    uint64_t output;
    char verdict = read_head(&words, ret, &output);
    read_demands(&words, verdict, ret->server_ms, reservation);
    TRY(check(&words, err));
    bool admitted = verdict == 'A';
    bool extension = reservation->extending;
    ret->clock_off = verdict == 'K';
    ret->windows_lost = verdict == 'L';
    for (unsigned i = 0; i < reservation->count; i++) {
        reservation->demands[i].granted += reservation->demands[i].last_taken;
    }
    if (admitted && !extension) {
        reservation->epoch = redis_epoch_number(ret->epoch);
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
    take_epoch(&words, next_word(&words), ret);
    ret->gateways = (unsigned)next_number(&words);
    ret->declared_dead = next_flag(&words);
    ret->needed = (unsigned)next_number(&words);
    ret->handed = (unsigned)next_number(&words);
    ret->wait_ms = (int64_t)next_number(&words);
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
