#!/usr/bin/env bash
# The whole thing in half a minute: a hypivisor, two agents in two folders, a chat through the network, a kill -9.
#
#   demo.sh BIN [PI]     BIN: the folder of the built programs; PI: pi-demo (default) or the path of a pi
#
# A real pi gets a scripted model instead of its configuration, so it needs neither a key nor a network.
#
# Every command is shown before it runs. Exit status 0 only if each step held; whatever was started is stopped.
set -euo pipefail

project=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(cd "$1" && pwd)
pi=${2:-pi-demo}

HOME=$(mktemp -d "${TMPDIR:-/tmp}/hyper-pi-demo.XXXXXX")
export HOME PATH="$bin:$PATH" HYPI_PI="$pi" NO_COLOR=1
unset XDG_CONFIG_HOME XDG_STATE_HOME HYPI_TOKEN HYPI_TOKEN_FILE HYPIVISOR_WS HYPI_HOOK PI_SOCKET_PORT
hypivisor_pid=""
model_pid=""
agent_pids=""

bold='' cyan='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' cyan=$'\033[36m' plain=$'\033[0m'; fi
note() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$cyan" "$*" "$plain"; }
run() {
    show "$*"
    bash -o pipefail -c "$*"
}
fail() {
    printf '\ndemo: %s\n' "$*" >&2
    [ -f "$HOME/hypivisor.log" ] && sed 's/^/demo: hypivisor: /' "$HOME/hypivisor.log" >&2
    exit 1
}

stop_everything() {
    trap - EXIT INT TERM
    # Agents outlive whoever started them, so each is asked to end, also where a step has failed.
    for pid in $agent_pids $hypivisor_pid $model_pid; do kill "$pid" 2>/dev/null || true; done
    for pid in $agent_pids; do
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
    wait 2>/dev/null || true
    cd / && rm -rf "$HOME"
}
trap stop_everything EXIT
trap 'exit 130' INT TERM

# Starts a hypivisor on a free port and waits for its ready line.
start_hypivisor() {
    show "hypivisor --port 0 &"
    mkfifo "$HOME/ready"
    hypivisor --port 0 >"$HOME/ready" 2>>"$HOME/hypivisor.log" &
    hypivisor_pid=$!
    local line=""
    read -r -t 10 line <"$HOME/ready" || fail "hypivisor is not ready"
    rm "$HOME/ready"
    echo "$line"
}

mkdir -p "$HOME/src/api/.git" "$HOME/src/web"
if [ "${pi#pi-demo}" = "$pi" ]; then
    mkfifo "$HOME/model"
    "$project/Tests/Support/real-pi/scripted_model.py" >"$HOME/model" &
    model_pid=$!
    # Held open: the model writes a line for each request.
    exec 3<"$HOME/model"
    read -r -t 10 line <&3 || fail "the scripted model did not start"
    port=${line//[!0-9]/}
    cat <&3 >"$HOME/model.log" &
    "$project/Tests/Scripts/configure-pi.sh" "$port"
    # For this shell's agents; one that a hypivisor starts finds its model in the same home.
    export PI_OFFLINE=1
fi

note "A hypivisor, on any free port: tools on this machine find it by themselves"
start_hypivisor

note "Which folders could have an agent?"
run "hypi-dirs ~/src"

note "One in each of them"
run "hypi-spawn ~/src/api ~/src/web | jq -c '{id, cwd, activity}'"
agent_pids=$(hypi-ls | jq .pid)
[ "$(hypi-ls | wc -l)" -eq 2 ] || fail "two agents were started, $(hypi-ls | wc -l) are listed"

note "Who runs where?"
run "hypi-ls | jq -c '{id, activity, model, cwd}'"
run "hypi-ls --table"

note "Talk to one, through the network"
api=$(hypi-ls | jq -r 'select(.cwd | endswith("/api")) | .id')
[ -n "$api" ] || fail "no agent in ~/src/api"
run "hypi-attach -p 'Remember the word heron.' api"
note "The viewer has gone, the agent runs on"
run "hypi-ls api | jq -c '{id, activity, pid}'"
pid_before=$(hypi-ls api | jq .pid)
ids=$(hypi-ls -q | paste -sd ' ')

note "Kill the hypivisor, hard"
show "kill -9 $hypivisor_pid"
# In one: the shell's own word on the killed comes when it notices.
{ kill -9 "$hypivisor_pid"; wait "$hypivisor_pid" || true; } 2>/dev/null
if hypi-ls >/dev/null 2>&1; then fail "the hypivisor was killed and still answers"; fi

note "Start it again: the agents come back into the list by themselves"
start_hypivisor
run "hypi-ls --wait ready $ids --timeout 10 | jq -c '{id, activity, pid}'"
[ "$(hypi-ls -q "$api")" = "$api" ] || fail "$api did not come back"
[ "$(hypi-ls api | jq .pid)" = "$pid_before" ] || fail "$api is another process now"

note "And they still know what was said"
show "hypi-attach -p 'What did I say first?' api"
answer=$(hypi-attach -p 'What did I say first?' api)
echo "$answer"
case $answer in
    *heron*) ;;
    *) fail "the agent has forgotten its conversation" ;;
esac

note "Stop everything"
run "hypi-attach --stop api && hypi-attach --stop web"
run "hypi-ls --wait gone --timeout 20"
[ -z "$(hypi-ls -q)" ] || fail "agents are still listed: $(hypi-ls -q)"
printf '\nEvery step held.\n'
