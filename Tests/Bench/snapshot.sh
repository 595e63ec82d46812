#!/bin/sh
# The end of a conversation of 100 MB for viewers that join. usage: snapshot.sh BIN [snapshot.py's arguments]
exec "$(dirname "$0")/../Scripts/python-bench.sh" snapshot.py "" "$@"
