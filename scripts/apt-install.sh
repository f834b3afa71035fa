#!/usr/bin/env bash
# Installs Debian packages quietly, without prompts and without starting services: scripts/apt-install.sh PACKAGE...
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Packages of servers start the servers unless policy-rc.d forbids it (invoke-rc.d(8)).
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$log" "$policy"' EXIT
fi

install() {
    apt-get install -qq --yes --no-install-recommends "$@" </dev/null
}

echo "Installing $* with apt-get" >&2
# The package lists can be outdated or missing; update them and try again.
if ! { install "$@" || { apt-get update -qq && install "$@"; }; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
