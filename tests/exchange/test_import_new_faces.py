"""Named regions where the detector saw no face become faces: embedded where one can be seen, else a box with a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import sidecar_samples as samples
from support.short_sighted import ShortSighted
from support.tiles import TILE_PX, WHITE, ColourTower, draw, embedding_of

from facesearch.errors import TowerError
from facesearch.exchange import ImportSummary, export_listing, import_names
from facesearch.indexing import index_photos, reindex
from facesearch.library import Library, forget, verify
from facesearch.people import FaceReader, change_log, undo_change
from facesearch.records import Models

RED, DIM = (200, 0, 0), (20, 20, 20)
READER = FaceReader(ShortSighted(), ColourTower())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Somebody red, somebody dim, and nobody, with a region for each."""
    photo = draw(tmp_path / "photos" / "1.png", RED, DIM, WHITE)
    regions = [
        samples.lightroom_region(name, (place + 0.5) / 3, 0.5, 0.3, 0.9)
        for place, name in enumerate(("Ann", "Dora", "Eve"))
    ]
    photo.with_name("1.png.xmp").write_text(samples.lightroom(*regions, size=(3, 1)), encoding="utf-8")
    return photo


@pytest.fixture
def one_photo_library(tmp_path: Path, photo: Path) -> Iterator[Library]:
    with Library.create(tmp_path / "library", Models.of(READER.detector, READER.tower)) as library:
        index_photos(library, [photo], READER.detector, READER.tower)
        yield library


def _import(library: Library, path: Path, *, dry_run: bool = False) -> ImportSummary:
    return import_names(library, [path], dry_run=dry_run, reader=lambda: READER)


def _named(library: Library) -> list[tuple[str | None, str, bool]]:
    faces = library.catalog.faces_in(library.catalog.photo_ids().values())
    return [(face.name, face.found_by, face.is_embedded) for face in faces]


IMPORTED = [("Ann", "detector", True), ("Dora", "import", True), ("Eve", "import", False)]


def test_regions_become_faces_once_and_as_one_change(one_photo_library: Library, photo: Path) -> None:
    dry = _import(one_photo_library, photo.parent, dry_run=True)
    assert (dry.faces_named, dry.faces_added, dry.people_new) == (1, 2, 3)
    assert one_photo_library.catalog.face_count() == 1
    done = _import(one_photo_library, photo.parent)
    assert (done.faces_named, done.faces_added, done.faces_unseen, done.people_new) == (1, 2, 1, 3)
    assert (done.unmatched, done.not_added) == ([], None)
    assert _named(one_photo_library) == IMPORTED
    dora = one_photo_library.people.faces_of([one_photo_library.people.find("Dora")])[0][0]  # type: ignore[list-item]
    np.testing.assert_allclose(one_photo_library.catalog.embeddings_by_id([dora])[dora], embedding_of(DIM))
    again = _import(one_photo_library, photo.parent)
    assert (again.faces_same, again.faces_added, again.unmatched) == (3, 0, [])
    assert len(change_log(one_photo_library)) == 1
    one_photo_library.save_vectors()
    assert verify(one_photo_library.path, one_photo_library.models).findings == ()
    undo_change(one_photo_library)
    assert _named(one_photo_library) == [(None, "detector", True)]


def test_an_export_carries_them_into_another_library(one_photo_library: Library, photo: Path, tmp_path: Path) -> None:
    _import(one_photo_library, photo.parent)
    for form in ("json", "csv"):
        listing = tmp_path / f"faces.{form}"
        listing.write_bytes(export_listing(one_photo_library, form)[0])  # type: ignore[arg-type]
        with Library.create(tmp_path / form, one_photo_library.models) as other:
            index_photos(other, [photo], READER.detector, READER.tower)
            assert _import(other, listing).faces_added == 2
            assert _named(other) == IMPORTED


def test_a_reindex_with_another_tower_keeps_them(one_photo_library: Library, photo: Path) -> None:
    class OtherTower(ColourTower):
        identity = "0c" * 32

    _import(one_photo_library, photo.parent)
    assert reindex(one_photo_library, READER.detector, OtherTower()).switched
    assert _named(one_photo_library) == IMPORTED
    one_photo_library.save_vectors()
    assert verify(one_photo_library.path, one_photo_library.models).findings == ()


def test_who_was_forgotten_does_not_come_back(one_photo_library: Library, photo: Path) -> None:
    _import(one_photo_library, photo.parent)
    path = one_photo_library.path
    one_photo_library.close()
    forget(path, "Dora")
    with Library.open(path, writable=True) as opened:
        done = _import(opened, photo.parent)
        assert (done.faces_added, [each.name for each in done.unmatched]) == (0, ["Dora"])
        assert {name for name, *_ in _named(opened)} == {"Ann", "Eve"}


def test_a_photo_that_cannot_be_looked_at_gets_no_faces(one_photo_library: Library, photo: Path) -> None:
    sidecar = photo.with_name("1.png.xmp")
    _import(one_photo_library, photo.parent)
    listing = photo.parent / "faces.json"
    listing.write_bytes(export_listing(one_photo_library, "json")[0])
    undo_change(one_photo_library)
    sidecar.unlink()
    photo.unlink()
    done = _import(one_photo_library, listing)
    assert (done.faces_named, done.faces_added) == (1, 0)
    assert sorted(each.name for each in done.unmatched) == ["Dora", "Eve"]


def test_without_the_librarys_tower_known_faces_are_named_all_the_same(one_photo_library: Library, photo: Path) -> None:
    def missing() -> FaceReader:
        raise TowerError("the tower is not there")

    done = import_names(one_photo_library, [photo.parent], reader=missing)
    assert (done.faces_named, done.faces_added, done.not_added) == (1, 0, "the tower is not there")
    assert [each.name for each in done.unmatched] == ["Dora", "Eve"]


def test_tiny_regions_and_copies_of_regions_are_left_out(one_photo_library: Library, photo: Path) -> None:
    regions = [
        samples.lightroom_region(name, 0.5, 0.5, width, 0.9)
        for name, width in (("Dora", 0.3), ("Dora's double", 0.25), ("A line", 4 / (3 * TILE_PX)))
    ]
    photo.with_name("1.png.xmp").write_text(samples.lightroom(*regions, size=(3, 1)), encoding="utf-8")
    done = _import(one_photo_library, photo.parent)
    assert done.faces_added == 1
    assert _named(one_photo_library) == [(None, "detector", True), ("Dora", "import", True)]


def test_of_two_names_at_one_unseen_place_the_first_counts_in_every_import(
    one_photo_library: Library, photo: Path
) -> None:
    regions = [
        samples.lightroom_region(name, 2.5 / 3, place, 0.3, 0.8)
        for name, place in (("Eve", 0.5), ("Eva Marie", 0.52), ("Dim Dora", 0.5))
    ]
    photo.with_name("1.png.xmp").write_text(samples.lightroom(*regions, size=(3, 1)), encoding="utf-8")
    for added in (1, 0, 0):
        done = _import(one_photo_library, photo.parent)
        assert (done.faces_added, {each.name for each in done.unmatched}) == (added, {"Eva Marie", "Dim Dora"})
        assert _named(one_photo_library) == [(None, "detector", True), ("Eve", "import", False)]
