#!/bin/sh
# Runs Autobahn's test suite against ws-echo as a server, as a client, and behind a hypivisor: autobahn.sh PROGRAMS WSTEST.
#
# WSTEST starts wstest of autobahntestsuite, which wants a Python 2.7 (pip install autobahntestsuite) or its container.
# Fails if a case fails; a case that is right but not strict (6.4.3, or an echo that a close overtakes) is only counted.
set -eu
programs=$(cd "$1" && pwd)
wstest=$2
work=$(mktemp -d)
pids=""
trap 'kill $pids 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
# Compression (12, 13) is not what RFC 6455 itself asks for.
cases='"cases": ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}'

# url FILE: waits for the ready line of a program and prints its URL.
url() {
    timeout 30 sh -c "until grep -qs url '$1'; do :; done"
    sed 's/.*"url":"\([^"]*\)".*/\1/' "$1"
}

# count FOLDER: counts the results of a report; fails on a case that failed.
count() {
    jq -r --arg name "$1" '
        [.[][] | .behavior, .behaviorClose] | group_by(.) | map("\(length) \(.[0])") | "\($name): " + join(", ")
    ' "$1/index.json"
    jq -e '[.[] | to_entries[] | select([.value.behavior, .value.behaviorClose]
        | any(IN("OK", "NON-STRICT", "INFORMATIONAL") | not)) | .key] | if . == [] then true else error("\(.)") end' \
        "$1/index.json" >/dev/null
}

# client NAME URL: has Autobahn's client test a server.
client() {
    echo "{\"outdir\": \"$1\", \"servers\": [{\"agent\": \"$1\", \"url\": \"$2\"}], $cases}" >client.json
    $wstest -m fuzzingclient -s client.json >"$1.log" 2>&1 || { cat "$1.log" >&2; exit 1; }
    count "$1"
}

"$programs/ws-echo" server >server.out &
pids="$pids $!"
client server "$(url server.out)"

echo "{\"url\": \"ws://127.0.0.1:9911\", \"outdir\": \"client\", $cases}" >server.json
$wstest -m fuzzingserver -s server.json >fuzzingserver.log 2>&1 &
pids="$pids $!"
timeout 30 sh -c "until '$programs/ws-echo' client ws://127.0.0.1:9911/getCaseCount; do :; done" >/dev/null 2>&1
"$programs/ws-echo" cases ws://127.0.0.1:9911/
count client

export HOME="$work" HYPI_TOKEN=a-token-of-some-length
"$programs/hypivisor" --port 0 >hypivisor.out 2>hypivisor.log &
pids="$pids $!"
HYPIVISOR_WS=$(url hypivisor.out)
export HYPIVISOR_WS
for kind in dialled tunnelled; do
    option=""
    [ "$kind" = dialled ] || option=--tunnel
    "$programs/ws-echo" agent --id "$kind" $option >"$kind.out" &
    pids="$pids $!"
    client "$kind" "$(url "$kind.out")?token=$HYPI_TOKEN"
done
