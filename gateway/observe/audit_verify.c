#include "gateway/observe/audit_verify.h"

#include "base/buffer.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const words[] = {
    [AUDIT_SOUND] = "sound",     [AUDIT_CHANGED] = "changed",
    [AUDIT_MISSING] = "missing", [AUDIT_OUT_OF_ORDER] = "out_of_order",
    [AUDIT_TORN] = "torn",       [AUDIT_ABSENT] = "absent",
};

const char *audit_fault_word(enum audit_fault fault)
{
    return words[fault];
}

/* ---- lines of a file ---- */

enum { READ_MAX_BYTES = 2 * AUDIT_LINE_MAX };

struct reader {
    int fd;
    struct buffer bytes;
    uint64_t line; /* of the one that was read last */
    size_t taken;  /* its length with the newline: consumed by the next call */
    bool at_end;
};

enum found { FOUND_LINE, FOUND_PART, FOUND_END };

static void reader_fini(struct reader *reader)
{
    file_close_at(&reader->fd);
    buffer_fini(&reader->bytes);
}

static enum status reader_open(const char *path, struct reader *ret, struct error *err)
{
    buffer_init(&ret->bytes, READ_MAX_BYTES);
    ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (ret->fd < 0 || fstat(ret->fd, &info) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s: %s", path, strerrordesc_np(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        FAIL(err, STATUS_INVALID, "%s: it is no regular file", path);
    }
    return STATUS_OK;
}

static enum status fill(struct reader *reader, struct error *err)
{
    size_t room = buffer_room(&reader->bytes);
    TRY(buffer_reserve(&reader->bytes, room));
    ssize_t count = read(reader->fd, buffer_tail(&reader->bytes), room);
    if (count < 0 && errno != EINTR) {
        FAIL(err, STATUS_UNAVAILABLE, "it cannot be read: %s", strerrordesc_np(errno));
    }
    reader->at_end = count == 0;
    buffer_commit(&reader->bytes, count > 0 ? (size_t)count : 0);
    return STATUS_OK;
}

/* *ret is good until the next call. FOUND_PART: the file ends in it, or it is longer than any. */
static enum status next_line(struct reader *reader, struct slice *ret, enum found *ret_found,
                             struct error *err)
{
    buffer_consume(&reader->bytes, reader->taken);
    reader->taken = 0;
    reader->line++;
    for (;;) {
        struct slice bytes = buffer_bytes(&reader->bytes);
        size_t len = slice_find(bytes, '\n');
        *ret = slice_make(bytes.ptr, len);
        if (len < bytes.len) {
            reader->taken = len + 1;
            *ret_found = FOUND_LINE;
            return STATUS_OK;
        }
        if (reader->at_end || len == READ_MAX_BYTES) {
            *ret_found = len > 0 ? FOUND_PART : FOUND_END;
            return STATUS_OK;
        }
        TRY(fill(reader, err));
    }
}

uint64_t audit_verify_first(const char *path)
{
    struct reader reader CLEANUP(reader_fini) = {.fd = -1};
    struct slice text;
    struct audit_line line;
    enum found found;
    bool is_read = reader_open(path, &reader, NULL) == STATUS_OK &&
                   next_line(&reader, &text, &found, NULL) == STATUS_OK && found == FOUND_LINE &&
                   audit_line_read(text, &line);
    return is_read ? line.seq : 0;
}

/* ---- the chain ---- */

static void blame(struct audit_verify *verify, enum audit_fault fault, const struct reader *reader,
                  const char *format, ...) PRINTF_LIKE(4, 5);

static void blame(struct audit_verify *verify, enum audit_fault fault, const struct reader *reader,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(verify->text, sizeof(verify->text), format, args);
    va_end(args);
    verify->fault = fault;
    verify->line = reader->line;
}

/* Is the line with that number in what is left of the file? */
static bool comes_later(struct reader *reader, uint64_t seq)
{
    struct slice text;
    struct audit_line line;
    enum found found;
    while (next_line(reader, &text, &found, NULL) == STATUS_OK && found == FOUND_LINE) {
        if (audit_line_read(text, &line) && line.seq == seq) {
            return true;
        }
    }
    return false;
}

