#include "gateway/webhook/queue_reader.h"
#include "tests/unit/gateway/webhook/queue_rig.h"

TestSuite(queue_reader, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

static char told[2000];

static void tell(void *ctx, const struct queue_entry *entry)
{
    (void)ctx;
    size_t len = strlen(told);
    (void)snprintf(told + len, sizeof(told) - len, "%s%.*s:%.*s:%s", len == 0 ? "" : " ",
                   SLICE_ARG(entry->event_id), SLICE_ARG(entry->target),
                   queue_state_name(entry->state));
}

static const char *list(struct queue_filter filter)
{
    struct queue_reader *reader = NULL;
    told[0] = '\0';
    OK(queue_reader_open(path, &reader, &err));
    OK(queue_reader_list(reader, &filter, 0, 100, NULL, tell, &err));
    queue_reader_close(reader);
    return told;
}

Test(queue_reader, lists_the_newest_first)
{
    put_event("a");
    put_event("b");
    put_event("c");
    cr_expect_str_eq(list((struct queue_filter){0}),
                     "c:billing:waiting b:billing:waiting a:billing:waiting");
}
