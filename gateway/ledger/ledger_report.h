/*
 * ledger_report: the answers of ledger_query as a table for people, as JSON or as CSV, on a stream.
 */
#pragma once

#include "gateway/ledger/ledger_query.h"

#include <stdio.h>

enum ledger_form { LEDGER_TABLE, LEDGER_JSON, LEDGER_CSV };

/* ---- sums: gathered first, for the columns have to fit ---- */

struct ledger_report;

struct ledger_report *ledger_report_new(void);
void ledger_report_free(struct ledger_report *report); /* takes NULL */
/* ledger_sums()' `each`; ctx is the report. */
void ledger_report_add(void *ctx, const struct ledger_sum *sum);
/* `since`: of the first minute, for the head. */
void ledger_report_write(const struct ledger_report *report, enum ledger_by by,
                         enum ledger_form form, usec_t since, FILE *out);

/* ---- objects: a line each, as they come ---- */

struct ledger_objects_report {
    enum ledger_form form;
    FILE *out;
    unsigned long count;
};

void ledger_objects_begin(struct ledger_objects_report *report);
/* ledger_objects()' `each`; ctx is the report. */
void ledger_objects_add(void *ctx, const struct ledger_row *row);
void ledger_objects_end(struct ledger_objects_report *report);
