/* h2_memory: nghttp2's memory, wiped before it is given back: heads with credentials are copied
 * into it. Any thread. */
#pragma once

#include <nghttp2/nghttp2.h>

nghttp2_mem *h2_memory(void);
