#!/usr/bin/env bash
# Creates .venv from a lock file with uv and checks hashes: scripts/install-python.sh requirements.lock
#
# Needs Python 3.11 or newer (PYTHON selects the interpreter) and uv, pip or venv. scripts/system-packages.sh installs
# them or says how to install them. If uv is missing, pip installs it into .tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/python.sh
lock=$1

# Use the machine's CA certificates if it has any: they can include the CA of a network that inspects TLS.
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
fi

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# Prints the command that runs uv.
uv_command() {
    local python
    if uv --version >/dev/null 2>&1; then
        echo uv
        return
    fi
    if ! .tools/uv/bin/uv --version >/dev/null 2>&1; then
        python=$(find_installer) || fail "No Python with pip or venv was found. Install uv and try again."
        if ! "$python" -m pip --version >/dev/null 2>&1; then
            "$python" -m venv --clear .tools/venv >&2 || fail "$PWD/.tools/venv could not be created."
            python=.tools/venv/bin/python
        fi
        echo "Installing uv into .tools" >&2
        PIP_USER=0 PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            --upgrade --target .tools/uv -r requirements-build.lock >&2 ||
            fail "uv could not be installed with pip, for the reason above. Try again, or install uv yourself."
    fi
    echo .tools/uv/bin/uv
}

python=$(find_python) || fail "$(no_python)"
uv=$(uv_command)

{ is_new_enough .venv/bin/python && is_installed_here; } || "$uv" venv --quiet --clear --python "$python" .venv
echo "Installing $lock into .venv" >&2
# Compile now: with PYTHONDONTWRITEBYTECODE, every start would otherwise compile everything again.
"$uv" pip install --quiet --python .venv/bin/python --compile-bytecode --require-hashes -r "$lock"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --build-constraints requirements-build.lock --editable .
