/*
 * audit_log: what an operator has to be able to prove later: who was refused, what was changed, and
 * by whom. A chain of JSON lines in a file of its own (audit_record.h), if gateway.audit_log names
 * one.
 *
 * One in a process, as the operator's log is. Events are handed to a thread of its own, which
 * writes them and has them on the disk before it takes the next ones: nobody else ever waits for
 * that. While the file takes no more, 4 MiB of events wait; further ones are lost, and once there
 * is room the log has an event that says how many.
 */
#pragma once

#include "gateway/observe/audit_record.h"
#include "gateway/observe/log.h"

/* Says it in the operator's log, as "audit: TEXT", and in the audit log. Any thread. */
void audit(enum log_level level, const struct audit_event *event, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Only in the audit log. Any thread. */
void audit_note(const struct audit_event *event, const char *format, ...) PRINTF_LIKE(2, 3);

/* Only in the audit log, somebody who was refused. 10 a second are written, and of the rest how
 * many there were, so that no peer can fill the disk. Any thread, cheap. */
void audit_refusal(const struct audit_event *event, const char *text);

/* ---- the main thread's ---- */

/* Opens the file that the log goes on in (NULL: it ends), for audit_log_commit(). If it is the file
 * in force, it stays. The error names the file; then nothing was prepared. */
MUST_USE enum status audit_log_prepare(const char *path, struct error *err);
void audit_log_abandon(void);
/* Goes on in what was prepared. A new file begins with an event that names the last hash of the old
 * one; its chain goes on from there. */
void audit_log_commit(void);
/* Once a second: says how many refusals were left out. */
void audit_log_tick(void);
/* Writes what is left, if the file takes it, and ends; no other thread calls audit() any more. */
void audit_log_stop(void);
/* Events lost so far. */
uint64_t audit_log_lost(void);
