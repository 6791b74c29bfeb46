#include "gateway/upstream/intake.h"

#include "base/memory.h"

#include <assert.h>

void intake_init(struct intake *intake, struct intake_scratch *scratch)
{
    *intake = (struct intake){.scratch = scratch, .unread = {"", 0}};
}

void intake_fini(struct intake *intake)
{
    if (intake->scratch->holder == intake) {
        intake->scratch->holder = NULL;
    }
    memory_free(intake->kept);
    *intake = (struct intake){.scratch = intake->scratch, .unread = {"", 0}};
}

/* Somebody else wants the scratch. */
static void move_out(struct intake *intake)
{
    intake->scratch->holder = NULL;
    if (intake->unread.len == 0) {
        intake->unread = slice_make("", 0);
        return;
    }
    intake->kept = memory_copy(intake->unread);
    intake->unread.ptr = intake->kept;
}

static void move_in(struct intake *intake)
{
    struct intake_scratch *scratch = intake->scratch;
    scratch->holder = intake;
    if (intake->unread.len > 0) {
        memmove(scratch->bytes, intake->unread.ptr, intake->unread.len);
    }
    intake->unread.ptr = scratch->bytes;
    memory_free(intake->kept);
    intake->kept = NULL;
}

char *intake_reserve(struct intake *intake, size_t *ret_len)
{
    struct intake_scratch *scratch = intake->scratch;
    if (scratch->holder != NULL && scratch->holder != intake) {
        move_out(scratch->holder);
    }
    move_in(intake);
    *ret_len = sizeof(scratch->bytes) - intake->unread.len;
    return scratch->bytes + intake->unread.len;
}

void intake_commit(struct intake *intake, size_t count)
{
    assert(intake->scratch->holder == intake);
    intake->unread.len += count;
}
