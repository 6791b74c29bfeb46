/* sallyport secrets: what is in the sealed secrets file. Values come from stdin, and none is shown.
 */
#include "auth/outbound/scrub.h"
#include "auth/secrets/sealed_file.h"
#include "auth/secrets/secret_name.h"
#include "auth/secrets/secret_source.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/command_answer.h"
#include "gateway/secrets_rekey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
    "usage: sallyport secrets set NAME [-c FILE | --file FILE --key-file FILE |\n"
    "                                   --file FILE --passphrase-file FILE]\n"
    "       sallyport secrets rm NAME  [...]\n"
    "       sallyport secrets list     [...] [--json]\n"
    "       sallyport secrets rekey    [...] [--new-key-file FILE | --new-passphrase-file FILE]\n"
    "       sallyport secrets list --in-use [-c FILE] [--json]\n"
    "\n"
    "set    reads the value from stdin (one newline at its end is dropped) and seals it; the\n"
    "       first one makes the file and its key file\n"
    "rm     removes a secret\n"
    "rekey  puts the sealed file under a new key: a new one in its key file, one of another file\n"
    "       (made if it is not there), or a passphrase. Where the file of a new passphrase is not\n"
    "       there, the passphrase is read from stdin, and the file is made\n"
    "list   prints the names\n"
    "       --in-use: of all secrets that the running gateway uses, of whatever source: the "
    "state,\n"
    "       the source, its version there, and how long ago that was last said; never a value\n"
    "\n"
    "  -c FILE          the config whose first sealed source is meant (default:\n"
    "                   " COMMAND_DEFAULT_CONFIG ")\n"
    "  --file FILE      the sealed file, in place of a config\n"
    "  --key-file FILE  its key file\n"
    "  --passphrase-file FILE  the file with its passphrase, in place of a key file\n"
    "  --json           for machines\n"
    "\n"
    "A running gateway takes a change up within seconds.\n";

enum { VALUE_MAX = 64 << 10 };

struct arguments {
    struct command_line line;
    const char *verb;
    const char *name; /* NULL with list */
    const char *config;
    const char *file; /* the sealed file: as said, or the config's */
    const char *key_file;
    const char *passphrase_file;
    const char *new_key_file;
    const char *new_passphrase_file;
    bool by_passphrase; /* key_file has one */
    bool json;
    bool in_use;
    struct snapshot *snapshot; /* ref; NULL: no config was needed */
};

static int check_options(const struct arguments *arguments)
{
    bool file = arguments->file != NULL;
    if (arguments->in_use && file) {
        return command_misused(&arguments->line, "--in-use is asked of the gateway: say -c");
    }
    if (arguments->new_key_file != NULL && arguments->new_passphrase_file != NULL) {
        return command_misused(&arguments->line, "say one of --new-key-file and "
                                                 "--new-passphrase-file");
    }
    if (arguments->key_file != NULL && arguments->passphrase_file != NULL) {
        return command_misused(&arguments->line, "say one of --key-file and --passphrase-file");
    }
    if (file != (arguments->key_file != NULL || arguments->passphrase_file != NULL) ||
        (file && arguments->config != NULL)) {
        return command_misused(&arguments->line, "say --file and --key-file, or -c");
    }
    return EXIT_DONE;
}

