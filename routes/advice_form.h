/*
 * advice_form: the forms in which headers say when: numbers, durations and dates, as a wait from
 * now. Internal to advice.
 */
#pragma once

#include "routes/advice.h"

/* A date of HTTP (RFC 9110, section 5.6.7). False: it is none. */
bool advice_form_date(struct slice text, usec_t *ret_wall);
/* Within [0, ADVICE_LONGEST], or -1: broken, negative, in the past, or absurd. */
usec_t advice_form_read(enum advice_form form, struct slice text, usec_t wall);
