#!/usr/bin/env bash
# The end of a conversation of 100 MB for viewers that join. usage: snapshot.sh BIN [snapshot.py's arguments]
set -euo pipefail
here="$(dirname "$0")"
if [ "$(uname -s)" != Linux ]; then
    echo "snapshot.sh: skipped: it reads /proc, which only Linux has" >&2
    exit 0
fi
"$here/../Scripts/install-packages.sh" python3 >&2
exec python3 "$here/snapshot.py" "$@"
