/*
 * log: what the process says to its operator, on stderr, one line each: time, level, message; where
 * stderr is the journal, the level's mark and the message. Any thread; rare. Never a secret, never
 * a body, never a query.
 */
#pragma once

#include "base/status.h"

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Looks whether stderr is the journal. Before there are threads. */
void log_init(void);

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
