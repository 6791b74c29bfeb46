/* sallyport secrets: what is in the sealed secrets file. Values come from stdin, and none is shown.
 */
#include "auth/outbound/scrub.h"
#include "auth/secrets/sealed_file.h"
#include "auth/secrets/secret_source.h"
#include "base/memory.h"
#include "base/problems.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
    "usage: sallyport secrets set NAME [-c FILE | --file FILE --key-file FILE]\n"
    "       sallyport secrets rm NAME  [...]\n"
    "       sallyport secrets list     [...] [--json]\n"
    "\n"
    "set    reads the value from stdin (one newline at its end is dropped) and seals it; the "
    "first\n"
    "       one makes the file and its key file\n"
    "rm     removes a secret\n"
    "list   prints the names\n"
    "\n"
    "  -c FILE          the config whose first sealed source is meant (default:\n"
    "                   " COMMAND_DEFAULT_CONFIG ")\n"
    "  --file FILE      the sealed file, in place of a config\n"
    "  --key-file FILE  its key file\n"
    "  --json           for machines\n"
    "\n"
    "A running gateway takes a change up within seconds.\n";

enum { VALUE_MAX = 64 << 10 };

struct arguments {
    const char *verb;
    const char *name; /* NULL with list */
    const char *config;
    bool json;
    bool help;
    char *file;     /* owned */
    char *key_file; /* owned */
};

static int misused(const char *what)
{
    (void)fprintf(stderr, "sallyport secrets: %s; see 'sallyport secrets --help'\n", what);
    return EXIT_USAGE;
}

static int failed(const struct error *err)
{
    (void)fprintf(stderr, "sallyport secrets: %s\n", err->message);
    return EXIT_FAILED;
}

static void set_path(char **path, const char *text)
{
    memory_free(*path);
    *path = memory_copy(slice_from(text));
}

static int parse_options(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},   {"file", required_argument, NULL, 'f'},
        {"key-file", required_argument, NULL, 'k'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            arguments->config = optarg;
            break;
        case 'f':
            set_path(&arguments->file, optarg);
            break;
        case 'k':
            set_path(&arguments->key_file, optarg);
            break;
        case 'j':
            arguments->json = true;
            break;
        case 'h':
            arguments->help = true;
            return EXIT_DONE;
        default:
            return misused("an unknown option, or one without its value");
        }
    }
    bool file = arguments->file != NULL;
    if (file != (arguments->key_file != NULL) || (file && arguments->config != NULL)) {
        return misused("say --file and --key-file, or -c");
    }
    return EXIT_DONE;
}

static int parse_words(int argc, char **argv, struct arguments *arguments)
{
    arguments->verb = argc > optind ? argv[optind] : "";
    bool list = strcmp(arguments->verb, "list") == 0;
    bool set = strcmp(arguments->verb, "set") == 0;
    if (!list && !set && strcmp(arguments->verb, "rm") != 0) {
        return misused("say 'set', 'list' or 'rm'");
    }
    int words = list ? 1 : 2;
    if (set && argc - optind > words) {
        return misused("a value among the arguments can be seen by others and stays in the shell's "
                       "history, so it was not taken; pipe it in, or type it when asked");
    }
    if (argc - optind != words) {
        return misused(list ? "'list' takes no name" : "say one name");
    }
    if (list) {
        return EXIT_DONE;
    }
    arguments->name = argv[optind + 1];
    return secret_name_valid(slice_from(arguments->name))
               ? EXIT_DONE
               : misused("a secret's name is 1 to 64 letters, digits, '-', '_' and '.', "
                         "no '.' in front");
}

