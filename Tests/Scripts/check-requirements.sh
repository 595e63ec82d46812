#!/bin/sh
# Checks that every requirement names a test file, and that the file is there.
set -eu
cd "$(dirname "$0")/../.."

status=0
rows=$(grep -E '^\| [A-Z]+-[A-Z0-9]+ \|' specs/requirements.md)
for name in $(echo "$rows" | awk -F'|' '{ print $4 }' | tr -d ','); do
    if [ ! -f "Tests/$name.swift" ]; then
        echo "check-requirements: specs/requirements.md names Tests/$name.swift, which is not there" >&2
        status=1
    fi
done
if echo "$rows" | awk -F'|' '$4 !~ /[A-Za-z]/ { exit 1 }'; then :; else
    echo "check-requirements: a requirement in specs/requirements.md names no test" >&2
    status=1
fi
exit $status
