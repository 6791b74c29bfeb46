/*
 * h2_pool: finds each attempt over HTTP/2 a connection: one that has room for a stream, or the next
 * one, for which it waits with the others of its endpoint.
 */
#pragma once

struct attempt_h2;
struct upstream_side;

/* The attempt is on a connection afterwards, or waits for one, or has failed; it is told. */
void h2_pool_join(struct attempt_h2 *attempt);
/* One that waits does so no longer. */
void h2_pool_leave(struct attempt_h2 *attempt);
/* Closes connections without streams; the others take no new ones (the side's generation). */
void h2_pool_close_idle(struct upstream_side *side);
