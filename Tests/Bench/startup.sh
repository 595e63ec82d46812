#!/usr/bin/env bash
# How long the tools take to start, beside what people know, and how large they are.
#
#   startup.sh BIN [ROUNDS]     BIN: the folder of the built programs
#
# hypi-ls lists five agents of a hypivisor on loopback, redis-cli pings a server there, curl fetches a page. All take
# turns. Fails if a round trip of hypi-ls takes twice the time of redis-cli's, or a program is larger than promised.
set -euo pipefail

if [ "$(uname -s)" != Linux ]; then
    echo "startup.sh: skipped: its peers and ELF are Linux's" >&2
    exit 0
fi
bin=$(cd "${1:-.build/release}" && pwd)
rounds=${2:-100}
here=$(cd "$(dirname "$0")" && pwd)
"$here/../Scripts/install-packages.sh" gcc jq curl redis-tools >&2

HOME=$(mktemp -d "${TMPDIR:-/tmp}/hyper-pi-bench.XXXXXX")
export HOME PATH="$bin:$PATH" NO_COLOR=1
unset XDG_CONFIG_HOME XDG_STATE_HOME HYPI_TOKEN HYPI_TOKEN_FILE HYPIVISOR_WS
started=()
stop() {
    trap - EXIT
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$HOME"
}
trap stop EXIT

cc -O2 -o "$HOME/stopwatch" "$here/stopwatch.c" -lutil
mkfifo "$HOME/ready" "$HOME/load.in" "$HOME/load.out"
hypivisor --port 0 >"$HOME/ready" 2>"$HOME/log" &
started+=($!)
read -r -t 10 ready <"$HOME/ready" || { cat "$HOME/log" >&2; exit 1; }
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' <<<"$ready")
port=$(sed 's/.*"port":\([0-9]*\).*/\1/' <<<"$ready")
export HYPIVISOR_WS="$url"
registry-load --agents 5 --subscribers 0 --updates 1 --patience 600 <"$HOME/load.in" >"$HOME/load.out" 2>>"$HOME/log" &
started+=($!)
exec 5>"$HOME/load.in" 6<"$HOME/load.out"
read -r -t 60 _ <&6 || { cat "$HOME/log" >&2; exit 1; }
[ "$(hypi-ls | wc -l)" -eq 5 ] || { echo "startup.sh: hypi-ls does not list five agents" >&2; exit 1; }
# Debian's redis-check-rdb is the server under another name; the package of the server would start one for good.
redis_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(exec -a redis-server redis-check-rdb --bind 127.0.0.1 --port "$redis_port" --save '' >>"$HOME/log" 2>&1) &
started+=($!)
for ((try = 0; try < 100; try++)); do
    # Other people's programs do not announce that they listen.
    redis-cli -p "$redis_port" ping >/dev/null 2>&1 && break
    sleep 0.05
done

names=("/bin/true" "redis-cli ping" "curl, a page" "jq -n 1" "hypi-ls, 5 agents" "hypi-ls --version" "hypi-dirs --version"
    "hypi-attach --version" "pi-socket --version")
"$HOME/stopwatch" "$rounds" /bin/true -- redis-cli -p "$redis_port" ping -- curl -s "http://127.0.0.1:$port/" \
    -- jq -n 1 -- hypi-ls -- hypi-ls --version -- hypi-dirs --version -- hypi-attach --version \
    -- pi-socket --version >"$HOME/times"
status=0
printf '\n### Start-up, medians of %d, in turn\n\n| | ms | fastest | CPU ms | times redis-cli ping |\n|---|---|---|---|---|\n' "$rounds"
paste <(printf '%s\n' "${names[@]}") "$HOME/times" | awk -F'\t' '
    { name[NR] = $1; median[NR] = $2; fastest[NR] = $5; cpu[NR] = $7 }
    END {
        for (row = 1; row <= NR; row++)
            printf "| %s | %.1f | %.1f | %.1f | %.2f |\n", name[row], median[row], fastest[row], cpu[row], median[row] / median[2]
        # What counts is the fastest: everything else has waited for other programs as well.
        ratio = fastest[5] / fastest[2]
        printf "\nA round trip of hypi-ls takes %.2f times redis-cli ping at best (promised: 2)\n", ratio
        exit !(ratio < 2)
    }' || status=1

printf '\n### Programs, stripped\n\n| | MB | relocations |\n|---|---|---|\n'
for tool in hypivisor pi-socket hypi-ls hypi-attach hypi-spawn hypi-dirs pi-demo; do
    bytes=$(stat -c %s "$bin/$tool")
    printf '| %s | %s | %s |\n' "$tool" "$(awk "BEGIN { printf \"%.1f\", $bytes / 1e6 }")" \
        "$(readelf -r "$bin/$tool" | awk '/contains/ { count += $(NF - 1) } END { print count }')"
    [ "$bytes" -lt 24000000 ] || { echo "startup.sh: $tool is larger than 24 MB" >&2; status=1; }
done
exit $status