static int read_words(struct arguments *arguments)
{
    const struct command_line *line = &arguments->line;
    arguments->verb = line->word_count > 0 ? line->words[0] : "";
    bool list = strcmp(arguments->verb, "list") == 0;
    bool set = strcmp(arguments->verb, "set") == 0;
    bool rekey = strcmp(arguments->verb, "rekey") == 0;
    if (!list && !set && !rekey && strcmp(arguments->verb, "rm") != 0) {
        return command_misused(line, "say 'set', 'list', 'rm' or 'rekey'");
    }
    if (!rekey && (arguments->new_key_file != NULL || arguments->new_passphrase_file != NULL)) {
        return command_misused(line, "--new-key-file and --new-passphrase-file belong to 'rekey'");
    }
    unsigned wanted = list || rekey ? 1 : 2;
    if (set && line->word_count > wanted) {
        return command_misused(line,
                               "a value among the arguments can be seen by others and stays in the "
                               "shell's history, so it was not taken; pipe it in, or type it when "
                               "asked");
    }
    if (line->word_count != wanted) {
        return command_misused(line, wanted == 1 ? "it takes no name" : "say one name");
    }
    if (!list && arguments->in_use) {
        return command_misused(line, "--in-use belongs to 'list'");
    }
    if (list || rekey) {
        return EXIT_DONE;
    }
    arguments->name = line->words[1];
    return secret_name_valid(slice_from(arguments->name))
               ? EXIT_DONE
               : command_misused(line,
                                 "a secret's name is 1 to 64 letters, digits, '-', '_' and '.', "
                                 "no '.' in front");
}

/* The first sealed source of the config. */
static int find_files(struct arguments *arguments)
{
    arguments->snapshot =
        command_load_config(arguments->config == NULL ? COMMAND_DEFAULT_CONFIG : arguments->config);
    if (arguments->snapshot == NULL) {
        return EXIT_USAGE;
    }
    for (unsigned i = 0; i < arguments->snapshot->secret_source_count; i++) {
        const struct secret_source *source = &arguments->snapshot->secret_sources[i];
        if (source->kind == SECRET_SOURCE_SEALED) {
            arguments->file = source->path;
            arguments->key_file = source->key_file;
            arguments->by_passphrase = source->by_passphrase;
            return EXIT_DONE;
        }
    }
    return command_misused(&arguments->line,
                           "the config has no secrets source of type sealed; add one, or say "
                           "--file and --key-file");
}

/* Reads up to the end, of a terminal up to the end of the line; -1 on failure. */
static ssize_t read_stdin(char *out, size_t room, bool terminal)
{
    size_t len = 0;
    while (len < room) {
        ssize_t count = read(STDIN_FILENO, out + len, room - len);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return -1;
        }
        len += (size_t)count;
        if (count == 0 || (terminal && out[len - 1] == '\n')) {
            break;
        }
    }
    return (ssize_t)len;
}

static ssize_t read_unseen(char *out, size_t room, const char *name)
{
    struct termios before;
    if (isatty(STDIN_FILENO) == 0 || tcgetattr(STDIN_FILENO, &before) != 0) {
        return read_stdin(out, room, false);
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)fprintf(stderr, "Value of %s (not shown): ", name);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    ssize_t len = read_stdin(out, room, true);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputc('\n', stderr);
    return len;
}

static int read_value(const struct arguments *arguments, struct secret **ret)
{
    enum { ROOM = VALUE_MAX + 2 }; /* the newline, and one more to see that it is too long */
    char *bytes = memory_alloc(ROOM);
    ssize_t count = read_unseen(bytes, ROOM, arguments->name);
    size_t len = count > 0 ? (size_t)count : 0;
    if (len > 0 && bytes[len - 1] == '\n') {
        len--;
    }
    bool good = len > 0 && len <= VALUE_MAX;
    if (good) {
        *ret = secret_new(slice_make(bytes, len));
    }
    secret_wipe(bytes, ROOM);
    memory_free(bytes);
    if (good) {
        return EXIT_DONE;
    }
    return command_failed(&arguments->line, "%s",
                          count < 0 ? "stdin could not be read"
                          : len > 0
                              ? "the value is longer than 64 KiB"
                              : "no value came from stdin; pipe it in, or type it when asked");
}

static bool file_is_there(const struct arguments *arguments)
{
    return access(arguments->file, F_OK) == 0;
}

