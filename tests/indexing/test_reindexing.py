"""Another tower, another detector: read again, switched at once, people kept, and nothing left of the former faces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from support import tiles
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import LibraryError, PhotoError, TowerError
from facesearch.indexing import AbsentFolder, IndexOptions, IndexProgress, ReindexInterrupted, index_photos, reindex
from facesearch.library import Library, forget, verify
from facesearch.library.care.purge import Purge
from facesearch.people import undo_since
from facesearch.query import ask, probe_photo
from facesearch.records import DetectedFace, Floats, Models, PhotoFile, Pixels, SkippedFile
from facesearch.vision.faces import SeenPhoto

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
def reindexed_album(tmp_path: Path) -> Path:
    for number in range(PHOTOS):
        draw(tmp_path / "album" / "Ann" / f"{number:02}.png", (number, 9, 99), (99, number, 9))
    return tmp_path / "album"


@pytest.fixture
def reindexed_library(tmp_path: Path, reindexed_album: Path) -> Iterator[Library]:
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(library, [reindexed_album], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True))
        yield library


def _people(library: Library) -> dict[tuple[int, float], tuple[int, int | None, str | None]]:
    """Face id, person and name, by photo and place in it."""
    faces = library.catalog.faces_in(library.catalog.photo_ids().values())
    return {(face.photo_id, float(face.box[0]) // 40): (face.face_id, face.person_id, face.name) for face in faces}


def test_another_tower_takes_over_with_people_and_ids(
    reindexed_library: Library, reindexed_album: Path, tmp_path: Path
) -> None:
    before, former = _people(reindexed_library), reindexed_library.catalog.embeddings()
    detector = TileDetector()
    summary = reindex(reindexed_library, detector, OtherTower())
    assert (summary.switched, summary.photos, summary.faces, summary.faces_kept) == (True, PHOTOS, 80, 80)
    assert detector.calls == 0  # the same detector would find the same faces
    assert _people(reindexed_library) == before
    ids, embeddings = reindexed_library.catalog.embeddings()
    assert ids.tolist() == former[0].tolist()
    np.testing.assert_allclose(embeddings, former[1][:, ::-1], atol=1e-6)
    reindexed_library.close()
    everything = b"".join(entry.read_bytes() for entry in reindexed_library.path.iterdir())
    assert not any(embedding.tobytes() in everything for embedding in former[1])
    models = Models.of(TileDetector(), OtherTower())
    assert verify(reindexed_library.path, models).findings == ()
    with Library.open(reindexed_library.path, models, writable=True) as moved:
        assert index_photos(moved, [reindexed_album], TileDetector(), OtherTower()).photos_unchanged == PHOTOS
        (face,) = ask(moved, probe_photo(draw(tmp_path / "probe.png", (3, 9, 99)), TileDetector(), OtherTower())).faces
        assert face.people[0].name == "Ann"
    with pytest.raises(TowerError, match="facesearch reindex"):
        Library.open(reindexed_library.path, MODELS)


@pytest.mark.parametrize("detector", [TileDetector, OtherDetector])
def test_faces_from_before_faces_had_a_quality_get_one(
    reindexed_library: Library, detector: type[TileDetector]
) -> None:
    before = reindexed_library.catalog.qualities()
    reindexed_library._database.execute("UPDATE faces SET quality = NULL")
    assert reindex(reindexed_library, detector(), OtherTower()).switched
    after = reindexed_library.catalog.qualities()
    assert len(before) == len(after) == 2 * PHOTOS
    assert np.isfinite(after).all()
    if detector is TileDetector:
        np.testing.assert_array_equal(after, before)


def test_another_detector_finds_the_same_people_by_their_boxes(
    reindexed_library: Library, reindexed_album: Path
) -> None:
    draw(reindexed_album / "Ann" / "hidden.png", (7, 7, 7), (5, 5, 5))
    index_photos(reindexed_library, [reindexed_album], TileDetector(), ColourTower())
    (hidden,) = (photo for photo in reindexed_library.catalog.photo_ids().values() if photo > PHOTOS)
    with reindexed_library.changing():
        ids = [face.face_id for face in reindexed_library.catalog.faces_in([hidden])]
        reindexed_library.people.label(reindexed_library.people.named("Bea"), ids, "user")
    before = _people(reindexed_library)
    summary = reindex(reindexed_library, OtherDetector(), OtherTower())
    assert (summary.switched, summary.faces, summary.faces_kept, summary.named_lost) == (True, 82, 82, 0)
    assert _people(reindexed_library) == before
    missed = reindexed_library.catalog.faces_in([hidden])[1]
    assert (missed.name, missed.found_by, missed.is_embedded) == ("Bea", "user", True)  # by its former landmarks
    assert reindexed_library.models == Models.of(OtherDetector(), OtherTower())
    assert reindexed_library.catalog.faces_in([1])[0].box.tolist() == [4, 4, 36, 36]


def test_answers_stay_until_the_switch_and_a_run_goes_on_where_it_was_ended(
    reindexed_library: Library, reindexed_album: Path
) -> None:
    generation = reindexed_library.status().generation

    def stop(progress: IndexProgress) -> None:
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(ReindexInterrupted) as caught:
        reindex(reindexed_library, OtherDetector(), OtherTower(), on_progress=stop)
    assert (caught.value.summary.photos, caught.value.summary.switched) == (30, False)
    assert (reindexed_library.status().generation, reindexed_library.models) == (generation, MODELS)
    with Library.open(reindexed_library.path, MODELS) as reader:
        (face,) = ask(reader, probe_photo(reindexed_album / "Ann" / "03.png", TileDetector(), ColourTower())).faces[:1]
        assert face.people[0].distance == pytest.approx(0, abs=1e-5)
    (reindexed_album / "Ann" / "00.png").unlink()
    draw(reindexed_album / "Ann" / "01.png", (200, 200, 1))
    index_photos(
        reindexed_library, [reindexed_album], TileDetector(), ColourTower()
    )  # and the library lives on meanwhile
    detector = OtherDetector()
    with Library.open(reindexed_library.path, MODELS) as reader:
        summary = reindex(reindexed_library, detector, OtherTower(), force=True)
        assert (summary.switched, summary.photos, detector.calls) == (True, 11, 11)
        with pytest.raises(TowerError, match="cannot be compared"):  # not a mixture of two towers
            ask(reader, probe_photo(reindexed_album / "Ann" / "03.png", TileDetector(), ColourTower()))
    assert reindexed_library.status().photos == PHOTOS


def test_what_was_gathered_for_one_tower_is_not_taken_for_another(reindexed_library: Library) -> None:
    class ThirdTower(OtherTower):
        identity = "e2" * 32

    def stop(progress: IndexProgress) -> None:
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(ReindexInterrupted):
        reindex(reindexed_library, TileDetector(), OtherTower(), on_progress=stop)
    assert reindex(reindexed_library, TileDetector(), ThirdTower()).photos == PHOTOS
    with pytest.raises(ReindexInterrupted):
        reindex(reindexed_library, TileDetector(), OtherTower(), on_progress=stop)
    assert (
        reindex(reindexed_library, TileDetector(), ThirdTower()).photos == 0
    )  # what it has already; the rest is dropped
    assert reindexed_library.succession.models() is None


def test_photos_out_of_reach_are_waited_for_or_given_up(
    reindexed_library: Library, reindexed_album: Path, tmp_path: Path
) -> None:
    draw(tmp_path / "drive" / "far.png", (1, 2, 3))
    index_photos(reindexed_library, [tmp_path / "drive"], TileDetector(), ColourTower())
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    summary = reindex(reindexed_library, TileDetector(), OtherTower())
    assert (summary.switched, summary.waiting) == (False, (AbsentFolder(tmp_path / "drive", 1),))
    assert reindexed_library.models == MODELS
    (tmp_path / "unplugged").rename(tmp_path / "drive")
    summary = reindex(reindexed_library, TileDetector(), OtherTower())
    assert (summary.switched, summary.photos, reindexed_library.status().photos) == (True, 1, PHOTOS + 1)
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    summary = reindex(reindexed_library, TileDetector(), ColourTower(), force=True)
    assert (summary.switched, reindexed_library.status().photos, reindexed_library.status().files) == (
        True,
        PHOTOS,
        PHOTOS,
    )


class Lost:
    """A seer whose machines are gone."""

    def see(self, file: PhotoFile) -> SeenPhoto:
        raise PhotoError("the machine is down", "is on a machine that is down") from OSError(112, "Host is down")

    def give_up(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_machines_that_fail_drop_no_photo(reindexed_library: Library, reindexed_album: Path) -> None:
    before = _people(reindexed_library)
    summary = reindex(reindexed_library, TileDetector(), OtherTower(), workers=2, seer=Lost)
    assert (summary.switched, summary.photos, summary.photos_failed) == (False, 0, 0)
    assert summary.waiting == (AbsentFolder(reindexed_album / "Ann", PHOTOS),)
    assert reindex(reindexed_library, TileDetector(), OtherTower()).switched
    assert _people(reindexed_library) == before


class WithoutPackage(Lost):
    """A seer that lacks the package for every photo."""

    def see(self, file: PhotoFile) -> SeenPhoto:
        raise PhotoError(f"{file.path}: is of a format that is an extra", "is of a format that is an extra")


def test_photos_that_only_this_installation_cannot_read_are_waited_for_or_given_up(
    reindexed_library: Library, reindexed_album: Path
) -> None:
    undo_since(reindexed_library, 1)  # the names
    before = _people(reindexed_library)
    (reindexed_album / "Ann" / "00.png").write_bytes(b"broken")
    summary = reindex(reindexed_library, TileDetector(), OtherTower(), seer=WithoutPackage)
    assert (summary.switched, summary.photos_failed, len(summary.unread)) == (False, 1, PHOTOS - 1)
    assert summary.unread[0] == SkippedFile(reindexed_album / "Ann" / "01.png", "is of a format that is an extra")
    assert (reindexed_library.models, _people(reindexed_library)) == (MODELS, before)
    assert reindex(reindexed_library, TileDetector(), OtherTower()).switched
    assert _people(reindexed_library) == {key: value for key, value in before.items() if key[0] != 1}
    assert reindex(reindexed_library, TileDetector(), ColourTower(), seer=WithoutPackage, force=True).switched
    assert reindexed_library.status().photos == 0


def test_a_damaged_photo_of_somebody_with_a_name_is_waited_for(
    reindexed_library: Library, reindexed_album: Path
) -> None:
    before, photo = _people(reindexed_library), reindexed_album / "Ann" / "01.png"
    whole = photo.read_bytes()
    photo.write_bytes(b"broken")
    for _ in range(2):
        summary = reindex(reindexed_library, TileDetector(), OtherTower())
        assert (summary.switched, [each.path for each in summary.unread]) == (False, [photo])
    photo.write_bytes(whole)
    assert reindex(reindexed_library, TileDetector(), OtherTower()).switched
    assert _people(reindexed_library) == before


def test_photos_that_changed_or_broke_are_left_to_the_next_index(
    reindexed_library: Library, reindexed_album: Path
) -> None:
    undo_since(reindexed_library, 1)  # the names
    shutil.copy(reindexed_album / "Ann" / "02.png", reindexed_album / "copy.png")
    index_photos(reindexed_library, [reindexed_album], TileDetector(), ColourTower())
    draw(reindexed_album / "Ann" / "00.png", (200, 200, 200))
    (reindexed_album / "Ann" / "01.png").write_bytes(b"broken")
    (reindexed_album / "Ann" / "02.png").unlink()  # its copy shows the photo still
    summary = reindex(reindexed_library, TileDetector(), OtherTower())
    assert (summary.switched, summary.photos_changed, summary.photos_failed) == (True, 1, 1)
    assert (reindexed_library.status().photos, reindexed_library.status().files_failed) == (PHOTOS - 2, 1)
    again = index_photos(reindexed_library, [reindexed_album], TileDetector(), OtherTower())
    assert (again.photos_new, [skipped.path.name for skipped in again.skipped]) == (1, ["01.png"])
    assert reindexed_library.status().faces == 2 * (PHOTOS - 2) + 1


def test_nothing_is_to_be_done_for_the_same_tower(reindexed_library: Library) -> None:
    detector, tower = TileDetector(), ColourTower()
    assert reindex(reindexed_library, detector, tower).switched
    assert (detector.calls, tower.batches) == (0, [])


def test_what_is_forgotten_meanwhile_stays_forgotten(reindexed_library: Library, reindexed_album: Path) -> None:
    def stop(progress: IndexProgress) -> None:
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(ReindexInterrupted):
        reindex(reindexed_library, OtherDetector(), OtherTower(), on_progress=stop)
    path = reindexed_library.path
    reindexed_library.close()
    with Library.open(path) as reader:
        forgotten = reader.catalog.embeddings_of([face for face, _ in reader.people.faces_of([1])], [])
    assert len(forgotten) == 40 + 30  # those to come, too
    forget(path, "Ann")
    everything = b"".join(entry.read_bytes() for entry in path.iterdir())
    assert not any(embedding.tobytes() in everything for embedding in forgotten)
    with Library.open(path, MODELS, writable=True) as again:
        assert reindex(again, OtherDetector(), OtherTower()).switched
        assert (again.status().faces, again.status().photos) == (40, PHOTOS)  # not found again


def test_a_power_cut_in_the_switch_leaves_the_former_library_whole(
    reindexed_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _people(reindexed_library)

    def power_cut(self: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Purge, "begin", power_cut)
        with pytest.raises(KeyboardInterrupt):
            reindex(reindexed_library, TileDetector(), OtherTower())
    assert (reindexed_library.models, _people(reindexed_library)) == (MODELS, before)
    assert reindexed_library.catalog.embeddings()[1][0].tobytes() == tiles.ColourTower().embed(_crops())[0].tobytes()
    detector = TileDetector()
    assert reindex(reindexed_library, detector, OtherTower()).switched
    assert detector.calls == 0


def _crops() -> Pixels:
    return np.tile(np.array((0, 9, 99), np.uint8), (1, 112, 112, 1))


def test_a_reader_cannot_be_moved(reindexed_library: Library) -> None:
    with Library.open(reindexed_library.path) as reader, pytest.raises(LibraryError, match="reading only"):
        reindex(reader, TileDetector(), OtherTower())
