/*
 * A row is a bitmap of the columns that differ from the row before (before the first one stands a
 * row of nothing), a bit a column in the layout's order, the first one the lowest of the first
 * byte; then those columns. Numbers are of 7 bits a byte, the lowest first, the top bit says that
 * there is more: T  text: its length, its bytes N  a number without sign D  a number with sign, as
 * its distance from the row before, zigzag M  0: none; else 1 and a number with sign, zigzag
 */
#include "gateway/ledger/ledger_block.h"

#include "base/memory.h"
#include "gateway/ledger/ledger_columns.h"

#include <assert.h>

enum { COLUMNS_MAX = 128, BITMAP_BYTES = COLUMNS_MAX / 8, NUMBER_BYTES = 10 };

struct place {
    char kind;
    const struct ledger_column *column; /* NULL: one that this program does not know */
};

struct ledger_layout {
    unsigned count;
    struct place places[COLUMNS_MAX];
};

static char letter_of(const struct ledger_column *column)
{
    switch (column->kind) {
    case LEDGER_COLUMN_TEXT:
        return 'T';
    case LEDGER_COLUMN_SHORT:
    case LEDGER_COLUMN_FLAGS:
    case LEDGER_COLUMN_COUNT:
        return 'N';
    case LEDGER_COLUMN_TIME:
        return 'D';
    case LEDGER_COLUMN_MONEY:
        return 'M';
    }
    return 0;
}

/* ---- numbers ---- */

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}

static int64_t distance(int64_t from, int64_t to)
{
    return (int64_t)((uint64_t)to - (uint64_t)from); /* may wrap, and back */
}

static char *put_number(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *at++ = (char)((value & 0x7f) | 0x80);
    }
    *at++ = (char)value;
    return at;
}

static uint64_t number_of(const struct ledger_column *column, const struct ledger_row *row)
{
    const void *at = (const char *)row + column->offset;
    switch (column->size) {
    case sizeof(uint16_t):
        return *(const uint16_t *)at;
    case sizeof(uint32_t):
        return *(const uint32_t *)at;
    default:
        return *(const uint64_t *)at;
    }
}

static void set_number(const struct ledger_column *column, struct ledger_row *row, uint64_t value)
{
    void *at = (char *)row + column->offset;
    switch (column->size) {
    case sizeof(uint16_t):
        *(uint16_t *)at = (uint16_t)value;
        break;
    case sizeof(uint32_t):
        *(uint32_t *)at = (uint32_t)value;
        break;
    default:
        *(uint64_t *)at = value;
        break;
    }
}

/* ---- packing ---- */

void ledger_block_init(struct ledger_block *block, size_t max)
{
    memset(block, 0, sizeof(*block));
    buffer_init(&block->bytes, max);
}

void ledger_block_fini(struct ledger_block *block)
{
    buffer_fini(&block->bytes);
}

void ledger_block_clear(struct ledger_block *block)
{
    buffer_consume(&block->bytes, buffer_len(&block->bytes));
    block->rows = 0;
    memset(&block->last, 0, sizeof(block->last));
}

static bool is_same(const struct ledger_column *column, const struct ledger_row *row,
                    const struct ledger_row *last)
{
    if (column->kind == LEDGER_COLUMN_TEXT) { /* many are empty */
        const char *text = (const char *)row + column->offset;
        const char *before = (const char *)last + column->offset;
        return text[0] == before[0] && (text[0] == '\0' || strcmp(text, before) == 0);
    }
    return number_of(column, row) == number_of(column, last) &&
           (column->kind != LEDGER_COLUMN_MONEY ||
            row->object.has_amount == last->object.has_amount);
}

/* From then on the last row has it, too. */
static void note_column(struct ledger_row *last, const struct ledger_column *column,
                        const struct ledger_row *row)
{
    const char *from = (const char *)row + column->offset;
    size_t size = column->kind == LEDGER_COLUMN_TEXT ? strlen(from) + 1 : column->size;
    memcpy((char *)last + column->offset, from, size);
    if (column->kind == LEDGER_COLUMN_MONEY) {
        last->object.has_amount = row->object.has_amount;
    }
}

static char *put_column(char *at, const struct ledger_column *column, const struct ledger_row *row,
                        const struct ledger_row *last)
{
    switch (column->kind) {
    case LEDGER_COLUMN_TEXT: {
        const char *text = (const char *)row + column->offset;
        size_t len = strlen(text);
        at = put_number(at, len);
        memcpy(at, text, len);
        return at + len;
    }
    case LEDGER_COLUMN_SHORT:
    case LEDGER_COLUMN_FLAGS:
    case LEDGER_COLUMN_COUNT:
        return put_number(at, number_of(column, row));
    case LEDGER_COLUMN_TIME:
        return put_number(at, zigzag(distance((int64_t)number_of(column, last),
                                              (int64_t)number_of(column, row))));
    case LEDGER_COLUMN_MONEY:
        *at++ = row->object.has_amount;
        return row->object.has_amount ? put_number(at, zigzag((int64_t)number_of(column, row)))
                                      : at;
    }
    return at;
}

enum status ledger_block_add(struct ledger_block *block, const struct ledger_row *row)
{
    size_t bitmap_bytes = (ledger_column_count + 7) / 8;
    _Static_assert(sizeof(struct ledger_row) + COLUMNS_MAX * NUMBER_BYTES < LEDGER_BLOCK_ROW_MAX,
                   "a row may become longer than that");
    TRY(buffer_reserve(&block->bytes, LEDGER_BLOCK_ROW_MAX));
    char *bitmap = buffer_tail(&block->bytes);
    char *at = bitmap + bitmap_bytes;
    memset(bitmap, 0, bitmap_bytes);
    for (unsigned i = 0; i < ledger_column_count; i++) {
        const struct ledger_column *column = &ledger_columns[i];
        if (!is_same(column, row, &block->last)) {
            bitmap[i / 8] = (char)(bitmap[i / 8] | 1 << i % 8);
            at = put_column(at, column, row, &block->last);
            note_column(&block->last, column, row);
        }
    }
    buffer_commit(&block->bytes, (size_t)(at - bitmap));
    block->rows++;
    return STATUS_OK;
}

