/*
 * The scrubber against the obvious way: the same bytes for every split of the stream, and exactly
 * the bytes held back that may begin a match.
 *
 * The input is a program: parts, then steps that append literal bytes, a needle or the beginning of
 * one, or end a piece.
 */
#include "auth/outbound/scrub.h"
#include "base/buffer.h"
#include "tests/support/naive_scrub.h"

#include <stdint.h>
#include <stdlib.h>

enum { PARTS = 2, PART_MAX = 40, TEXT_MAX = 400, CUTS_MAX = 64 };

struct input {
    const uint8_t *ptr;
    size_t len;
};

struct program {
    struct slice parts[PARTS];
    unsigned part_count;
    char text[TEXT_MAX];
    size_t len;
    size_t cuts[CUTS_MAX]; /* ascending ends of pieces */
    unsigned cut_count;
};

static unsigned next(struct input *input)
{
    if (input->len == 0) {
        return 0;
    }
    input->len--;
    return *input->ptr++;
}

static void read_parts(struct input *input, struct program *program)
{
    program->part_count = 1 + next(input) % PARTS;
    for (unsigned i = 0; i < program->part_count; i++) {
        size_t len = SCRUB_SECRET_MIN + next(input) % (PART_MAX - SCRUB_SECRET_MIN);
        len = len > input->len ? input->len : len;
        program->parts[i] = slice_make((const char *)input->ptr, len);
        input->ptr += len;
        input->len -= len;
    }
}

static void append(struct program *program, struct slice bytes)
{
    size_t room = TEXT_MAX - program->len;
    size_t len = bytes.len < room ? bytes.len : room;
    if (len > 0) {
        memcpy(program->text + program->len, bytes.ptr, len);
        program->len += len;
    }
}

static void read_text(struct input *input, const struct needles *needles, struct program *program)
{
    while (input->len > 0 && program->len < TEXT_MAX) {
        unsigned step = next(input);
        if (step < 96 && needles->count > 0) {
            struct slice needle = secret_reveal(needles->all[next(input) % needles->count]);
            size_t cut = step < 48 ? needle.len : next(input) % (needle.len + 1);
            append(program, slice_make(needle.ptr, cut));
        } else if (step < 160 && program->cut_count < CUTS_MAX) {
            program->cuts[program->cut_count++] = program->len;
        } else {
            char byte = (char)next(input);
            append(program, slice_make(&byte, 1));
        }
    }
}

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void feed(const struct scrubber *scrubber, const struct needles *needles,
                 const struct program *program, struct buffer *out)
{
    struct scrub_state state = {0};
    size_t at = 0;
    for (unsigned i = 0; i <= program->cut_count; i++) {
        size_t end = i < program->cut_count ? program->cuts[i] : program->len;
        struct slice piece = slice_make(program->text + at, end - at);
        if (state.held_len == 0 && scrub_is_clean(scrubber, piece)) {
            require(buffer_append(out, piece) == STATUS_OK); /* as callers do */
        } else {
            require(scrub(scrubber, &state, piece, out) == STATUS_OK);
        }
        at = end;
        require(state.held_len == naive_held(needles, slice_make(program->text, at)));
        require(buffer_len(out) + state.held_len == at);
    }
    require(scrub_end(&state, out) == STATUS_OK);
    scrub_state_fini(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    static struct program program;
    char expected[TEXT_MAX];
    struct needles needles = {0};
    struct buffer out;
    program = (struct program){.len = 0};
    read_parts(&input, &program);
    for (unsigned i = 0; i < program.part_count; i++) {
        needles_add(&needles, program.parts[i]);
    }
    needles_sort(&needles);
    read_text(&input, &needles, &program);

    struct scrubber *scrubber = scrubber_new(program.parts, program.part_count);
    require((scrubber == NULL) == (needles.count == 0));
    if (scrubber != NULL) {
        buffer_init(&out, TEXT_MAX);
        naive_scrub(&needles, slice_make(program.text, program.len), expected);
        feed(scrubber, &needles, &program, &out);
        require(slice_equal(buffer_bytes(&out), slice_make(expected, program.len)));
        (void)scrub_in_place(scrubber, program.text, program.len);
        require(memcmp(program.text, expected, program.len) == 0);
        buffer_fini(&out);
    }
    scrubber_free(scrubber);
    needles_fini(&needles);
    return 0;
}