/* A key file is made for a new sealed file only: an old one would not open with it. */
static enum status open_for_change(const struct arguments *arguments, struct sealed_file **ret,
                                   struct error *err)
{
    if (!file_is_there(arguments) && !arguments->by_passphrase) {
        TRY(sealed_key_ensure(arguments->key_file, err));
    }
    return sealed_file_open(arguments->file, arguments->key_file,
                            arguments->by_passphrase ? SEALED_ABSENT_IS_EMPTY_BY_PASSPHRASE
                                                     : SEALED_ABSENT_IS_EMPTY,
                            ret, err);
}

static enum status change(const struct arguments *arguments, const struct secret *value,
                          struct error *err)
{
    struct sealed_file *file = NULL;
    TRY(open_for_change(arguments, &file, err));
    enum status status = STATUS_OK;
    if (value != NULL) {
        sealed_file_set(file, arguments->name, secret_reveal(value));
    } else if (!sealed_file_remove(file, arguments->name)) {
        status = error_set(err, STATUS_NOT_FOUND, __FILE__, __LINE__,
                           "%s has no secret %s; 'sallyport secrets list' shows the names",
                           arguments->file, arguments->name);
    }
    if (status == STATUS_OK) {
        status = sealed_file_save(file, err);
    }
    sealed_file_free(file);
    return status;
}

static int change_locked(const struct arguments *arguments, const struct secret *value)
{
    struct error err = {0};
    int lock = -1;
    enum status status = sealed_file_lock(arguments->file, &lock, &err);
    if (status == STATUS_OK) {
        status = change(arguments, value, &err);
        (void)close(lock);
    }
    return status == STATUS_OK ? EXIT_DONE : command_failed(&arguments->line, "%s", err.message);
}

static int set_secret(const struct arguments *arguments)
{
    struct secret *value = NULL;
    int result = read_value(arguments, &value);
    if (result != EXIT_DONE) {
        return result;
    }
    if (secret_reveal(value).len < SCRUB_SECRET_MIN) {
        (void)fprintf(stderr,
                      "note: %s is shorter than %d bytes: it will work, but will not be scrubbed "
                      "from answers\n",
                      arguments->name, SCRUB_SECRET_MIN);
    }
    result = change_locked(arguments, value);
    secret_free(value);
    return result;
}

static int list_secrets(const struct arguments *arguments)
{
    struct sealed_file *file = NULL;
    struct error err = {0};
    if (sealed_file_open(arguments->file, arguments->key_file, SEALED_ABSENT_IS_ERROR, &file,
                         &err) != STATUS_OK) {
        return command_failed(&arguments->line, "%s", err.message);
    }
    (void)fputs(arguments->json ? "[" : "", stdout);
    const char *name;
    for (unsigned i = 0; (name = sealed_file_name(file, i)) != NULL; i++) {
        (void)printf(arguments->json ? "%s\"%s\"" : "%s%s\n", arguments->json && i > 0 ? "," : "",
                     name);
    }
    (void)fputs(arguments->json ? "]\n" : "", stdout);
    sealed_file_free(file);
    return command_print(&arguments->line, SLICE(""));
}

static int rekey_locked(const struct arguments *arguments, const struct secret *passphrase)
{
    struct error err = {0};
    int lock = -1;
    const struct rekey rekey = {
        .file = arguments->file,
        .key_file = arguments->key_file,
        .new_key_file = arguments->new_key_file,
        .new_passphrase_file = arguments->new_passphrase_file,
        .passphrase = passphrase,
    };
    enum status status = sealed_file_lock(arguments->file, &lock, &err);
    if (status == STATUS_OK) {
        status = secrets_rekey(&rekey, &err);
        (void)close(lock);
    }
    return status == STATUS_OK ? EXIT_DONE : command_failed(&arguments->line, "%s", err.message);
}

