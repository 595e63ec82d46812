#!/usr/bin/env bash
# Says on what machine numbers were measured, and against which versions of what. usage: describe-machine.sh
set -euo pipefail
# The version that Debian has of a package, or a dash.
version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo -; }

echo "Measured on $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown):"
if [ "$(uname -s)" = Linux ]; then
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
    system=$(. /etc/os-release && echo "$PRETTY_NAME")
    virtual=$(grep -qw hypervisor /proc/cpuinfo && echo ", virtual" || true)
    echo "$(nproc) processors (${model:-unknown}$virtual), $memory, $system, Linux $(uname -r)"
    echo "load $(cut -d ' ' -f 1-3 /proc/loadavg)"
    echo "websocketd $(version websocketd), node $(version nodejs), node-ws $(version node-ws), socat $(version socat)," \
        "redis-tools $(version redis-tools), jq $(version jq), curl $(version curl)"
else
    echo "$(sysctl -n hw.ncpu) processors ($(sysctl -n machdep.cpu.brand_string)), macOS $(sw_vers -productVersion)"
fi
