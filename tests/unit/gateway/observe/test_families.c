#include "base/buffer.h"
#include "gateway/observe/families.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/page.h"

#include <criterion/criterion.h>

static void expect_line(const struct metrics *metrics, const char *line)
{
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&page, 1024 * 1024);
    cr_assert_eq(page_put_families(metrics, &page), STATUS_OK);
    cr_assert_eq(buffer_append(&page, slice_make("", 1)), STATUS_OK); /* a zero behind it */
    cr_expect_not_null(strstr(buffer_bytes(&page).ptr, line), "%s", line);
}

/* A series is looked for by the addresses of its values first: those may have other texts now. */
Test(families, counts_by_what_a_value_says_not_by_where_it_lies)
{
    char route[] = "openai";
    const char *const labels[] = {route, "well"};
    struct metrics *metrics = metrics_new(1);
    struct metrics_block *block = metrics_block(metrics, 0);
    metrics_count(block, FAMILY_health_checks_total, labels, 1);
    metrics_count(block, FAMILY_health_checks_total, labels, 1);
    memcpy(route, "stripe", sizeof(route));
    metrics_count(block, FAMILY_health_checks_total, labels, 5);
    memcpy(route, "open\0i", sizeof(route)); /* the beginning of one that is known */
    metrics_count(block, FAMILY_health_checks_total, labels, 7);
    memcpy(route, "openai", sizeof(route));
    metrics_count(block, FAMILY_health_checks_total, labels, 1);
    expect_line(metrics, "health_checks_total{route=\"openai\",result=\"well\"} 3\n");
    expect_line(metrics, "health_checks_total{route=\"stripe\",result=\"well\"} 5\n");
    expect_line(metrics, "health_checks_total{route=\"open\",result=\"well\"} 7\n");
    metrics_free(metrics);
}

Test(families, one_address_in_several_families_is_several_series)
{
    const char *const labels[] = {"openai", "sent"};
    struct metrics *metrics = metrics_new(1);
    struct metrics_block *block = metrics_block(metrics, 0);
    metrics_count(block, FAMILY_hedges_total, labels, 1);
    metrics_count(block, FAMILY_retries_total, labels, 2);
    metrics_count(block, FAMILY_hedges_total, labels, 4);
    expect_line(metrics, "hedges_total{route=\"openai\",result=\"sent\"} 5\n");
    expect_line(metrics, "retries_total{route=\"openai\",reason=\"sent\"} 2\n");
    metrics_free(metrics);
}
