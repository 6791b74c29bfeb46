/*
 * Blocks of the ledger as a stranger, or a later program, may have written them: a line with their
 * layout (an empty one stands for this program's), then their bytes. What is read is packed and
 * read again: the same rows, in the same bytes ever after.
 */
#include "gateway/ledger/ledger_block.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_loaded.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LAYOUT_MAX = 16 * 1024, BLOCK_MAX = LEDGER_BLOCK_ROWS_BEYOND * LEDGER_BLOCK_ROW_MAX };

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static struct ledger_layout *own_layout(void)
{
    static struct ledger_layout *layout;
    if (layout == NULL) {
        struct buffer columns CLEANUP(buffer_fini);
        buffer_init(&columns, LAYOUT_MAX);
        require(ledger_block_write_layout(&columns) == STATUS_OK);
        require(ledger_layout_read(buffer_bytes(&columns), &layout) == STATUS_OK);
    }
    return layout;
}

static void require_same(const struct ledger_row *one, const struct ledger_row *other)
{
    for (unsigned i = 0; i < ledger_column_count; i++) {
        const struct ledger_column *column = &ledger_columns[i];
        const char *left = (const char *)one + column->offset;
        const char *right = (const char *)other + column->offset;
        if (column->kind == LEDGER_COLUMN_TEXT) {
            require(memchr(left, '\0', column->size) != NULL);
            require(strcmp(left, right) == 0);
        } else {
            require(memcmp(left, right, column->size) == 0);
        }
    }
    require(one->object.has_amount == other->object.has_amount);
}

static void pack(struct ledger_block *block, const struct ledger_row_list *rows)
{
    ledger_block_init(block, BLOCK_MAX);
    for (unsigned i = 0; i < rows->count; i++) {
        require(ledger_block_add(block, &rows->rows[i]) == STATUS_OK);
    }
}

static void pack_and_read_again(const struct ledger_row_list *rows)
{
    struct ledger_block block;
    struct ledger_block once_more;
    struct ledger_row_list again = {0};
    pack(&block, rows);
    require(ledger_row_list_read(&again, own_layout(), buffer_bytes(&block.bytes)) == STATUS_OK);
    require(again.count == rows->count);
    for (unsigned i = 0; i < rows->count; i++) {
        require_same(&rows->rows[i], &again.rows[i]);
    }
    pack(&once_more, &again);
    require(slice_equal(buffer_bytes(&block.bytes), buffer_bytes(&once_more.bytes)));
    ledger_block_fini(&block);
    ledger_block_fini(&once_more);
    ledger_row_list_fini(&again);
}

static void read_all(const struct ledger_layout *layout, struct slice bytes)
{
    struct ledger_row_list rows = {0};
    if (ledger_row_list_read(&rows, layout, bytes) == STATUS_OK) {
        pack_and_read_again(&rows);
    }
    ledger_row_list_fini(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make((const char *)data, size);
    const char *end = size == 0 ? NULL : memchr(data, '\n', size);
    if (end == NULL || size > 1 << 16) {
        return 0;
    }
    size_t len = (size_t)(end - input.ptr);
    struct slice bytes = slice_skip(input, len + 1);
    struct ledger_layout *layout = NULL;
    if (len == 0) {
        read_all(own_layout(), bytes);
    } else if (ledger_layout_read(slice_make(input.ptr, len), &layout) == STATUS_OK) {
        read_all(layout, bytes);
        ledger_layout_free(layout);
    }
    return 0;
}
