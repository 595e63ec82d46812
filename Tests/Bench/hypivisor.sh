#!/bin/sh
# hypivisor against a registry in Node, its relay against no relay, and its growth. usage: hypivisor.sh BIN [hypivisor.py's
# arguments]
exec "$(dirname "$0")/../Scripts/python-bench.sh" hypivisor.py "nodejs node-ws" "$@"
