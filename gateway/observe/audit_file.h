/*
 * audit_file: the file of an audit log: where its chain stands, and appending to it. Blocking; one
 * thread at a time. Only gateway/observe/audit_log.c uses it.
 *
 * The file is locked (flock) while it is open: two writers would tear the chain.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "gateway/observe/audit_record.h"

#include <sys/types.h>

struct audit_file;

/* Opens or makes it (mode 0640). What is behind its last newline, as a crash leaves it, is moved to
 * "PATH.torn-TIME". The error names the file: it is no regular file, cannot be written, is another
 * process's, or its last line is none of an audit log. `wall` names the torn file. */
MUST_USE enum status audit_file_open(const char *path, usec_t wall, struct audit_file **ret,
                                     struct error *err);
void audit_file_close(struct audit_file *file); /* takes NULL */

/* Its last line's place; `seq` 0: it is empty. */
const struct audit_chain *audit_file_chain(const struct audit_file *file);
/* Goes on from another file's chain; only while it is empty. */
void audit_file_go_on(struct audit_file *file, const struct audit_chain *chain);
/* Where the torn line was moved to, and how long it was; NULL: there was none. */
const char *audit_file_torn(const struct audit_file *file, size_t *ret_bytes);
/* `path` leads to this file. */
bool audit_file_is(const struct audit_file *file, const char *path);

/* Writes one line. When it fails, what has been written of it stays, and the next call, which must
 * be for the same body, writes the rest; or audit_file_drop() takes it back. */
MUST_USE enum status audit_file_append(struct audit_file *file, struct slice body,
                                       struct error *err);
/* Takes back what a failed append has written, where the system lets it. */
void audit_file_drop(struct audit_file *file);
/* All that was appended is on the disk. */
MUST_USE enum status audit_file_sync(struct audit_file *file, struct error *err);
