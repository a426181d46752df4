"""`facesearch people add-face`: a drawn face that index was told to pass over, and what the command refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of

from facesearch.demo import draw_portrait, random_people
from facesearch.library import Library

SIDE_PX, SMALL_PX = 900, 130


@pytest.fixture
def photo(tmp_path: Path, tower: Path, run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo of two people: index finds the one with the large face."""
    near, far = (draw_portrait(person, np.random.default_rng(4), SIDE_PX) for person in random_people(2, seed=4))
    pixels = near.pixels.copy()
    small = np.asarray(Image.fromarray(far.pixels).resize((SMALL_PX, SMALL_PX)))
    pixels[:SMALL_PX, :SMALL_PX] = small
    path = tmp_path / "album" / "two.png"
    path.parent.mkdir()
    Image.fromarray(pixels).save(path)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    assert run("index", path.parent, "--smallest-face", "20%", "--no-group").code == 0
    return path


def test_a_missed_face_is_added_and_found_again(photo: Path, run: CommandLine, tmp_path: Path) -> None:
    box = f"25,25,{SMALL_PX - 50},{SMALL_PX - 40}"
    ran = run("people", "add-face", photo, "--box", box, "--name", "Dora", "--json")
    added = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert (added["face_id"], added["name"], added["found_by"], added["embedded"]) == (2, "Dora", "user", True)
    assert added["quality"] > 0.1
    assert keys_of(added) == documented_keys("people add-face")
    with Library.open(tmp_path / "library") as library:
        assert len(library.vectors()) == 2
    (face,) = json.loads(run("people", "show", "Dora", "--json").out)["faces"]
    assert (face["face_id"], face["found_by"], face["embedded"]) == (2, "user", True)
    ran = run("people", "add-face", photo, "--box", box)
    assert ran.code == 2
    assert "face #2 is there already; to name it: facesearch people name face:2 NAME" in ran.err


def test_a_box_without_a_visible_face_is_kept_with_its_name(photo: Path, run: CommandLine) -> None:
    ran = run("people", "add-face", photo, "--box", "850,2,48,58", "--name", "Dora")
    assert (ran.code, ran.err) == (0, "")
    assert "added face #2 of Dora; no face can be seen there, so it is not compared with others\n" in ran.out
    assert "to undo: facesearch people undo 1" in ran.out
    assert str(photo) in run("photos", "Dora").out
    assert run("people", "undo").code == 0
    assert run("photos", "Dora").code == 2
    assert run("people", "add-face", photo, "--box", "850,2,48,58").code == 0
    said = run("people", "log").out.splitlines()
    assert [line.split("  ")[-1] for line in said[1:3]] == ["add-face: 1 face", "undo of change 1, Dora: 1 face"]


def test_what_is_no_face_of_the_library_is_refused(photo: Path, run: CommandLine, tmp_path: Path) -> None:
    for box, said in (
        ("850,2,51,58", "the box from 850,2 to 901,60 does not lie in the photo, which has 900 x 900 px"),
        ("-1,2,51,58", "does not lie in the photo"),
        ("850,2,7,58", "too small for a face; both sides need 8 px or more"),
        ("850,2,48", "850,2,48 is not a box; write it as x,y,width,height in pixels"),
        ("nan,2,48,58", "is not a box"),
        ("850,2,-48,58", "width and height are greater than 0"),
    ):
        ran = run("people", "add-face", photo, "--box", box, "--name", "Dora")
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err
    other = tmp_path / "other.png"
    Image.new("RGB", (50, 50)).save(other)
    ran = run("people", "add-face", other, "--box", "1,1,39,39")
    assert (ran.code, "is not in the library" in ran.err) == (2, True)
    ran = run("people", "add-face", tmp_path / "gone.png", "--box", "1,1,39,39")
    assert ran.code == 3
    os.mkfifo(tmp_path / "pipe.png")
    ran = run("people", "add-face", tmp_path / "pipe.png", "--box", "1,1,39,39")
    assert (ran.code, "regular file" in ran.err or "pipe" in ran.err) == (3, True)
    video = tmp_path / "holiday.mp4"
    video.write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2")
    ran = run("people", "add-face", video, "--box", "1,1,39,39")
    assert (ran.code, "is a video; faces can be added to photos only" in ran.err) == (2, True)
    Image.new("RGB", (900, 900)).save(photo)
    ran = run("people", "add-face", photo, "--box", "850,2,48,58")
    assert (ran.code, "has changed since it was indexed; run facesearch index first" in ran.err) == (2, True)
