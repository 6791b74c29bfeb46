/*
 * quotas_state: what quotas.c and those that show or change quotas share. Main thread only, but for
 * what is said to be the process's.
 */
#pragma once

struct each_values;
struct past_windows;
struct store_memory;
struct store_redis;
struct store_redis_side;
struct wait_lines;

enum { QUOTA_SIDES_MAX = 256 };

struct quotas {
    struct store_memory *memory;                     /* owned; NULL: Redis */
    struct past_windows *past;                       /* owned; NULL: none; memory's */
    struct store_redis *redis;                       /* owned; NULL: memory */
    struct each_values *values;                      /* owned; the process's */
    struct wait_lines *lines;                        /* owned; the process's */
    struct wait_lines *joins;                        /* likewise */
    char *store_name;                                /* owned */
    struct store_redis_side *sides[QUOTA_SIDES_MAX]; /* borrowed; the workers' */
    unsigned side_count;
};
