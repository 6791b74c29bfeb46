/* queue_recounts: what must be true of the queue's database at any moment: each yields 0. */
#pragma once

static const char *const queue_recounts[] = {
    "SELECT count(*) FROM targets t WHERE waiting != (SELECT count(*) FROM deliveries WHERE "
    "target = t.id AND state = 0) OR held_back != (SELECT count(*) FROM deliveries WHERE "
    "target = t.id AND state = 1) OR delivered != (SELECT count(*) FROM deliveries WHERE "
    "target = t.id AND state = 2) OR dead != (SELECT count(*) FROM deliveries WHERE "
    "target = t.id AND state = 3)",
    "SELECT events != (SELECT count(*) FROM events) FROM totals",
    "SELECT bytes != (SELECT coalesce(sum(fields_bytes + body_bytes), 0) FROM events) FROM totals",
    "SELECT over_events != (SELECT count(*) FROM events WHERE over_at IS NOT NULL) FROM totals",
    "SELECT over_bytes != (SELECT coalesce(sum(fields_bytes + body_bytes), 0) FROM events WHERE "
    "over_at IS NOT NULL) FROM totals",
    /* An event is over when nothing of it is not delivered; one of which nothing is left is gone.
     */
    "SELECT count(*) FROM events e WHERE (over_at IS NOT NULL) != NOT EXISTS (SELECT 1 FROM "
    "deliveries WHERE number BETWEEN e.number * 16 AND e.number * 16 + 15 AND state != 2)",
    "SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE number BETWEEN "
    "e.number * 16 AND e.number * 16 + 15)",
    "SELECT count(*) FROM deliveries WHERE number / 16 NOT IN (SELECT number FROM events)",
    "SELECT (SELECT count(*) FROM events) != (SELECT count(*) FROM bodies)",
    /* Of each line, the first is not held back, and all others are. */
    "SELECT count(*) FROM deliveries d WHERE line IS NOT NULL AND state IN (0, 1, 4) AND "
    "(state = 1) != EXISTS (SELECT 1 FROM deliveries WHERE target = d.target AND line = d.line "
    "AND state IN (0, 1, 4) AND place < d.place)",
    "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE line IS NOT NULL AND state IN (0, 1, 4) "
    "GROUP BY target, line, place HAVING count(*) > 1)",
    "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'",
};
enum { QUEUE_RECOUNTS = sizeof(queue_recounts) / sizeof(queue_recounts[0]) };
