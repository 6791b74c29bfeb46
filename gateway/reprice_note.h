/*
 * reprice_note: that the past was priced anew, for the audit log: before it is begun, and what came
 * of it.
 */
#pragma once

struct usage_repriced;

/* In the audit log; by a gateway that runs, in its own log, too. Any thread. */
enum reprice_noted { REPRICE_NOTED_BY_COMMAND, REPRICE_NOTED_BY_GATEWAY };
void reprice_note(const struct usage_repriced *repriced, enum reprice_noted by);
