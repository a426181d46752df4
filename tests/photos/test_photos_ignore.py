"""What `.facesearchignore` passes over: gitignore's rules, in this folder and below."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facesearch.photos import walk
from facesearch.records import SkippedFile

IGNORE = ".facesearchignore"


def lay_out(folder: Path, *names: str, top: str, sub: str | None = None) -> Path:
    """Empty photos, and the patterns of the ignore files in the folder and in sub/."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / IGNORE).write_text(top)
    if sub is not None:
        (folder / "sub" / IGNORE).write_text(sub)
    return folder


def listed(*paths: Path) -> list[str]:
    return [str(found.path.relative_to(paths[0])) for found in walk(paths)]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("# nothing\n\n", ["a.jpg", "b.png", "sub/a.jpg", "sub/deep/c.jpg"]),
        ("a.jpg", ["b.png", "sub/deep/c.jpg"]),
        ("/a.jpg", ["b.png", "sub/a.jpg", "sub/deep/c.jpg"]),
        ("*.jpg\n!c.jpg", ["b.png", "sub/deep/c.jpg"]),
        ("sub/", ["a.jpg", "b.png"]),
        ("sub/*\n", ["a.jpg", "b.png"]),
        ("**/deep", ["a.jpg", "b.png", "sub/a.jpg"]),
        ("*\n", []),
        ("sub\n!sub/a.jpg", ["a.jpg", "b.png"]),  # a folder that is left out is not looked into, as in git
        ("b.png/", ["a.jpg", "b.png", "sub/a.jpg", "sub/deep/c.jpg"]),  # only folders
        ("a.jpg  \r\nb.png\r\n", ["sub/deep/c.jpg"]),
    ],
)
def test_patterns(tmp_path: Path, patterns: str, left: list[str]) -> None:
    lay_out(tmp_path, "a.jpg", "b.png", "sub/a.jpg", "sub/deep/c.jpg", top=patterns)
    assert listed(tmp_path) == left


def test_the_file_further_down_has_the_last_word(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.jpg", "sub/a.jpg", "sub/b.jpg", "other/a.jpg", top="a.jpg", sub="!a.jpg\n/b.jpg")
    assert listed(tmp_path) == ["sub/a.jpg"]


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.jpg", "sub/b.jpg", top="*")
    assert [found.path.name for found in walk([tmp_path / "a.jpg", tmp_path / "sub"])] == ["a.jpg", "b.jpg"]


def test_links_are_held_to_the_rules_where_they_lie(tmp_path: Path) -> None:
    lay_out(tmp_path / "elsewhere", "a.jpg", "b.jpg", "c.jpg", top="")
    lay_out(tmp_path / "album", "z.jpg", top="a.jpg\nalbum2/\nlinked.jpg")
    (tmp_path / "album" / "album1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "album" / "album2").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "album" / "linked.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    assert listed(tmp_path / "album") == ["z.jpg", "album1/b.jpg", "album1/c.jpg"]


def test_a_line_that_is_no_pattern_is_named_and_the_others_are_obeyed(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.jpg", "b.jpg", top="a.jpg\n!\n")
    complaint, photo = walk([tmp_path])
    assert isinstance(complaint, SkippedFile)
    assert complaint.path == tmp_path / IGNORE
    assert complaint.reason.startswith("line 2 is no pattern (")
    assert photo.path.name == "b.jpg"


def test_names_that_are_no_text(tmp_path: Path) -> None:
    for name in (b"\xff.jpg", b"\xfe.jpg"):
        (tmp_path / os.fsdecode(name)).touch()
    (tmp_path / IGNORE).write_bytes(b"\xff.jpg\n")
    assert [os.fsencode(found.path.name) for found in walk([tmp_path])] == [b"\xfe.jpg"]


def test_a_pipe_in_its_place_is_named_and_never_opened(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    os.mkfifo(tmp_path / IGNORE)
    complaint, photo = walk([tmp_path])
    assert isinstance(complaint, SkippedFile)
    assert complaint.reason == "is a named pipe, not a photo's file: name a photo"
    assert photo.path.name == "a.jpg"
