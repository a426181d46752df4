"""The Python front door: what its names are, and that they bring the rooms together."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import facesearch
from facesearch.api import values
from facesearch.demo import write_album
from facesearch.errors import LibraryError, NoFaceError, TowerError, UsageError


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with two portraits each of two people."""
    return write_album(tmp_path_factory.mktemp("album"), 2, 2, seed=5).directory / "people"


@pytest.fixture
def face_library(tmp_path: Path, tower: Path) -> Iterator[facesearch.FaceLibrary]:
    with facesearch.open_library(tmp_path / "library", tower=tower, device="cpu") as library:
        yield library


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(callable(getattr(facesearch, name)) for name in facesearch.__all__)
    assert set(facesearch.__all__) <= set(dir(facesearch))
    with pytest.raises(AttributeError, match="no attribute 'gallery'"):
        getattr(facesearch, "gallery")  # noqa: B009 - mypy knows that it is not there


def test_index_then_query_then_index_again(face_library: facesearch.FaceLibrary, two_people: Path) -> None:
    first, second = sorted(folder for folder in two_people.iterdir())
    done: list[int] = []
    summary = face_library.index(first, people_from_folders=True, on_progress=lambda now: done.append(now.done))
    assert (summary.photos_new, done[-1]) == (2, 2)
    assert face_library.status().people_named == 1
    probe = min(second.iterdir())
    assert face_library.query(probe).faces[0].people[0].name == first.name
    face_library.index(str(second), people_from_folders=True)  # a query before it must not stand in its way
    match = face_library.query(str(probe), k=1).faces[0].people[0]
    assert (match.name, match.nearest_photo, match.photo_count) == (second.name, probe, 2)
    assert match.distance < 1e-3
    assert face_library.query(probe, k=1, faces=True).faces[0].photos[0].photo == probe
    assert face_library.query(probe, threshold=0.0).threshold == 0.0


def test_a_library_keeps_its_smallest_face_until_it_is_moved_to_another(
    face_library: facesearch.FaceLibrary, two_people: Path
) -> None:
    face_library.index(two_people, smallest_face="30%")
    assert face_library.status().detector.endswith("-face30%")
    assert face_library.detector.settings.min_face_share == 0.3
    probe = min(min(two_people.iterdir()).iterdir())
    assert face_library.query(probe).faces
    assert face_library.index(two_people).photos_unchanged == 4  # without saying it again
    with pytest.raises(LibraryError, match=r"built with the detector .*facesearch reindex moves it"):
        face_library.index(two_people, smallest_face="40")
    assert face_library.reindex(smallest_face="40").switched
    assert face_library.status().detector.endswith("-face40px")
    assert face_library.query(probe).faces
    assert face_library.verify().findings == ()
    with pytest.raises(UsageError, match="the smallest face is '0'"):
        face_library.index(two_people, smallest_face="0")


def test_a_library_that_is_not_there_is_neither_made_nor_found_by_asking(
    face_library: facesearch.FaceLibrary, two_people: Path
) -> None:
    for ask in (face_library.status, lambda: face_library.query(min(two_people.rglob("*.jpg")))):
        with pytest.raises(LibraryError, match="there is no library"):
            ask()
    assert not face_library.path.exists()


def test_the_library_is_the_one_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_LIBRARY", str(tmp_path / "named"))
    assert facesearch.open_library().path == tmp_path / "named"


def test_the_tower_embeds_crops(tower: Path) -> None:
    loaded = facesearch.load_tower(tower, device="cpu")
    crops = np.random.default_rng(0).integers(0, 256, (17, 112, 112, 3), dtype=np.uint8)
    embeddings = loaded.embed(crops)
    assert (embeddings.shape, embeddings.dtype) == ((17, 32), np.float32)
    np.testing.assert_allclose(embeddings[3], loaded.embed(crops[3:4])[0], atol=1e-5)


def test_a_missing_tower_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TowerError, match="nowhere"):
        facesearch.load_tower(tmp_path / "nowhere")


def test_compare_is_symmetric_and_near_zero_for_one_photo(two_people: Path, tower: Path) -> None:
    first, second = min(two_people.rglob("*.jpg")), max(two_people.rglob("*.jpg"))
    there, back, same = (
        facesearch.compare(a, b, tower=tower, device="cpu")
        for a, b in ((first, second), (second, first), (first, first))
    )
    assert there.distance == pytest.approx(back.distance, abs=1e-6)
    assert same.distance == pytest.approx(0, abs=1e-6)
    assert same.same_person
    assert there.distance > same.distance


def test_a_question_loads_tower_and_search_while_it_looks_for_faces(
    face_library: facesearch.FaceLibrary, two_people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    face_library.index(two_people)
    begun = threading.Event()
    monkeypatch.setattr(type(face_library.tower), "prepare", lambda tower: begun.set())

    def detect(detector: object, pixels: object) -> list[object]:
        assert begun.wait(60)  # forever, if the tower came after the detector
        return []

    monkeypatch.setattr(type(face_library.detector), "detect", detect)
    with pytest.raises(NoFaceError):
        face_library.query(min(two_people.rglob("*.jpg")))


def test_every_value_of_the_api_comes_from_the_room_that_a_type_checker_sees() -> None:
    tree = ast.parse(Path(values.__file__).read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: found.module for found in checked.body if isinstance(found, ast.ImportFrom) for alias in found.names
    }
    assert seen == values._ROOM_OF
    assert set(values.__all__) == set(seen)
    assert all(getattr(values, name) is not None for name in values.__all__)
    with pytest.raises(AttributeError, match="no attribute 'gallery'"):
        getattr(values, "gallery")  # noqa: B009 - mypy knows that it is not there