/* The first sealed source of the config. */
static int find_files(struct arguments *arguments)
{
    const char *path = arguments->config == NULL ? COMMAND_DEFAULT_CONFIG : arguments->config;
    struct problems *problems = problems_new();
    struct snapshot *snapshot = NULL;
    if (snapshot_load(path, NULL, problems, &snapshot) != STATUS_OK) {
        problems_print(problems, stderr);
        problems_free(problems);
        return EXIT_USAGE;
    }
    for (unsigned i = 0; i < snapshot->secret_source_count && arguments->file == NULL; i++) {
        const struct secret_source *source = &snapshot->secret_sources[i];
        if (source->kind == SECRET_SOURCE_SEALED) {
            set_path(&arguments->file, source->path);
            set_path(&arguments->key_file, source->key_file);
        }
    }
    snapshot_unref(snapshot);
    problems_free(problems);
    return arguments->file != NULL ? EXIT_DONE
                                   : misused("the config has no secrets source of type sealed; "
                                             "add one, or say --file and --key-file");
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

static int read_value(const char *name, struct secret **ret)
{
    enum { ROOM = VALUE_MAX + 2 }; /* the newline, and one more to see that it is too long */
    char *bytes = memory_alloc(ROOM);
    ssize_t count = read_unseen(bytes, ROOM, name);
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
    (void)fprintf(stderr, "sallyport secrets: %s\n",
                  count < 0 ? "stdin could not be read"
                  : len > 0 ? "the value is longer than 64 KiB"
                            : "no value came from stdin; pipe it in, or type it when asked");
    return EXIT_FAILED;
}

/* A key file is made for a new sealed file only: an old one would not open with it. */
static enum status open_for_change(const struct arguments *arguments, struct sealed_file **ret,
                                   struct error *err)
{
    if (access(arguments->file, F_OK) != 0) {
        TRY(sealed_key_ensure(arguments->key_file, err));
    }
    return sealed_file_open(arguments->file, arguments->key_file, SEALED_ABSENT_IS_EMPTY, ret, err);
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

/* Only 'set' makes one. */
static bool file_is_there(const struct arguments *arguments)
{
    if (access(arguments->file, F_OK) == 0) {
        return true;
    }
    (void)fprintf(stderr,
                  "sallyport secrets: %s: there is no sealed file yet; 'sallyport secrets set' "
                  "makes it\n",
                  arguments->file);
    return false;
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
    return status == STATUS_OK ? EXIT_DONE : failed(&err);
}

static int set_secret(const struct arguments *arguments)
{
    struct secret *value = NULL;
    int result = read_value(arguments->name, &value);
    if (result != EXIT_DONE) {
        return result;
    }
    if (secret_reveal(value).len < SCRUB_SECRET_MIN) {
        (void)fprintf(stderr,
                      "sallyport secrets: %s is shorter than %d bytes: it will work, but will not "
                      "be scrubbed from answers\n",
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
        return failed(&err);
    }
    (void)fputs(arguments->json ? "[" : "", stdout);
    const char *name;
    for (unsigned i = 0; (name = sealed_file_name(file, i)) != NULL; i++) {
        (void)printf(arguments->json ? "%s\"%s\"" : "%s%s\n", arguments->json && i > 0 ? "," : "",
                     name);
    }
    (void)fputs(arguments->json ? "]\n" : "", stdout);
    sealed_file_free(file);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int act(int argc, char **argv, struct arguments *arguments)
{
    int result = parse_options(argc, argv, arguments);
    if (result != EXIT_DONE || arguments->help) {
        (void)fputs(arguments->help ? usage : "", stdout);
        return result;
    }
    result = parse_words(argc, argv, arguments);
    if (result == EXIT_DONE && arguments->file == NULL) {
        result = find_files(arguments);
    }
    if (result != EXIT_DONE) {
        return result;
    }
    if (strcmp(arguments->verb, "set") == 0) {
        return set_secret(arguments);
    }
    if (!file_is_there(arguments)) {
        return EXIT_FAILED;
    }
    return strcmp(arguments->verb, "list") == 0 ? list_secrets(arguments)
                                                : change_locked(arguments, NULL);
}

int command_secrets(int argc, char **argv)
{
    struct arguments arguments = {.verb = ""};
    secret_protect_process();
    int result = act(argc, argv, &arguments);
    memory_free(arguments.file);
    memory_free(arguments.key_file);
    return result;
}
