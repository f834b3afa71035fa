# Functions that find a Python for this project and a way to install packages for it; sourced by other scripts.

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

has_uv() {
    uv --version >/dev/null 2>&1 || .tools/uv/bin/uv --version >/dev/null 2>&1
}

# Whether uv is here, or can be installed: with pip, or from a virtual environment, which brings pip.
can_install() {
    local python
    has_uv && return
    python=$(find_python) || return 1
    "$python" -m pip --version >/dev/null 2>&1 || "$python" -c 'import ensurepip, venv' 2>/dev/null
}
