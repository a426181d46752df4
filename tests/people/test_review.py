"""Likely mistakes: each kind planted in a real library, named with its reason and a command that mends it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import UsageError
from facesearch.evaluation.places import Places
from facesearch.indexing import index_photos
from facesearch.library import Library
from facesearch.people import (
    Suspect,
    change_log,
    confirm_faces,
    find_suspects,
    reject_faces,
    set_born,
    undo_change,
)
from facesearch.people.likeness import Likeness
from facesearch.query.lookalikes import lookalikes
from facesearch.records import Floats

FACES = 8
PEOPLE = {"Ann": (200, 20, 20), "Bob": (20, 200, 20), "Carl": (20, 20, 200), "Dora": (180, 180, 20)}


@pytest.fixture
def varied_album(tmp_path: Path) -> Path:
    """Eight photos of each of four people, who look a little different on each; and a photo of three."""
    random = np.random.default_rng(0)
    for name, colour in PEOPLE.items():
        for number in range(FACES):
            red, green, blue = (int(value) for value in np.array(colour) + random.integers(-12, 13, 3))
            draw(tmp_path / "album" / name / f"{number}.png", (red, green, blue))
    draw(tmp_path / "album" / "together.png", PEOPLE["Ann"], PEOPLE["Bob"], (20, 190, 30))
    return tmp_path / "album"


@pytest.fixture
def faultless_library(tmp_path: Path, varied_album: Path) -> Iterator[Library]:
    """Everybody is named rightly; faces 1 to 8 are Ann's, 9 to 16 Bob's, and so on; 33 to 35 are on the last photo."""
    with Library.create(tmp_path / "library", MODELS) as library:
        for name in PEOPLE:
            index_photos(library, [varied_album / name], TileDetector(), ColourTower())
        index_photos(library, [varied_album], TileDetector(), ColourTower())
        with library.changing():
            for person, name in enumerate(PEOPLE):
                first = 1 + FACES * person
                library.people.label(library.people.add(name), range(first, first + FACES), "user")
        yield library


def give(library: Library, name: str, *face_ids: int) -> None:
    """Plant a mistake."""
    with library.changing(), library.people.change("plant") as change:
        person = library.people.find(name)
        change.move(face_ids, change.create(name) if person is None else person)


def found(library: Library) -> list[Suspect]:
    return list(find_suspects(library, top=None).suspects)


def mend(library: Library, suspect: Suspect, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the command that a suspect comes with."""
    program, *arguments = shlex.split(suspect.command)
    assert program == "facesearch"
    library.close()
    ran = CommandLine(capsys)(*arguments, "--library", library.path)
    assert (ran.code, ran.err) == (0, "")
    Library.__init__(library, *_again(library.path))


def _again(path: Path) -> tuple[object, ...]:
    opened = Library.open(path, writable=True)
    return path, opened._database, opened._lock


def test_nothing_is_suspected_where_all_is_well(faultless_library: Library) -> None:
    report = find_suspects(faultless_library)
    assert (report.suspects, report.faces, report.people) == ((), 4 * FACES, 4)
    assert report.found == {"twice": 0, "stray": 0, "alike": 0, "unborn": 0}


