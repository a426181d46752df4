"""A library's own calibration: against naive pairs, on people whose truth is known, kept, dropped and refused."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.command_line import CommandLine
from support.tiles import MODELS, THRESHOLD, ColourTower, TileDetector, draw

from facesearch.demo import write_album
from facesearch.errors import LibraryError, UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.indexing import reindex
from facesearch.library import Library, forget
from facesearch.library.space import head_bytes
from facesearch.query import QueryOptions, ask, compare_probes, probe_photo, probe_prominent_face
from facesearch.records import DetectedFace, EmbeddedFace, NewPhoto, PhotoFile
from facesearch.tuning.calibration import keep_calibration, kept_calibration, reset_calibration
from facesearch.tuning.calibration.fitting import InForce, fit_library, least_people
from facesearch.tuning.calibration.sample import MOST_FACES, named_sample, pairs_of

WITHIN, BETWEEN = 0.15, 0.15  # standard deviations a dimension: distances of some 1.2 and 1.7
USUAL = InForce(0.3, Calibration((0.2, 0.4), (3.0, -3.0)))


def fill(
    library: Library, photos: Sequence[Sequence[int | None]], seed: int = 0, *, names: bool = True
) -> NDArray[np.float32]:
    """A library of photos, each with the people on it (None: nobody in particular); the embeddings, by face id - 1."""
    rng = np.random.default_rng(seed)
    numbers = {person for photo in photos for person in photo if person is not None}
    centres = {person: rng.normal(0, BETWEEN, 32) for person in sorted(numbers)}
    embeddings: list[NDArray[np.float32]] = []
    of: dict[int, list[int]] = {person: [] for person in sorted(numbers)}
    with library.changing():
        for number, photo in enumerate(photos):
            faces = []
            for person in photo:
                centre = rng.normal(0, BETWEEN, 32) if person is None else centres[person]
                embeddings.append((centre + rng.normal(0, WITHIN, 32)).astype(np.float32))
                if person is not None:
                    of[person].append(len(embeddings))
                face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
                faces.append(EmbeddedFace(face, embeddings[-1]))
            photo_id = library.catalog.add_photo(NewPhoto(f"{number}", 8, 8, faces))
            library.files.put(PhotoFile(Path(f"/photos/{number:05}.jpg"), 1, 1), photo_id)
        for person, face_ids in of.items() if names else ():
            library.people.label(library.people.add(f"person {person}"), face_ids, "user")
    return np.stack(embeddings)


def album(people: int, each: int) -> list[list[int | None]]:
    return [[person] for person in range(people) for _ in range(each)]


@pytest.fixture
def forty_people(tmp_path: Path) -> Path:
    """Forty people on four photos each."""
    with Library.create(tmp_path / "library", MODELS) as library:
        fill(library, album(40, 4))
    return tmp_path / "library"


def test_all_pairs_of_different_photos_of_named_people(tmp_path: Path) -> None:
    """Person 0 stands twice on the first photo (a mirror) and beside person 1; a group has no name."""
    photos = [[0, 0, 1], [0], [1, None], [2], [2]]
    with Library.create(tmp_path / "library", MODELS) as library:
        embeddings = fill(library, photos)
        with library.changing():
            library.people.label(library.people.add(), [6], "grouping")
        sample = named_sample(library)
        pairs = pairs_of(sample)
    faces = [(person, photo) for photo, people in enumerate(photos) for person in people]
    expected = []
    for (one, face), (two, other) in combinations(list(enumerate(faces)), 2):
        if face[1] != other[1] and None not in (face[0], other[0]):
            expected.append((float(np.linalg.norm(embeddings[one] - embeddings[two])), int(face[0] != other[0])))
    found = list(zip(pairs.distances.tolist(), pairs.labels.tolist(), strict=True))
    assert [label for _, label in found] == [label for _, label in sorted(expected)]
    np.testing.assert_allclose([distance for distance, _ in found], [distance for distance, _ in sorted(expected)])
    assert (sample.people_count, sample.with_two_photos, sample.in_all, sample.grouped) == (3, 3, 7, 0)
    assert sample.genuine_pairs == sum(label == 0 for _, label in expected) == 4


def test_one_person_with_thousands_of_photos_does_not_outweigh_everybody(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", MODELS) as library:
        fill(library, [*album(3, 2), *([7] for _ in range(500))])
        sample = named_sample(library)
    assert sorted(np.bincount(sample.people).tolist()) == [2, 2, 2, MOST_FACES]
    assert sample.in_all == 506


def test_the_fit_is_that_of_the_pairs_and_its_intervals_hold_the_truth(forty_people: Path, tmp_path: Path) -> None:
    with Library.open(forty_people) as library:
        fit = fit_library(library, USUAL, far=0.05)
        pairs = pairs_of(named_sample(library))
    genuine, impostor = pairs.distances[pairs.labels == 0], pairs.distances[pairs.labels == 1]
    assert (fit.genuine_pairs, fit.impostor_pairs) == (40 * 6, 40 * 39 // 2 * 16) == (len(genuine), len(impostor))
    assert (impostor <= fit.threshold).mean() == pytest.approx(0.05, abs=1e-3)
    assert fit.tar == pytest.approx((genuine <= fit.threshold).mean())
    for low, value, high in (
        (fit.threshold_interval[0], fit.threshold, fit.threshold_interval[1]),
        (fit.far_interval[0], fit.far, fit.far_interval[1]),
        (fit.tar_interval[0], fit.tar, fit.tar_interval[1]),
    ):
        assert low < value < high
    with Library.create(tmp_path / "others", MODELS) as others:  # many other people of the same kind say what is true
        fill(others, album(200, 2), seed=1)
        truth = pairs_of(named_sample(others))
    strangers = truth.distances[truth.labels == 1]
    assert fit.threshold_interval[0] < np.quantile(strangers, 0.05) < fit.threshold_interval[1]
    assert fit.far_interval[0] < (strangers <= fit.threshold).mean() < fit.far_interval[1]
    # Wider than if the pairs were independent, for each person is in many of them.
    assert fit.far_interval[1] - fit.far_interval[0] > 2 * 2 * 1.96 * math.sqrt(0.05 * 0.95 / len(impostor))


def test_people_left_out_say_how_it_does_beside_what_was_in_force(forty_people: Path) -> None:
    with Library.open(forty_people) as library:
        fit = fit_library(library, USUAL)
    assert fit.own.accuracy > fit.tower.accuracy + 0.2  # the usual threshold rejects everybody here
    assert fit.tower.tar < 0.05
    assert fit.own.calibration_error is not None and fit.tower.calibration_error is not None
    assert fit.own.calibration_error < 0.1 < fit.tower.calibration_error
    assert fit.calibration.expected_calibration_error == fit.own.calibration_error


def test_too_few_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", MODELS) as library:
        fill(library, [*album(8, 2), *([person] for person in range(8, 14))])
        with pytest.raises(
            LibraryError, match=r"29 named people are needed for at most 1 % false matches, and there are 14 \(name 15"
        ):
            fit_library(library, USUAL)
        with pytest.raises(LibraryError, match="10 of them must be on two photos or more, and 8 are") as error:
            fit_library(library, USUAL, far=0.1)
        assert "40 pairs of photos of the same person are needed, and there are 8 (a third" in str(error.value)
        assert "named people are needed" not in str(error.value)
        for far in (0.0, 1.0, -1.0):
            with pytest.raises(UsageError, match="the share of false matches"):
                fit_library(library, USUAL, far=far)
        assert kept_calibration(library) is None


def test_the_far_that_is_offered_is_one_that_is_granted(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", MODELS) as library:
        fill(library, album(12, 4))
        with pytest.raises(LibraryError, match="or allow") as error:
            fit_library(library, USUAL)
        offered = float(str(error.value).partition("or allow ")[2].partition(" %")[0]) / 100
        assert fit_library(library, USUAL, far=offered).people == 12
    assert least_people(0.01) == 29  # 29 * 28 / 2 = 406 pairs of people, of which 4.06 are expected to pass
    assert least_people(0.1) == 10  # 45


def test_unnamed_groups_do_not_count(forty_people: Path) -> None:
    with Library.open(forty_people, writable=True) as library:
        before = named_sample(library).people_count
        with library.changing():
            library._database.execute("UPDATE faces SET person_source = 'group' WHERE person_id > 35")
        assert named_sample(library).grouped == 5 * 4
        with library.changing():
            for person in list(library.people.names())[:15]:
                library._database.execute("UPDATE people SET name = NULL WHERE id = ?", (person,))
        assert (before, named_sample(library).people_count) == (40, 25)
        with pytest.raises(
            LibraryError, match="29 named people are needed for at most 1 % false matches, and there are 25"
        ):
            fit_library(library, USUAL)


def test_faces_that_lie_no_nearer_to_themselves_are_refused(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", MODELS) as library:
        fill(library, [[photo % 2] for photo in range(160)], names=False)  # of two people, who are given 40 names
        with library.changing():
            for name in range(40):
                library.people.label(library.people.add(f"{name}"), range(4 * name + 1, 4 * name + 5), "user")
        with pytest.raises(LibraryError, match="look for wrong names"):
            fit_library(library, USUAL)


def kept(path: Path, far: float = 0.01) -> None:
    with Library.open(path, writable=True) as library:
        keep_calibration(library, fit_library(library, USUAL, far).kept("2026-01-01T00:00:00+00:00"))


def test_what_is_kept_comes_back_and_is_judged_by(forty_people: Path, tmp_path: Path) -> None:
    kept(forty_people)
    one, two = draw(tmp_path / "1.png", (200, 0, 0)), draw(tmp_path / "2.png", (100, 90, 60))
    with Library.open(forty_people) as library:
        fit = fit_library(library, USUAL)
        back = kept_calibration(library)
        assert back is not None
        assert (back.threshold, back.far, back.calibration) == (fit.threshold, 0.01, fit.calibration)
        assert back.figures["people"] == 40
        assert library.status().own_threshold == fit.threshold
        answer = ask(library, probe_photo(one, TileDetector(), ColourTower()))
        assert (answer.threshold, answer.calibrated_by) == (fit.threshold, "library")
        given = ask(library, probe_photo(one, TileDetector(), ColourTower()), QueryOptions(threshold=0.2))
        assert given.threshold == 0.2
        first, second = (probe_prominent_face(photo, TileDetector(), ColourTower()) for photo in (one, two))
        with_library = compare_probes(first, second, library)
    alone = compare_probes(first, second)
    assert with_library.distance == alone.distance
    assert (alone.threshold, alone.probability, alone.calibrated_by) == (THRESHOLD, None, None)
    assert (with_library.threshold, with_library.calibrated_by) == (fit.threshold, "library")
    assert with_library.probability == pytest.approx(fit.calibration.probability(alone.distance), abs=1e-4)
    with Library.open(forty_people, writable=True) as library:
        assert reset_calibration(library)
        assert not reset_calibration(library)
        assert kept_calibration(library) is None


def test_it_holds_in_no_other_space(forty_people: Path) -> None:
    kept(forty_people)
    with Library.open(forty_people, writable=True) as library:
        with library.changing():
            head = library.heads.add(MODELS.tower, head_bytes(np.eye(32, dtype=np.float32) * 2), {"calibration": None})
        assert kept_calibration(library) is None
        assert library.status().calibrated_at is None
        with library.changing():
            library.heads.drop(head)
        assert kept_calibration(library) is not None  # back in the space that it was fitted in


def test_a_fit_in_a_taught_space_takes_the_distances_there(forty_people: Path) -> None:
    with Library.open(forty_people, writable=True) as library:
        before = fit_library(library, USUAL)
        with library.changing():
            library.heads.add(MODELS.tower, head_bytes(np.eye(32, dtype=np.float32) * 2), {"calibration": None})
        assert fit_library(library, USUAL).threshold == pytest.approx(2 * before.threshold, rel=1e-5)


def test_a_reindex_to_another_tower_drops_it(forty_people: Path) -> None:
    class OtherTower(ColourTower):
        identity = "d1" * 32

    kept(forty_people)
    with Library.open(forty_people, writable=True) as library:
        assert reindex(library, TileDetector(), ColourTower()).calibration_dropped is False
        assert kept_calibration(library) is not None
        summary = reindex(library, TileDetector(), OtherTower(), force=True)
        assert (summary.switched, summary.calibration_dropped) == (True, True)
        assert kept_calibration(library) is None
        assert "calibration" not in library._database.settings()


def test_forgetting_anybody_drops_it(forty_people: Path) -> None:
    kept(forty_people)
    assert forget(forty_people, "person 3").calibration
    with Library.open(forty_people) as library:
        assert kept_calibration(library) is None
    assert b"log_odds" not in b"".join(file.read_bytes() for file in forty_people.iterdir())
    assert not forget(forty_people, "person 4").calibration


def test_damaged_settings_are_none(forty_people: Path) -> None:
    kept(forty_people)
    with Library.open(forty_people, writable=True) as library:
        good = library._database.settings()["calibration"]
        for bad in ("", "[]", "{}", good.replace("log_odds", "odds"), good.replace('"threshold"', '"thresh"')):
            with library.changing():
                library._database.set_settings({"calibration": bad})
            assert kept_calibration(library) is None


# The command, on drawn people


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("drawn"), 10, 4, groups=0, seed=6).directory


def test_the_command_fits_shows_and_resets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, drawn: Path, tmp_path: Path, tower: Path
) -> None:
    run = CommandLine(capsys)
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    assert run("index", drawn / "people", "--people-from-folders").code == 0
    refused = run("calibrate")
    assert refused.code == 4
    assert "for at most 1 % false matches, and there are 10 (name 19 more, or allow 8.9 %)" in refused.err
    dry = json.loads(run("calibrate", "--far", "0.1", "--dry-run", "--json").out)
    assert (dry["applied"], dry["fitted_at"], dry["fit"]["people"]) == (False, None, 10)
    assert "no calibration of its own" in run("calibrate", "--show").out
    ran = run("calibrate", "--far", "0.1")
    assert ran.code == 0
    assert f"threshold            {dry['fit']['threshold']:.3f} (" in ran.out
    assert ran.out.endswith("facesearch calibrate --reset returns to the tower's\n")
    shown = json.loads(run("calibrate", "--show", "--json").out)
    assert shown["fit"] == dry["fit"]
    assert documented_keys() == keys_of(shown)
    assert f"threshold {dry['fit']['threshold']:.3f}" in run("status").out
    photo = min((drawn / "people").rglob("*.jpg"))
    assert json.loads(run("query", photo, "--json").out)["calibrated_by"] == "library"
    judged = json.loads(run("evaluate", "--library", tmp_path / "library", "--json").out)
    assert (judged["calibrated_by"], judged["threshold"]) == ("library", dry["fit"]["threshold"])
    compared = json.loads(run("compare", photo, photo, "--library", tmp_path / "library", "--json").out)
    assert (compared["calibrated_by"], compared["threshold"]) == ("library", dry["fit"]["threshold"])
    assert run("calibrate", "--reset").out == "dropped: the tower's calibration is used again\n"
    assert json.loads(run("calibrate", "--reset", "--json").out)["dropped"] is False
    for wrong in (["--show", "--reset"], ["--show", "--far", "0.1"], ["--far", "2"]):
        assert run("calibrate", *wrong).code == 2


def documented_keys() -> set[str]:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    section = page.split("## `facesearch calibrate ")[1].split("\n## ")[0]
    return {
        key for line in section.splitlines() if line.startswith("| `") for key in line.split("|")[1].split("`")[1::2]
    }


def keys_of(value: Any, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return set()
    inner = [keys_of(entry, f"{prefix}{key}.") for key, entry in value.items()]
    return {f"{prefix}{key}" for key in value}.union(*inner)
