#!/bin/sh
# Runs all tests, and every program that they start, under a sanitizer: sanitize.sh address|thread [swift test options].
# Fails if a test fails or the sanitizer finds anything that Tests/Support/thread-sanitizer.supp does not explain.
set -eu
cd "$(dirname "$0")/../.."
kind=$1
shift
case $kind in
    address) build=.build-asan ;;
    thread) build=.build-tsan ;;
    *) echo "sanitize: $kind is no sanitizer (address or thread)" >&2; exit 64 ;;
esac

reports=$PWD/$build/reports
options=$PWD/$build/sanitizer-options.o
rm -rf "$reports"
# Some tests run programs as another user.
mkdir -p -m 1777 "$reports"
cc=$(command -v clang || command -v cc)
"$cc" -c -o "$options.new" "-DREPORTS=\"$reports\"" "-DSUPPRESSIONS=\"$PWD/Tests/Support/thread-sanitizer.supp\"" \
    Tests/Support/sanitizer-options.c
# One that is the same as before does not make everything be linked again.
cmp -s "$options.new" "$options" || mv "$options.new" "$options"

swift build --build-tests --sanitize="$kind" --scratch-path "$build" -Xlinker "$options"
[ "${HYPI_SANITIZE_BUILD_ONLY:-}" = "" ] || exit 0
status=0
swift test --skip-build --sanitize="$kind" --scratch-path "$build" -Xlinker "$options" --no-parallel "$@" || status=$?
if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/*
    echo "sanitize: the $kind sanitizer has findings ($reports)" >&2
    exit 1
fi
[ "$status" = 0 ] || exit "$status"
echo "sanitize: no finding of the $kind sanitizer"
