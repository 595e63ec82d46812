#!/bin/sh
# Checks that every row of requirements, faults and threats names a test file, and that the file is there.
set -eu
cd "$(dirname "$0")/../.."

status=0
for table in specs/requirements.md specs/faults.md specs/threat-model.md; do
    rows=$(grep -E '^\| [A-Z]+(-[A-Z0-9]+)+ \|' "$table")
    for name in $(echo "$rows" | awk -F'|' '{ print $(NF - 1) }' | tr -d ','); do
        if [ ! -f "Tests/$name.swift" ]; then
            echo "check-requirements: $table names Tests/$name.swift, which is not there" >&2
            status=1
        fi
    done
    if echo "$rows" | awk -F'|' '$(NF - 1) !~ /[A-Za-z]/ { exit 1 }'; then :; else
        echo "check-requirements: a row of $table names no test" >&2
        status=1
    fi
done
exit $status
