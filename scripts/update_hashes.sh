#!/usr/bin/env bash
# Writes requirements/ anew: the pins of constraints.txt that a task needs, each with the hashes of all its files on the
# package index, for every Python and system that facesearch supports: scripts/update_hashes.sh [PYTHON]
# Run it after a change of pyproject.toml or constraints.txt. Needs the extra `release` (uv) and the package index.
set -euo pipefail
python=${1:-python}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() { # INPUT OUTPUT [OPTION...]
    printf '# Written by scripts/update_hashes.sh. Install with pip install --require-hashes --no-deps -r %s\n' "$2" >"$2.new"
    # sqlite-utils requires pip, which is there already.
    "$python" -m uv pip compile -q --universal --python-version 3.11.5 --generate-hashes --only-binary :all: \
        --no-emit-index-url --no-emit-package pip --no-annotate --no-header -c constraints.txt "${@:3}" "$1" >>"$2.new"
    mv "$2.new" "$2"
}

mkdir -p requirements
compile pyproject.toml requirements/test.txt --extra dev --extra bench
"$python" -c '
import tomllib
with open("pyproject.toml", "rb") as project:
    print(*tomllib.load(project)["project"]["optional-dependencies"]["release"], sep="\n")
' | compile - requirements/release.txt
printf 'milvus-lite\npymilvus\n' | compile - requirements/milvus-lite.txt
