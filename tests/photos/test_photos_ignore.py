"""What `.facesearchignore` passes over: gitignore's rules, in this folder and below."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Literal

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
    assert complaint.reason.startswith("line 2 is not a pattern (")
    assert photo.path.name == "b.jpg"


def test_names_that_are_no_text(tmp_path: Path) -> None:
    for name in (b"\xff.jpg", b"\xfe.jpg"):
        (tmp_path / os.fsdecode(name)).touch()
    (tmp_path / IGNORE).write_bytes(b"\xff.jpg\n")
    assert [os.fsencode(found.path.name) for found in walk([tmp_path])] == [b"\xfe.jpg"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfprivate/\n",
        "private/\r\n".encode("utf-16"),  # with its mark
        b"\xfe\xff" + "private/\n".encode("utf-16-be"),
        "private/\n".encode("utf-16-le"),  # without
        "private/\n".encode("utf-16-be"),
        "private/\n".encode("utf-32"),
        b"\xef\xbb\xbf# mine\r\nprivate\r",
        b"private\\\r\n",
        b"/private\\secret.jpg\n",
    ],
)
def test_a_file_that_an_editor_of_another_system_wrote_is_obeyed(tmp_path: Path, content: bytes) -> None:
    lay_out(tmp_path, "a.jpg", "private/secret.jpg", top="")
    (tmp_path / IGNORE).write_bytes(content)
    assert listed(tmp_path) == ["a.jpg"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("pattern", ["privé/", "privé*", "*é"])
def test_an_accent_may_be_written_in_either_way(tmp_path: Path, form: Literal["NFC", "NFD"], pattern: str) -> None:
    lay_out(tmp_path, "a.jpg", f"{unicodedata.normalize(form, 'privé')}/b.jpg", top="")
    for other in ("NFC", "NFD"):
        (tmp_path / IGNORE).write_text(unicodedata.normalize(other, pattern), encoding="utf-8")
        assert listed(tmp_path) == ["a.jpg"]


def test_a_pattern_in_the_western_code_page_is_obeyed_too(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.jpg", "privé/b.jpg", top="")
    (tmp_path / IGNORE).write_bytes("privé/\n".encode("cp1252"))
    assert listed(tmp_path) == ["a.jpg"]


def test_a_letter_that_is_escaped_needlessly_and_wildcards_are_as_in_git(tmp_path: Path) -> None:
    lay_out(tmp_path, "#a.jpg", "!b.jpg", "c.jpg", "[d].jpg", top="\\#a.jpg\n\\!b.jpg\n\\c.jpg\n\\[d\\].jpg\n")
    assert listed(tmp_path) == []


def left_out(folder: Path) -> SkippedFile:
    """The folder and all below it are left out, and reported."""
    lay_out(folder, "sub/a.jpg", "sub/deep/b.jpg", "c.jpg", top="")
    photo, complaint = walk([folder])
    assert photo.path.name == "c.jpg"
    assert isinstance(complaint, SkippedFile)
    assert complaint.reason.endswith("its folder is left out until then")
    return complaint


def test_a_folder_whose_rules_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / IGNORE).write_bytes(b"private\0/\0\0\n\xff")
    complaint = left_out(tmp_path)
    assert complaint.path == tmp_path / "sub" / IGNORE
    assert complaint.reason.startswith("is not text (")


@pytest.mark.parametrize("name", [f"{IGNORE}.txt", ".FaceSearchIgnore", f"{IGNORE}.TXT"])
def test_a_folder_whose_rules_are_misnamed_is_left_out_and_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / name).write_text("private/\n")
    if (tmp_path / "sub" / IGNORE).exists():
        pytest.skip("a file system that does not tell upper case from lower")
    assert left_out(tmp_path).reason.startswith(f"is not obeyed: rename it to {IGNORE}; ")


def test_rules_that_lead_nowhere_leave_the_folder_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / IGNORE).symlink_to(tmp_path / "gone")
    assert left_out(tmp_path).reason.startswith("does not exist: ")


def test_a_pipe_in_its_place_is_named_and_never_opened(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "sub" / IGNORE)
    assert left_out(tmp_path).reason.startswith("is a named pipe, not a photo's file: ")
