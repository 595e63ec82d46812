#!/bin/sh
# Runs the libraries' tests under the address sanitizer; fails if a test fails or the sanitizer finds anything.
set -eu
cd "$(dirname "$0")/../.."
build=.build-asan
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

swift build --build-tests --sanitize=address --scratch-path "$build"
# Leaks are not looked for: what lives as long as the process, such as NIO's thread pool, is none.
export ASAN_OPTIONS="detect_leaks=0 log_path=$reports/report"
swift test --skip-build --sanitize=address --scratch-path "$build" --no-parallel \
    --filter '^(HypiWire|HypiNet|HypiTool|PiAdapter|PiSocketCore|PiDemoCore|HypivisorCore|ChatCore)Tests\.'
if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/*
    echo "check-addresses: the address sanitizer has findings" >&2
    exit 1
fi
echo "check-addresses: no finding"
