# lib.sh: what the scripts share. Sourced, never run. Makes the project's root the current folder.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
jobs=$(nproc)

# What a build needs, and what the tests need on top of it. Debian 12.
build_packages=(cmake ninja-build gcc libc6-dev pkg-config libevent-dev libevhtp-dev
    libcurl4-openssl-dev libcjson-dev libssl-dev libyaml-dev libhiredis-dev libsqlite3-dev
    libnghttp2-dev zlib1g-dev libbrotli-dev libzstd-dev tzdata)
test_packages=(clang libclang-rt-14-dev clang-format clang-tidy libcriterion-dev prometheus openssl
    curl ca-certificates redis-server sqlite3 nftables strace chromium)

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root or sudo for: $*"
    fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q "$@"; }

# need_packages NAME...: installs those that are missing; says nothing if there are none.
need_packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed ||
            missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "install these by hand, there is no apt-get: ${missing[*]}"
    say "installing ${missing[*]}"
    {
        apt_get update && apt_get install --no-install-recommends "${missing[@]}"
    } >&2 || fail "apt-get could not install: ${missing[*]}"
}

# Node 18 or newer and npm, wherever they come from.
need_node() {
    local wanted=()
    node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null ||
        wanted+=(nodejs)
    command -v npm >/dev/null || wanted+=(npm)
    [ ${#wanted[@]} -eq 0 ] || need_packages "${wanted[@]}"
}

# build PRESET [TARGET...]: configures once, builds quietly; prints the compiler's words if it fails.
build() {
    local preset=$1 log=build/$1.log
    shift
    mkdir -p build
    if [ ! -f "build/$preset/build.ninja" ]; then
        say "configuring $preset"
        cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
    fi
    ninja -C "build/$preset" -j "$jobs" "$@" >"$log" 2>&1 || { tail -n 60 "$log" >&2; return 1; }
}

# kept_files PATTERN...: the project's own files with such names, one a line; no git needed.
kept_files() {
    local pattern names=()
    for pattern in "$@"; do
        names+=(-o -name "$pattern")
    done
    find . \( -path ./build -o -path ./run -o -path ./.git -o -name node_modules \) -prune -o \
        -type f \( "${names[@]:1}" \) -printf '%P\n' | sort
}
