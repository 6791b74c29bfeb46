#include "auth/secrets/secret_name.h"

#include "base/encode.h"

enum { NAME_MAX_LEN = 64 };

bool secret_name_valid(struct slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN || name.ptr[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        if (!is_base62(byte) && byte != '-' && byte != '_' && byte != '.') {
            return false;
        }
    }
    return true;
}
