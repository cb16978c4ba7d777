#!/bin/sh
# Write the hash-locked requirements. They name no host: they install from any mirror alike.
# Versions already locked are kept; `make lock UPGRADE=--upgrade` takes newer ones.
set -eu

uv=.venv/bin/uv
options="--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --no-annotate --no-header --quiet ${UPGRADE:-}"

write() {
    target=$1
    shift
    # The old lock is read by uv as its preference, so it is replaced only once the new one is whole.
    cp "$target" "$target.new" 2>/dev/null || : >"$target.new"
    # shellcheck disable=SC2086 # options are words
    "$uv" pip compile $options -o "$target.new" "$@" >/dev/null
    {
        echo "# Written by 'make lock'; not edited by hand. Every package is pinned and hashed."
        grep -v '^ *#' "$target.new" || true
    } >"$target.checked"
    rm "$target.new"
    if grep -n -i -E '://|--(extra-)?index-url|--find-links|^-|/(home|root|usr|opt|tmp)/' "$target.checked"; then
        echo "$target.checked: names a host or a path (above). The lock was left as it was." >&2
        exit 1
    fi
    mv "$target.checked" "$target"
}

write requirements/run.txt pyproject.toml requirements/build.in
write requirements/dev.txt --extra dev -c requirements/run.txt pyproject.toml requirements/build.in
