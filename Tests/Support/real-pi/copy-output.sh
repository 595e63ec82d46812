#!/usr/bin/env bash
# Stands between pi-socket and pi: pi's stdout goes to pi-socket and, byte for byte, to a file.
#
#   copy-output.sh FILE PI [ARGUMENT...]
#
# The process becomes pi itself, so that signals and the exit status are pi's own.
set -euo pipefail
file=$1
shift
exec > >(exec tee -a "$file")
exec "$@"
