# Compiles main.ts to main.js as a CommonJS module, which can use both `require` and `import`. A program that is only
# valid as an ECMAScript module, because it uses top-level await or import.meta, is compiled as one. If an entry file is
# given (a program of several files), it is compiled with its imports, to the module kind that its package.json declares.
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
