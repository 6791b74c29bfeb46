#include "base/problems.h"

#include <stdlib.h>
#include <string.h>

void problems_fini(struct problems *problems)
{
    memory_free(problems->list);
    arena_fini(&problems->arena);
    *problems = (struct problems){0};
}

struct problems *problems_new(void)
{
    return MEMORY_NEW(struct problems);
}

void problems_free(struct problems *problems)
{
    if (problems != NULL) {
        problems_fini(problems);
        memory_free(problems);
    }
}

/* Most problems are of the same file as the one before. */
static const char *keep_file(struct problems *problems, const char *file)
{
    if (problems->count > 0) {
        const char *last = problems->list[problems->count - 1].file;
        if (strcmp(last, file) == 0) {
            return last;
        }
    }
    return arena_copy(&problems->arena, slice_from(file)).ptr;
}

void problems_add_args(struct problems *problems, const char *file, unsigned line, unsigned column,
                       const char *format, va_list args)
{
    if (problems_leave_out(problems)) {
        return;
    }
    if (problems->list == NULL) {
        problems->list = memory_alloc(PROBLEMS_MAX * sizeof(*problems->list));
    }
    char message[1200];
    (void)vsnprintf(message, sizeof(message), format, args);
    struct problem *problem = &problems->list[problems->count];
    *problem = (struct problem){
        .file = keep_file(problems, file),
        .line = line,
        .column = column,
        .order = problems->count,
        .message = arena_copy(&problems->arena, slice_from(message)).ptr,
    };
    problems->count++;
}

void problems_add(struct problems *problems, const char *file, unsigned line, unsigned column,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problems_add_args(problems, file, line, column, format, args);
    va_end(args);
}

static int compare_numbers(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
    const struct problem *a = left;
    const struct problem *b = right;
    int order = strcmp(a->file, b->file);
    if (order == 0) {
        order = compare_numbers(a->line, b->line);
    }
    if (order == 0) {
        order = compare_numbers(a->column, b->column);
    }
    return order != 0 ? order : compare_numbers(a->order, b->order);
}

void problems_sort(struct problems *problems)
{
    if (problems->count > 1) {
        qsort(problems->list, problems->count, sizeof(*problems->list), compare);
    }
}

void problem_format(const struct problem *problem, char *out, size_t size)
{
    if (problem->line == 0) {
        (void)snprintf(out, size, "%s: %s", problem->file, problem->message);
    } else {
        (void)snprintf(out, size, "%s:%u:%u: %s", problem->file, problem->line, problem->column,
                       problem->message);
    }
}

void problems_each(const struct problems *problems, void (*visit)(void *ctx, const char *line),
                   void *ctx)
{
    char line[2048];
    for (unsigned i = 0; i < problems->count; i++) {
        problem_format(&problems->list[i], line, sizeof(line));
        visit(ctx, line);
    }
    if (problems->left_out > 0) {
        (void)snprintf(line, sizeof(line), "and %u more", problems->left_out);
        visit(ctx, line);
    }
}

static void print_line(void *ctx, const char *line)
{
    (void)fprintf(ctx, "%s\n", line);
}

void problems_print(const struct problems *problems, FILE *out)
{
    problems_each(problems, print_line, out);
}
