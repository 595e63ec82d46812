#!/bin/sh
# Guards the ratios of the benchmarks (Tests/Bench/quick.py says which). usage: bench-quick.sh BIN
exec "$(dirname "$0")/python-bench.sh" quick.py "jq websocketd" "$@"
