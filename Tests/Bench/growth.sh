#!/usr/bin/env bash
# What pi-socket costs against the size of what it is given. usage: growth.sh BIN [growth.py's arguments]
set -euo pipefail
here="$(dirname "$0")"
if [ "$(uname -s)" != Linux ]; then
    echo "growth.sh: skipped: it reads /proc, which only Linux has" >&2
    exit 0
fi
"$here/../Scripts/install-packages.sh" python3 >&2
exec python3 "$here/growth.py" "$@"
