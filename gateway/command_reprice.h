/*
 * command_reprice: `sallyport usage --reprice`, which has options of its own.
 */
#pragma once

#include <stdbool.h>

bool command_reprice_wanted(int argc, char **argv);
int command_reprice(int argc, char **argv);
