#!/usr/bin/env bash
# Makes .venv from a lock file with uv, hashes checked: scripts/install-python.sh requirements.lock
#
# Needs Python 3.11 or newer, and nothing else that it cannot get: a missing uv is installed with pip into .tools,
# and a missing pip comes from a virtual environment, or, for root on Debian, from apt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lock=$1

# The machine's own authorities, where it has some: its network may be one that inspects TLS.
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
fi

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

can_apt() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

apt_install() {
    scripts/apt-install.sh "$@"
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Prints a Python that has pip, be it one of a throwaway environment.
python_with_pip() {
    local python=$1
    if "$python" -m pip --version >/dev/null 2>&1; then
        echo "$python"
    elif "$python" -m venv --clear .tools/venv >/dev/null 2>&1; then
        echo .tools/venv/bin/python
    else
        return 1
    fi
}

# Prints the command that runs uv.
uv_command() {
    local python installer
    if uv --version >/dev/null 2>&1; then
        echo uv
        return
    fi
    if ! .tools/uv/bin/uv --version >/dev/null 2>&1; then
        python=$1
        if ! installer=$(python_with_pip "$python"); then
            can_apt || fail "Neither uv nor pip is here. Run: sudo apt-get install python3-venv" \
                "(or install uv by any other way), and try again."
            apt_install python3-venv
            installer=$(python_with_pip "$python") || fail "pip cannot be installed for $python. Install uv, and try again."
        fi
        echo "Installing uv into .tools" >&2
        PIP_USER=0 "$installer" -m pip install --quiet --disable-pip-version-check --require-hashes \
            --upgrade --target .tools/uv -r requirements-build.lock >&2
    fi
    echo .tools/uv/bin/uv
}

if ! python=$(find_python); then
    can_apt || fail "Python 3.11 or newer is needed. On Debian 12 or newer run: sudo apt-get install python3 python3-venv"
    apt_install python3 python3-venv
    python=$(find_python) || fail "Python 3.11 or newer is needed, and this system's packages have an older one."
fi
uv=$(uv_command "$python")

is_new_enough .venv/bin/python || "$uv" venv --quiet --clear --python "$python" .venv
echo "Installing $lock into .venv" >&2
# Compiled here, for PYTHONDONTWRITEBYTECODE would have every start compile it all again.
"$uv" pip install --quiet --python .venv/bin/python --compile-bytecode --require-hashes -r "$lock"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --build-constraints requirements-build.lock --editable .
