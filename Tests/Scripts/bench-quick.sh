#!/usr/bin/env bash
# Guards the ratios of the benchmarks (Tests/Bench/quick.py says which). usage: bench-quick.sh BIN
set -euo pipefail
here="$(dirname "$0")"
if [ "$(uname -s)" != Linux ]; then
    echo "bench-quick.sh: skipped: it reads /proc, which only Linux has" >&2
    exit 0
fi
"$here/install-packages.sh" python3 jq websocketd
exec python3 "$here/../Bench/quick.py" "$1"
