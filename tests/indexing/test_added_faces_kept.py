"""Faces that were added to photos stay with them: in edits, moves and copies, with another tower or detector."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from support.short_sighted import ShortSighted
from support.tiles import TILE_PX, WHITE, Colour, ColourTower, draw, embedding_of

from facesearch.indexing import index_photos, prune, reindex
from facesearch.library import Library, verify
from facesearch.people import FaceReader, add_face, undo_change
from facesearch.records import Floats, Models, Pixels, StoredFace

RED, GREEN, DIM = (200, 0, 0), (0, 200, 0), (20, 20, 20)
BESIDE = (2 * TILE_PX + 4, 4, 2 * TILE_PX + 30, 30)


class OtherTower(ColourTower):
    identity = "0c" * 32

    def embed(self, crops: Pixels) -> Floats:
        return 2 * super().embed(crops)


READER = FaceReader(ShortSighted(), ColourTower())


@pytest.fixture
def added_face_library(tmp_path: Path) -> Iterator[Library]:
    """One photo of somebody red, of Dora, who is dim and was added, and of Eve, who cannot be seen."""
    with Library.create(tmp_path / "library", Models.of(READER.detector, READER.tower)) as library:
        photo = draw(tmp_path / "album" / "1.png", RED, DIM, WHITE)
        _index(library, photo)
        assert library.catalog.face_count() == 1
        assert add_face(library, photo, (TILE_PX, 0, 2 * TILE_PX, TILE_PX), READER, "Dora").embedded
        assert not add_face(library, photo, BESIDE, READER, "Eve").embedded
        yield library
        library.save_vectors()
        assert verify(library.path, library.models).findings == ()


def _index(library: Library, photo: Path) -> None:
    index_photos(library, [photo.parent], READER.detector, READER.tower)


def _named(library: Library) -> list[tuple[str | None, str, bool]]:
    """Whose the faces of photos that a file shows are, who found them, and whether they are embedded."""
    shown = {photo_id for _, _, photo_id, _ in library.files.of(library.catalog.photo_ids().values())}
    return [(face.name, face.found_by, face.is_embedded) for face in library.catalog.faces_in(shown)]


KEPT = [(None, "detector", True), ("Dora", "user", True), ("Eve", "user", False)]


def _edit(photo: Path, *colours: Colour, scale: int = 1) -> None:
    """Write the photo anew with a comment, and with other colours where some are given."""
    if colours:
        draw(photo, *colours)
    with Image.open(photo) as image:
        comment = PngImagePlugin.PngInfo()
        comment.add_text("Comment", "edited")
        size = (image.width * scale, image.height * scale)
        image.resize(size, Image.Resampling.NEAREST).save(photo, pnginfo=comment)


def test_an_edit_keeps_added_faces_as_a_change_of_its_own(added_face_library: Library, tmp_path: Path) -> None:
    photo = tmp_path / "album" / "1.png"
    _edit(photo)
    _index(added_face_library, photo)
    assert _named(added_face_library) == KEPT
    (face,) = _faces(added_face_library, "Dora")
    np.testing.assert_allclose(
        added_face_library.catalog.embeddings_by_id([face.face_id])[face.face_id], embedding_of(DIM)
    )
    assert undo_change(added_face_library).taken_back.action == "edit"
    assert _named(added_face_library) == KEPT[:1]


def test_a_photo_made_larger_shows_them_larger_and_what_is_found_there_now_is_not_added(
    added_face_library: Library, tmp_path: Path
) -> None:
    photo = tmp_path / "album" / "1.png"
    _edit(photo, scale=2)
    _index(added_face_library, photo)
    assert _named(added_face_library) == [(None, "detector", True), ("Dora", "detector", True), ("Eve", "user", False)]
    np.testing.assert_array_equal(_faces(added_face_library, "Eve")[0].box, 2 * np.array(BESIDE))


def test_what_the_photo_no_longer_shows_is_not_kept(added_face_library: Library, tmp_path: Path) -> None:
    photo = tmp_path / "album" / "1.png"
    _edit(photo, GREEN, GREEN, WHITE)
    _index(added_face_library, photo)
    assert {name for name, *_ in _named(added_face_library)} == {None}
    _edit(photo, RED)  # of another shape
    _index(added_face_library, photo)
    assert _named(added_face_library) == KEPT[:1]


def test_moves_and_copies_keep_them_and_prune_drops_them(added_face_library: Library, tmp_path: Path) -> None:
    photo, moved = tmp_path / "album" / "1.png", tmp_path / "album" / "moved.png"
    photo.rename(moved)
    shutil.copy(moved, tmp_path / "album" / "copy.png")
    _index(added_face_library, photo)
    assert _named(added_face_library) == KEPT
    shutil.rmtree(photo.parent)
    photo.parent.mkdir()
    draw(photo, RED)
    _index(added_face_library, photo)
    prune(added_face_library)
    assert _named(added_face_library) == KEPT[:1]


def test_a_reindex_with_another_tower_embeds_them_again(added_face_library: Library) -> None:
    before = _faces(added_face_library, "Dora")[0].face_id
    summary = reindex(added_face_library, READER.detector, OtherTower())
    assert (summary.switched, summary.faces_kept, summary.named_lost) == (True, 3, 0)
    assert _named(added_face_library) == KEPT
    np.testing.assert_allclose(added_face_library.catalog.embeddings_by_id([before])[before], 2 * embedding_of(DIM))


def test_another_detector_may_find_them(added_face_library: Library) -> None:
    before = _faces(added_face_library, "Dora")[0].face_id
    reindex(added_face_library, ShortSighted(glasses=True), READER.tower)
    assert _named(added_face_library) == [KEPT[0], ("Dora", "detector", True), KEPT[2]]
    assert _faces(added_face_library, "Dora")[0].face_id == before


def _faces(library: Library, name: str) -> list[StoredFace]:
    person = library.people.find(name)
    assert person is not None
    return list(library.catalog.faces(face for face, _ in library.people.faces_of([person])).values())
