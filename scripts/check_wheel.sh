#!/usr/bin/env bash
# Builds the source archive and the wheel into dist/, twice, and checks them: scripts/check_wheel.sh PYTHON
# The wheel and the archive hold the manual pages too, and the archive all that the tests and docs are made from.
# Both builds must have the same bytes: the times in them are that of the last commit (SOURCE_DATE_EPOCH). setuptools sees
# to that in a wheel only, so the source archive is packed again, by GNU tar.
set -euo pipefail
python=${1:-python}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
umask 022
rm -rf dist build/again man
"$python" scripts/write_manual_pages.py man
build_into() {
    "$python" -m build --outdir "$1" . >/dev/null
    local archive unpacked
    archive=$(echo "$1"/*.tar.gz)
    unpacked=$(mktemp -d)
    tar -xzf "$archive" -C "$unpacked"
    tar -c --format=pax --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime --sort=name \
        --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$unpacked" "$(basename "$archive" .tar.gz)" |
        gzip -9n >"$archive"
    rm -rf "$unpacked"
}
build_into dist
build_into build/again
for built in dist/*; do
    cmp "$built" "build/again/${built##*/}"
done
rm -rf build/again
lacks() {
    echo "scripts/check_wheel.sh: $1 lacks $2" >&2
    exit 1
}
for page in man/*.1; do
    "$python" -m zipfile -l dist/*.whl | grep -F "/share/man/man1/${page##*/} " >/dev/null || lacks wheel "$page"
done
for file in man/*.1 docs/index.md tests/conftest.py constraints.txt; do
    tar -tzf dist/*.tar.gz | grep "^[^/]*/$file\$" >/dev/null || lacks "source archive" "$file"
done
"$python" -m twine check --strict dist/*
"$python" -m check_wheel_contents dist/*.whl
sha256sum dist/*
