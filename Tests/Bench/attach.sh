#!/usr/bin/env bash
# How much time hypi-attach takes for itself.
#
#   attach.sh BIN [ROUNDS]     BIN: the folder of the built programs
#
# `hypi-attach -p` is timed against the least that a WebSocket client can do, both asking the same agent in turns, with
# and without a hypivisor in between; and the chat until its line can be typed in. Medians in milliseconds.
set -euo pipefail

bin=$(cd "${1:-.build/release}" && pwd)
rounds=${2:-40}
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(uname -s)" = Linux ]; then "$here/../Scripts/install-packages.sh" gcc >&2; fi

HOME=$(mktemp -d "${TMPDIR:-/tmp}/hyper-pi-bench.XXXXXX")
export HOME PATH="$bin:$PATH" HYPI_PI="pi-demo --rate 0 --thinking off" NO_COLOR=1 TERM=xterm
unset XDG_CONFIG_HOME XDG_STATE_HOME HYPI_TOKEN HYPI_TOKEN_FILE HYPIVISOR_WS HYPI_HOOK PI_SOCKET_PORT
started=()
stop() {
    trap - EXIT
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$HOME"
}
trap stop EXIT

# start PROGRAM...: runs it in the background and leaves its ready line in $ready
start() {
    mkfifo "$HOME/ready"
    "$@" >"$HOME/ready" 2>>"$HOME/log" &
    started+=($!)
    read -r -t 10 ready <"$HOME/ready" || { cat "$HOME/log" >&2; exit 1; }
    rm "$HOME/ready"
}

cc -O2 -o "$HOME/ws-ask" "$here/ws-ask.c"
cc -O2 -o "$HOME/stopwatch" "$here/stopwatch.c" -lutil
mkdir "$HOME/agent"
start hypivisor --port 0
cd "$HOME/agent" && start pi-socket --port 0
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' <<<"$ready")
id=$(sed 's/.*"id":"\([^"]*\)".*/\1/' <<<"$ready")
port=$(sed 's/.*:\([0-9]*\)\/.*/\1/' <<<"$url")
hypi-ls --wait idle "$id" --timeout 10 >/dev/null
token=$(cat "$HOME/.config/hyper-pi/token")

"$HOME/stopwatch" "$rounds" "$HOME/ws-ask" "$port" "$token" hello -- hypi-attach -p hello "$url" \
    -- hypi-attach -p hello "$id" -- hypi-attach --version >"$HOME/times"
# The prompt, and at a later moment the conversation above it.
"$HOME/stopwatch" "$rounds" --until "> " hypi-attach "$url" >>"$HOME/times"
"$HOME/stopwatch" "$rounds" --until "/help for commands" hypi-attach "$url" -- hypi-attach "$id" >>"$HOME/times"

awk -F'\t' -v rounds="$rounds" '
    BEGIN {
        split("a direct client (C)|hypi-attach -p, direct|hypi-attach -p, by hypivisor|hypi-attach --version|" \
            "chat: ready to type|chat: conversation shown, direct|chat: conversation shown, by hypivisor", names, "|")
        printf "%-40s %8s %8s %8s %8s %8s\n", "ms, " rounds " runs", "median", "25 %", "75 %", "fastest", "own"
    }
    { if (NR == 1) { direct = $1; fastest = $4 } }
    {
        own = NR == 2 || NR == 3 ? sprintf("%.1f", $1 - direct) : ""
        printf "%-40s %8.1f %8.1f %8.1f %8.1f %8s\n", names[NR], $1, $2, $3, $4, own
    }
    # What counts is the fastest: everything else has waited for other programs as well.
    NR == 2 { promised = $4 - fastest }
    NR == 5 { ready = $4 }
    END {
        print ""
        printf "hypi-attach -p takes %.1f ms of its own at best (promised: 15), ", promised
        printf "the chat is ready to type in after %.1f ms (promised: 30)\n", ready
        exit !(promised < 15 && ready < 30)
    }' "$HOME/times"
