#!/usr/bin/env bash
# Compares the pinned versions in constraints.txt with the known vulnerabilities: scripts/audit.sh PYTHON
# Exits with 1 where one is known, and with 2 where nothing could be learned: no network, or a registry that serves
# packages without their vulnerabilities.
set -euo pipefail
python=${1:-python}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

report=$(mktemp)
trap 'rm -f "$report"' EXIT
# --strict: a package of which the service knows nothing is a failure, and not a pass.
options=(--strict --no-deps --disable-pip --progress-spinner off --timeout 10)
if "$python" -m pip_audit "${options[@]}" -r constraints.txt >"$report" 2>&1; then
    cat "$report"
elif grep -qE '^Found [0-9]+ known vulnerabilit' "$report"; then
    cat "$report"
    exit 1
else
    tail -n 1 "$report" >&2
    echo "make audit: NOTHING WAS CHECKED, because the vulnerability service gave no answer; try again with access to it" >&2
    exit 2
fi
