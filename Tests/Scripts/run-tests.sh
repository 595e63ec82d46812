#!/usr/bin/env bash
# Runs the built tests, several suites at a time: run-tests.sh BUILD [WORKERS].
#
# Most tests wait for processes and clocks, so one suite at a time leaves the processor idle. Each suite runs in a process
# with a temporary folder and, where the system lets us make one, a loopback network of its own: no two suites share a port.
# Without network namespaces one suite runs at a time. A suite that failed runs once more, alone, when the others have ended,
# and is named if it passes then: tests that only fail beside others depend on time. Prints the output of suites that failed
# and the slowest tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1 workers=${2:-${TEST_WORKERS:-3}}
bundle=$(find "$build/debug/" -maxdepth 1 -name '*PackageTests.xctest' | head -n 1)
[ -n "$bundle" ] || { echo "run-tests: $build/debug: no test bundle (run 'make test')" >&2; exit 1; }
bundle=$(realpath "$bundle")
[ ! -d "$bundle" ] || bundle=$(find "$bundle/Contents/MacOS" -type f | head -n 1)

work=$(mktemp -d "${TMPDIR:-/tmp}/hypi-tests.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

isolate=""
if unshare --net sh -c 'ip link set lo up' 2>/dev/null; then
    isolate=yes
else
    echo "run-tests: no network namespaces here, so one suite runs at a time" >&2
    workers=1
fi

# Suites that take longest come first, so that none of them is left for the end.
longest="PiSocketCoreTests.SessionPropertyTests PiSocketCoreTests.MessagesIntakeTests HypivisorCoreTests.ConformanceTests
    PiSocketCoreTests.DeflatedViewerTests IntegrationTests.CronTests IntegrationTests.HypivisorRestartTests"
swift test list --skip-build --scratch-path "$build" 2>/dev/null | sed -n 's|^\([A-Za-z]*\.[A-Za-z0-9]*\)/.*|\1|p' | sort -u >"$work/suites"
[ -s "$work/suites" ] || { echo "run-tests: the test bundle lists no suites" >&2; exit 1; }
{ printf '%s\n' $longest | grep -xF -f "$work/suites" || true; grep -vxF -f <(printf '%s\n' $longest) "$work/suites"; } >"$work/queue"

run_suite() {
    local suite=$1 began status=0
    mkdir -p "$work/$suite"
    began=$(date +%s%N)
    local command=("$bundle" --testing-library swift-testing --no-parallel --filter "^${suite/./\\.}/")
    [ -z "$isolate" ] || command=(unshare --net sh -c 'ip link set lo up && exec "$@"' sh "${command[@]}")
    # A suite that hangs ends as one that fails.
    command=(timeout --kill-after=10 "${TEST_LIMIT:-600}" "${command[@]}")
    "${command[@]}" >"$work/$suite.log" 2>&1 </dev/null || status=$?
    # A suite without a closing line has not run, whatever its status says.
    grep -q 'Test run with [0-9]* test' "$work/$suite.log" || [ "$status" != 0 ] || status=1
    printf '%s %s %s\n' "$suite" "$status" "$((($(date +%s%N) - began) / 1000000))" >>"$work/results"
    [ "$status" = 0 ] || { printf -- '--- %s failed (status %s)\n' "$suite" "$status"; cat "$work/$suite.log"; }
}
export -f run_suite
export work bundle isolate

began=$(date +%s)
xargs -P "$workers" -I '{}' bash -c 'run_suite {}' <"$work/queue"

awk '$2 != 0 { print $1 }' "$work/results" >"$work/again"
while read -r suite; do
    sed -i "/^$suite /d" "$work/results"
    echo "--- $suite runs again, alone"
    run_suite "$suite"
    if grep -q "^$suite 0 " "$work/results"; then echo "passed only alone: $suite"; fi
done <"$work/again"

cat "$work"/*.log | sed -n 's/.*Test \(.*\) passed after \([0-9.]*\) seconds.*/\2 \1/p' | grep -v '^[0-9.]* run with' | sort -rn >"$work/times"
echo "The slowest tests, in seconds:"
sed -n 1,20p "$work/times"
awk '$2 != 0 { print "failed: " $1 }' "$work/results"
passed=$(cat "$work"/*.log | sed -n 's/.*Test run with \([0-9]*\) tests* in .* passed .*/\1/p' | awk '{ sum += $1 } END { print sum + 0 }')
failed=$(awk '$2 != 0' "$work/results" | wc -l)
echo "$(wc -l <"$work/results") suites in $(($(date +%s) - began)) s, $workers at a time; $passed tests in suites that passed"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
