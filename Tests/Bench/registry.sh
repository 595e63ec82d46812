#!/bin/sh
# Measures a hypivisor: many agents and dashboards, agents that come and go, and viewers that do not read.
#   registry.sh DIR [seconds of coming and going, 60 unless told otherwise]
# DIR holds the built hypivisor, registry-load and relay-load. Prints one JSON line a phase; sizes are bytes. Fails if any
# event or frame is missing anywhere.
set -eu
bin=$1
seconds=${2:-60}
home=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$home"' EXIT
export HOME="$home"
unset XDG_CONFIG_HOME XDG_STATE_HOME HYPI_TOKEN HYPI_TOKEN_FILE HYPIVISOR_WS

# start OPTIONS...: a fresh hypivisor, so that no measurement inherits the memory of another.
start() {
    mkfifo "$home/ready"
    "$bin/hypivisor" --port 0 --log-level warning "$@" > "$home/ready" &
    pid=$!
    read -r line < "$home/ready"
    rm "$home/ready"
    url=$(printf '%s' "$line" | sed 's/.*"url":"\([^"]*\)".*/\1/')
}
stop() {
    kill "$pid"
    wait "$pid"
    pid=
}

start
"$bin/registry-load" --hypivisor "$url" --pid "$pid" --agents 5000 --subscribers 50 --churn 1000 \
    --seconds "$seconds" --sample "$((seconds / 20 + 1))"
stop
for options in "--relays 1000" "--relays 1000 --tunnel" "--relays 100 --frame 16000000"; do
    # A viewer that does not read does not answer pings either.
    start --heartbeat 1h
    # The options are words.
    # shellcheck disable=SC2086
    "$bin/relay-load" --hypivisor "$url" --pid "$pid" $options
    stop
done
