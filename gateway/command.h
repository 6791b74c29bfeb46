/*
 * command: the entry of each command; main.c finds it by name. argv[0] is the command's name.
 *
 * Exit codes: 0 done, 1 failed, 2 usage or config error. `--help` prints the usage to stdout;
 * errors go to stderr as one line that says what to do.
 */
#pragma once

#define COMMAND_DEFAULT_CONFIG "sallyport.yaml" /* in the current folder */

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_keys(int argc, char **argv);
int command_secrets(int argc, char **argv);
int command_providers(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_version(int argc, char **argv);
