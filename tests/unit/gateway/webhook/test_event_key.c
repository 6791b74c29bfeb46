#include "auth/inbound/webhook_signature.h"
#include "gateway/webhook/event_key.h"

#include <criterion/criterion.h>

static struct event_key key_of(const char *hook, const char *id, bool id_signed, char content)
{
    struct webhook_result result = {.event_id = slice_from(id), .event_id_signed = id_signed};
    struct event_key key;
    memset(result.content_hash, content, sizeof(result.content_hash));
    event_key_make(slice_from(hook), &result, &key);
    return key;
}

static bool same(const unsigned char *a, const unsigned char *b)
{
    return memcmp(a, b, SHA256_BYTES) == 0;
}

Test(event_key, a_signed_id_is_all_that_counts)
{
    struct event_key first = key_of("a", "evt_1", true, 'x');
    struct event_key changed = key_of("a", "evt_1", true, 'y');
    struct event_key other = key_of("a", "evt_2", true, 'x');
    cr_expect(same(first.key, changed.key));
    cr_expect_not(same(first.key, other.key));
    cr_expect_not(first.content_known, "another event may have the same content");
}

Test(event_key, an_id_that_is_not_signed_counts_together_with_the_content)
{
    struct event_key first = key_of("a", "evt_1", false, 'x');
    struct event_key another_id = key_of("a", "evt_2", false, 'x');
    struct event_key another_content = key_of("a", "evt_1", false, 'y');
    cr_expect(same(first.key, key_of("a", "evt_1", false, 'x').key));
    cr_expect_not(same(first.key, another_id.key));
    cr_expect_not(same(first.key, another_content.key));
    cr_expect(first.content_known);
    cr_expect(same(first.content, another_id.content));
    cr_expect_not(same(first.content, another_content.content));
}

Test(event_key, without_an_id_the_content_is_the_key)
{
    struct event_key first = key_of("a", "", false, 'x');
    cr_expect(same(first.key, key_of("a", "", false, 'x').key));
    cr_expect_not(same(first.key, key_of("a", "", false, 'y').key));
    cr_expect_not(first.content_known);
    cr_expect_not(same(key_of("a", "", true, 'x').key, key_of("a", "", true, 'y').key));
}

Test(event_key, hooks_do_not_share)
{
    cr_expect_not(same(key_of("a", "evt", true, 'x').key, key_of("b", "evt", true, 'x').key));
    cr_expect_not(same(key_of("a", "e", false, 'x').content, key_of("b", "e", false, 'x').content));
}

Test(event_key, an_id_cannot_be_made_to_look_like_another_way_of_knowing)
{
    struct event_key by_content = key_of("a", "e", false, 'x');
    struct event_key by_id = key_of("a", "contentxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxe", true, 'x');
    cr_expect_not(same(by_content.key, by_id.key));
    cr_expect_not(same(key_of("ab", "c", true, 'x').key, key_of("a", "bc", true, 'x').key));
}

Test(event_key, objects_have_an_order_of_their_own)
{
    uint64_t first = event_order_hash(SLICE("a"), SLICE("cus_1"));
    cr_expect_eq(first, event_order_hash(SLICE("a"), SLICE("cus_1")));
    cr_expect_neq(first, event_order_hash(SLICE("a"), SLICE("cus_2")));
    cr_expect_neq(first, event_order_hash(SLICE("b"), SLICE("cus_1")));
}
