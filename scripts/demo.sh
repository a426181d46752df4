#!/usr/bin/env bash
# Draws an album of synthetic people, indexes their portraits, which puts them into groups, and asks who is on a group
# photo that was not indexed.
# Usage: scripts/demo.sh [PROGRAM], where PROGRAM is `facesearch` unless said otherwise. Writes ./demo-album and
# ./demo-library; both may be there already.
set -euo pipefail

facesearch=${1:-facesearch}
export FACESEARCH_LIBRARY=./demo-library

step() {
    printf '\n$ facesearch %s\n' "$*"
    "$facesearch" "$@"
}

step demo ./demo-album --people 12 --photos 8
step index ./demo-album/people
step query ./demo-album/groups/0001.jpg --k 3
