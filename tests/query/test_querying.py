"""The nearest people of a photo, held against brute force over the rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import tiles
from support.tiles import MODELS, THRESHOLD, Colour, ColourTower, TileDetector, draw

from facesearch.demo import draw_group, draw_portrait, random_people
from facesearch.errors import NoFaceError, PhotoError, TowerError, UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.library.index.vectors import INDEX_NAME
from facesearch.query import (
    Comparison,
    FaceMatch,
    PairVerdict,
    PersonMatch,
    ProbeFace,
    QueryAnswer,
    QueryOptions,
    ask,
    compare_photos,
    probe_photo,
)
from facesearch.query.candidates import FIRST_REACH
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, NewPhoto, PhotoFile, Pixels
from facesearch.vision.detector.detector import load_detector

RED, DARK_RED, GREEN, BLUE, GREY = (200, 0, 0), (190, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)


@pytest.fixture
def queried_library(tmp_path: Path) -> Iterator[Library]:
    """Ann (red, two photos) and Bea (green) by their folders, an unnamed group of two blues, and a grey nobody."""
    photos = tmp_path / "photos"
    draw(photos / "Ann" / "1.png", RED)
    draw(photos / "Ann" / "2.png", DARK_RED, GREY)
    draw(photos / "Bea" / "1.png", GREEN)
    draw(tmp_path / "loose" / "a.png", BLUE)
    draw(tmp_path / "loose" / "b.png", (0, 0, 190))
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(library, [photos], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True))
        index_photos(library, [tmp_path / "loose"], TileDetector(), ColourTower())
        with library.changing():
            library.people.label(library.people.add(), [5, 6], "grouping")
    with Library.open(tmp_path / "library", MODELS) as library:
        yield library


def _query(library: Library, photo: Path, k: int = 5, threshold: float | None = None) -> QueryAnswer:
    options = QueryOptions(k, threshold)
    return ask(library, probe_photo(photo, TileDetector(), ColourTower()), options)


def _faces(library: Library, photo: Path, k: int = 5, tower: ColourTower | None = None) -> ProbeFace:
    options = QueryOptions(k, faces=True)
    (face,) = ask(library, probe_photo(photo, TileDetector(), tower or ColourTower()), options).faces
    return face


def _compare(first: Path, second: Path, tower: ColourTower | None = None) -> Comparison:
    return compare_photos(first, second, TileDetector(), tower or ColourTower())


def _people(library: Library, photo: Path, k: int = 5) -> tuple[PersonMatch, ...]:
    (face,) = _query(library, photo, k).faces
    return face.people


def _distance(one: Colour, other: Colour) -> float:
    return float(np.linalg.norm(np.subtract(one, other) / 255))


def test_the_nearest_people_with_everything_about_them(queried_library: Library, tmp_path: Path) -> None:
    matches = _people(queried_library, draw(tmp_path / "probe.png", (204, 0, 0)))
    assert [(match.rank, match.name, match.person_id, match.face_id) for match in matches] == [
        (1, "Ann", 1, 1),
        (2, None, None, 3),  # the grey face beside Ann, in no group yet
        (3, None, 3, 6),  # the unnamed group, by its nearer face
        (4, "Bea", 2, 4),
    ]
    expected = [_distance((204, 0, 0), colour) for colour in (RED, GREY, (0, 0, 190), GREEN)]
    np.testing.assert_allclose([match.distance for match in matches], expected, rtol=1e-5)
    assert [match.same_person for match in matches] == [True, False, False, False]
    assert [match.photo_count for match in matches] == [2, 1, 2, 1]
    assert matches[0].nearest_photo == tmp_path / "photos" / "Ann" / "1.png"
    assert not matches[0].missing


def test_k_cuts_and_can_be_more_than_there_is(queried_library: Library, tmp_path: Path) -> None:
    probe = draw(tmp_path / "probe.png", RED)
    assert [match.name for match in _people(queried_library, probe, k=1)] == ["Ann"]
    assert len(_people(queried_library, probe, k=1000)) == 4


def test_the_threshold_is_the_towers_unless_given(queried_library: Library, tmp_path: Path) -> None:
    probe = draw(tmp_path / "probe.png", GREEN)
    assert _query(queried_library, probe).threshold == THRESHOLD
    answer = _query(queried_library, probe, threshold=0.0)
    assert [match.same_person for match in answer.faces[0].people] == [True, False, False, False]
    assert all(match.same_person for match in _query(queried_library, probe, threshold=9.0).faces[0].people)


def test_every_face_of_the_probe_is_answered_the_largest_first(queried_library: Library, tmp_path: Path) -> None:
    class Detector(TileDetector):
        """Sees the second face twice as large."""

        def detect(self, pixels: np.ndarray) -> list[DetectedFace]:  # type: ignore[type-arg]
            first, second = super().detect(pixels)
            return [first, DetectedFace(second.box * 2, second.landmarks, second.score)]

    probe = draw(tmp_path / "probe.png", GREEN, RED)
    answer = ask(queried_library, probe_photo(probe, Detector(), ColourTower()))
    assert [face.people[0].name for face in answer.faces] == ["Ann", "Bea"]
    assert [face.box for face in answer.faces] == [(80, 0, 160, 80), (0, 0, 40, 40)]
    assert answer.photo == probe


def test_photos_instead_of_people(queried_library: Library, tmp_path: Path) -> None:
    probe = draw(tmp_path / "probe.png", RED)
    face = _faces(queried_library, probe, k=3)
    assert face.people == ()
    photos = tmp_path / "photos" / "Ann"
    distances = [_distance(RED, colour) for colour in (RED, DARK_RED, GREY)]
    boxes = [(0, 0, 40, 40), (0, 0, 40, 40), (40, 0, 80, 40)]
    paths = [photos / "1.png", photos / "2.png", photos / "2.png"]
    names = ["Ann", "Ann", None]
    for rank, match in enumerate(face.photos):
        assert match == FaceMatch(
            rank=rank + 1,
            face_id=rank + 1,
            distance=pytest.approx(distances[rank], abs=1e-6),
            same_person=rank < 2,
            photo=paths[rank],
            missing=False,
            copies=(),
            box=boxes[rank],
            person_id=1 if names[rank] else None,
            name=names[rank],
            quality=1.0,
            plain_distance=match.distance,
        )


def test_copies_and_missing_photos_are_said(queried_library: Library, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copy(photos / "Ann" / "1.png", photos / "copy.png")
    (photos / "Bea" / "1.png").unlink()
    with Library.open(queried_library.path, writable=True) as writer:
        index_photos(writer, [photos], TileDetector(), ColourTower())
    ann, bea = (
        _people(queried_library, draw(tmp_path / "probe.png", RED))[0],
        _people(queried_library, draw(tmp_path / "g.png", GREEN))[0],
    )
    assert (ann.photo_count, ann.nearest_photo, ann.missing) == (2, photos / "Ann" / "1.png", False)
    assert (bea.name, bea.nearest_photo, bea.missing) == ("Bea", photos / "Bea" / "1.png", True)
    (photos / "Ann" / "1.png").unlink()
    with Library.open(queried_library.path, writable=True) as writer:
        index_photos(writer, [photos], TileDetector(), ColourTower())
    assert (
        _people(queried_library, tmp_path / "probe.png")[0].nearest_photo == photos / "copy.png"
    )  # the one that is there


def test_nothing_of_the_probe_is_stored(queried_library: Library, tmp_path: Path) -> None:
    def content() -> dict[str, bytes]:
        return {entry.name: entry.read_bytes() for entry in queried_library.path.iterdir()}

    queried_library.close()
    (queried_library.path / INDEX_NAME).unlink()  # even when the vectors have to be rebuilt
    before = content()
    probe = draw(tmp_path / "probe.png", (1, 2, 3))
    with Library.open(queried_library.path, MODELS) as reader:
        assert _people(reader, probe)
        assert _faces(reader, probe).photos
    assert content() == before


def test_an_empty_library_knows_nobody(tmp_path: Path) -> None:
    with Library.create(tmp_path / "empty", MODELS) as library:
        assert _people(library, draw(tmp_path / "probe.png", RED)) == ()


def test_errors_name_the_photo_and_the_remedy(queried_library: Library, tmp_path: Path) -> None:
    with pytest.raises(NoFaceError, match=r"sky\.png: no face was found"):
        _query(queried_library, draw(tmp_path / "sky.png"))
    with pytest.raises(PhotoError, match="does not exist"):
        _query(queried_library, tmp_path / "nowhere.png")
    with pytest.raises(UsageError, match="k is 0"):
        _query(queried_library, tmp_path / "nowhere.png", k=0)
    for threshold in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="threshold"):
            _query(queried_library, tmp_path / "nowhere.png", threshold=threshold)

    class OtherTower(ColourTower):
        identity = "d1" * 32

    probe = draw(tmp_path / "probe.png", RED)
    with pytest.raises(TowerError, match="cannot be compared"):
        ask(queried_library, probe_photo(probe, TileDetector(), OtherTower()))


# Against brute force


def _fill(library: Library, embeddings: np.ndarray, people: list[int | None]) -> None:  # type: ignore[type-arg]
    """A photo a face; people: a number a face, None for a face in no group. Face ids and person ids count from 1."""
    with library.changing():
        for index, embedding in enumerate(embeddings):
            face = DetectedFace(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
            photo_id = library.catalog.add_photo(NewPhoto(f"{index}", 8, 8, [EmbeddedFace(face, embedding)]))
            library.files.put(PhotoFile(Path(f"/photos/{index:05}.jpg"), 1, 1), photo_id)
        for number in sorted({number for number in people if number is not None}):
            faces = [index + 1 for index, person in enumerate(people) if person == number]
            library.people.label(library.people.add(f"person {number}"), faces, "user")


def _brute_force(
    probe: np.ndarray,  # type: ignore[type-arg]
    embeddings: np.ndarray,  # type: ignore[type-arg]
    people: list[int | None],
    k: int,
) -> list[tuple[float, int]]:
    """Distance of each person who has a face within reach, halfway between the nearest and the mean of their faces, and
    the nearest face's id, in order."""
    distances = np.sqrt(((embeddings - probe) ** 2).sum(axis=1))
    reach = np.sort(distances)[: max(FIRST_REACH, 8 * k)][-1]
    rows: dict[object, list[int]] = {}
    for index in range(len(embeddings)):
        rows.setdefault(people[index] if people[index] is not None else ("face", index), []).append(index)
    found = []
    for own in rows.values():
        nearest = min(own, key=lambda index: (distances[index], index))
        if distances[nearest] <= reach:
            mean = float(np.linalg.norm(embeddings[own].mean(axis=0) - probe))
            found.append((float(distances[nearest] + mean) / 2, nearest + 1))
    return sorted(found)[:k]


