# Every target links this: the warnings that both compilers agree on, all of them errors.
add_library(warnings INTERFACE)
target_compile_options(warnings INTERFACE
    -Wall -Wextra -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef
    -Wvla -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum -Wnull-dereference)
