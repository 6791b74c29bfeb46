#include "gateway/observe/families.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/observe/metrics_block.h"
#include "gateway/observe/page.h"

#include <inttypes.h>
#include <string.h>

enum {
    SERIES_MAX = 20000, /* a block */
    KEY_MAX_BYTES = 512,
};

static const struct {
    const char *name;
    const char *help;
    bool usd;                                  /* counted in nano-USD, shown in USD */
    const char *labels[FAMILY_LABELS_MAX + 1]; /* NULL ends */
} families[FAMILY_COUNT] = {
#define METRIC_FAMILY(name_, help_, ...)                                                           \
    [FAMILY_##name_] = {#name_, help_, false, {__VA_ARGS__, NULL}},
#define METRIC_USD_FAMILY(name_, help_, ...)                                                       \
    [FAMILY_##name_] = {#name_, help_, true, {__VA_ARGS__, NULL}},
#include "gateway/observe/families.def"
#undef METRIC_FAMILY
#undef METRIC_USD_FAMILY
};

/* The family's number, then each value with a NUL behind it; empty if that is too long. */
static struct slice make_key(enum metric_family family, const char *const *values,
                             char out[KEY_MAX_BYTES])
{
    size_t len = 1;
    out[0] = (char)family;
    for (unsigned i = 0; families[family].labels[i] != NULL; i++) {
        size_t size = strlen(values[i]) + 1;
        if (size > KEY_MAX_BYTES - len) {
            return slice_make(out, 0);
        }
        memcpy(out + len, values[i], size);
        len += size;
    }
    return slice_make(out, len);
}

static struct family_series *add_series(struct metrics_block *block, enum metric_family family,
                                        struct slice key)
{
    struct family_series *series = memory_alloc(sizeof(*series) + key.len);
    char *copy = (char *)(series + 1);
    memcpy(copy, key.ptr, key.len);
    series->key = slice_make(copy, key.len);
    series->family = family;
    series->next = atomic_load_explicit(&block->families, memory_order_relaxed);
    (void)table_add(&block->families_by_key, series->key, series);
    atomic_store_explicit(&block->families, series, memory_order_release);
    return series;
}

static struct family_series *find_series(struct metrics_block *block, enum metric_family family,
                                         const char *const *values)
{
    static const char *const other[FAMILY_LABELS_MAX] = {"__other__", "__other__", "__other__",
                                                         "__other__"};
    char bytes[KEY_MAX_BYTES];
    struct slice key = make_key(family, values, bytes);
    struct family_series *series = table_get(&block->families_by_key, key);
    if (series != NULL) {
        return series;
    }
    bool full = key.len == 0 || block->families_by_key.count >= SERIES_MAX;
    return full && values != other ? find_series(block, family, other)
                                   : add_series(block, family, key);
}

static bool matches(const struct family_series *series, enum metric_family family,
                    const char *const *values)
{
    if (series == NULL || series->family != family) {
        return false;
    }
    const char *known = series->key.ptr + 1;
    for (unsigned i = 0; families[family].labels[i] != NULL; i++) {
        size_t size = strlen(known) + 1;
        if (strcmp(known, values[i]) != 0) {
            return false;
        }
        known += size;
    }
    return true;
}

/* By the addresses of the values, for they seldom change; the values themselves decide. */
static struct family_series **cache_place(struct metrics_block *block, enum metric_family family,
                                          const char *const *values)
{
    uint64_t hash = family;
    for (unsigned i = 0; families[family].labels[i] != NULL; i++) {
        hash = (hash ^ (uint64_t)(uintptr_t)values[i]) * 0x9e3779b97f4a7c15U;
    }
    return &block->families_cache[(hash >> 48) % SERIES_CACHE_SIZE];
}

void metrics_count(struct metrics_block *block, enum metric_family family,
                   const char *const *values, uint64_t amount)
{
    struct family_series **place = cache_place(block, family, values);
    struct family_series *series = *place;
    if (!matches(series, family, values)) {
        series = find_series(block, family, values);
        *place = series;
    }
    uint64_t before = atomic_load_explicit(&series->value, memory_order_relaxed);
    atomic_store_explicit(&series->value, before + amount, memory_order_relaxed);
}

const char *metrics_model(struct metrics_block *block, struct slice name)
{
    const char *known = table_get(&block->models_by_name, name);
    if (known != NULL) {
        return known;
    }
    if (block->models_by_name.count >= METRIC_MODELS_MAX) {
        return "__other__";
    }
    char *copy = memory_alloc(name.len + 1);
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    (void)table_add(&block->models_by_name, slice_make(copy, name.len), copy);
    return copy;
}

/* ---- the page ---- */

/* The same series of all blocks. */
struct family_row {
    struct family_row *next;
    const struct family_series *series;
    uint64_t value;
};

struct family_rows {
    struct arena arena;
    struct table by_key;
    struct family_row *first[FAMILY_COUNT];
};

static void add_row(struct family_rows *rows, const struct family_series *series)
{
    struct family_row *row = table_get(&rows->by_key, series->key);
    if (row == NULL) {
        row = ARENA_NEW(&rows->arena, struct family_row);
        row->series = series;
        row->next = rows->first[series->family];
        rows->first[series->family] = row;
        (void)table_add(&rows->by_key, series->key, row);
    }
    row->value += atomic_load_explicit(&series->value, memory_order_relaxed);
}

static enum status put_row(struct buffer *out, enum metric_family family,
                           const struct family_row *row)
{
    const char *value = row->series->key.ptr + 1;
    TRY(buffer_print(out, "sallyport_%s{", families[family].name));
    for (unsigned i = 0; families[family].labels[i] != NULL; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",")));
        TRY(page_put_label(out, families[family].labels[i], value));
        value += strlen(value) + 1;
    }
    if (families[family].usd) {
        const uint64_t nano = UINT64_C(1000000000);
        return buffer_print(out, "} %" PRIu64 ".%09" PRIu64 "\n", row->value / nano,
                            row->value % nano);
    }
    return buffer_print(out, "} %" PRIu64 "\n", row->value);
}

static enum status put_rows(const struct family_rows *rows, struct buffer *out)
{
    for (unsigned family = 0; family < FAMILY_COUNT; family++) {
        TRY(page_put_family(out, families[family].name, "counter", families[family].help));
        for (const struct family_row *row = rows->first[family]; row != NULL; row = row->next) {
            TRY(put_row(out, (enum metric_family)family, row));
        }
    }
    return STATUS_OK;
}

enum status page_put_families(const struct metrics *metrics, struct buffer *out)
{
    struct family_rows rows = {0};
    for (unsigned i = 0; i < metrics->count; i++) {
        const struct family_series *series =
            atomic_load_explicit(&metrics->blocks[i]->families, memory_order_acquire);
        for (; series != NULL; series = series->next) {
            add_row(&rows, series);
        }
    }
    enum status status = put_rows(&rows, out);
    table_fini(&rows.by_key);
    arena_fini(&rows.arena);
    return status;
}
