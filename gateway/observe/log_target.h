/*
 * log_target: where lines go: a file, standard output, or the system's logger. One thread only.
 *
 * Names: "stdout", "off", "syslog" (/dev/log), "syslog:PATH" (another socket), or a file's path. To
 * the logger each line is one datagram, facility local0, severity info, RFC 3164's form without a
 * time, which the logger knows better.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>
#include <sys/un.h>

enum log_target_kind {
    LOG_TARGET_OFF,
    LOG_TARGET_FILE,   /* takes what it is given, or fails */
    LOG_TARGET_STREAM, /* a pipe or terminal: may take nothing for ever */
    LOG_TARGET_LOGGER,
};

struct log_target {
    enum log_target_kind kind;
    int fd;                    /* owned; -1: off */
    struct sockaddr_un logger; /* LOG_TARGET_LOGGER: its address */
};

/* The error names the target. `setting` is the config's, for the message. */
MUST_USE enum status log_target_open(const char *name, const char *setting, struct log_target *ret,
                                     struct error *err);
void log_target_close(struct log_target *target);
/* Writes some of `lines`, one whole line to a logger. Returns how many bytes are done with; 0: it
 * took none within 100 ms; -1: it fails, errno says why. */
int64_t log_target_write(const struct log_target *target, struct slice lines);
