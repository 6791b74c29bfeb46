/*
 * quotas_state: what quotas.c and those that show or change quotas share. Main thread only, but for
 * what is said to be the process's.
 */
#pragma once

#include "limiter/reservation.h"

struct each_values;
struct past_windows;
struct quotas_refill;
struct store_memory;
struct store_redis;
struct store_redis_side;
struct wait_lines;

enum { QUOTA_SIDES_MAX = 256 };

/* A reservation that the store may not have heard the end of. */
struct quotas_left {
    struct quotas_left *next;
    char id[RESERVATION_ID_LEN + 1], tenant[64];
    unsigned count;
    uint64_t used[RESERVATION_DEMANDS_MAX];
};

struct quotas {
    struct store_memory *memory;                     /* owned; NULL: Redis */
    struct past_windows *past;                       /* owned; NULL: none; memory's */
    struct store_redis *redis;                       /* owned; NULL: memory */
    struct quotas_refill *refill;                    /* owned; NULL: not begun, or memory */
    unsigned hand_ins_lost;                          /* of Redis, as far as they were said again */
    struct each_values *values;                      /* owned; the process's */
    struct wait_lines *lines;                        /* owned; the process's */
    struct wait_lines *joins;                        /* likewise */
    char *store_name;                                /* owned */
    struct store_redis_side *sides[QUOTA_SIDES_MAX]; /* borrowed; the workers' */
    unsigned side_count;
    struct quotas_left *left; /* owned; what an earlier process left, until a worker takes it */
};
