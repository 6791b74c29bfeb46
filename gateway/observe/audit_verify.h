/*
 * audit_verify: reads files of an audit log, line by line, and finds the first place where the
 * chain does not hold. For `sallyport audit verify`; constant memory.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "gateway/observe/audit_record.h"

#include <stdbool.h>
#include <stdint.h>

enum audit_fault {
    AUDIT_SOUND,
    AUDIT_CHANGED,      /* a line is not what was written, or is none of an audit log */
    AUDIT_MISSING,      /* lines that were before it are not there */
    AUDIT_OUT_OF_ORDER, /* they are there, but behind it; or it came already */
    AUDIT_TORN,         /* the file's last line has no end */
    AUDIT_ABSENT,       /* no line has the hash that one should have */
};

const char *audit_fault_word(enum audit_fault fault);

/* Zero-initialized but for `wanted`; then audit_verify_file() for each file, then _end(). */
struct audit_verify {
    const char *wanted; /* a hash that one of the lines has to have; NULL: none */
    /* What came out. */
    enum audit_fault fault;
    const char *file;      /* of the fault; borrowed from the call */
    uint64_t line;         /* in that file, from 1; 0: the file as a whole */
    uint64_t seq;          /* of the line; 0: it cannot be read */
    char text[256];        /* what is wrong, for a person */
    uint64_t count;        /* of lines that were read and hold */
    uint64_t first;        /* the first one's seq */
    struct audit_chain at; /* the last one that holds */
    /* Its own. */
    bool begun, found;
};

/* Reads on, oldest file first. STATUS_OK also if the chain does not hold: see `fault`; nothing is
 * read behind that, but for what tells how. Else the file cannot be read, and the error says why.
 */
MUST_USE enum status audit_verify_file(struct audit_verify *verify, const char *path,
                                       struct error *err);
void audit_verify_end(struct audit_verify *verify);

/* The `seq` of a file's first line; 0: it has none that can be read. */
uint64_t audit_verify_first(const char *path);
