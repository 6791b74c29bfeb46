#include "base/nearest.h"

#include <stdio.h>

/* Longer names are not compared: nobody mistypes those. */
enum { NAME_MAX_LEN = 64 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned rows[3][NAME_MAX_LEN + 1];
    unsigned *before = rows[0];
    unsigned *last = rows[1];
    unsigned *row = rows[2];
    for (unsigned j = 0; j <= b.len; j++) {
        before[j] = 0;
        last[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            char x = ascii_lower(a.ptr[i - 1]);
            char y = ascii_lower(b.ptr[j - 1]);
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x == y ? 0 : 1));
            if (i > 1 && j > 1 && x == ascii_lower(b.ptr[j - 2]) &&
                y == ascii_lower(a.ptr[i - 2]) && before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.len];
}

void nearest_init(struct nearest *nearest, struct slice wanted)
{
    /* One slip in three letters, two at least in longer words. */
    unsigned most = (unsigned)(wanted.len > NAME_MAX_LEN ? 0 : wanted.len / 3);
    *nearest = (struct nearest){
        .wanted = wanted,
        .distance = (most == 0 && wanted.len > 1 ? 1 : most) + 1,
    };
}

static void add_known(struct nearest *nearest, const char *known)
{
    size_t used = nearest->known_len;
    if (used < sizeof(nearest->known)) {
        int len = snprintf(nearest->known + used, sizeof(nearest->known) - used, "%s%s",
                           used > 0 ? ", " : "", known);
        nearest->known_len += (size_t)len;
    }
}

void nearest_offer(struct nearest *nearest, const char *known)
{
    add_known(nearest, known);
    struct slice name = slice_from(known);
    size_t len = nearest->wanted.len;
    size_t gap = name.len > len ? name.len - len : len - name.len;
    if (len > NAME_MAX_LEN || name.len > NAME_MAX_LEN || gap >= nearest->distance) {
        return;
    }
    unsigned found = distance(nearest->wanted, name);
    if (found < nearest->distance) {
        nearest->distance = found;
        nearest->best = known;
    }
}
