#!/bin/sh
# Runs hypivisor and its tests under the thread sanitizer: check-threads.sh [seconds of load].
# Fails if a test fails or the sanitizer finds anything that Tests/Support/thread-sanitizer.supp does not explain.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
build=.build-tsan
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

swift build --build-tests --sanitize=thread --scratch-path "$build"
export TSAN_OPTIONS="suppressions=$PWD/Tests/Support/thread-sanitizer.supp log_path=$reports/report exitcode=0"
HYPI_TEST_CHURN=$seconds swift test --skip-build --sanitize=thread --scratch-path "$build" --no-parallel \
    --filter 'HypivisorCoreTests|HypivisorOperation|HypivisorSpawn|HypivisorRestart|HypivisorService|HypivisorPermission|HypivisorLoad'
if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/*
    echo "check-threads: the thread sanitizer has findings" >&2
    exit 1
fi
echo "check-threads: no finding"
