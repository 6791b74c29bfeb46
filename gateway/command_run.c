/* sallyport run: serves. */
#include "gateway/command.h"
#include "gateway/server.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport run [-c FILE]\n"
    "\n"
    "Serves. SIGHUP reloads the config, SIGTERM and SIGINT drain and stop, a second one stops at\n"
    "once.\n"
    "\n"
    "  -c FILE   the config (default: " COMMAND_DEFAULT_CONFIG ")\n";

int command_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *config_path = COMMAND_DEFAULT_CONFIG;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (option != 'c') {
            (void)fputs("sallyport run: see 'sallyport run --help'\n", stderr);
            return 2;
        }
        config_path = optarg;
    }
    if (optind != argc) {
        (void)fprintf(stderr, "sallyport run: unexpected \"%s\"; see 'sallyport run --help'\n",
                      argv[optind]);
        return 2;
    }
    struct error err = {0};
    enum status status = server_run(config_path, &err);
    if (status == STATUS_OK) {
        return 0;
    }
    if (err.message[0] != '\0') {
        (void)fprintf(stderr, "sallyport: %s\n", err.message);
    }
    return status == STATUS_INVALID ? 2 : 1;
}
