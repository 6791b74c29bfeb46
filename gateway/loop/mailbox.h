/*
 * mailbox: how one thread asks another to do something. What threads share besides is listed in
 * docs/ARCHITECTURE.md.
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>

struct loop;
struct mailbox;

/* Embedded in what is sent; `run` is called on the receiver's thread, which owns it from then. */
struct letter {
    struct letter *next;
    void (*run)(struct letter *letter, void *receiver);
};

/* `receiver` is handed to every letter. Read on `loop`'s thread. */
MUST_USE enum status mailbox_new(struct loop *loop, void *receiver, struct mailbox **ret,
                                 struct error *err);
void mailbox_free(struct mailbox *mailbox); /* unread letters are run first */

/* From any thread. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);
