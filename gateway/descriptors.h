/*
 * descriptors: how many files and sockets the process may have open, and room for them in its
 * table.
 */
#pragma once

/* As many as the system lets it have. */
void descriptors_raise_limit(void);

/*
 * Makes the table large enough for so many clients, two descriptors a request, as far as the limit
 * allows. To be called before there are threads: where several share the table, Linux lets whoever
 * makes it grow, and all who open something meanwhile, wait for tens of milliseconds.
 */
void descriptors_reserve(unsigned connections);
