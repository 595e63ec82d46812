#!/usr/bin/env bash
# hypivisor against a registry in Node, its relay against no relay, and its growth. usage: hypivisor.sh BIN [hypivisor.py's
# arguments]
set -euo pipefail
here="$(dirname "$0")"
if [ "$(uname -s)" != Linux ]; then
    echo "hypivisor.sh: skipped: it reads /proc, which only Linux has" >&2
    exit 0
fi
"$here/../Scripts/install-packages.sh" python3 nodejs node-ws >&2
exec python3 "$here/hypivisor.py" "$@"