/* ---- layouts ---- */

enum status ledger_block_write_layout(struct buffer *out)
{
    for (unsigned i = 0; i < ledger_column_count; i++) {
        TRY(buffer_print(out, "%s%s:%c", i > 0 ? " " : "", ledger_columns[i].name,
                         letter_of(&ledger_columns[i])));
    }
    return STATUS_OK;
}

static const struct ledger_column *find_column(struct slice name, char kind)
{
    for (unsigned i = 0; i < ledger_column_count; i++) {
        const struct ledger_column *column = &ledger_columns[i];
        if (slice_equal(name, slice_from(column->name)) && letter_of(column) == kind) {
            return column;
        }
    }
    return NULL;
}

static struct slice first_word(struct slice text)
{
    const char *end = text.len == 0 ? NULL : memchr(text.ptr, ' ', text.len);
    return slice_make(text.ptr, end == NULL ? text.len : (size_t)(end - text.ptr));
}

static bool read_place(struct ledger_layout *layout, struct slice word)
{
    if (word.len < 3 || word.ptr[word.len - 2] != ':' || layout->count == COLUMNS_MAX) {
        return false;
    }
    char kind = word.ptr[word.len - 1];
    struct place *place = &layout->places[layout->count++];
    place->kind = kind;
    place->column = find_column(slice_make(word.ptr, word.len - 2), kind);
    return kind == 'T' || kind == 'N' || kind == 'D' || kind == 'M';
}

enum status ledger_layout_read(struct slice text, struct ledger_layout **ret)
{
    struct ledger_layout *layout = MEMORY_NEW(struct ledger_layout);
    while (text.len > 0) {
        struct slice word = first_word(text);
        if (!read_place(layout, word)) {
            ledger_layout_free(layout);
            return STATUS_INVALID;
        }
        text = slice_skip(text, word.len < text.len ? word.len + 1 : word.len);
    }
    if (layout->count == 0) { /* its rows would take no byte, and never end */
        ledger_layout_free(layout);
        return STATUS_INVALID;
    }
    *ret = layout;
    return STATUS_OK;
}

void ledger_layout_free(struct ledger_layout *layout)
{
    memory_free(layout);
}

/* ---- reading ---- */

struct reading {
    struct slice rest;
    struct ledger_row row;
    int64_t times[COLUMNS_MAX]; /* of D, also of columns that are not known */
    bool broken;
};

static uint64_t take_number(struct reading *reading)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < NUMBER_BYTES && i < reading->rest.len; i++) {
        unsigned char byte = (unsigned char)reading->rest.ptr[i];
        value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            reading->rest = slice_skip(reading->rest, i + 1);
            return value;
        }
    }
    reading->broken = true;
    return 0;
}

static struct slice take_text(struct reading *reading)
{
    uint64_t len = take_number(reading);
    if (len > reading->rest.len) {
        reading->broken = true;
        return SLICE("");
    }
    struct slice text = slice_make(reading->rest.ptr, (size_t)len);
    reading->rest = slice_skip(reading->rest, (size_t)len);
    return text;
}

static void take_money(struct reading *reading, const struct ledger_column *column)
{
    uint64_t there = take_number(reading);
    int64_t amount = there == 0 ? 0 : unzigzag(take_number(reading));
    reading->broken |= there > 1;
    if (column != NULL) {
        reading->row.object.has_amount = there != 0;
        set_number(column, &reading->row, (uint64_t)amount);
    }
}

static void take_column(struct reading *reading, const struct place *place, int64_t *time)
{
    const struct ledger_column *column = place->column;
    if (place->kind == 'T') {
        struct slice text = take_text(reading);
        if (column != NULL) { /* a later program may have longer ones */
            memset((char *)&reading->row + column->offset, 0, column->size);
            ledger_text((char *)&reading->row + column->offset, column->size, text);
        }
    } else if (place->kind == 'M') {
        take_money(reading, column);
    } else {
        uint64_t value = take_number(reading);
        if (place->kind == 'D') {
            *time = (int64_t)((uint64_t)*time + (uint64_t)unzigzag(value));
            value = (uint64_t)*time;
        }
        if (column != NULL) {
            set_number(column, &reading->row, value);
        }
    }
}

static void take_row(struct reading *reading, const struct ledger_layout *layout)
{
    size_t bitmap_bytes = (layout->count + 7) / 8;
    char bitmap[BITMAP_BYTES] = {0};
    if (reading->rest.len < bitmap_bytes) {
        reading->broken = true;
        return;
    }
    memcpy(bitmap, reading->rest.ptr, bitmap_bytes);
    reading->rest = slice_skip(reading->rest, bitmap_bytes);
    for (unsigned i = 0; i < layout->count && !reading->broken; i++) {
        if ((bitmap[i / 8] >> i % 8 & 1) != 0) {
            take_column(reading, &layout->places[i], &reading->times[i]);
        }
    }
}

enum status ledger_block_read(const struct ledger_layout *layout, struct slice bytes, void *ctx,
                              bool (*each)(void *ctx, const struct ledger_row *row))
{
    struct reading reading = {.rest = bytes};
    while (reading.rest.len > 0) {
        take_row(&reading, layout);
        if (reading.broken) {
            return STATUS_INVALID;
        }
        if (!each(ctx, &reading.row)) {
            break;
        }
    }
    return STATUS_OK;
}
