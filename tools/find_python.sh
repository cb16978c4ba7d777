#!/bin/sh
# Print the first Python that can make our virtual environment; else say plainly what is missing.
# 3.11 comes first because it is the version that the tests run on.
set -eu

too_old=""
no_pip=""
for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    [ -n "$candidate" ] || continue
    command -v "$candidate" >/dev/null 2>&1 || continue
    version=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        too_old="$too_old $candidate is $version;"
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        no_pip="$no_pip $candidate ($version)"
    else
        echo "$candidate"
        exit 0
    fi
done

{
    echo "Tourniquet needs Python 3.11 or newer, with the venv and ensurepip modules."
    [ -z "$no_pip" ] || echo "Found without ensurepip:$no_pip. On Debian and Ubuntu: apt-get install python3-venv"
    [ -z "$too_old" ] || echo "Too old:$too_old"
    [ -n "$no_pip$too_old" ] || echo "No Python was found. On Debian and Ubuntu: apt-get install python3 python3-venv"
    echo "To name another one: make setup PYTHON=/path/to/python3.11"
} >&2
exit 1
