/*
 * command: the entry of each command; main.c finds it by name. argv[0] is the command's name. And
 * what they have in common: how options are read, how they say what went wrong, how they end.
 *
 * Exit codes: 0 done, 1 failed, 2 usage or config error. `--help` prints the usage to stdout;
 * errors go to stderr as one line that says what to do.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct snapshot;

#define COMMAND_DEFAULT_CONFIG "sallyport.yaml" /* in the current folder */

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_schema(int argc, char **argv);
int command_keys(int argc, char **argv);
int command_secrets(int argc, char **argv);
int command_providers(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_usage(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_quotas(int argc, char **argv);
int command_breakers(int argc, char **argv);
int command_webhooks(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_version(int argc, char **argv);

/* An option: takes a value, or is a flag. */
struct command_option {
    const char *name; /* without "--"; NULL ends the list */
    char letter;      /* of "-c"; 0: none */
    const char **value;
    bool *flag;
};

enum { COMMAND_OPTIONS_MAX = 12 };

struct command_line {
    const char *command; /* argv[0] */
    char **words;        /* what is no option; NULL ends */
    unsigned word_count;
};

/* Reads the options; --help and -h are known to all. False: the usage was printed, or what is
 * wrong, and *ret_exit is the exit code. */
MUST_USE bool command_read(int argc, char **argv, const char *usage,
                           const struct command_option *options, struct command_line *ret,
                           int *ret_exit);
/* False, as above, if there are more than `most` words. Not where a word may be a secret. */
MUST_USE bool command_words_at_most(const struct command_line *line, unsigned most, int *ret_exit);
/* False, as above, if there is a word: it is taken for the config's name, which -c has. */
MUST_USE bool command_config_by_option(const struct command_line *line, int *ret_exit);

/* "sallyport COMMAND: ..." on stderr. The first one ends with where to look, and returns
 * EXIT_USAGE; the other returns EXIT_FAILED. */
int command_misused(const struct command_line *line, const char *format, ...) PRINTF_LIKE(2, 3);
int command_failed(const struct command_line *line, const char *format, ...) PRINTF_LIKE(2, 3);

/* Ends with what was printed to stdout, and with `text` behind that: EXIT_FAILED if it did not get
 * there. */
int command_print(const struct command_line *line, struct slice text);

/* For commands that look something up in the config. NULL: its problems were printed. */
struct snapshot *command_load_config(const char *path);
