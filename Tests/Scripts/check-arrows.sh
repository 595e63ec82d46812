#!/bin/sh
# Checks that targets depend on each other only as specs/architecture.md draws it.
set -eu
swift=${1:-swift}

allowed="
HypiWire:
PiAdapter: HypiWire
COpenSSLLoader: COpenSSL
HypiNet: COpenSSL COpenSSLLoader CZlib HypiWire
HypiTool: CPlatform HypiNet HypiWire
HypivisorCore: CPlatform HypiNet HypiWire
PiSocketCore: CPlatform HypiNet HypiWire PiAdapter
ChatCore: CPlatform CReadline HypiNet HypiWire PiAdapter
PiDemoCore: CPlatform HypiWire
hypivisor: HypiNet HypiTool HypiWire HypivisorCore
pi-socket: HypiNet HypiTool HypiWire PiSocketCore
hypi-ls: HypiNet HypiTool HypiWire
hypi-spawn: HypiNet HypiTool HypiWire
hypi-dirs: HypiNet HypiTool HypiWire
hypi-attach: ChatCore HypiNet HypiTool HypiWire
pi-demo: HypiTool HypiWire PiDemoCore
"

found=$("$swift" package dump-package | jq -r '
    .targets[]
    | select((.type == "regular" or .type == "executable") and ((.path // "") | startswith("Tests") | not))
    | .name + ": " + ([.dependencies[].byName[0]? | strings] | sort | join(" "))')

status=0
echo "$found" | while IFS= read -r line; do
    name=${line%%:*}
    rule=$(echo "$allowed" | sed -n "s/^$name: *//p")
    for dependency in ${line#*:}; do
        case " $rule " in
            *" $dependency "*) ;;
            *) echo "check-arrows: $name must not depend on $dependency (see specs/architecture.md)" >&2; exit 1 ;;
        esac
    done
done || status=1
exit $status
