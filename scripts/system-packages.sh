#!/usr/bin/env bash
# Ensures that the system packages of a goal are installed: scripts/system-packages.sh check|run|demo|test
#
# As root on Debian, installs the missing packages; otherwise prints one command that installs all of them. Python is
# required. Without another package, only what it is needed for does not work; with CI=true, that is an error too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/python.sh
PATH=$PATH:/usr/sbin:/sbin
declare -A includes=([check]="check" [run]="check run" [demo]="check run demo" [test]="check run demo test")

missing() {
    local goal check package purpose
    while read -r goal check package purpose; do
        if [[ " ${includes[$1]} " == *" $goal "* ]] && ! "has_${check%%:*}" "${check#*:}" >/dev/null; then
            echo "$package"
        fi
    done < <(grep -v '^#' scripts/system-packages.txt)
}

has_command() {
    command -v "$1"
}

has_function() {
    "$1"
}

# Chromium itself works too but takes twice the time, so it is enough only for users who cannot install packages.
has_browser() {
    has_command chromium-headless-shell || { [ "$(id -u)" != 0 ] && has_command chromium; }
}

# The packages have no other interpreter than python3.
if [ -n "${PYTHON:-}" ] && [ "${PYTHON##*/}" != python3 ] && ! find_python >/dev/null; then
    no_python >&2
    exit 1
fi
mapfile -t packages < <(missing "$1")
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && scripts/apt-install.sh "${packages[@]}"; then
    exit 0
fi
find_python >/dev/null || no_python >&2
echo "Missing packages for 'make $1': ${packages[*]}. On Debian 12 or newer run:" >&2
echo "  sudo apt-get install ${packages[*]}" >&2
[ "${CI:-}" != true ] && find_python >/dev/null && can_install
