#include "tests/unit/gateway/webhook/queue_rig.h"

TestSuite(queue, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

Test(queue, what_is_put_is_taken_with_all_that_it_has)
{
    struct queue_put put = an_event("evt_1");
    cr_assert_eq(put_it(&put), QUEUE_STORED, "%s", put.error);
    struct queue_delivery *delivery = take_one();
    cr_assert_not_null(delivery);
    cr_expect_str_eq(delivery->id, put.id);
    cr_expect_eq(delivery->attempts, 0U);
    cr_expect_eq(delivery->received_at, put.received_at);
    cr_expect(slice_equal(delivery->event_id, put.event_id));
    cr_expect(slice_equal(delivery->type, put.type));
    cr_expect(slice_equal(delivery->fields, put.fields));
    cr_expect(slice_equal(delivery->body, put.body));
    cr_expect_null(take_one()); /* for it is under way */
    settle(delivery, QUEUE_DELIVERED, 0);
    struct queue_stats stats = stats_now();
    cr_expect_eq(stats.waiting, 0U);
    cr_expect_eq(stats.delivered, 1U);
    cr_expect_eq(stats.events, 1U);
    cr_expect_eq(stats.bytes, put.fields.len + put.body.len);
    cr_expect_null(take_one());
}
