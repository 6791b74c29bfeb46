#include "gateway/command.h"

#include "base/problems.h"
#include "config/snapshot.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_LONG = 256, HELP = 'h' };

/* As getopt_long() wants them. An option's value is FIRST_LONG and its index, its letter aside. */
struct getopt_table {
    struct option longs[COMMAND_OPTIONS_MAX + 2];
    char letters[2 * COMMAND_OPTIONS_MAX + 3];
};

static void fill_table(const struct command_option *options, struct getopt_table *table)
{
    size_t letters = 0;
    int count = 0;
    table->letters[letters++] = ':'; /* tell a missing value from an unknown option */
    table->letters[letters++] = HELP;
    for (; options[count].name != NULL; count++) {
        const struct command_option *option = &options[count];
        bool takes_value = option->value != NULL;
        table->longs[count] = (struct option){
            option->name, takes_value ? required_argument : no_argument, NULL, FIRST_LONG + count};
        if (option->letter != 0) {
            table->letters[letters++] = option->letter;
            if (takes_value) {
                table->letters[letters++] = ':';
            }
        }
    }
    table->letters[letters] = '\0';
    table->longs[count] = (struct option){"help", no_argument, NULL, HELP};
    table->longs[count + 1] = (struct option){NULL, 0, NULL, 0};
}

static const struct command_option *find_option(const struct command_option *options, int found)
{
    for (int i = 0; options[i].name != NULL; i++) {
        if (found == FIRST_LONG + i || (found == options[i].letter && found != 0)) {
            return &options[i];
        }
    }
    return NULL;
}

/* What getopt_long() stumbled over: a letter, or the word before the next one. */
static int refuse_option(const struct command_line *line, int found, char **argv)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt < FIRST_LONG;
    const char *given = is_letter ? letter : argv[optind - 1];
    return found == ':' ? command_misused(line, "option %s needs a value", given)
                        : command_misused(line, "there is no option %s", given);
}

bool command_read(int argc, char **argv, const char *usage, const struct command_option *options,
                  struct command_line *ret, int *ret_exit)
{
    struct getopt_table table;
    fill_table(options, &table);
    *ret = (struct command_line){.command = argv[0]};
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1;) {
        if (found == HELP) {
            (void)fputs(usage, stdout);
            *ret_exit = EXIT_DONE;
            return false;
        }
        const struct command_option *option = find_option(options, found);
        if (option == NULL) {
            *ret_exit = refuse_option(ret, found, argv);
            return false;
        }
        if (option->value != NULL) {
            *option->value = optarg;
        } else {
            *option->flag = true;
        }
    }
    ret->words = argv + optind;
    ret->word_count = (unsigned)(argc - optind);
    return true;
}

bool command_words_at_most(const struct command_line *line, unsigned most, int *ret_exit)
{
    if (line->word_count <= most) {
        return true;
    }
    *ret_exit = command_misused(line, "unexpected \"%s\"", line->words[most]);
    return false;
}

bool command_config_by_option(const struct command_line *line, int *ret_exit)
{
    if (line->word_count == 0) {
        return true;
    }
    *ret_exit =
        command_misused(line, "unexpected \"%s\"; the config is named by -c: sallyport %s -c %s",
                        line->words[0], line->command, line->words[0]);
    return false;
}

static void complain(const struct command_line *line, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void complain(const struct command_line *line, const char *format, va_list args)
{
    (void)fprintf(stderr, "sallyport %s: ", line->command);
    (void)vfprintf(stderr, format, args);
}

int command_misused(const struct command_line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(line, format, args);
    va_end(args);
    (void)fprintf(stderr, "; see 'sallyport %s --help'\n", line->command);
    return EXIT_USAGE;
}

int command_failed(const struct command_line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(line, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return EXIT_FAILED;
}

int command_print(const struct command_line *line, struct slice text)
{
    bool printed = fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0 &&
                   ferror(stdout) == 0;
    return printed ? EXIT_DONE
                   : command_failed(line, "stdout takes no more: %s", strerrordesc_np(errno));
}

struct snapshot *command_load_config(const char *path)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    struct snapshot *snapshot = NULL;
    if (snapshot_load(path, NULL, &problems, &snapshot) != STATUS_OK) {
        problems_print(&problems, stderr);
    }
    return snapshot;
}
