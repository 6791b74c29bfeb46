/* sallyport audit: checks that an audit log is whole. */
#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/observe/audit_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport audit verify [FILE...] [-c CONFIG] [--holds HASH] [--json]\n"
    "\n"
    "verify  proves that no record of the audit log was changed, taken out or put elsewhere, or\n"
    "        names the first one where it does not hold: exit code 1. Of a log that was rotated,\n"
    "        give all files; their order does not matter. A log without its oldest files is good\n"
    "        from where it begins.\n"
    "\n"
    "  FILE...       (default: gateway.audit_log of the config)\n"
    "  -c CONFIG     the config (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "  --holds HASH  and that a record with this hash, noted earlier, is still there\n"
    "  --json        for machines\n";

enum { OUTPUT_MAX_BYTES = 64 * 1024 };

struct arguments {
    struct command_line line;
    const char *config;
    const char *holds;
    bool json;
};

/* ---- which files ---- */

struct file {
    const char *path;
    uint64_t first; /* the seq of its first line */
};

/* By their first lines; those that have none stay where they are. Few files: no library's sort. */
static struct file *in_order(char **paths, unsigned count)
{
    struct file *files = memory_alloc(count * sizeof(*files));
    for (unsigned i = 0; i < count; i++) {
        struct file file = {.path = paths[i], .first = audit_verify_first(paths[i])};
        unsigned at = i;
        for (; at > 0 && file.first > 0 && files[at - 1].first > file.first; at--) {
            files[at] = files[at - 1];
        }
        files[at] = file;
    }
    return files;
}

/* ---- what came out ---- */

static enum status put_json(const struct audit_verify *verify, unsigned file_count,
                            struct buffer *out)
{
    bool sound = verify->fault == AUDIT_SOUND;
    TRY(buffer_print(out, "{\"valid\":%s,\"files\":%u,\"records\":%" PRIu64,
                     sound ? "true" : "false", file_count, verify->count));
    if (verify->count > 0) {
        TRY(buffer_print(out,
                         ",\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64 ",\"last_hash\":\"%s\"",
                         verify->first, verify->at.seq, verify->at.hash));
    }
    if (!sound) {
        TRY(buffer_print(out, ",\"problem\":\"%s\"", audit_fault_word(verify->fault)));
        TRY(buffer_append(out, SLICE(",\"file\":")));
        TRY(encode_json_string(slice_from(verify->file), out));
        TRY(buffer_print(out, ",\"line\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"text\":", verify->line,
                         verify->seq));
        TRY(encode_json_string(slice_from(verify->text), out));
    }
    return buffer_append(out, SLICE("}\n"));
}

static enum status put_text(const struct audit_verify *verify, struct buffer *out)
{
    if (verify->fault == AUDIT_SOUND) {
        return buffer_print(out, "whole: records %" PRIu64 " to %" PRIu64 "\nlast hash: %s\n%s",
                            verify->first, verify->at.seq, verify->at.hash,
                            verify->first > 1 ? "older files were not given\n" : "");
    }
    TRY(buffer_print(out, "%s: ", verify->file));
    if (verify->line > 0) {
        TRY(buffer_print(out, "line %" PRIu64 ": ", verify->line));
    }
    if (verify->seq > 0) {
        TRY(buffer_print(out, "record %" PRIu64 ": ", verify->seq));
    }
    return buffer_print(out, "%s: %s\n", audit_fault_word(verify->fault), verify->text);
}

static int report(const struct arguments *arguments, const struct audit_verify *verify,
                  unsigned file_count)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, OUTPUT_MAX_BYTES);
    enum status status =
        arguments->json ? put_json(verify, file_count, &out) : put_text(verify, &out);
    if (status != STATUS_OK) {
        return command_failed(&arguments->line, "the result is too long to print");
    }
    int result = command_print(&arguments->line, buffer_bytes(&out));
    return verify->fault == AUDIT_SOUND ? result : EXIT_FAILED;
}

static int verify_files(const struct arguments *arguments, char **paths, unsigned count)
{
    struct error err;
    struct audit_verify verify = {.wanted = arguments->holds};
    struct file *files CLEANUP(memory_free_at) = in_order(paths, count);
    for (unsigned i = 0; i < count; i++) {
        if (audit_verify_file(&verify, files[i].path, &err) != STATUS_OK) {
            (void)command_failed(&arguments->line, "%s", err.message);
            return EXIT_USAGE;
        }
    }
    audit_verify_end(&verify);
    return report(arguments, &verify, count);
}

static int verify_configured(const struct arguments *arguments)
{
    struct snapshot *snapshot = command_load_config(arguments->config);
    if (snapshot == NULL) {
        return EXIT_USAGE;
    }
    int result;
    const char *path = snapshot->gateway.audit_log;
    if (path == NULL) {
        result = command_misused(&arguments->line, "%s names no gateway.audit_log; name a file",
                                 arguments->config);
    } else {
        char *copy CLEANUP(memory_free_at) = memory_copy(slice_from(path));
        result = verify_files(arguments, &copy, 1);
    }
    snapshot_unref(snapshot);
    return result;
}

static bool is_hash(const char *text)
{
    return strlen(text) == AUDIT_HASH_LEN && strspn(text, "0123456789abcdef") == AUDIT_HASH_LEN;
}

int command_audit(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    const struct command_option options[] = {
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = "holds", .value = &arguments.holds},
        {.name = "json", .flag = &arguments.json},
        {.name = NULL},
    };
    int result;
    if (!command_read(argc, argv, usage, options, &arguments.line, &result)) {
        return result;
    }
    if (arguments.line.word_count == 0 || strcmp(arguments.line.words[0], "verify") != 0) {
        return command_misused(&arguments.line, "say 'verify'");
    }
    if (arguments.holds != NULL && !is_hash(arguments.holds)) {
        return command_misused(&arguments.line, "--holds: a hash has 64 digits of 0-9 and a-f");
    }
    unsigned count = arguments.line.word_count - 1;
    return count > 0 ? verify_files(&arguments, arguments.line.words + 1, count)
                     : verify_configured(&arguments);
}
