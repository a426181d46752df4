"""Faces that were added to photos stay with them: in edits, moves and copies, with another tower or detector."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin
from support.short_sighted import ShortSighted
from support.tiles import TILE_PX, WHITE, Colour, ColourTower, draw, embedding_of

from facesearch.indexing import index_photos, prune, reindex
from facesearch.library import Library, verify
from facesearch.people import FaceReader, add_face, undo_change
from facesearch.records import DetectedFace, Floats, Models, Pixels, StoredFace
from facesearch.vision.edits import Edit

RED, GREEN, DIM = (200, 0, 0), (0, 200, 0), (20, 20, 20)
BESIDE = (2 * TILE_PX + 4, 4, 2 * TILE_PX + 30, 30)


class OtherTower(ColourTower):
    identity = "0c" * 32

    def embed(self, crops: Pixels) -> Floats:
        return 2 * super().embed(crops)


class Sideways(ShortSighted):
    """Sees a photo that stands on its side, too."""

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        height, width = pixels.shape[:2]
        if height <= width:
            return super().detect(pixels)
        back = Edit(3, (height, width), 1.0, 1.0)
        lying = super().detect(np.rot90(pixels, -1))
        return [DetectedFace(back.box(face.box), back.points(face.landmarks), face.score) for face in lying]


READER = FaceReader(Sideways(), ColourTower())


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
    """Write the photo again with a comment, and with other colours where some are given."""
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


TURNS = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}
ORIENTATIONS = {1: 6, 2: 3, 3: 8}


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("in_pixels", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_a_photo_that_was_turned_keeps_them(tmp_path: Path, turns: int, in_pixels: bool, alone: bool) -> None:
    """alone: on a photo on which the detector finds nobody. A face without an embedding has no way to be told then."""
    photo = draw(tmp_path / "album" / "1.png", WHITE if alone else RED, DIM, WHITE)
    with Library.create(tmp_path / "library", Models.of(READER.detector, READER.tower)) as library:
        _index(library, photo)
        add_face(library, photo, (TILE_PX, 0, 2 * TILE_PX, TILE_PX), READER, "Dora")
        add_face(library, photo, BESIDE, READER, "Eve")
        with Image.open(photo) as image:
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = 1 if in_pixels else ORIENTATIONS[turns]
            (image.transpose(TURNS[turns]) if in_pixels else image.copy()).save(photo, exif=exif)
        _index(library, photo)
        assert _named(library) == KEPT[alone:]
        if not alone:
            edit = Edit(turns, (3 * TILE_PX, TILE_PX), 1.0, 1.0)
            np.testing.assert_allclose(_faces(library, "Eve")[0].box, edit.box(np.array(BESIDE, np.float32)))


def test_a_photo_that_was_cut_keeps_those_on_it(added_face_library: Library, tmp_path: Path) -> None:
    photo = tmp_path / "album" / "1.png"
    with Image.open(photo) as image:
        image.crop((0, 0, 2 * TILE_PX, TILE_PX)).save(photo)
    summary = index_photos(added_face_library, [photo.parent], READER.detector, READER.tower)
    assert _named(added_face_library) == KEPT[:2]
    assert [lost.names for lost in summary.names_lost] == [("Eve",)]


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


def test_one_that_was_taken_out_can_be_put_back_after_a_reindex(added_face_library: Library) -> None:
    undone = undo_change(added_face_library, 1)
    assert undone.taken_back.names == ("Dora",)
    assert reindex(added_face_library, READER.detector, OtherTower()).switched
    put_back = undo_change(added_face_library, undone.change)
    assert put_back.gone == 0
    assert sorted(_named(added_face_library), key=str) == sorted([KEPT[0], ("Dora", "user", False), KEPT[2]], key=str)


def test_another_detector_may_find_them(added_face_library: Library) -> None:
    before = _faces(added_face_library, "Dora")[0].face_id
    reindex(added_face_library, ShortSighted(glasses=True), READER.tower)
    assert _named(added_face_library) == [KEPT[0], ("Dora", "detector", True), KEPT[2]]
    assert _faces(added_face_library, "Dora")[0].face_id == before


def _faces(library: Library, name: str) -> list[StoredFace]:
    person = library.people.find(name)
    assert person is not None
    return list(library.catalog.faces(face for face, _ in library.people.faces_of([person])).values())


@pytest.fixture
def half_reindexed(added_face_library: Library, tmp_path: Path) -> Library:
    """The same, on the way to another tower and detector: a second photo is out of reach, so that the run waits."""
    away = draw(tmp_path / "album" / "2.png", GREEN)
    _index(added_face_library, away)
    away.rename(tmp_path / "away.png")
    assert not reindex(added_face_library, ShortSighted(glasses=True), OtherTower()).switched
    return added_face_library


def _end_reindex(library: Library, tmp_path: Path) -> list[tuple[str | None, str, bool]]:
    """What `_named` says then, without the second photo."""
    (tmp_path / "away.png").rename(tmp_path / "album" / "2.png")
    assert reindex(library, ShortSighted(glasses=True), OtherTower()).switched
    (second,) = library.catalog.faces_in([2])
    with library.changing():
        library.catalog.drop_faces([second.face_id])
    return _named(library)


def test_a_face_that_is_added_while_a_reindex_waits_is_kept(half_reindexed: Library, tmp_path: Path) -> None:
    add_face(half_reindexed, tmp_path / "album" / "1.png", (2 * TILE_PX, 32, 2 * TILE_PX + 8, 40), READER, "Fay")
    assert ("Fay", "user", True) in _end_reindex(half_reindexed, tmp_path)


def test_so_is_one_that_was_taken_out_and_put_back(half_reindexed: Library, tmp_path: Path) -> None:
    undone = undo_change(half_reindexed, 1)
    assert undone.taken_back.names == ("Dora",)
    undo_change(half_reindexed, undone.change)
    assert ("Dora", "detector", True) in _end_reindex(half_reindexed, tmp_path)
    face_id = _faces(half_reindexed, "Dora")[0].face_id
    np.testing.assert_allclose(
        half_reindexed.catalog.embeddings_by_id([face_id])[face_id], 2 * embedding_of(DIM), rtol=1e-6
    )


def test_what_another_detector_finds_stays_when_its_adding_is_undone(half_reindexed: Library, tmp_path: Path) -> None:
    undo_change(half_reindexed, 1)
    assert sorted(_end_reindex(half_reindexed, tmp_path), key=str) == [
        ("Eve", "user", False),
        (None, "detector", True),
        (None, "detector", True),
    ]


def test_a_photo_with_a_face_that_is_forgotten_while_a_reindex_waits_gets_no_new_ones(
    half_reindexed: Library, tmp_path: Path
) -> None:
    undo_change(half_reindexed, 1)
    reindex(half_reindexed, ShortSighted(glasses=True), OtherTower())  # reads it again, with a face that is new
    with half_reindexed.changing():
        half_reindexed.catalog.forget_faces([_faces(half_reindexed, "Eve")[0].face_id])
    assert _end_reindex(half_reindexed, tmp_path) == [(None, "detector", True)]
