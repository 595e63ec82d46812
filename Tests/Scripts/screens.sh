#!/usr/bin/env bash
# Takes the screens in the README anew: a real session with the stand-in agent, on a terminal that tmux draws.
#
#   screens.sh BIN [FILE]     BIN: the folder of the built programs; FILE: README.md
#
# What stands between `<!-- screen: NAME -->` and `<!-- end -->` is replaced by the screen of that name.
set -euo pipefail

bin=$(cd "$1" && pwd)
readme=$(realpath "${2:-README.md}")
HOME=$(mktemp -d "${TMPDIR:-/tmp}/hyper-pi-screens.XXXXXX")
export HOME PATH="$bin:$PATH" HYPI_PI="pi-demo --rate 400" LANG=C.UTF-8 PS1='$ ' SHELL=/bin/sh
unset XDG_CONFIG_HOME XDG_STATE_HOME HYPI_TOKEN HYPI_TOKEN_FILE HYPIVISOR_WS HYPI_HOOK PI_SOCKET_PORT NO_COLOR TMUX
started=()
terminal=(tmux -L "hyper-pi-screens-$$")
stop() {
    trap - EXIT
    "${terminal[@]}" kill-server 2>/dev/null || true
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$HOME"
}
trap stop EXIT

start() {
    mkfifo "$HOME/ready"
    "$@" >"$HOME/ready" 2>>"$HOME/log" &
    started+=($!)
    read -r -t 10 ready <"$HOME/ready" || { cat "$HOME/log" >&2; exit 1; }
    rm "$HOME/ready"
}
screen() { "${terminal[@]}" capture-pane -p; }
# The program that draws the screen says nothing when it has changed, so it is looked at.
see() {
    for _ in $(seq 200); do
        screen | grep -qE -- "$1" && return
        sleep 0.05
    done
    echo "screens: never seen: $1" >&2
    screen >&2
    exit 1
}
settle() {
    for _ in $(seq 200); do
        screen | grep -q 'working\|sending' || return 0
        sleep 0.05
    done
}
enter() { "${terminal[@]}" send-keys -l -- "$1" && "${terminal[@]}" send-keys Enter; }
# Keeps the screen without blank rows at its end.
keep() { { printf '```\n'; screen | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; printf '```\n'; } >"$HOME/screen-$1"; }

mkdir -p "$HOME/src/api"
start hypivisor --port 0
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' <<<"$ready")
hypivisor_pid=${started[0]}
cd "$HOME/src/api" && start pi-socket --port 0 --id api-8jm36e
hypi-ls --wait idle api-8jm36e --timeout 10 >/dev/null
"${terminal[@]}" -f /dev/null -u new-session -d -x 80 -y 22 'exec sh -i'
see '^\$'
enter 'clear; hypi-attach api'
see '^>'
enter '!ls -1 /usr/share/common-licenses | head -12; exit 3'
see 'exit status 3'
settle
enter '/long 400'
see 'Once'
see 'working'
"${terminal[@]}" send-keys -l -- 'and then run the tests, pl'
see 'pl$'
keep tools
settle
"${terminal[@]}" send-keys C-u
enter 'hello there'
see 'I remember'
settle
"${terminal[@]}" send-keys C-d
see 'come back with'
"${terminal[@]}" resize-window -x 80 -y 12
enter 'clear; hypi-attach api'
see '^>'
enter '/ask select'
see 'choose 1-2'
"${terminal[@]}" send-keys Down
see '^> 2'
keep dialog
"${terminal[@]}" send-keys Enter
see 'select: Block'
kill -9 "$hypivisor_pid"
wait "$hypivisor_pid" 2>/dev/null || true
see 'trying again'
"${terminal[@]}" send-keys -l -- 'you will hear of this'
see 'hear of this$'
keep lost
start hypivisor --port "$(sed 's/.*:\([0-9]*\)\/.*/\1/' <<<"$url")"

awk -v home="$HOME" '
    /^<!-- end -->$/ { skips = 0 }
    !skips { print }
    /^<!-- screen: / {
        skips = 1
        file = home "/screen-" $3
        while ((getline line < file) > 0) print line
    }' "$readme" >"$HOME/readme"
cat "$HOME/readme" >"$readme"
