"""Faces without a person that lie within the threshold answer as one; hidden people are not named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.people_library import ANN, BOB, index
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.people import hide_people, name_faces, reject_faces
from facesearch.query import QueryOptions, ask, probe_photo
from facesearch.query.loose import average_linkage
from facesearch.query.probe import Probe

CALIBRATION = Calibration((0.02, 0.1, 0.3, 1.0), (8.0, 0.0, -4.0, -8.0))


@pytest.fixture
def loose_library(tmp_path: Path) -> Iterator[Library]:
    """Six photos of Ann, three of Bob, one of Carl, nobody grouped."""
    for name, colour, photos in (("ann", ANN, 6), ("bob", BOB, 3), ("carl", (0, 0, 255), 1)):
        for number in range(photos):
            draw(tmp_path / "album" / f"{name}{number}.png", tuple(value + number for value in colour))  # type: ignore[arg-type]
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, tmp_path / "album")
        yield library


def probe(folder: Path, *colours: tuple[int, int, int]) -> Probe:
    draw(folder / "probe.png", *colours)
    found = probe_photo(folder / "probe.png", TileDetector(), ColourTower())
    return Probe(found.path, found.photo, found.faces, found.crops, found.models, CALIBRATION)


def test_faces_of_one_person_are_one_answer_with_all_of_their_photos(loose_library: Library, tmp_path: Path) -> None:
    (face,) = ask(loose_library, probe(tmp_path, ANN), QueryOptions(k=3)).faces
    assert {match.person_id for match in face.people} == {None}
    assert [face.people[0].photo_count, *sorted(match.photo_count for match in face.people[1:])] == [6, 1, 3]
    assert face.people[0].posterior is not None
    assert face.people[0].posterior > 0.9
    assert face.verdict is not None
    assert face.verdict.is_clear


def test_a_face_with_a_person_is_not_taken_with_those_without(loose_library: Library, tmp_path: Path) -> None:
    name_faces(loose_library, [1, 2], "Ann")
    (face,) = ask(loose_library, probe(tmp_path, ANN), QueryOptions(k=2)).faces
    assert [(match.name, match.photo_count) for match in face.people] == [("Ann", 2), (None, 4)]


def test_a_face_without_a_person_speaks_for_whoever_it_is_likely_to_show(
    loose_library: Library, tmp_path: Path
) -> None:
    """Nearest to the probe is a face that nobody named; Ann is almost as near, and so near to it that it is hers."""
    name_faces(loose_library, [1, 2], "Ann")
    nearest = (205, 15, 15)
    (face,) = ask(loose_library, probe(tmp_path, nearest), QueryOptions(k=2)).faces
    assert min(face.people, key=lambda match: match.distance).name is None
    assert [match.name for match in face.people] == ["Ann", None]
    assert face.people[0].posterior is not None
    assert face.people[0].posterior > 0.9
    assert face.verdict is not None
    assert face.verdict.is_clear
    assert sum(match.posterior or 0 for match in face.people) + (face.nobody or 0) <= 1.0001


@pytest.mark.parametrize("why", ["rejected", "on one picture"])
def test_a_face_that_cannot_be_theirs_does_not_speak_for_a_person(
    loose_library: Library, tmp_path: Path, why: str
) -> None:
    name_faces(loose_library, [1, 2], "Ann")
    if why == "rejected":
        reject_faces(loose_library, 1, [3, 4, 5, 6])
    else:
        with loose_library.changing():
            loose_library._database.execute("UPDATE faces SET photo_id = (SELECT photo_id FROM faces WHERE id = 1)")
    (face,) = ask(loose_library, probe(tmp_path, (205, 15, 15)), QueryOptions(k=2)).faces
    assert face.people[0].name is None


def test_somebody_hidden_is_not_shown_and_nobody_is_taken_for_them(loose_library: Library, tmp_path: Path) -> None:
    name_faces(loose_library, range(1, 7), "Ann")
    name_faces(loose_library, range(7, 10), "Bob")
    hide_people(loose_library, [1])
    (face,) = ask(loose_library, probe(tmp_path, ANN), QueryOptions(k=2)).faces
    assert {match.name for match in face.people} == {"Bob", None}
    assert [match.rank for match in face.people] == [1, 2]
    assert face.verdict is not None
    assert face.verdict.text.startswith("somebody hidden")
    assert face.verdict.first is not None
    assert face.verdict.first.person_id is None
    (listed,) = ask(loose_library, probe(tmp_path, ANN), QueryOptions(k=3, faces=True)).faces
    assert len(listed.photos) == 3
    assert {match.name for match in listed.photos} == {"Bob"}


def test_average_linkage_is_that_of_a_naive_loop() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(14, 2))
        photos = rng.integers(10, size=14)
        distances = np.linalg.norm(points[:, None] - points, axis=2)
        found = average_linkage(distances, photos, 1.0)
        assert partition(found.tolist()) == naive(distances, photos.tolist(), 1.0)


def partition(labels: list[int]) -> set[frozenset[int]]:
    return {frozenset(row for row, other in enumerate(labels) if other == label) for label in labels}


def naive(distances: np.ndarray, photos: list[int], threshold: float) -> set[frozenset[int]]:
    groups = [frozenset([row]) for row in range(len(photos))]
    while True:
        pairs = [
            (float(np.mean([distances[a, b] for a in one for b in other])), one, other)
            for number, one in enumerate(groups)
            for other in groups[number + 1 :]
            if not {photos[a] for a in one} & {photos[b] for b in other}
        ]
        if not pairs or min(pair[0] for pair in pairs) > threshold:
            return set(groups)
        _, one, other = min(pairs, key=lambda pair: pair[0])
        groups = [group for group in groups if group not in (one, other)] + [one | other]
