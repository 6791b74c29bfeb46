/*
 * connect_group: one libcurl multi on the loop: its sockets, its timer, and how many handles it
 * has.
 *
 * A worker has several, of 32 handles at most: curl_easy_recv() and curl_easy_send() of libcurl
 * 7.88 look for their connection among all of the multi's, one by one. It knows nothing of what
 * the handles are for. One thread only.
 */
#pragma once

#include "base/timer.h"

#include <curl/curl.h>

enum { CONNECT_GROUP_HANDLES = 32 };

struct connect_watch;
struct loop;

struct connect_group {
    struct timer timer; /* first: see on_timer(); when libcurl wants to be called */
    struct loop *loop;  /* borrowed */
    CURLM *multi;       /* owned */
    unsigned handles;
    struct connect_watch *watches;                          /* owned */
    void (*worked)(void *ctx, struct connect_group *group); /* after libcurl did something */
    void *ctx;                                              /* borrowed */
    struct connect_group *next;
};

struct connect_group *connect_group_new(struct loop *loop,
                                        void (*worked)(void *ctx, struct connect_group *group),
                                        void *ctx);
void connect_group_free(struct connect_group *group); /* all handles must have been removed */

/* The handle starts to work with the next turn. */
void connect_group_add(struct connect_group *group, CURL *easy);
/* libcurl said that it is done with it. */
void connect_group_ended(struct connect_group *group, const CURL *easy);
/* Its connection is closed. */
void connect_group_remove(struct connect_group *group, CURL *easy);