static int rekey_file(struct arguments *arguments)
{
    struct secret *passphrase = NULL;
    const char *new_file = arguments->new_passphrase_file;
    if (new_file != NULL && access(new_file, F_OK) != 0) {
        arguments->name = "the new passphrase";
        int result = read_value(arguments, &passphrase);
        size_t len = passphrase == NULL ? 0 : secret_reveal(passphrase).len;
        if (result == EXIT_DONE && (len < SEALED_PASSPHRASE_MIN || len > SEALED_PASSPHRASE_MAX)) {
            result = command_failed(&arguments->line, "a passphrase has %d to %d bytes",
                                    SEALED_PASSPHRASE_MIN, SEALED_PASSPHRASE_MAX);
        }
        if (result != EXIT_DONE) {
            secret_free(passphrase);
            return result;
        }
    }
    int result = rekey_locked(arguments, passphrase);
    secret_free(passphrase);
    const char *other = new_file != NULL ? new_file : arguments->new_key_file;
    if (result == EXIT_DONE && other != NULL) {
        (void)fprintf(stderr, "note: %s opens with %s now: name it in the config, as %s\n",
                      arguments->file, other, new_file != NULL ? "passphrase_file" : "key_file");
    }
    return result;
}

static void print_in_use(const struct cJSON *answer)
{
    const struct cJSON *item = json_first(json_get(answer, "secrets"));
    (void)printf("%-32s %-9s %-10s %-12s %s\n", "SECRET", "STATE", "SOURCE", "VERSION", "AGE");
    for (; item != NULL; item = json_next(item)) {
        (void)printf("%-32.*s %-9.*s %-10.*s %-12.*s %" PRIu64 " s\n",
                     SLICE_ARG(command_text_of(item, "secret")),
                     SLICE_ARG(command_text_of(item, "state")),
                     SLICE_ARG(command_text_of(item, "source")),
                     SLICE_ARG(command_text_of(item, "source_version")),
                     command_number_of(item, "age_seconds"));
    }
}

static int list_in_use(const struct arguments *arguments)
{
    return command_show(
        &arguments->line,
        &(struct command_question){
            .config = arguments->config == NULL ? COMMAND_DEFAULT_CONFIG : arguments->config,
            .call = ADMIN_CALL_GET,
            .target = "/api/v1/secrets",
            .json = arguments->json,
            .print = print_in_use,
        });
}

static int act(struct arguments *arguments)
{
    if (strcmp(arguments->verb, "set") == 0) {
        return set_secret(arguments);
    }
    if (!file_is_there(arguments)) {
        return command_failed(&arguments->line,
                              "%s: there is no sealed file yet; 'sallyport secrets set' makes it",
                              arguments->file);
    }
    if (strcmp(arguments->verb, "rekey") == 0) {
        return rekey_file(arguments);
    }
    return strcmp(arguments->verb, "list") == 0 ? list_secrets(arguments)
                                                : change_locked(arguments, NULL);
}

int command_secrets(int argc, char **argv)
{
    struct arguments arguments = {.verb = ""};
    const struct command_option options[] = {
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = "file", .value = &arguments.file},
        {.name = "key-file", .value = &arguments.key_file},
        {.name = "passphrase-file", .value = &arguments.passphrase_file},
        {.name = "new-key-file", .value = &arguments.new_key_file},
        {.name = "new-passphrase-file", .value = &arguments.new_passphrase_file},
        {.name = "json", .flag = &arguments.json},
        {.name = "in-use", .flag = &arguments.in_use},
        {.name = NULL},
    };
    int result;
    secret_protect_process();
    if (!command_read(argc, argv, usage, options, &arguments.line, &result)) {
        return result;
    }
    result = check_options(&arguments);
    if (result == EXIT_DONE) {
        result = read_words(&arguments);
    }
    if (arguments.passphrase_file != NULL) {
        arguments.key_file = arguments.passphrase_file;
        arguments.by_passphrase = true;
    }
    if (result == EXIT_DONE && arguments.in_use) {
        return list_in_use(&arguments);
    }
    if (result == EXIT_DONE && arguments.file == NULL) {
        result = find_files(&arguments);
    }
    if (result == EXIT_DONE) {
        result = act(&arguments);
    }
    snapshot_unref(arguments.snapshot);
    return result;
}
