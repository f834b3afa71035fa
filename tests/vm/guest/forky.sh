#!/bin/sh
# Adds the next Debian to the sources of a tree, from the mirror of its own: forky.sh TREE
# Mirrors that are some weeks behind serve as well; their contents are signed.
set -eu
sources=$1/etc/apt/sources.list.d/forky.list
sed -n 's/^deb \(\[[^]]*] \)\{0,1\}\([^ ]*\) trixie main$/deb [check-valid-until=no] \2 forky main/p' \
    "$1/etc/apt/sources.list" > "$sources"
test -s "$sources"
