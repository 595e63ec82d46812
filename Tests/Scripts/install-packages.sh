#!/bin/sh
# Installs the named Debian packages (or Homebrew's of the same purpose) if they are missing, and says so.
set -eu

missing=""
brew_names=""
for package in "$@"; do
    case $package in
        bash | chromium | fish | jq | mandoc | python3 | tmux | zsh) command -v "$package" >/dev/null 2>&1 && continue ;;
        man-db) command -v man >/dev/null 2>&1 && continue ;;
        *) if command -v dpkg-query >/dev/null 2>&1; then
               dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
           fi ;;
    esac
    missing="$missing $package"
    case $package in
        libssl-dev) brew_names="$brew_names openssl@3" ;;
        # Both come with macOS.
        cron | man-db) ;;
        libreadline-dev) brew_names="$brew_names readline" ;;
        zlib1g-dev) brew_names="$brew_names zlib" ;;
        *) brew_names="$brew_names $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1; then
    echo "installing with apt-get:$missing" >&2
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    # shellcheck disable=SC2086
    { $sudo apt-get install -y -q $missing || { $sudo apt-get update -q && $sudo apt-get install -y -q $missing; }; } >&2
elif command -v brew >/dev/null 2>&1; then
    for name in $brew_names; do
        brew list "$name" >/dev/null 2>&1 && continue
        echo "installing with brew: $name" >&2
        brew install "$name" >&2
    done
else
    echo "install-packages: cannot install:$missing: neither apt-get nor brew is here (install them by hand)" >&2
    exit 1
fi
