#!/usr/bin/env bash
# Runs a benchmark that is written in Python. usage: python-bench.sh SCRIPT PACKAGES BIN [SCRIPT's arguments]
#
# SCRIPT lies in Tests/Bench; PACKAGES, in one word, are those of Debian that it needs beside python3.
set -euo pipefail
here="$(dirname "$0")"
script=$1 packages=$2
shift 2
if [ "$(uname -s)" != Linux ]; then
    echo "$script: skipped: it reads /proc, which only Linux has" >&2
    exit 0
fi
# The packages are words.
# shellcheck disable=SC2086
"$here/install-packages.sh" python3 $packages >&2
exec python3 "$here/../Bench/$script" "$@"
