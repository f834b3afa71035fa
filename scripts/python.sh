# Functions that find a Python for this project and a way to install packages for it; sourced by other scripts.

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Prints the Python interpreters that are new enough, the best one first. If PYTHON is set, prints only that one.
#
# The system's Python comes first, because distributions build it with profile-guided optimization. A Python that was
# built without it, for example by pyenv, uses a third more processor time.
find_pythons() {
    local candidate
    for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11}; do
        if is_new_enough "$candidate"; then
            command -v "$candidate"
        fi
    done
}

find_python() {
    local found
    mapfile -t found < <(find_pythons)
    [ ${#found[@]} -gt 0 ] && echo "${found[0]}"
}

# Says why find_python failed.
no_python() {
    if [ -n "${PYTHON:-}" ]; then
        echo "PYTHON=$PYTHON does not name Python 3.11 or newer."
        type -P "$PYTHON" >/dev/null || echo "$PYTHON was not found."
    else
        echo "Python 3.11 or newer was not found. PYTHON=/path/to/python3 selects one that is not in PATH."
    fi
}

# Succeeds if .venv was installed in this directory; it contains the path, so a moved or copied one does not work.
is_installed_here() {
    grep -qsxF "$(pwd -P)" .venv/lib/python*/site-packages/_editable_impl_service_server.pth
}

has_uv() {
    uv --version >/dev/null 2>&1 || .tools/uv/bin/uv --version >/dev/null 2>&1
}

# Prints a Python that can install packages: it has pip, or venv, whose environments have pip.
find_installer() {
    local python
    for python in $(find_pythons); do
        if "$python" -m pip --version >/dev/null 2>&1 || "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

# Succeeds if uv is installed or can be installed.
can_install() {
    has_uv || find_installer >/dev/null
}