/* A line that is as it was written, but not behind the one before it. */
static void blame_place(struct audit_verify *verify, struct reader *reader,
                        const struct audit_line *line)
{
    uint64_t expected = verify->at.seq + 1;
    uint64_t seq = line->seq; /* what `line` points to goes when the reader goes on */
    const struct reader here = *reader;
    verify->seq = seq;
    if (seq < expected) {
        blame(verify, AUDIT_OUT_OF_ORDER, &here,
              "record %" PRIu64 " stands behind record %" PRIu64
              ": it belongs before it, or another "
              "log begins here",
              seq, verify->at.seq);
    } else if (seq == expected) {
        blame(verify, AUDIT_CHANGED, &here,
              "record %" PRIu64 " was written behind another record %" PRIu64
              " than the one that is "
              "there now: that one was exchanged",
              seq, verify->at.seq);
    } else if (comes_later(reader, expected)) {
        blame(verify, AUDIT_OUT_OF_ORDER, &here,
              "record %" PRIu64 " stands before record %" PRIu64 ", which was written earlier", seq,
              expected);
    } else if (seq == expected + 1) {
        blame(verify, AUDIT_MISSING, &here, "record %" PRIu64 " is missing before it", expected);
    } else {
        blame(verify, AUDIT_MISSING, &here,
              "records %" PRIu64 " to %" PRIu64 " are missing before it", expected, seq - 1);
    }
}

/* The first line of all: the log's first one, or one that says what it goes on from. */
static void check_first(struct audit_verify *verify, const struct reader *reader,
                        const struct audit_line *line)
{
    struct audit_chain none;
    audit_chain_init(&none);
    verify->seq = line->seq;
    verify->first = line->seq;
    bool prev_is_none = slice_equal(line->prev, slice_make(none.hash, AUDIT_HASH_LEN));
    if (line->seq == 1 && !prev_is_none) {
        blame(verify, AUDIT_CHANGED, reader, "the first record names one before it");
    } else if (line->seq != 1 &&
               !slice_equal(line->event, slice_from(audit_kind_word(AUDIT_LOG_CONTINUED)))) {
        blame(
            verify, AUDIT_MISSING, reader,
            "the records before it are missing: a file begins with record 1 or with log_continued");
    }
}

static void check_line(struct audit_verify *verify, struct reader *reader, struct slice text)
{
    struct audit_line line;
    verify->seq = 0;
    if (!audit_line_read(text, &line)) {
        blame(verify, AUDIT_CHANGED, reader, "this is no line of an audit log%s",
              verify->at.seq == 0 ? "" : ", or not any more");
        return;
    }
    verify->seq = line.seq;
    if (!line.intact) {
        blame(verify, AUDIT_CHANGED, reader,
              "the line is not what was written: its hash is another");
        return;
    }
    bool follows = line.seq == verify->at.seq + 1 &&
                   slice_equal(line.prev, slice_make(verify->at.hash, AUDIT_HASH_LEN));
    if (!verify->begun) {
        check_first(verify, reader, &line);
    } else if (!follows) {
        blame_place(verify, reader, &line);
    }
    if (verify->fault == AUDIT_SOUND) {
        verify->begun = true;
        verify->count++;
        verify->at.seq = line.seq;
        memcpy(verify->at.hash, line.hash.ptr, AUDIT_HASH_LEN);
        verify->found = verify->found ||
                        (verify->wanted != NULL && strcmp(verify->wanted, verify->at.hash) == 0);
    }
}

enum status audit_verify_file(struct audit_verify *verify, const char *path, struct error *err)
{
    struct reader reader CLEANUP(reader_fini) = {.fd = -1};
    if (verify->fault != AUDIT_SOUND) {
        return STATUS_OK;
    }
    TRY(reader_open(path, &reader, err));
    verify->file = path;
    while (verify->fault == AUDIT_SOUND) {
        struct slice text;
        enum found found;
        TRY(next_line(&reader, &text, &found, err));
        if (found == FOUND_PART) {
            verify->seq = 0;
            blame(verify, reader.at_end ? AUDIT_TORN : AUDIT_CHANGED, &reader,
                  reader.at_end ? "the last line has no end: a crash, or it was cut off"
                                : "the line is longer than any that was written");
        } else if (found == FOUND_LINE) {
            check_line(verify, &reader, text);
        } else if (reader.line == 1) {
            reader.line = 0;
            blame(verify, AUDIT_MISSING, &reader,
                  "the file is empty: no log begins without a record");
        } else {
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

void audit_verify_end(struct audit_verify *verify)
{
    if (verify->fault == AUDIT_SOUND && verify->wanted != NULL && !verify->found) {
        const struct reader whole = {.line = 0};
        blame(verify, AUDIT_ABSENT, &whole,
              "no record has the hash %s: records were taken off the end, or all was made anew",
              verify->wanted);
    }
}
