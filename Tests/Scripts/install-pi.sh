#!/usr/bin/env bash
# Installs a version of a real pi from PyPI into the virtual environment FOLDER, unless it is there, and says so.
#
#   install-pi.sh VERSION FOLDER     prints the path of the program
#
# The package pi4py carries pi and Node: about 250 MB and half a minute for each version.
set -euo pipefail
version=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)

if [ "$(cat "$folder/.installed" 2>/dev/null || true)" != "$version" ]; then
    echo "installing pi $version from PyPI (pi4py) into $folder" >&2
    # Debian has what a virtual environment needs in a package of its own.
    if ! python3 -c 'import ensurepip' 2>/dev/null; then
        "$(dirname "$0")/install-packages.sh" python3 python3-venv
    fi
    python3 -m venv --clear "$folder" >&2
    "$folder/bin/python3" -m pip install --quiet --disable-pip-version-check "pi4py==$version" >&2
    # The first start unpacks what pi needs.
    HOME="$folder/home" PI_OFFLINE=1 "$folder/bin/pi" --version >&2
    echo "$version" >"$folder/.installed"
fi
printf '%s\n' "$folder/bin/pi"
