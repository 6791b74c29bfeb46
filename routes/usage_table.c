#include "routes/usage_table.h"

void usage_figures_merge(struct usage_figures *figures, const struct usage_figures *more)
{
    for (uint32_t left = more->seen; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);
        figures->values[i] = more->values[i];
    }
    figures->seen |= more->seen;
}

/* ---- what figures mean ---- */

struct reading {
    const struct usage_table *table;
    uint64_t values[USAGE_FIGURES]; /* 0: not told */
    unsigned told;                  /* a bit each: 1 << figure */
    unsigned final;                 /* not only by an early one */
    unsigned known;                 /* the table has a place for it */
};

static bool has(unsigned set, unsigned figure)
{
    return (set >> figure & 1) != 0;
}

static void read_figures(struct reading *reading, const struct usage_figures *figures)
{
    for (unsigned i = 0; i < reading->table->place_count; i++) {
        const struct usage_place *place = &reading->table->places[i];
        unsigned bit = 1U << place->figure;
        reading->known |= bit;
        if (!has(figures->seen, i) || (has(reading->told, place->figure) && !place->plus)) {
            continue;
        }
        reading->values[place->figure] += figures->values[i];
        reading->told |= bit;
        reading->final |= place->early ? 0 : bit;
    }
}

/* What is part of another figure is taken out of that. False: there is not so much in it. */
static bool take_out(const struct reading *reading, enum usage_kind kind, uint64_t *from)
{
    if (!has(reading->table->within, kind)) {
        return true;
    }
    return !__builtin_sub_overflow(*from, reading->values[kind], from);
}

/* Of what came from the cache nobody says whether it was text: it is, as far as there was any. */
static bool take_cached(const struct reading *reading, enum usage_kind kind, struct usage *usage)
{
    uint64_t *const from[] = {&usage->input, &usage->audio_input, &usage->image_input};
    uint64_t cached = has(reading->table->within, kind) ? reading->values[kind] : 0;
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        uint64_t taken = cached < *from[i] ? cached : *from[i];
        *from[i] -= taken;
        cached -= taken;
    }
    return cached == 0;
}

static bool sum_input(const struct reading *reading, struct usage *usage)
{
    usage->input = reading->values[USAGE_INPUT] + reading->values[FIGURE_INPUT_MORE];
    return take_out(reading, USAGE_AUDIO_INPUT, &usage->input) &&
           take_out(reading, USAGE_IMAGE_INPUT, &usage->input) &&
           take_cached(reading, USAGE_CACHE_READ, usage) &&
           take_cached(reading, USAGE_CACHE_WRITE, usage);
}

/* Some leave the reasoning out of the output, or leave that out altogether: then the total tells.
 */
static bool sum_output(const struct reading *reading, struct usage *usage)
{
    uint64_t total = reading->values[FIGURE_TOTAL];
    usage->output = reading->values[USAGE_OUTPUT];
    if (!has(reading->table->within, USAGE_REASONING)) {
        usage->output += usage->reasoning;
    }
    if (!take_out(reading, USAGE_AUDIO_OUTPUT, &usage->output) ||
        !take_out(reading, USAGE_IMAGE_OUTPUT, &usage->output)) {
        return false;
    }
    uint64_t tokens = usage_tokens(usage);
    if (total > tokens) {
        usage->output += total - tokens;
    }
    return true;
}

bool usage_table_sum(const struct usage_table *table, const struct usage_figures *figures,
                     struct usage *ret, struct usage_told *ret_told)
{
    const unsigned output = 1U << USAGE_OUTPUT | 1U << FIGURE_TOTAL | 1U << USAGE_AUDIO_OUTPUT |
                            1U << USAGE_IMAGE_OUTPUT;
    struct reading reading = {.table = table};
    struct usage usage = {0};
    read_figures(&reading, figures);
    for (enum usage_kind kind = USAGE_INPUT; kind < USAGE_KINDS; kind++) {
        usage_set(&usage, kind, reading.values[kind]);
    }
    *ret_told = (struct usage_told){
        .input = has(reading.told, USAGE_INPUT),
        .output = (reading.known & output) == 0 || (reading.final & output) != 0,
        .units = reading.told >> USAGE_IMAGES & ((1U << (USAGE_KINDS - USAGE_IMAGES)) - 1),
    };
    if (!sum_input(&reading, &usage) || !sum_output(&reading, &usage) ||
        usage_input(&usage) > USAGE_TOKENS_MAX || usage_output(&usage) > USAGE_TOKENS_MAX) {
        return false;
    }
    *ret = usage;
    return true;
}

bool usage_table_has(const struct usage_table *table, unsigned figure)
{
    for (unsigned i = 0; i < table->place_count; i++) {
        if (table->places[i].figure == figure) {
            return true;
        }
    }
    return false;
}

/* ---- before it is told ---- */

enum {
    BYTES_A_SEGMENT = 64, /* of an SMS: 67 characters, where it is not of the GSM alphabet */
    BYTES_A_SEARCH = 400, /* a hundred documents of a byte each, with quotes and comma */
};

static uint64_t bound_of(enum usage_kind kind, uint64_t bytes, uint64_t choices)
{
    switch (kind) {
    case USAGE_CHARACTERS:
    case USAGE_MILLISECONDS: /* sound has 8,000 bits a second at least */
        return bytes;
    case USAGE_MESSAGES:
    case USAGE_SEGMENTS:
        return 1 + bytes / BYTES_A_SEGMENT;
    case USAGE_SEARCHES:
        return 1 + bytes / BYTES_A_SEARCH;
    case USAGE_IMAGES:
        return choices;
    case USAGE_INPUT:
    case USAGE_CACHE_READ:
    case USAGE_CACHE_WRITE:
    case USAGE_AUDIO_INPUT:
    case USAGE_IMAGE_INPUT:
    case USAGE_OUTPUT:
    case USAGE_AUDIO_OUTPUT:
    case USAGE_IMAGE_OUTPUT:
    case USAGE_REASONING:
    case USAGE_KINDS:
        break;
    }
    return 0;
}

struct usage usage_table_bound(const struct usage_table *table, const struct usage_figures *known,
                               uint64_t request_bytes, uint64_t choices)
{
    struct reading reading = {.table = table};
    struct usage usage = {0};
    read_figures(&reading, known);
    for (enum usage_kind kind = USAGE_IMAGES; kind < USAGE_KINDS; kind++) {
        if (has(reading.known, kind)) {
            usage_set(&usage, kind,
                      has(reading.told, kind) ? reading.values[kind]
                                              : bound_of(kind, request_bytes, choices));
        }
    }
    return usage;
}
