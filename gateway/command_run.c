/* sallyport run: serves. */
#include "gateway/command.h"
#include "gateway/server.h"

static const char usage[] =
    "usage: sallyport run [-c FILE|DIR]\n"
    "\n"
    "Serves. SIGHUP and a change of its files reload the config, SIGTERM and SIGINT drain and\n"
    "stop, a second one stops at once.\n"
    "\n"
    "  -c FILE   the config, or a folder of its files (default: " COMMAND_DEFAULT_CONFIG ")\n";

int command_run(int argc, char **argv)
{
    const char *config = COMMAND_DEFAULT_CONFIG;
    const struct command_option options[] = {
        {.name = "config", .letter = 'c', .value = &config},
        {.name = NULL},
    };
    struct command_line line;
    int result;
    if (!command_read(argc, argv, usage, options, &line, &result) ||
        !command_config_by_option(&line, &result)) {
        return result;
    }
    struct error err = {0};
    enum status status = server_run(config, &err);
    if (status == STATUS_OK) {
        return EXIT_DONE;
    }
    if (err.message[0] != '\0') { /* else the config's problems were printed */
        (void)command_failed(&line, "%s", err.message);
    }
    return status == STATUS_INVALID ? EXIT_USAGE : EXIT_FAILED;
}
