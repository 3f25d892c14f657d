#!/bin/sh
# Makes .venv and installs a locked set of requirements into it:  sh deploy/setup.sh runtime|cluster|dev
# Needs Python 3.11 or later and nothing else: no pip, no ensurepip, no root.
set -eu
cd "$(dirname "$0")/.."
set_name=${1:-runtime}

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_recent "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or later."
        echo "$PYTHON"
        return
    fi
    for name in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if is_recent "$name"; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 or later was not found. Install it, or name it: PYTHON=/path/to/python3.12 make ..."
}

# Packages of Debian and its like, where we may. A new machine has no list of them yet.
install_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "setup: installing $*"
    { apt-get install -y "$@" || { apt-get update && apt-get install -y "$@"; }; } >/dev/null 2>&1
}

has_pip() { "$1" -m pip --version >/dev/null 2>&1; }

# Debian keeps `ensurepip` in a package of its own, without which a new environment has no pip. The pip of the system,
# if there is one, will do.
make_environment() {
    "$python" -m venv --clear .venv >/dev/null 2>&1 && return
    has_pip "$python" && "$python" -m venv --clear --without-pip .venv >/dev/null 2>&1 && return
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    install_packages "$package" && "$python" -m venv --clear .venv && return
    rm -rf .venv
    fail "this Python cannot make a virtual environment. Install the package $package" \
        "(on Debian and Ubuntu: sudo apt-get install $package), then try again."
}

install_uv() {
    if has_pip .venv/bin/python; then
        .venv/bin/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
    else
        "$(find_python)" -m pip --python .venv/bin/python install --quiet --require-hashes -r requirements/bootstrap.txt
    fi
}

# The tests of the page drive a real browser: the one that is there, else the distribution's, else Playwright's own.
find_browser() {
    for name in "${FAIRBOARD_TEST_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        [ -n "$name" ] && command -v "$name" >/dev/null && return
    done
    ls "${HOME:-/nonexistent}"/.cache/ms-playwright/chromium-*/chrome-linux*/chrome >/dev/null 2>&1
}

install_browser() {
    install_packages chromium fonts-noto-core fonts-noto-cjk && return
    say "setup: downloading Chromium for the tests of the page"
    .venv/bin/playwright install chromium >/dev/null 2>&1
}

# The client of the benchmark of the live board is a program in C: by the compiler that is there, else by the
# distribution's, else by one from a wheel.
find_compiler() {
    for name in "${CC:-}" cc gcc clang .venv/bin/cc; do
        [ -n "$name" ] && command -v "$name" >/dev/null && return
    done
    return 1
}

install_compiler() {
    install_packages gcc libc6-dev && return
    say "setup: installing requirements/compiler.txt"
    uv_install --require-hashes -r requirements/compiler.txt || return
    cat >.venv/bin/cc <<END
#!/bin/sh
export ZIG_GLOBAL_CACHE_DIR="$PWD/.venv/.zig-cache" ZIG_LOCAL_CACHE_DIR="$PWD/.venv/.zig-cache"
exec "$PWD/.venv/bin/python" -m ziglang cc "\$@"
END
    chmod +x .venv/bin/cc
}

# `make run` and `make test` may be started at the same moment in a fresh checkout.
if command -v flock >/dev/null; then
    exec 9>.venv.lock
    flock 9
fi

# An environment whose Python has gone, or whose making was interrupted, is made again.
if ! is_recent .venv/bin/python || ! { has_pip .venv/bin/python || .venv/bin/uv --version >/dev/null 2>&1; }; then
    python=$(find_python)
    say "setup: making .venv with $("$python" --version)"
    make_environment
fi

# uv keeps its downloads in the home folder, which some accounts do not have.
if [ -z "${UV_CACHE_DIR:-}" ] && ! mkdir -p "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv" 2>/dev/null; then
    export UV_CACHE_DIR="$PWD/.venv/.uv-cache"
fi
export UV_PYTHON_DOWNLOADS=never PIP_DISABLE_PIP_VERSION_CHECK=1
# Many processes start at once; each would otherwise compile every library for itself.
unset PYTHONDONTWRITEBYTECODE

say "setup: installing requirements/$set_name.txt"
install_uv
uv_install() { .venv/bin/uv pip install --quiet --python .venv/bin/python "$@"; }
uv_install --compile-bytecode --require-hashes -r "requirements/$set_name.txt"
uv_install --no-deps --no-build-isolation --editable .

touch ".venv/.installed-$set_name"
if [ "$set_name" = dev ]; then
    touch .venv/.installed-runtime .venv/.installed-cluster # dev.txt contains both.
    find_browser || install_browser || say "setup: no Chromium was found or could be installed; the tests of the page" \
        "will fail. Install one, or name it: FAIRBOARD_TEST_BROWSER=/path/to/chrome make test"
    find_compiler || install_compiler || say "setup: no C compiler was found or could be installed; the test of" \
        "make bench-live will fail. Install one, or name it: CC=/path/to/cc make test"
fi
