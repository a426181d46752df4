"""Another tower, another detector: read again, switched at once, people kept, and nothing left of the former faces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import tiles
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import LibraryError, TowerError
from facesearch.indexing import AbsentFolder, IndexOptions, IndexProgress, ReindexInterrupted, index_photos, reindex
from facesearch.library import Library, forget, verify
from facesearch.library.care.purge import Purge
from facesearch.query import ask, probe_photo
from facesearch.records import DetectedFace, Floats, Models, Pixels

PHOTOS = 40


class OtherTower(ColourTower):
    """The same colours turned another way."""

    identity = "d1" * 32

    def embed(self, crops: Pixels) -> Floats:
        return np.ascontiguousarray(super().embed(crops)[:, ::-1])


class OtherDetector(TileDetector):
    """Draws its boxes tighter, in another order, finds the white tiles of an empty scene too, and one colour never."""

    identity = "tiles-2"

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        faces = [
            DetectedFace(face.box + np.array([4, 4, -4, -4], np.float32), face.landmarks, face.score)
            for face in super().detect(pixels)
            if not (pixels[20, int(face.box[0]) + 20] == (5, 5, 5)).all()
        ]
        return faces[::-1]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for number in range(PHOTOS):
        draw(tmp_path / "album" / "Ann" / f"{number:02}.png", (number, 9, 99), (99, number, 9))
    return tmp_path / "album"


@pytest.fixture
def library(tmp_path: Path, album: Path) -> Iterator[Library]:
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(library, [album], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True))
        yield library


def _people(library: Library) -> dict[tuple[int, float], tuple[int, int | None, str | None]]:
    """Face id, person and name, by photo and place in it."""
    faces = library.catalog.faces_in(library.catalog.photo_ids().values())
    return {(face.photo_id, float(face.box[0]) // 40): (face.face_id, face.person_id, face.name) for face in faces}


def test_another_tower_takes_over_with_people_and_ids(library: Library, album: Path, tmp_path: Path) -> None:
    before, former = _people(library), library.catalog.embeddings()
    detector = TileDetector()
    summary = reindex(library, detector, OtherTower())
    assert (summary.switched, summary.photos, summary.faces, summary.faces_kept) == (True, PHOTOS, 80, 80)
    assert detector.calls == 0  # the same detector would find the same faces
    assert _people(library) == before
    ids, embeddings = library.catalog.embeddings()
    assert ids.tolist() == former[0].tolist()
    np.testing.assert_allclose(embeddings, former[1][:, ::-1], atol=1e-6)
    library.close()
    everything = b"".join(entry.read_bytes() for entry in library.path.iterdir())
    assert not any(embedding.tobytes() in everything for embedding in former[1])
    models = Models.of(TileDetector(), OtherTower())
    assert verify(library.path, models).findings == ()
    with Library.open(library.path, models, writable=True) as moved:
        assert index_photos(moved, [album], TileDetector(), OtherTower()).photos_unchanged == PHOTOS
        (face,) = ask(moved, probe_photo(draw(tmp_path / "probe.png", (3, 9, 99)), TileDetector(), OtherTower())).faces
        assert face.people[0].name == "Ann"
    with pytest.raises(TowerError, match="facesearch reindex"):
        Library.open(library.path, MODELS)


@pytest.mark.parametrize("detector", [TileDetector, OtherDetector])
def test_faces_from_before_faces_had_a_quality_get_one(library: Library, detector: type[TileDetector]) -> None:
    before = library.catalog.qualities()
    library._database.execute("UPDATE faces SET quality = NULL")
    assert reindex(library, detector(), OtherTower()).switched
    after = library.catalog.qualities()
    assert len(before) == len(after) == 2 * PHOTOS
    assert np.isfinite(after).all()
    if detector is TileDetector:
        np.testing.assert_array_equal(after, before)


def test_another_detector_finds_the_same_people_by_their_boxes(library: Library, album: Path) -> None:
    draw(album / "Ann" / "hidden.png", (7, 7, 7), (5, 5, 5))
    index_photos(library, [album], TileDetector(), ColourTower())
    (hidden,) = (photo for photo in library.catalog.photo_ids().values() if photo > PHOTOS)
    with library.changing():
        ids = [face.face_id for face in library.catalog.faces_in([hidden])]
        library.people.label(library.people.named("Bea"), ids, "user")
    before = _people(library)
    summary = reindex(library, OtherDetector(), OtherTower())
    assert (summary.switched, summary.faces, summary.faces_kept, summary.named_lost) == (True, 81, 81, 1)
    after = _people(library)
    assert after == {place: face for place, face in before.items() if place != (hidden, 1.0)}
    assert library.models == Models.of(OtherDetector(), OtherTower())
    assert library.catalog.faces_in([1])[0].box.tolist() == [4, 4, 36, 36]


def test_answers_stay_until_the_switch_and_a_run_goes_on_where_it_was_ended(library: Library, album: Path) -> None:
    generation = library.status().generation

    def stop(progress: IndexProgress) -> None:
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(ReindexInterrupted) as caught:
        reindex(library, OtherDetector(), OtherTower(), on_progress=stop)
    assert (caught.value.summary.photos, caught.value.summary.switched) == (30, False)
    assert (library.status().generation, library.models) == (generation, MODELS)
    with Library.open(library.path, MODELS) as reader:
        (face,) = ask(reader, probe_photo(album / "Ann" / "03.png", TileDetector(), ColourTower())).faces[:1]
        assert face.people[0].distance == pytest.approx(0, abs=1e-5)
    (album / "Ann" / "00.png").unlink()
    draw(album / "Ann" / "01.png", (200, 200, 1))
    index_photos(library, [album], TileDetector(), ColourTower())  # and the library lives on meanwhile
    detector = OtherDetector()
    with Library.open(library.path, MODELS) as reader:
        summary = reindex(library, detector, OtherTower(), force=True)
        assert (summary.switched, summary.photos, detector.calls) == (True, 11, 11)
        with pytest.raises(TowerError, match="cannot be compared"):  # not a mixture of two towers
            ask(reader, probe_photo(album / "Ann" / "03.png", TileDetector(), ColourTower()))
    assert library.status().photos == PHOTOS


def test_what_was_gathered_for_one_tower_is_not_taken_for_another(library: Library) -> None:
    class ThirdTower(OtherTower):
        identity = "e2" * 32

    def stop(progress: IndexProgress) -> None:
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(ReindexInterrupted):
        reindex(library, TileDetector(), OtherTower(), on_progress=stop)
    assert reindex(library, TileDetector(), ThirdTower()).photos == PHOTOS
    with pytest.raises(ReindexInterrupted):
        reindex(library, TileDetector(), OtherTower(), on_progress=stop)
    assert reindex(library, TileDetector(), ThirdTower()).photos == 0  # what it has already; the rest is dropped
    assert library.succession.models() is None


def test_photos_out_of_reach_are_waited_for_or_given_up(library: Library, album: Path, tmp_path: Path) -> None:
    draw(tmp_path / "drive" / "far.png", (1, 2, 3))
    index_photos(library, [tmp_path / "drive"], TileDetector(), ColourTower())
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    summary = reindex(library, TileDetector(), OtherTower())
    assert (summary.switched, summary.waiting) == (False, (AbsentFolder(tmp_path / "drive", 1),))
    assert library.models == MODELS
    (tmp_path / "unplugged").rename(tmp_path / "drive")
    summary = reindex(library, TileDetector(), OtherTower())
    assert (summary.switched, summary.photos, library.status().photos) == (True, 1, PHOTOS + 1)
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    summary = reindex(library, TileDetector(), ColourTower(), force=True)
    assert (summary.switched, library.status().photos, library.status().files) == (True, PHOTOS, PHOTOS)


def test_photos_that_changed_or_broke_are_left_to_the_next_index(library: Library, album: Path) -> None:
    shutil.copy(album / "Ann" / "02.png", album / "copy.png")
    index_photos(library, [album], TileDetector(), ColourTower())
    draw(album / "Ann" / "00.png", (200, 200, 200))
    (album / "Ann" / "01.png").write_bytes(b"broken")
    (album / "Ann" / "02.png").unlink()  # its copy shows the photo still
    summary = reindex(library, TileDetector(), OtherTower())
    assert (summary.switched, summary.photos_changed, summary.photos_failed) == (True, 1, 1)
    assert (library.status().photos, library.status().files_failed) == (PHOTOS - 2, 1)
    again = index_photos(library, [album], TileDetector(), OtherTower())
    assert (again.photos_new, [skipped.path.name for skipped in again.skipped]) == (1, ["01.png"])
    assert library.status().faces == 2 * (PHOTOS - 2) + 1


def test_nothing_is_to_be_done_for_the_same_tower(library: Library) -> None:
    detector, tower = TileDetector(), ColourTower()
    assert reindex(library, detector, tower).switched
    assert (detector.calls, tower.batches) == (0, [])


def test_what_is_forgotten_meanwhile_stays_forgotten(library: Library, album: Path) -> None:
    def stop(progress: IndexProgress) -> None:
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(ReindexInterrupted):
        reindex(library, OtherDetector(), OtherTower(), on_progress=stop)
    path = library.path
    library.close()
    with Library.open(path) as reader:
        forgotten = reader.catalog.embeddings_of([face for face, _ in reader.people.faces_of([1])], [])
    assert len(forgotten) == 40 + 30  # those to come, too
    forget(path, "Ann")
    everything = b"".join(entry.read_bytes() for entry in path.iterdir())
    assert not any(embedding.tobytes() in everything for embedding in forgotten)
    with Library.open(path, MODELS, writable=True) as again:
        assert reindex(again, OtherDetector(), OtherTower()).switched
        assert (again.status().faces, again.status().photos) == (40, PHOTOS)  # not found anew


def test_a_power_cut_in_the_switch_leaves_the_former_library_whole(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _people(library)

    def power_cut(self: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Purge, "begin", power_cut)
        with pytest.raises(KeyboardInterrupt):
            reindex(library, TileDetector(), OtherTower())
    assert (library.models, _people(library)) == (MODELS, before)
    assert library.catalog.embeddings()[1][0].tobytes() == tiles.ColourTower().embed(_crops())[0].tobytes()
    detector = TileDetector()
    assert reindex(library, detector, OtherTower()).switched
    assert detector.calls == 0


def _crops() -> Pixels:
    return np.tile(np.array((0, 9, 99), np.uint8), (1, 112, 112, 1))


def test_a_reader_cannot_be_moved(library: Library) -> None:
    with Library.open(library.path) as reader, pytest.raises(LibraryError, match="reading only"):
        reindex(reader, TileDetector(), OtherTower())
