#!/usr/bin/env bash
# Installs Debian packages, quietly, asking nothing and starting no service: scripts/apt-install.sh PACKAGE...
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The packages of servers start them unless this program forbids it (invoke-rc.d(8)).
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$log" "$policy"' EXIT
fi

install() {
    apt-get install -qq --yes --no-install-recommends "$@" </dev/null
}

echo "Installing $* with apt-get" >&2
# The lists of packages may be old, or not there at all.
if ! { install "$@" || { apt-get update -qq && install "$@"; }; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
