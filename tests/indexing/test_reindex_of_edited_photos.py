"""Photos that were edited since they were indexed, and moved to another tower or detector before the next index: names,
corrections and added faces stay where the face is still there, and none is dropped without a word."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin
from support.people_library import ANN, BOB, STRANGER, create, everything, index
from support.tiles import ColourTower, TileDetector, draw

from facesearch.indexing import IndexSummary, index_photos, reindex
from facesearch.library import Library, verify
from facesearch.people import FaceReader, add_face, name_faces, reject_faces
from facesearch.records import DetectedFace, Floats, Pixels

BESIDE = (164, 4, 190, 30)  # on the last tile, which is white


class OtherTower(ColourTower):
    identity = "0c" * 32

    def embed(self, crops: Pixels) -> Floats:
        return 2 * super().embed(crops)


class OtherDetector(TileDetector):
    identity = "tiles-2"

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        return [
            DetectedFace(face.box + np.array([4, 4, -4, -4], np.float32), face.landmarks, face.score)
            for face in super().detect(pixels)
        ]


@pytest.fixture
def group(album: Path) -> Path:
    """A photo of Ann, somebody who is not Bob, nobody known, and Carl."""
    return draw(album / "together.png", ANN, BOB, (10, 10, 200), STRANGER, (255, 255, 255))


@pytest.fixture
def corrected(tmp_path: Path, album: Path, group: Path) -> Iterator[Library]:
    with create(tmp_path / "library", album) as library:
        name_faces(library, [10], "Ann")
        reject_faces(library, 2, [11])
        name_faces(library, [13], "Carl")
        assert not add_face(library, group, BESIDE, FaceReader(TileDetector(), ColourTower()), "Dora").embedded
        yield library
        library.save_vectors()
        assert verify(library.path, library.models).findings == ()


def _edit(photo: Path, *, turned: bool = False, taken: str | None = None) -> None:
    """Write the photo again as another program does, with a comment."""
    with Image.open(photo) as image:
        comment, exif = PngImagePlugin.PngInfo(), Image.Exif()
        comment.add_text("Comment", "edited")
        if taken is not None:
            exif[ExifTags.Base.DateTime] = taken
        pixels = image.transpose(Image.Transpose.ROTATE_180) if turned else image.copy()
        pixels.save(photo, pnginfo=comment, exif=exif)


@pytest.mark.parametrize("detector", [TileDetector, OtherDetector])
@pytest.mark.parametrize("turned", [False, True])
def test_people_corrections_and_added_faces_stay(
    corrected: Library, album: Path, group: Path, detector: type[TileDetector], turned: bool
) -> None:
    before = everything(corrected)
    _edit(group, turned=turned)
    summary = reindex(corrected, detector(), OtherTower())
    assert (summary.switched, summary.photos_edited, summary.photos_changed) == (True, 1, 0)
    assert (summary.faces, summary.faces_kept, summary.lost) == (14, 14, ())
    assert everything(corrected) == before
    (ann,) = corrected.catalog.faces([10]).values()
    assert ann.box[0] // 40 == (4 if turned else 0)
    np.testing.assert_allclose(
        corrected.catalog.embeddings_by_id([10])[10], OtherTower().embed(np.full((1, 112, 112, 3), ANN, np.uint8))[0]
    )
    again = _index_again(corrected, album, detector())
    assert (again.photos_changed, again.faces_new) == (0, 0)
    assert everything(corrected) == before


def _index_again(library: Library, album: Path, detector: TileDetector) -> IndexSummary:
    return index_photos(library, [album], detector, OtherTower())


def test_a_name_stays_where_no_face_can_be_seen_any_more(corrected: Library, group: Path) -> None:
    before = everything(corrected)
    draw(group, ANN, BOB, (10, 10, 200), (255, 255, 255), (255, 255, 255))
    assert reindex(corrected, TileDetector(), OtherTower()).lost == ()
    assert everything(corrected) == before
    (carl,) = corrected.catalog.faces([13]).values()
    assert (carl.name, carl.found_by, carl.is_embedded) == ("Carl", "user", False)


@pytest.mark.parametrize("how", ["another shape", "another date", "other places", "another photo of the library"])
def test_what_may_be_another_photo_is_waited_for_and_given_up_with_a_word(
    corrected: Library, album: Path, group: Path, how: str
) -> None:
    if how == "another date":
        _edit(group, taken="2020:01:02 03:04:05")
        index(corrected, album)
        _edit(group, taken="2021:01:02 03:04:05")
    elif how == "another shape":
        draw(group, ANN, BOB)
    elif how == "other places":
        draw(group, *[(255, 255, 255)] * 4, ANN)
    else:
        shutil.copy(draw(album / "copy.png", STRANGER, BOB, (10, 10, 200), ANN, (255, 255, 255)), group.with_name("x"))
        index(corrected, album)
        shutil.copy(album / "copy.png", group)
    before = everything(corrected)
    summary = reindex(corrected, TileDetector(), OtherTower())
    assert (summary.switched, [each.path for each in summary.unread]) == (False, [group])
    assert everything(corrected) == before
    given_up = reindex(corrected, TileDetector(), OtherTower(), force=True)
    assert (given_up.switched, given_up.named_lost) == (True, 3)
    assert [(photo.path, photo.names) for photo in given_up.lost] == [(group, ("Ann", "Carl", "Dora"))]


def test_a_copy_that_was_not_edited_is_read_instead(corrected: Library, album: Path, group: Path) -> None:
    shutil.copy(group, group.with_name("z.png"))
    index(corrected, album)
    before = everything(corrected)
    draw(group, STRANGER)
    summary = reindex(corrected, OtherDetector(), OtherTower())
    assert (summary.switched, summary.photos_edited, summary.lost) == (True, 0, ())
    assert everything(corrected) == before


def test_a_copy_of_the_photo_as_it_was_is_read_as_that(corrected: Library, album: Path, group: Path) -> None:
    away, copy = album.parent / "away.png", group.with_name("z.png")
    shutil.copy(group, copy)
    index(corrected, album)
    copy.rename(away)
    _edit(group, turned=True)
    assert reindex(corrected, TileDetector(), OtherTower()).photos_edited == 1
    away.rename(copy)
    assert _index_again(corrected, album, TileDetector()).photos_changed == 1
    known = corrected.files.under([copy])[bytes(copy)]
    assert known.photo_id is not None
    named = {face.name: float(face.box[0]) // 40 for face in corrected.catalog.faces_in([known.photo_id])}
    assert (named["Ann"], named["Carl"]) == (0, 3)


def test_two_photos_that_show_the_same_by_now_are_not_one(corrected: Library, album: Path) -> None:
    for number in range(2):
        draw(album / "Ann" / f"{number}.png", (205, 15, 15))
    summary = reindex(corrected, TileDetector(), OtherTower())
    assert (summary.switched, [each.path.name for each in summary.unread]) == (False, ["1.png"])
