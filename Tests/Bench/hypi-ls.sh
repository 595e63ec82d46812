#!/bin/bash
# Lists many agents with hypi-ls, beside jq over the same bytes, and watches them change in constant memory.
# usage: hypi-ls.sh FOLDER   (of release programs; HYPI_BENCH_AGENTS, _RUNS and _UPDATES change how much is done)
set -euo pipefail

PATH=$(cd "${1:?usage: hypi-ls.sh FOLDER}" && pwd):/usr/bin:/bin
agents=${HYPI_BENCH_AGENTS:-10000}
runs=${HYPI_BENCH_RUNS:-15}
updates=${HYPI_BENCH_UPDATES:-100000}
HOME=$(mktemp -d)
export HOME PATH
unset HYPIVISOR_WS HYPI_TOKEN HYPI_TOKEN_FILE XDG_CONFIG_HOME XDG_STATE_HOME
ulimit -n "$(ulimit -Hn)"
pids=""
finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$HOME"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Starts a program in the background with pipes to it and from it, and keeps its pid in $started.
start() {
    local name=$1
    shift
    mkfifo "$HOME/$name.in" "$HOME/$name.out"
    "$@" <"$HOME/$name.in" >"$HOME/$name.out" 2>"$HOME/$name.err" &
    started=$!
    pids="$started $pids"
}

start hypivisor hypivisor --port 0
exec 3>"$HOME/hypivisor.in" 4<"$HOME/hypivisor.out"
read -r -t 30 _ <&4
start load registry-load --agents "$agents" --subscribers 1 --updates "$updates" --patience 600
exec 5>"$HOME/load.in" 6<"$HOME/load.out"
read -r -t 600 joined <&6
echo "$agents agents, joined in $(jq '.seconds | floor' <<<"$joined") s"

# What each way of listing costs, one after the other in each round, so that a busy machine is busy for all of them.
hypi-ls >"$HOME/nodes"
[ "$(wc -l <"$HOME/nodes")" -eq "$agents" ] || { echo "hypi-ls listed $(wc -l <"$HOME/nodes") agents" >&2; exit 1; }
commands=("jq -c . $HOME/nodes" "hypi-ls" "hypi-ls --table" "hypi-ls -q" "hypi-ls --activity idle --name load-77*")
TIMEFORMAT='%R %U %S'
for ((run = 0; run < runs; run++)); do
    for index in "${!commands[@]}"; do
        { time ${commands[index]} >/dev/null; } 2>>"$HOME/times.$index"
    done
done
# The median of the first column, or of the sum of the second and third, in ms.
median() {
    awk -v column="$1" '{ print 1000 * (column == "real" ? $1 : $2 + $3) }' "$2" | sort -n |
        awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}
printf '\n%-42s %8s %7s %8s %7s   (medians of %d, interleaved; %d bytes)\n' \
    command 'ms real' ratio 'ms cpu' ratio "$runs" "$(wc -c <"$HOME/nodes")"
for index in "${!commands[@]}"; do
    awk -v name="${commands[index]/$HOME\//}" \
        -v real="$(median real "$HOME/times.$index")" -v peer_real="$(median real "$HOME/times.0")" \
        -v cpu="$(median cpu "$HOME/times.$index")" -v peer_cpu="$(median cpu "$HOME/times.0")" \
        'BEGIN { printf "%-42s %8d %7.2f %8d %7.2f\n", name, real, real / peer_real, cpu, cpu / peer_cpu }'
done

# A watch that has seen all agents, and then every change of them.
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
mkfifo "$HOME/marks"
hypi-ls --watch > >(jq --unbuffered -Rn --argjson list "$agents" --argjson last "$((agents + updates))" \
    'foreach inputs as $line (0; . + 1; if . == $list or . == $last then . else empty end)' >"$HOME/marks") &
watch=$!
pids="$watch $pids"
exec 7<"$HOME/marks"
read -r -t 60 _ <&7 || { echo "hypi-ls --watch does not list them" >&2; exit 1; }
before=$(rss "$watch")
begin=${EPOCHREALTIME/./}
echo >&5
read -r -t 600 _ <&7 || { echo "hypi-ls --watch does not tell of all changes" >&2; exit 1; }
seconds=$(((${EPOCHREALTIME/./} - begin) / 1000000))
after=$(rss "$watch")
printf '\n%-44s %10s %10s %8s\n' 'hypi-ls --watch' 'kB before' 'kB after' ratio
awk -v name="$updates changes in $seconds s" -v before="$before" -v after="$after" \
    'BEGIN { printf "%-44s %10d %10d %8.2f\n", name, before, after, after / before; exit after > before * 1.25 + 4096 }' ||
    { echo "hypi-ls --watch grew" >&2; exit 1; }
echo >&5
