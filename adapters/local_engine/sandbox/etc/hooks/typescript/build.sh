# Compiles main.ts to main.js as a CommonJS module, which may `require` as well as `import`. A program that only
# an ECMAScript module may be, for it awaits at its top level or asks where it is, is compiled as one. A file that is
# named, of a program of several, is compiled with all that it imports, to modules as its package.json declares them.
tsc=$1 types=$2 entry=$3
set -- --target es2022 --lib esnext,dom,dom.iterable --esModuleInterop --skipLibCheck --typeRoots "$types" --types node
if [ -n "$entry" ]; then
    exec "$tsc" "$@" --module nodenext --moduleDetection force "$entry"
fi
messages=$("$tsc" "$@" --module commonjs --moduleDetection force main.ts)
status=$?
case $messages in
*TS1309:* | *TS1343:* | *TS1375:* | *TS1378:* | *TS1432:*)
    cp main.ts main.mts || exit
    messages=$("$tsc" "$@" --module nodenext main.mts)
    status=$?
    rm main.mts
    echo 'import("./main.mjs");' >main.js
    ;;
esac
[ -z "$messages" ] || printf '%s\n' "$messages"
exit "$status"