def test_a_face_at_the_wrong_person(
    faultless_library: Library, varied_album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    give(faultless_library, "Bob", 3)
    first, *others = found(faultless_library)
    assert others == []
    assert (first.kind, first.name, first.face_id, first.other_name) == ("stray", "Bob", 3, "Ann")
    assert first.photo == varied_album / "Ann" / "2.png"
    assert first.command == "facesearch people split Bob face:3 --to Ann"
    ids, embeddings = faultless_library.catalog.embeddings()
    rows = {face: embeddings[ids.tolist().index(face)] for face in (*range(1, 17),)}
    apart = {face: float(np.linalg.norm(rows[face] - rows[3])) for face in rows}
    own = sorted(apart[face] for face in range(9, 17))[:3]
    other = sorted(apart[face] for face in range(1, 9) if face != 3)[:3]
    assert (first.distance, first.other_distance) == pytest.approx((np.mean(own), np.mean(other)), abs=1e-4)
    mend(faultless_library, first, capsys)
    assert faultless_library.catalog.faces([3])[3].name == "Ann"
    assert found(faultless_library) == []


def test_a_face_of_nobody_who_is_there(faultless_library: Library, varied_album: Path) -> None:
    draw(varied_album / "odd.png", (250, 250, 250))
    index_photos(faultless_library, [varied_album], TileDetector(), ColourTower())
    give(faultless_library, "Carl", 36)
    (only,) = found(faultless_library)
    assert (only.kind, only.face_id, only.other_person_id) == ("stray", 36, None)
    assert only.command == "facesearch people reject Carl face:36"


def test_a_rejected_person_is_not_suggested_and_neither_is_one_on_the_photo(faultless_library: Library) -> None:
    give(faultless_library, "Bob", 3, 33)  # 33 is Ann, on a photo together with...
    give(faultless_library, "Ann", 34)
    by_face = {each.face_id: each for each in found(faultless_library)}
    assert by_face[3].other_name == "Ann"
    assert by_face[33].other_name is None  # ... somebody who is taken for Ann already
    reject_faces(faultless_library, 1, [3])
    assert {each.face_id: each for each in found(faultless_library)}[3].other_name is None


def test_a_person_twice_on_one_photo(faultless_library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    give(faultless_library, "Ann", 33, 34)
    first = found(faultless_library)[0]
    assert (first.kind, first.name, first.face_id, first.other_face_id) == ("twice", "Ann", 34, 33)
    assert first.command == "facesearch people split Ann face:34 --to Bob"
    mend(faultless_library, first, capsys)
    assert found(faultless_library) == []


def test_two_who_look_like_one_until_somebody_says_that_they_are_two(
    faultless_library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    give(faultless_library, "Ann (again)", 1, 2, 3)
    first, *_ = found(faultless_library)
    assert (first.kind, first.name, first.other_name, first.face_id) == ("alike", "Ann", "Ann (again)", None)
    assert first.command == "facesearch people merge Ann 'Ann (again)'"
    reject_faces(faultless_library, 1, [2])
    assert [each for each in found(faultless_library) if each.kind == "alike"] == []
    with faultless_library.changing(), faultless_library.people.change("plant") as change:
        change.accept(1, [2])
        change.update(faultless_library.people.find("Ann (again)") or 0, name=None, born=None)
    first, *_ = found(faultless_library)
    assert (first.command, first.other_name) == ("facesearch people merge Ann '#5'", None)
    mend(faultless_library, first, capsys)
    assert found(faultless_library) == []


def test_a_photo_that_is_older_than_the_person(faultless_library: Library, varied_album: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "1979:12:31 23:59:59"
    photo = varied_album / "Ann" / "new.jpg"
    Image.new("RGB", (40, 40), PEOPLE["Ann"]).save(photo, exif=exif, quality=100)
    index_photos(faultless_library, [varied_album / "Ann"], TileDetector(), ColourTower())
    give(faultless_library, "Ann", 36)
    assert find_suspects(faultless_library).photos_dated == 0  # no date of birth is known
    set_born(faultless_library, 1, "1980-01-01")
    before = {path: path.stat().st_mtime_ns for path in varied_album.rglob("*") if path.is_file()}
    report = find_suspects(faultless_library)
    (only,) = report.suspects
    assert (only.kind, only.face_id, only.photo, only.taken) == ("unborn", 36, photo, "1979-12-31")
    assert "before Ann was born on 1980-01-01" in only.reason
    assert (report.photos_dated, report.photos_undated) == (1, FACES)
    assert {path: path.stat().st_mtime_ns for path in varied_album.rglob("*") if path.is_file()} == before
    set_born(faultless_library, 1, "1979-12-31")
    assert find_suspects(faultless_library).suspects == ()


def test_the_command_says_the_likeliest_first(
    faultless_library: Library, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give(faultless_library, "Bob", 3)
    give(faultless_library, "Dora", 33, 34)
    faultless_library.close()
    run = CommandLine(capsys)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(faultless_library.path))
    ran = run("people", "review", "--json")
    report = json.loads(ran.out)
    assert keys_of(report) == documented_keys("people review")
    evidence = [each["evidence"] for each in report["suspects"]]
    assert evidence == sorted(evidence, reverse=True)
    assert len(evidence) == sum(report["found"].values()) == 3
    assert run("people", "suspects", "--json").out == ran.out  # the former name
    assert "suspects" not in run("people", "--help").out
    ran = run("people", "review", "--top", "1")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("facesearch people ") == 1
    assert "3 likely mistakes (" in ran.out
    Library.__init__(faultless_library, *_again(faultless_library.path))


# The model


def test_the_likelihood_ratio_is_that_of_the_two_normal_distributions() -> None:
    random = np.random.default_rng(1)
    people = np.repeat(np.arange(60), 5)
    embeddings = (random.normal(size=(60, 32))[people] + 0.6 * random.normal(size=(300, 32))).astype(np.float32)
    likeness = Likeness(Places.plain(embeddings), people, 4.0)
    between = likeness._spread
    first, second = random.normal(size=(2, 32)), random.normal(size=(2, 32))
    for n1, n2 in ((1, 1), (3, 2)):
        expected = []
        for x, y in zip(first, second, strict=True):
            log = 0.0
            for a, b, spread in zip(x, y, between, strict=True):
                one = np.array([[spread + 1 / n1, spread], [spread, spread + 1 / n2]])
                two = np.diag([spread + 1 / n1, spread + 1 / n2])
                both = np.array([a, b])
                for covariance, sign in ((one, 1), (two, -1)):
                    log -= sign * (both @ np.linalg.solve(covariance, both) + np.log(np.linalg.det(covariance))) / 2
            expected.append(log)
        counts = (np.full(2, n1), np.full(2, n2))
        ratio = likeness._ratio(first, counts[0], second, counts[1], np.ones(2))
        np.testing.assert_allclose(ratio, expected, rtol=1e-9)


def test_where_strangers_lie_near_people_must_be_nearer_to_count_as_one() -> None:
    random = np.random.default_rng(3)
    people = np.repeat(np.arange(60), 3)
    embeddings = (random.normal(size=(60, 32))[people] + 0.6 * random.normal(size=(180, 32))).astype(np.float32)
    scales = np.where(people < 30, 0.7, 1.3).astype(np.float32)  # the first thirty lie where strangers are near

    def evidence(scales: Floats) -> dict[tuple[int, int], float]:
        pairs = Likeness(Places(embeddings, scales), people, 4.0 / float(scales.mean())).alike()
        return {(first, second): ratio for first, second, ratio in pairs}

    even, judged, doubled = evidence(np.ones(180, np.float32)), evidence(scales), evidence(2 * scales)
    assert even.keys() == judged.keys()
    for pair, ratio in judged.items():
        if max(pair) < 30:
            assert ratio < even[pair]
        elif min(pair) >= 30:
            assert ratio > even[pair]
        assert doubled[pair] == pytest.approx(ratio, rel=1e-4)  # only proportions count


def test_the_search_by_partitions_finds_whom_the_exact_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    people = np.repeat(np.arange(400), 3)
    embeddings = (random.normal(size=(400, 32))[people] + 0.4 * random.normal(size=(1200, 32))).astype(np.float32)
    people[::7] = random.integers(400, size=len(people[::7]))
    exact = dict(_strongest(Likeness(Places.plain(embeddings), people, 4.0)))
    monkeypatch.setattr("facesearch.people.likeness._EXACT_POINTS", 100)
    monkeypatch.setattr("facesearch.people.likeness._PROBES_AT_ONCE", 100)
    parts = dict(_strongest(Likeness(Places.plain(embeddings), people, 4.0)))
    assert exact.keys() == parts.keys()
    assert np.mean([exact[row] == parts[row] for row in exact]) > 0.9


def _strongest(likeness: Likeness) -> Iterator[tuple[int, int]]:
    for rows, fits in likeness.fits():
        for row, others, weights in zip(rows.tolist(), fits.others, fits.to_others, strict=True):
            yield row, int(others[int(np.argmax(weights))])


def test_a_face_that_was_confirmed_is_no_mistake_until_that_is_taken_back(faultless_library: Library) -> None:
    give(faultless_library, "Bob", 1)
    assert [(suspect.face_id, suspect.person_id) for suspect in found(faultless_library)] == [(1, 2)]
    changed = confirm_faces(faultless_library, 2, [1])
    assert (changed.action, changed.faces, changed.total) == ("confirm", 1, FACES + 1)
    assert found(faultless_library) == []
    assert confirm_faces(faultless_library, 2, [1]).change is None
    assert change_log(faultless_library, 1)[0].source == "user"
    with pytest.raises(UsageError, match="face #2 is not Bob's"):
        confirm_faces(faultless_library, 2, [2])
    undo_change(faultless_library)
    assert [suspect.face_id for suspect in found(faultless_library)] == [1]


def test_a_group_that_may_be_somebody_known_is_asked_about_and_no_more_once_that_is_denied(
    faultless_library: Library,
) -> None:
    with faultless_library.changing(), faultless_library.people.change("plant") as change:
        group = change.create(None)
        change.move([1, 2, 3], group)
    (likely,) = lookalikes(faultless_library, group)
    assert (likely.person_id, likely.name) == (1, "Ann")
    assert likely.face_id in range(4, FACES + 1)
    assert 0 < likely.distance <= faultless_library.models.threshold
    assert lookalikes(faultless_library, 2) == ()  # Bob is near nobody
    reject_faces(faultless_library, 1, [2])
    assert lookalikes(faultless_library, group) == ()
