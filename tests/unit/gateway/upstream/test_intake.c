#include "gateway/upstream/intake.h"

#include <criterion/criterion.h>

static struct intake_scratch scratch;

static void read_text(struct intake *intake, const char *text)
{
    size_t room;
    char *into = intake_reserve(intake, &room);
    cr_assert_geq(room, strlen(text));
    memcpy(into, text, strlen(text));
    intake_commit(intake, strlen(text));
}

static void assert_unread(const struct intake *intake, const char *text)
{
    cr_assert(slice_equal(intake->unread, slice_from(text)), "%.*s", SLICE_ARG(intake->unread));
}

Test(intake, adds_what_is_read_behind_what_is_unread)
{
    struct intake intake;
    intake_init(&intake, &scratch);
    read_text(&intake, "abcdef");
    intake_consume(&intake, 4);
    read_text(&intake, "gh");
    assert_unread(&intake, "efgh");
    cr_assert_null(intake.kept);
    intake_fini(&intake);
    cr_assert_null(scratch.holder);
}

Test(intake, keeps_unread_bytes_when_another_reads)
{
    struct intake one;
    struct intake two;
    intake_init(&one, &scratch);
    intake_init(&two, &scratch);
    read_text(&one, "first");
    intake_consume(&one, 1);
    read_text(&two, "second");
    assert_unread(&one, "irst");
    read_text(&one, "!");
    assert_unread(&one, "irst!");
    assert_unread(&two, "second");
    cr_assert_null(one.kept, "it is back in the scratch");
    intake_fini(&one);
    intake_consume(&two, 3);
    assert_unread(&two, "ond");
    intake_fini(&two);
}

Test(intake, copies_nothing_of_what_was_used_up)
{
    struct intake one;
    struct intake two;
    intake_init(&one, &scratch);
    intake_init(&two, &scratch);
    read_text(&one, "first");
    intake_consume(&one, 5);
    read_text(&two, "second");
    cr_assert_null(one.kept);
    cr_assert_eq(one.unread.len, 0);
    intake_fini(&one);
    intake_fini(&two);
}

Test(intake, ends_while_another_holds_the_scratch)
{
    struct intake one;
    struct intake two;
    intake_init(&one, &scratch);
    intake_init(&two, &scratch);
    read_text(&one, "first");
    read_text(&two, "second");
    intake_fini(&one);
    assert_unread(&two, "second");
    intake_fini(&two);
}

Test(intake, has_no_room_when_all_is_unread)
{
    struct intake intake;
    size_t room;
    intake_init(&intake, &scratch);
    (void)intake_reserve(&intake, &room);
    cr_assert_eq(room, INTAKE_BYTES);
    intake_commit(&intake, room);
    (void)intake_reserve(&intake, &room);
    cr_assert_eq(room, 0);
    intake_fini(&intake);
}