@pytest.mark.parametrize("k", [1, 7, 40])
def test_people_equal_brute_force_over_the_rows(tmp_path: Path, k: int) -> None:
    random = np.random.default_rng(k)
    embeddings = random.normal(0.3, 0.1, size=(600, 32)).astype(np.float32)
    people = [int(number) if number < 30 else None for number in random.integers(0, 60, 600)]
    with Library.create(tmp_path / "library", MODELS) as library:
        _fill(library, embeddings, people)
        probe_colour = (120, 60, 220)
        matches = _people(library, draw(tmp_path / "probe.png", probe_colour), k=k)
    expected = _brute_force(tiles.embedding_of(probe_colour), embeddings, people, k)
    assert [match.face_id for match in matches] == [face_id for _, face_id in expected]
    np.testing.assert_allclose([match.person_distance for match in matches], [d for d, _ in expected], rtol=1e-5)


def test_a_person_with_thousands_of_photos_hides_nobody(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    near, far = tiles.embedding_of(RED), tiles.embedding_of(BLUE)
    crowd = near + random.normal(0, 0.001, (3000, 32))
    others = far + random.normal(0, 0.01, (20, 32))
    embeddings = np.concatenate([crowd, others]).astype(np.float32)
    people = [0] * 3000 + [1 + index // 2 for index in range(18)] + [None, None]
    with Library.create(tmp_path / "library", MODELS) as library:
        _fill(library, embeddings, people)
        probe = draw(tmp_path / "probe.png", RED)
        matches = _people(library, probe, k=5)
        assert matches[0].photo_count == 3000
        assert len(_people(library, probe, k=50)) == 11  # two faces that nobody has named are one person
    # Those found are certainly the nearest by their faces; who is how near of them is up to their means, too.
    distances = np.sqrt(((embeddings - near) ** 2).sum(axis=1))
    first = {people[row] if people[row] is not None else -row: row for row in np.argsort(-distances)}
    nearest = sorted(first.values(), key=lambda row: distances[row])
    assert {row + 1 for row in nearest[:3]} <= {match.face_id for match in matches}


def test_equally_near_faces_without_a_person_are_one(tmp_path: Path) -> None:
    """More twins than the first reach: which of them are within it is FAISS's choice, the answer is not."""
    embeddings = np.tile(tiles.embedding_of(RED), (300, 1))
    with Library.create(tmp_path / "library", MODELS) as library:
        _fill(library, embeddings, [None] * 300)
        matches = _people(library, draw(tmp_path / "probe.png", GREEN), k=9)
    assert [(match.face_id, match.photo_count) for match in matches] == [(1, 300)]


def test_a_face_whose_photo_nothing_shows_is_passed_over(tmp_path: Path) -> None:
    """A run that was killed between an edit and its end leaves such a photo."""
    with Library.create(tmp_path / "library", MODELS) as library:
        _fill(library, np.stack([tiles.embedding_of(RED), tiles.embedding_of(BLUE)]), [None, None])
        with library.changing():
            library.files.put(PhotoFile(Path("/photos/00000.jpg"), 2, 2), None, "is cut off")
        assert [match.face_id for match in _people(library, draw(tmp_path / "probe.png", RED))] == [2]


# With the real detector


class _GridTower(ColourTower):
    """Embeds a crop by its brightness on a grid of 4 by 8 cells."""

    def embed(self, crops: Pixels) -> Floats:
        cells = crops.reshape(len(crops), 4, 28, 8, 14, 3).mean(axis=(2, 4, 5))
        return (cells.reshape(len(crops), 32) / 255).astype(np.float32)


def test_synthetic_people_through_the_real_detector(tmp_path: Path) -> None:
    ada, bob = random_people(2, seed=4)
    album, detector = tmp_path / "album", load_detector()
    for person in (ada, bob):
        (album / person.name).mkdir(parents=True)
        for shot in range(2):
            pixels = draw_portrait(person, np.random.default_rng(shot)).pixels
            Image.fromarray(pixels).save(album / person.name / f"{shot}.png")
    group = draw_group([bob, ada], np.random.default_rng(9))
    Image.fromarray(group.pixels).save(tmp_path / "group.png")
    with Library.create(tmp_path / "library", Models.of(detector, _GridTower())) as library:
        summary = index_photos(library, [album], detector, _GridTower(), IndexOptions(people_from_folders=True))
        assert (summary.photos_new, summary.faces_new, summary.faces_named) == (4, 4, 4)
        again = ask(library, probe_photo(album / ada.name / "1.png", detector, _GridTower()))
        assert (again.faces[0].people[0].name, again.faces[0].people[0].photo_count) == (ada.name, 2)
        assert again.faces[0].people[0].distance == pytest.approx(0, abs=1e-4)
        answer = ask(library, probe_photo(tmp_path / "group.png", detector, _GridTower()))
    assert len(answer.faces) == 2
    for drawn in group.faces:  # each drawn face is one of the answered ones: its centre lies in that box alone
        x, y = (drawn.box[:2] + drawn.box[2:]) / 2
        assert (
            sum(left < x < right and top < y < bottom for left, top, right, bottom in (f.box for f in answer.faces))
            == 1
        )


# Two photos


def test_two_photos_are_compared_by_their_most_prominent_faces(tmp_path: Path) -> None:
    group = draw(tmp_path / "group.png", GREEN, RED, BLUE)
    alone = draw(tmp_path / "alone.png", DARK_RED)
    comparison = _compare(group, alone)
    assert comparison == Comparison(
        first=group,
        second=alone,
        first_box=(40, 0, 80, 40),
        second_box=(0, 0, 40, 40),
        distance=pytest.approx(_distance(RED, DARK_RED), abs=1e-6),
        threshold=THRESHOLD,
        same_person=True,
        verdict=PairVerdict("the same person", is_match=True, is_clear=True),
        first_quality=1.0,
        second_quality=1.0,
        plain_distance=comparison.distance,
        first_faces=3,
    )
    assert not _compare(group, draw(tmp_path / "b.png", BLUE)).same_person
    with pytest.raises(NoFaceError, match=r"sky\.png"):
        _compare(alone, draw(tmp_path / "sky.png"))


# Probability


def test_a_tower_with_a_calibration_says_probabilities(queried_library: Library, tmp_path: Path) -> None:
    calibration = Calibration((0.0, 1.0), (2.0, -2.0))
    tower = ColourTower()
    tower.card = tiles.ColourCard(calibration=calibration.to_card())
    probe = draw(tmp_path / "probe.png", RED)
    (face,) = ask(queried_library, probe_photo(probe, TileDetector(), tower)).faces
    expected = [1 / (1 + np.exp(4 * match.distance - 2)) for match in face.people if match.distance <= 1]
    assert len(expected) > 1
    assert [match.probability for match in face.people][: len(expected)] == pytest.approx(expected, abs=1e-4)
    face = _faces(queried_library, probe, 1, tower)
    assert face.photos[0].probability == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-4)
    assert _compare(probe, probe, tower).probability == face.photos[0].probability
    assert _compare(probe, probe).probability is None
