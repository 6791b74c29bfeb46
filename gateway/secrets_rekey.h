/*
 * secrets_rekey: puts a sealed file under another key, in such an order that after a crash it opens
 * with what is there.
 */
#pragma once

#include "base/status.h"

struct secret;

struct rekey {
    const char *file;                /* the sealed file, which is locked by the caller */
    const char *key_file;            /* its key's or passphrase's */
    const char *new_key_file;        /* made if it is not there; NULL: key_file has the new key */
    const char *new_passphrase_file; /* in place of a key; else NULL */
    const struct secret *passphrase; /* to be written there first; NULL: it is there */
};

MUST_USE enum status secrets_rekey(const struct rekey *rekey, struct error *err);
