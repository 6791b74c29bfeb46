/*
 * audit_record: one line of the audit log as text, and the chain that joins the lines. Pure: no
 * files, no clock.
 *
 *     {"seq":7,"time":"…","event":"key_refused",…,"text":"…","prev":"HASH","hash":"HASH"}
 *
 * `seq` counts from 1; `prev` is the `hash` of the line before, 64 zeros in the first one of all.
 * `hash` is SHA-256, as 64 lower case hex digits, over these bytes in this order:
 *
 *     1. the 64 characters of `prev`;
 *     2. the line as it stands in the file, from its `{` to its `}`, without its newline and
 *        without the member `,"hash":"…"`, so that it ends in `"prev":"HASH"}`.
 *
 * So a changed byte, a line that is missing, and lines in another order show. Lines that are
 * missing at the very end do not, and who may write the file can make a whole new chain: a hash
 * that is kept elsewhere is what shows both.
 */
#pragma once

#include "base/clock.h"
#include "base/digest.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;

/* What happens, and its word in the log. */
#define AUDIT_KINDS(X)                                                                             \
    X(PROCESS_STARTED, "process_started")                                                          \
    X(PROCESS_STOPPED, "process_stopped")                                                          \
    X(CONFIG_TAKEN, "config_taken")                                                                \
    X(CONFIG_REFUSED, "config_refused")                                                            \
    X(SECRET_READ, "secret_read")                                                                  \
    X(SECRET_FAILED, "secret_failed")                                                              \
    X(TOKEN_HAD, "token_had")                                                                      \
    X(TOKEN_FAILED, "token_failed")                                                                \
    X(KEY_REFUSED, "key_refused")                                                                  \
    X(REFUSALS_LEFT_OUT, "refusals_left_out")                                                      \
    X(ADMIN_QUOTA, "admin_quota")                                                                  \
    X(ADMIN_BREAKER, "admin_breaker")                                                              \
    X(ADMIN_WEBHOOKS, "admin_webhooks")                                                            \
    X(ADMIN_REFUSED, "admin_refused")                                                              \
    X(USAGE_REPRICED, "usage_repriced")                                                            \
    X(QUOTA_WARNED, "quota_warned")                                                                \
    X(CIRCUIT, "circuit")                                                                          \
    X(CIRCUITS_LEFT_OUT, "circuits_left_out")                                                      \
    X(STORE_UP, "store_up")                                                                        \
    X(STORE_DOWN, "store_down")                                                                    \
    X(STORE_LOST_DATA, "store_lost_data")                                                          \
    X(STORE_WARNING, "store_warning")                                                              \
    X(LOG_CONTINUED, "log_continued")                                                              \
    X(LOG_TORN, "log_torn")                                                                        \
    X(LOG_ENDED, "log_ended")                                                                      \
    X(EVENTS_LOST, "events_lost")

enum audit_kind {
#define AUDIT_MEMBER(name, word) AUDIT_##name,
    AUDIT_KINDS(AUDIT_MEMBER)
#undef AUDIT_MEMBER
};

const char *audit_kind_word(enum audit_kind kind);

/* What does not apply is NULL or 0, and is left out. Never a secret's value, a key, a header. */
struct audit_event {
    enum audit_kind kind;
    const char *tenant, *route;
    const char *quota;
    const char *secret; /* its name */
    uint64_t version;   /* of the secret's value: counts from 1 with each new one */
    const char *peer;   /* who asked: an address, or "unix" */
    const char *by;     /* what caused a reload: "signal", "file" */
    const char *code;   /* X-Sallyport-Error of a refusal */
    const char *config; /* SHA-256 of the file, hex */
    uint64_t generation;
    uint64_t count; /* of what was left out or lost */
};

enum {
    AUDIT_TEXT_MAX = 1024,      /* of a text; the rest is cut */
    AUDIT_LINE_MAX = 32 * 1024, /* of a line: all members at their longest, all escaped */
    AUDIT_HASH_LEN = 2 * SHA256_BYTES,
};

/* Where a chain stands: its last line. */
struct audit_chain {
    uint64_t seq; /* 0: there is none */
    char hash[AUDIT_HASH_LEN + 1];
};

void audit_chain_init(struct audit_chain *chain);

/* Appends an event without its place in the chain, `"time":…,"text":"…"`: one line's middle, in
 * which no newline can be. STATUS_TOO_LARGE, and nothing appended, if it does not fit. */
MUST_USE enum status audit_body_write(const struct audit_event *event, usec_t wall,
                                      struct slice text, struct buffer *out);

/* Appends the whole line, with its newline, that `body` is behind `chain`; *ret_next is the chain
 * with it. */
MUST_USE enum status audit_line_write(const struct audit_chain *chain, struct slice body,
                                      struct buffer *out, struct audit_chain *ret_next);

/* A line that was read. */
struct audit_line {
    uint64_t seq;
    struct slice event; /* its word */
    struct slice prev;
    struct slice hash;
    bool intact; /* `hash` is that of the line */
};

/* `line` without its newline; *ret points into it. False: it is no line of an audit log. */
bool audit_line_read(struct slice line, struct audit_line *ret);
