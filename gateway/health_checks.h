/*
 * health_checks: asks the upstreams of routes with health.path now and then how they are, and tells
 * their standing. On one worker's loop, for the whole process, over connections of their own that
 * are not kept. No credential is sent.
 */
#pragma once

struct health_checks;
struct loop;
struct metrics_block;
struct snapshot;

/* On the loop's thread, or before it runs. The first checks come soon after. */
struct health_checks *health_checks_start(struct loop *loop, struct metrics_block *metrics,
                                          struct snapshot *snapshot);
/* After a reload: a check that is there under the same route's name goes on in its time. */
void health_checks_adopt(struct health_checks *checks, struct snapshot *snapshot);
/* None is made any more; what runs is given up. NULL is allowed. */
void health_checks_stop(struct health_checks *checks);
