#!/usr/bin/env bash
# Sees to it that a goal's system packages are there: scripts/system-packages.sh run|demo|test
#
# Root on Debian gets them installed; everybody else is told what to install. Without one the service still works,
# less what the package is for; under CI=true that is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin
declare -A includes=([run]="run" [demo]="run demo" [test]="run demo test")

missing() {
    local goal command package purpose
    while read -r goal command package purpose; do
        if [[ " ${includes[$1]} " == *" $goal "* ]] && ! command -v "$command" >/dev/null; then
            echo "$package"
        fi
    done < <(grep -v '^#' scripts/system-packages.txt)
}

mapfile -t packages < <(missing "$1")
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && scripts/apt-install.sh "${packages[@]}"; then
    exit 0
fi
echo "Not installed: ${packages[*]}. On Debian run: sudo apt-get install ${packages[*]}" >&2
[ "${CI:-}" != true ]
