#!/usr/bin/env bash
# The relay of pi's output against websocketd, Node, Python and socat. usage: relay.sh BIN [bench.py's arguments]
set -euo pipefail
here="$(dirname "$0")"
if [ "$(uname -s)" != Linux ]; then
    echo "relay.sh: skipped: it reads /proc, which only Linux has" >&2
    exit 0
fi
"$here/../Scripts/install-packages.sh" python3 python3-venv websocketd nodejs node-ws socat >&2
venv="${HYPI_BENCH_VENV:-$1/bench-venv}"
if ! "$venv/bin/python3" -c 'import websockets' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet websockets
fi
exec "$venv/bin/python3" "$here/bench.py" "$@"
