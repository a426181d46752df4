#!/usr/bin/env bash
# Builds the source archive and the wheel into dist/, twice, and checks them: scripts/check_wheel.sh PYTHON
# Both wheels must have the same bytes: the times in them are that of the last commit (SOURCE_DATE_EPOCH).
set -euo pipefail
python=${1:-python}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
umask 022
rm -rf dist build/again
"$python" -m build --outdir dist . >/dev/null
"$python" -m build --outdir build/again . >/dev/null
for wheel in dist/*.whl; do
    cmp "$wheel" "build/again/${wheel##*/}"
done
rm -rf build/again
"$python" -m twine check --strict dist/*
"$python" -m check_wheel_contents dist/*.whl
sha256sum dist/*
