#include "auth/outbound/scrub.h"

#include "auth/outbound/needles.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/secret.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The search is that of Wu and Manber ("A fast algorithm for multi-pattern searching", 1994): a
 * window as long as the shortest needle slides over the text. The four bytes at its end say how
 * far it may jump: as far as those bytes lie from the end of the window in any needle, and over
 * all of them if they are in none, which is the usual case. Where it may not jump at all, the
 * needles that begin like the window are compared, found by bisection.
 */
enum { BLOCK = 4, TABLE_BITS_MIN = 10, TABLE_BITS_MAX = 16, SHIFT_MAX = 255 };

_Static_assert((int)SCRUB_SECRET_MIN == (int)NEEDLE_PART_MIN, "one minimum");
_Static_assert((int)NEEDLE_MAX <= (int)SCRUB_HELD_MAX, "a needle can be held");

struct scrubber {
    struct needles needles; /* owned; sorted */
    struct slice *views;    /* owned; of the needles' bytes, in the same order */
    size_t count;
    size_t window;       /* length of the shortest needle */
    unsigned hash_shift; /* 32 - bits of the jump table's index */
    bool first[256];     /* some needle begins with this byte */
    uint8_t *jump;       /* owned; by hash of a block */
};

static unsigned block_hash(const struct scrubber *scrubber, const char *block)
{
    uint32_t word;
    memcpy(&word, block, BLOCK);
    return word * 2654435761U >> scrubber->hash_shift;
}

static void fill_jumps(struct scrubber *scrubber, unsigned bits)
{
    size_t none = scrubber->window - BLOCK + 1;
    size_t size = (size_t)1 << bits;
    scrubber->hash_shift = 32 - bits;
    scrubber->jump = memory_alloc(size);
    memset(scrubber->jump, (int)(none < SHIFT_MAX ? none : SHIFT_MAX), size);
    for (size_t i = 0; i < scrubber->count; i++) {
        const char *needle = scrubber->views[i].ptr;
        scrubber->first[(unsigned char)needle[0]] = true;
        for (size_t at = 0; at + BLOCK <= scrubber->window; at++) {
            size_t jump = scrubber->window - BLOCK - at;
            uint8_t *entry = &scrubber->jump[block_hash(scrubber, needle + at)];
            if (jump < *entry) {
                *entry = (uint8_t)jump;
            }
        }
    }
}

struct scrubber *scrubber_new(const struct slice *parts, unsigned count)
{
    struct needles needles = {0};
    for (unsigned i = 0; i < count; i++) {
        needles_add(&needles, parts[i]);
    }
    if (needles.count == 0) {
        needles_fini(&needles);
        return NULL;
    }
    needles_sort(&needles);
    struct scrubber *scrubber = MEMORY_NEW(struct scrubber);
    scrubber->needles = needles;
    scrubber->count = needles.count;
    scrubber->views = memory_alloc(needles.count * sizeof(struct slice));
    scrubber->window = SIZE_MAX;
    for (size_t i = 0; i < needles.count; i++) {
        scrubber->views[i] = secret_reveal(needles.all[i]);
        if (scrubber->views[i].len < scrubber->window) {
            scrubber->window = scrubber->views[i].len;
        }
    }
    /* Sparse enough that few blocks of clean text hit a used entry; small enough for the cache. */
    unsigned bits = TABLE_BITS_MIN;
    while (bits < TABLE_BITS_MAX && (size_t)1 << bits < 8 * needles.count * scrubber->window) {
        bits++;
    }
    fill_jumps(scrubber, bits);
    return scrubber;
}

void scrubber_free(struct scrubber *scrubber)
{
    if (scrubber == NULL) {
        return;
    }
    needles_fini(&scrubber->needles);
    memory_free(scrubber->views);
    memory_free(scrubber->jump);
    memory_free(scrubber);
}

