#include "config/syntax_hint.h"

#include "base/utf8.h"

#include <string.h>

struct hint {
    const char *problem; /* part of the library's text */
    const char *context; /* likewise; NULL: any */
    const char *message; /* %u:%u is where the construct begins */
    bool at_context;     /* the place that helps is where it begins */
};

/* clang-format off */
static const struct hint hints[] = {
    {"unexpected end of stream", "quoted scalar", "the quote that opens here is never closed", true},
    {"unexpected document indicator", "quoted scalar", "the quote that opens here is never closed", true},
    {"mapping values are not allowed", NULL,
     "a ':' does not fit here; check the indentation, or put the value in quotes if it has \": \" in it", false},
    {"block sequence entries are not allowed", NULL,
     "a list item does not fit here; begin it on a line of its own, indented under its key", false},
    {"did not find expected key", "block mapping",
     "expected a key of the map that begins at %u:%u; check the indentation", false},
    {"did not find expected '-' indicator", NULL,
     "expected another \"- \" of the list that begins at %u:%u; check the indentation", false},
    {"did not find expected ',' or ']'", NULL,
     "expected ',' or ']' in the list that begins at %u:%u", false},
    {"did not find expected ',' or '}'", NULL,
     "expected ',' or '}' in the map that begins at %u:%u", false},
    {"did not find expected node content", "flow node",
     "a value is expected here; a '[' or '{' above may not be closed", false},
    {"could not find expected ':'", NULL,
     "a key needs a ':' and a blank behind it (the key begins at %u:%u)", false},
    {"unknown escape character", NULL,
     "unknown escape in double quotes; write \\\\ for a backslash, or use single quotes", false},
    {"did not find expected <document start>", NULL,
     "nothing may follow here; a file has one map, all of whose keys begin in the same column", false},
    {"undefined tag handle", NULL, "a value cannot begin with '!' unless it is in quotes", false},
    {"while scanning a tag", NULL, "a value cannot begin with '!' unless it is in quotes", false},
    {"alphabetic or numeric character", NULL,
     "a value cannot begin with '*' or '&' unless it is in quotes", false},
    {NULL, NULL, NULL, false},
};
/* clang-format on */

static bool contains(const char *text, const char *part)
{
    return text != NULL && strstr(text, part) != NULL;
}

static const struct hint *find_hint(const struct syntax_fault *fault)
{
    for (const struct hint *hint = hints; hint->problem != NULL; hint++) {
        if ((contains(fault->problem, hint->problem) || contains(fault->context, hint->problem)) &&
            (hint->context == NULL || contains(fault->context, hint->context))) {
            return hint;
        }
    }
    return NULL;
}

static struct slice line_at(struct slice text, unsigned line)
{
    while (line > 1 && text.len > 0) {
        text = slice_skip(text, slice_find(text, '\n') + 1);
        line--;
    }
    return slice_make(text.ptr, slice_find(text, '\n'));
}

/* The character at a column, or NUL. Wide characters before it are counted as one. */
static char byte_at(struct slice line, unsigned column)
{
    while (column > 1 && line.len > 0) {
        size_t len = utf8_char(line);
        line = slice_skip(line, len == 0 ? 1 : len);
        column--;
    }
    return line.len > 0 ? line.ptr[0] : '\0';
}

static bool indented_by_tab(struct slice line)
{
    size_t blanks = 0;
    while (blanks < line.len && (line.ptr[blanks] == ' ' || line.ptr[blanks] == '\t')) {
        blanks++;
    }
    return slice_find(slice_make(line.ptr, blanks), '\t') < blanks;
}

void syntax_fault_report(struct problems *problems, const char *file, struct slice text,
                         const struct syntax_fault *fault)
{
    struct slice line = line_at(text, fault->line);
    char byte = byte_at(line, fault->column);
    const struct hint *hint = find_hint(fault);
    if (byte == '\t' || indented_by_tab(line)) {
        problems_add(problems, file, fault->line, (unsigned)slice_find(line, '\t') + 1,
                     "a tab cannot indent; use spaces");
    } else if (contains(fault->problem, "cannot start any token") && byte != '\0') {
        problems_add(problems, file, fault->line, fault->column,
                     "a value cannot begin with '%c' unless it is in quotes", byte);
    } else if (hint != NULL && hint->at_context) {
        problems_add(problems, file, fault->context_line, fault->context_column, "%s",
                     hint->message);
    } else if (hint != NULL && strstr(hint->message, "%u:%u") != NULL) {
        const char *place = strstr(hint->message, "%u:%u");
        problems_add(problems, file, fault->line, fault->column, "%.*s%u:%u%s",
                     (int)(place - hint->message), hint->message, fault->context_line,
                     fault->context_column, place + strlen("%u:%u"));
    } else if (hint != NULL) {
        problems_add(problems, file, fault->line, fault->column, "%s", hint->message);
    } else {
        problems_add(problems, file, fault->line, fault->column, "YAML: %s%s%s",
                     fault->problem != NULL ? fault->problem : "cannot be read",
                     fault->context != NULL ? " " : "",
                     fault->context != NULL ? fault->context : "");
    }
}

/* Bytes of the character at the front if a document may have it, else 0. */
static size_t allowed_char(struct slice text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    if (first < 0x20) {
        return first == '\n' || first == '\r' || first == '\t' ? 1 : 0;
    }
    if (first < 0x7f) {
        return 1;
    }
    size_t len = first == 0x7f ? 0 : utf8_char(text);
    /* C1 controls, but for NEL. */
    return first == 0xc2 && len == 2 && (unsigned char)text.ptr[1] < 0xa0 && text.ptr[1] != '\x85'
               ? 0
               : len;
}

bool syntax_check_bytes(struct problems *problems, const char *file, struct slice text)
{
    unsigned line = 1;
    unsigned column = 1;
    for (size_t at = 0; at < text.len;) {
        struct slice rest = slice_skip(text, at);
        size_t len = allowed_char(rest);
        unsigned char byte = (unsigned char)rest.ptr[0];
        if (len == 0 && (byte < 0x80 || utf8_char(rest) > 0)) {
            problems_add(problems, file, line, column,
                         "a control character (0x%02x); take it out, or write it as an escape in "
                         "double quotes",
                         byte < 0x80 ? byte : (unsigned char)rest.ptr[1]);
            return false;
        }
        if (len == 0) {
            problems_add(problems, file, line, column,
                         "byte 0x%02x is not UTF-8; save the file as UTF-8", byte);
            return false;
        }
        column = byte == '\n' ? 1 : column + 1;
        line += byte == '\n';
        at += len;
    }
    return true;
}
