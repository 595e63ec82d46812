#!/bin/bash
# check-numbers.sh: no bare Int(x), CInt(x) and the like in Sources. They trap for numbers that do not fit, and peers, models
# and people choose numbers. Right is exactly:, clamping:, truncatingIfNeeded:, or Int(text) unwrapped at once.
# number-conversions.txt lists the files that convert only what this program or its system made, each with the reason.
set -eu
cd "$(dirname "$0")/../.."
allowed=Tests/Scripts/number-conversions.txt
types='(Int|Int8|Int16|Int32|Int64|UInt|UInt8|UInt16|UInt32|UInt64|CInt|CLong|CUnsignedLong|pid_t|off_t|size_t|mode_t)'
# Right by itself: a label that says what happens, a character or constant of the system, and a parsed text in a binding.
right='exactly:|clamping:|truncatingIfNeeded:|bitPattern:|ascii:|littleEndian:|bigEndian:|[A-Z0-9_]+( \| [A-Z0-9_]+)*\)'
bad=$(grep -rnP "(?<![A-Za-z0-9_.])$types\((?!$right|\))" Sources --include='*.swift' |
    grep -vP '^[^:]*:[0-9]+:\s*//' |
    grep -vP "(let [a-z]+ = |let [a-z]+ = |[mM]ap(\(| \{ ))$types\((\\\$0|[a-zA-Z]+(\[[^]]*\])?)(, radix: [0-9]+)?\)" || true)
files=$(sed -n 's/^\(Sources[^ ]*\) .*/\1/p' "$allowed")
for file in $files; do
    [ -f "$file" ] || { echo "check-numbers: $allowed names $file, which does not exist" >&2; exit 1; }
done
found=$(printf '%s\n' "$bad" | grep -vF "$(printf '%s:\n' $files)" | grep . || true)
[ -z "$found" ] && exit 0
printf '%s\n' "$found" >&2
echo "check-numbers: use exactly:, clamping: or reported overflow (or give a reason in $allowed)" >&2
exit 1