/* The first needle that is not less than the `len` bytes, which are no more than the window. */
static size_t bisect(const struct scrubber *scrubber, const char *bytes, size_t len)
{
    size_t low = 0;
    size_t high = scrubber->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(scrubber->views[middle].ptr, bytes, len) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct finding {
    size_t at;
    size_t match_len; /* of the longest needle that lies here; 0: none */
    bool open;        /* all bytes from here are the beginning of a needle */
};

/* What begins at `at`. */
static bool look_at(const struct scrubber *scrubber, struct slice text, size_t at,
                    struct finding *ret)
{
    const char *bytes = text.ptr + at;
    size_t left = text.len - at;
    size_t front = left < scrubber->window ? left : scrubber->window;
    *ret = (struct finding){.at = at};
    for (size_t i = bisect(scrubber, bytes, front); i < scrubber->count; i++) {
        struct slice needle = scrubber->views[i];
        if (memcmp(needle.ptr, bytes, front) != 0) {
            break;
        }
        if (needle.len > left) {
            ret->open = ret->open || memcmp(needle.ptr, bytes, left) == 0;
        } else if (needle.len > ret->match_len && memcmp(needle.ptr, bytes, needle.len) == 0) {
            ret->match_len = needle.len;
        }
        if (left < scrubber->window) {
            break; /* one that goes on is enough, and none can end here */
        }
    }
    return ret->open || ret->match_len > 0;
}

/* Jumps over clean text, thrice before it looks whether to go on: a jump of 0 stays where it is.
 * Ends at a place that is worth a look, or near the end of the text. */
static size_t skip_clean(const struct scrubber *scrubber, struct slice text, size_t at)
{
    size_t window = scrubber->window;
    size_t jump = 1;
    while (jump > 0 && at + 4 * window <= text.len) {
        const char *last_block = text.ptr + window - BLOCK;
        at += scrubber->jump[block_hash(scrubber, last_block + at)];
        at += scrubber->jump[block_hash(scrubber, last_block + at)];
        jump = scrubber->jump[block_hash(scrubber, last_block + at)];
        at += jump;
    }
    return at;
}

/* The next place, from *at on, where something begins that may end in the text; else *at is where
 * the text has no room for a needle any more. */
static bool find_in_window(const struct scrubber *scrubber, struct slice text, size_t *at,
                           struct finding *ret)
{
    size_t window = scrubber->window;
    *at = skip_clean(scrubber, text, *at);
    while (*at + window <= text.len) {
        size_t jump = scrubber->jump[block_hash(scrubber, text.ptr + *at + window - BLOCK)];
        if (jump > 0) {
            *at = skip_clean(scrubber, text, *at + jump);
            continue;
        }
        if (look_at(scrubber, text, *at, ret)) {
            return true;
        }
        (*at)++;
    }
    return false;
}

/* The next place, from `at` on, where something begins. */
static bool find_next(const struct scrubber *scrubber, struct slice text, size_t at,
                      struct finding *ret)
{
    if (find_in_window(scrubber, text, &at, ret)) {
        return true;
    }
    for (; at < text.len; at++) {
        if (scrubber->first[(unsigned char)text.ptr[at]] && look_at(scrubber, text, at, ret)) {
            return true;
        }
    }
    return false;
}

enum stream_end { STREAM_GOES_ON, STREAM_ENDS };

/* Bytes to replace once the search has left them: a later match may overlap. */
struct pending {
    size_t start, end;
    unsigned hits;
};

static void put_stars(char *text, size_t start, size_t end)
{
    if (end > start) {
        memset(text + start, '*', end - start);
    }
}

/* Replaces what matches, except for *pending. Returns the position from which on all bytes must be
 * held, for they may begin a match. */
static size_t replace(const struct scrubber *scrubber, char *text, size_t len, enum stream_end end,
                      struct pending *pending)
{
    struct finding found;
    for (size_t from = 0; find_next(scrubber, slice_make(text, len), from, &found);
         from = found.at + 1) {
        if (found.open && end == STREAM_GOES_ON) {
            return found.at;
        }
        if (found.match_len == 0) {
            continue;
        }
        if (found.at > pending->end) {
            put_stars(text, pending->start, pending->end);
            pending->start = found.at;
        }
        if (found.at + found.match_len > pending->end) {
            pending->end = found.at + found.match_len;
        }
        pending->hits++;
    }
    return len;
}

/* Growing does not leave a copy behind. */
static void make_held_room(struct scrub_state *state, size_t len)
{
    assert(len <= SCRUB_HELD_MAX);
    if (len <= state->held_size) {
        return;
    }
    size_t size = 64;
    while (size < len) {
        size *= 2;
    }
    scrub_state_fini(state);
    state->held = memory_alloc(size);
    state->held_size = size;
}

/* Both steps of a stream: held + input go to the end of `out` and are worked on there. */
static enum status advance(const struct scrubber *scrubber, struct scrub_state *state,
                           struct slice input, struct buffer *out, enum stream_end end)
{
    size_t len = state->held_len + input.len;
    if (len == 0) {
        return STATUS_OK;
    }
    TRY(buffer_reserve(out, len));
    char *text = buffer_tail(out);
    if (state->held_len > 0) {
        memcpy(text, state->held, state->held_len);
    }
    if (input.len > 0) {
        memcpy(text + state->held_len, input.ptr, input.len);
    }

    struct pending pending = {.end = state->covered, .hits = state->hits};
    size_t ready = replace(scrubber, text, len, end, &pending);
    make_held_room(state, len - ready);
    state->scrubber = scrubber;
    state->hits = pending.hits;
    state->held_len = len - ready;
    state->covered = pending.end > ready ? pending.end - ready : 0;
    if (state->held_len > 0) {
        memcpy(state->held, text + ready, state->held_len);
        secret_wipe(text + ready, state->held_len);
    }
    put_stars(text, pending.start, pending.end < ready ? pending.end : ready);
    buffer_commit(out, ready);
    return STATUS_OK;
}

enum status scrub(const struct scrubber *scrubber, struct scrub_state *state, struct slice input,
                  struct buffer *out)
{
    return advance(scrubber, state, input, out, STREAM_GOES_ON);
}

enum status scrub_end(struct scrub_state *state, struct buffer *out)
{
    return state->held_len == 0
               ? STATUS_OK
               : advance(state->scrubber, state, slice_make(NULL, 0), out, STREAM_ENDS);
}

void scrub_state_fini(struct scrub_state *state)
{
    if (state->held != NULL) {
        secret_wipe(state->held, state->held_size);
        memory_free(state->held);
    }
    *state = (struct scrub_state){0};
}

unsigned scrub_in_place(const struct scrubber *scrubber, char *ptr, size_t len)
{
    struct pending pending = {0};
    (void)replace(scrubber, ptr, len, STREAM_ENDS, &pending);
    put_stars(ptr, pending.start, pending.end);
    return pending.hits;
}

int scrub_has_match(const struct scrubber *scrubber, struct slice bytes)
{
    struct finding found;
    size_t at = 0;
    while (find_in_window(scrubber, bytes, &at, &found)) {
        if (found.match_len > 0) {
            return true;
        }
        at++;
    }
    return false;
}

int scrub_is_clean(const struct scrubber *scrubber, struct slice bytes)
{
    struct finding found;
    return !find_next(scrubber, bytes, 0, &found);
}
