#include "base/problems.h"

#include <stdlib.h>
#include <string.h>

void problems_fini(struct problems *problems)
{
    memory_free(problems->list);
    memory_free(problems->warnings);
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

/* Most are of the same file as the one before. */
static const char *keep_file(struct problems *problems, const struct problem *before,
                             const char *file)
{
    return before != NULL && strcmp(before->file, file) == 0
               ? before->file
               : arena_copy(&problems->arena, slice_from(file)).ptr;
}

static const char *keep_message(struct problems *problems, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static const char *keep_message(struct problems *problems, const char *format, va_list args)
{
    char message[1200];
    (void)vsnprintf(message, sizeof(message), format, args);
    return arena_copy(&problems->arena, slice_from(message)).ptr;
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
    struct problem *problem = &problems->list[problems->count];
    *problem = (struct problem){
        .file = keep_file(problems, problems->count > 0 ? problem - 1 : NULL, file),
        .line = line,
        .column = column,
        .order = problems->count,
        .message = keep_message(problems, format, args),
    };
    problems->count++;
}

void problems_warn(struct problems *problems, const char *file, unsigned line, unsigned column,
                   const char *format, ...)
{
    va_list args;
    if (problems->warning_count == WARNINGS_MAX) {
        problems->warnings_left_out++;
        return;
    }
    if (problems->warnings == NULL) {
        problems->warnings = memory_alloc(WARNINGS_MAX * sizeof(*problems->warnings));
    }
    va_start(args, format);
    struct problem *warning = &problems->warnings[problems->warning_count];
    *warning = (struct problem){
        .file = keep_file(problems, problems->warning_count > 0 ? warning - 1 : NULL, file),
        .line = line,
        .column = column,
        .order = problems->warning_count,
        .message = keep_message(problems, format, args),
    };
    va_end(args);
    problems->warning_count++;
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
    if (problems->warning_count > 1) {
        qsort(problems->warnings, problems->warning_count, sizeof(*problems->warnings), compare);
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

static void visit_all(const struct problem *list, unsigned count, unsigned left_out,
                      void (*visit)(void *ctx, const char *line), void *ctx)
{
    char line[2048];
    for (unsigned i = 0; i < count; i++) {
        problem_format(&list[i], line, sizeof(line));
        visit(ctx, line);
    }
    if (left_out > 0) {
        (void)snprintf(line, sizeof(line), "and %u more", left_out);
        visit(ctx, line);
    }
}

void problems_each(const struct problems *problems, void (*visit)(void *ctx, const char *line),
                   void *ctx)
{
    visit_all(problems->list, problems->count, problems->left_out, visit, ctx);
}

void problems_each_warning(const struct problems *problems,
                           void (*visit)(void *ctx, const char *line), void *ctx)
{
    visit_all(problems->warnings, problems->warning_count, problems->warnings_left_out, visit, ctx);
}

static void print_line(void *ctx, const char *line)
{
    (void)fprintf(ctx, "%s\n", line);
}

void problems_print(const struct problems *problems, FILE *out)
{
    problems_each(problems, print_line, out);
}
