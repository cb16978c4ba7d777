#!/bin/bash
# What the tests need from the system: PostgreSQL's server programs, Chromium, strace, Tesseract,
# and fuse3 where there are /dev/fuse and apt.
# Installs what is missing with apt when it may; else says exactly what to install, and fails.
set -euo pipefail

find_postgresql() {
    local initdb
    for initdb in /usr/lib/postgresql/*/bin/initdb /usr/local/pgsql/bin/initdb; do
        [ -x "$initdb" ] && [ -x "${initdb%initdb}postgres" ] && return 0
    done
    command -v initdb >/dev/null && command -v postgres >/dev/null
}

find_chromium() {
    local name
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return 0
    done
    return 1
}

# The disk that loses what was not flushed; where there is no /dev/fuse its tests say so and skip.
needs_fuse() {
    [ -w /dev/fuse ] && command -v apt-get >/dev/null && ! command -v fusermount3 >/dev/null
}

missing=()
find_postgresql || missing+=(postgresql)
find_chromium || missing+=(chromium)
command -v strace >/dev/null || missing+=(strace)
command -v tesseract >/dev/null || missing+=(tesseract-ocr tesseract-ocr-eng)
needs_fuse && missing+=(fuse3)
[ ${#missing[@]} -gt 0 ] || exit 0

refuse() {
    {
        echo "The tests need from this system: ${missing[*]}. $1"
        echo "On Debian and Ubuntu: apt-get update && apt-get install ${missing[*]}"
        echo "Elsewhere: PostgreSQL 14 or newer with initdb on the PATH, Chromium, strace and tesseract on the PATH."
    } >&2
    exit 1
}

command -v apt-get >/dev/null || refuse "There is no apt here to install them with."
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null \
        || refuse "Installing them needs root, and sudo asks for a password."
    as_root=(sudo -n)
fi

install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
}

echo "Installing with apt: ${missing[*]}" >&2
# Empty or stale package lists are the usual reason for a first failure: refresh them, try again.
if ! apt-cache policy "${missing[@]}" | grep -q 'Candidate: [^(]' || ! install; then
    "${as_root[@]}" apt-get update -q || refuse "apt-get update failed (see above)."
    install || refuse "apt-get could not install them (see above)."
fi
missing=()
find_postgresql || missing+=(postgresql)
find_chromium || missing+=(chromium)
command -v strace >/dev/null || missing+=(strace)
command -v tesseract >/dev/null || missing+=(tesseract-ocr tesseract-ocr-eng)
needs_fuse && missing+=(fuse3)
[ ${#missing[@]} -eq 0 ] || refuse "apt-get installed them, yet they are not where they are looked for."
