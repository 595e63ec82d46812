#!/bin/sh
# Installs Python's websockets from PyPI into the virtual environment FOLDER, unless it is there, and says so.
set -eu
folder=$1
version=17.4

"$folder/bin/python3" -c "import websockets; assert websockets.__version__ == '$version'" 2>/dev/null && exit 0
echo "installing websockets $version from PyPI into $folder" >&2
if ! python3 -m venv "$folder" >&2; then
    # Debian has what a virtual environment needs in a package of its own.
    Tests/Scripts/install-packages.sh python3-venv
    python3 -m venv "$folder" >&2
fi
"$folder/bin/python3" -m pip install --quiet --disable-pip-version-check "websockets==$version" >&2
