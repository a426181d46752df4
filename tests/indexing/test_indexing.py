"""Photos into a real library: only what changed, whatever changed, and whatever stops it."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import tiles
from support.ordinary_user import acting_as_ordinary_user
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import LibraryError, PhotoError, TowerError
from facesearch.indexing import (
    DEFAULT_OPTIONS,
    IndexInterrupted,
    IndexOptions,
    IndexProgress,
    IndexSummary,
    index_photos,
)
from facesearch.library import Library
from facesearch.library.index.vectors import Vectors
from facesearch.people import most_prominent
from facesearch.query import ask, probe_photo
from facesearch.records import DetectedFace, Floats, Pixels
from facesearch.vision.alignment import TEMPLATE_112

RED, GREEN, BLUE, GREY = (200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)
BY_FOLDER = IndexOptions(people_from_folders=True)


@pytest.fixture
def five_faces_album(tmp_path: Path) -> Path:
    """Four photos with five faces, one photo without any."""
    album = tmp_path / "album"
    draw(album / "red.png", RED)
    draw(album / "both.png", RED, GREEN)
    draw(album / "deep" / "green.png", GREEN)
    draw(album / "deep" / "grey.png", GREY)
    draw(album / "sky.png")
    return album


def _index(library: Library, *paths: Path, options: IndexOptions = DEFAULT_OPTIONS) -> tuple[IndexSummary, int]:
    """The summary, and how many photos the detector was given."""
    detector = TileDetector()
    return index_photos(library, paths, detector, ColourTower(), options), detector.calls


def _names(library: Library) -> dict[str, list[str | None]]:
    """The names on each photo, from left to right, by file name."""
    names = {}
    for path, _, photo_id, _ in library.files.of(library.catalog.photo_ids().values()):
        faces = sorted(library.catalog.faces_in([photo_id]), key=lambda face: float(face.box[0]))
        names[Path(os.fsdecode(path)).name] = [face.name for face in faces]
    return names


def _assert_search_equals_brute_force(library: Library) -> None:
    ids, embeddings = library.catalog.embeddings()
    vectors = library.vectors()
    assert len(vectors) == len(ids)
    for probe in np.random.default_rng(0).uniform(0, 1, (3, 3)).astype(np.float32) @ tiles.BASIS:
        distances = np.sqrt(((embeddings - probe) ** 2).sum(axis=1))
        found = vectors.search(probe, len(ids))
        assert sorted(neighbour.face_id for neighbour in found) == ids.tolist()
        np.testing.assert_allclose([neighbour.distance for neighbour in found], np.sort(distances), atol=1e-5)


def test_photos_become_rows_and_vectors(library: Library, five_faces_album: Path) -> None:
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_new, summary.faces_new, calls) == (5, 5, 5)
    assert (summary.photos_unchanged, summary.skipped, summary.interrupted) == (0, (), False)
    ids, embeddings = library.catalog.embeddings()
    expected = [tiles.embedding_of(colour) for colour in (RED, GREEN, RED, GREEN, GREY)]  # both, red, deep/...
    np.testing.assert_allclose(embeddings, expected, atol=1e-6)
    assert [face.box.tolist() for face in library.catalog.faces(ids.tolist()).values()][1] == [40, 0, 80, 40]
    assert library.status().vectors == "current"
    _assert_search_equals_brute_force(library)


def test_a_second_run_detects_nothing(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    generation = library.status().generation
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_unchanged, summary.photos_new, calls) == (5, 0, 0)
    assert library.status().generation == generation


def test_a_new_photo_is_the_only_work(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    draw(five_faces_album / "blue.png", BLUE)
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_new, summary.photos_unchanged, calls) == (1, 5, 1)
    _assert_search_equals_brute_force(library)


def test_a_touched_photo_is_read_but_not_detected(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    os.utime(five_faces_album / "red.png", ns=(1, 1))
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_unchanged, summary.photos_changed, calls) == (5, 0, 0)
    assert _index(library, five_faces_album)[0].photos_unchanged == 5


def test_an_edited_photo_has_its_new_faces_only(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    draw(five_faces_album / "both.png", BLUE, RED, GREY)
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_changed, summary.photos_new, summary.faces_new, calls) == (1, 0, 3, 1)
    assert library.status().faces == 6
    assert library.status().photos == 5
    _assert_search_equals_brute_force(library)


def test_a_copy_shares_the_embeddings(library: Library, five_faces_album: Path) -> None:
    shutil.copy(five_faces_album / "red.png", five_faces_album / "aaa.png")  # both new in one run
    assert _index(library, five_faces_album)[0].photos_copied == 1
    shutil.copy(five_faces_album / "red.png", five_faces_album / "zzz.png")
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_copied, summary.photos_moved, summary.photos_new, calls) == (1, 0, 0, 0)
    status = library.status()
    assert (status.files, status.photos, status.faces) == (7, 5, 5)


def test_an_edited_copy_leaves_the_original(library: Library, five_faces_album: Path) -> None:
    shutil.copy(five_faces_album / "red.png", five_faces_album / "copy.png")
    _index(library, five_faces_album)
    draw(five_faces_album / "copy.png", BLUE)
    _index(library, five_faces_album)
    assert library.status().photos == 6
    assert library.status().faces == 6


def test_a_moved_photo_keeps_its_faces_and_names(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album, options=BY_FOLDER)
    before = library.catalog.embeddings()[0].tolist()
    (five_faces_album / "deep" / "green.png").rename(five_faces_album / "moved.png")
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_moved, summary.photos_copied, summary.photos_missing, calls) == (1, 0, 0, 0)
    assert library.catalog.embeddings()[0].tolist() == before
    assert _names(library)["moved.png"] == ["deep"]
    assert library.status().files == 5


def test_two_photos_that_swap_names_keep_their_faces(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    before = library.catalog.embeddings()[0].tolist()
    red, grey = five_faces_album / "red.png", five_faces_album / "deep" / "grey.png"
    red.rename(five_faces_album / "aside")
    grey.rename(red)
    (five_faces_album / "aside").rename(grey)
    for path in (red, grey):
        os.utime(path, ns=(1, 1))
    # one file a batch: the first photo is shown by nothing for a while
    _, calls = _index(library, five_faces_album, options=IndexOptions(batch_faces=1))
    assert calls == 0
    assert library.catalog.embeddings()[0].tolist() == before


def test_a_deleted_photo_is_kept_as_missing_and_found_again(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    aside = five_faces_album.parent / "aside.png"
    (five_faces_album / "red.png").rename(aside)
    assert _index(library, five_faces_album)[0].photos_missing == 1
    assert _index(library, five_faces_album)[0].photos_missing == 0  # said once
    assert (library.status().files_missing, library.status().faces) == (1, 5)
    aside.rename(five_faces_album / "red.png")
    summary, calls = _index(library, five_faces_album)
    assert (summary.photos_unchanged, calls, library.status().files_missing) == (5, 0, 0)


def test_only_what_was_walked_can_be_missing(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    shutil.rmtree(five_faces_album / "deep")
    (five_faces_album / "red.png").unlink()
    assert _index(library, five_faces_album / "both.png")[0].photos_missing == 0
    with pytest.raises(PhotoError, match="does not exist"):
        _index(library, five_faces_album / "deep")
    assert library.status().files_missing == 0
    assert _index(library, five_faces_album)[0].photos_missing == 3


def test_a_photo_moved_between_roots_is_moved_once_its_old_place_is_known_empty(
    library: Library, five_faces_album: Path, tmp_path: Path
) -> None:
    _index(library, five_faces_album)
    (tmp_path / "other").mkdir()
    (five_faces_album / "red.png").rename(tmp_path / "other" / "red.png")
    assert _index(library, five_faces_album)[0].photos_missing == 1
    assert _index(library, tmp_path / "other")[0].photos_moved == 1
    assert (library.status().files, library.status().files_missing) == (5, 0)


def test_bad_photos_are_rows_with_their_reasons_and_not_read_again(library: Library, five_faces_album: Path) -> None:
    (five_faces_album / "empty.jpg").touch()
    (five_faces_album / "text.jpg").write_text("no photo at all")
    whole = (five_faces_album / "red.png").read_bytes()
    (five_faces_album / "cut.png").write_bytes(whole[: len(whole) // 2])
    summary, _ = _index(library, five_faces_album)
    assert summary.photos_new == 5
    assert sorted(skipped.path.name for skipped in summary.skipped) == ["cut.png", "empty.jpg", "text.jpg"]
    assert "empty" in next(skipped.reason for skipped in summary.skipped if skipped.path.name == "empty.jpg")
    assert library.status().files_failed == 3
    summary, _ = _index(library, five_faces_album)
    assert (summary.skipped, summary.skipped_known) == ((), 3)
    (five_faces_album / "cut.png").write_bytes(whole)
    summary, _ = _index(library, five_faces_album)
    assert (summary.photos_changed, summary.skipped_known, library.status().files_failed) == (1, 2, 2)
    (five_faces_album / "empty.jpg").unlink()
    assert _index(library, five_faces_album)[0].photos_missing == 0  # no photo was lost
    assert library.status().files_failed == 1


def test_a_photo_that_turns_bad_is_kept_as_missing(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    before = library.status()
    (five_faces_album / "both.png").write_bytes(b"")
    _index(library, five_faces_album)
    after = library.status()
    assert (after.faces, after.photos, after.files_failed) == (before.faces, before.photos, before.files_failed)
    assert (before.files_missing, after.files_missing) == (0, 1)
    _assert_search_equals_brute_force(library)


@pytest.fixture
def ordinary_user(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the test runs without root's right to read everything."""
    with Library.create(
        tmp_path / "first", MODELS
    ) as library:  # another user may not be able to import what this needs
        _index(library, draw(tmp_path / "first.png", RED))
    with acting_as_ordinary_user() as folder:
        yield folder


def test_what_may_not_be_read_today_is_not_lost(ordinary_user: Path) -> None:
    locked_file, locked_folder = draw(ordinary_user / "a" / "file.png", RED), ordinary_user / "a" / "deep"
    draw(locked_folder / "inside.png", GREEN, BLUE)
    with Library.create(ordinary_user / "library", MODELS) as library:
        _index(library, ordinary_user / "a")
        os.utime(locked_file, ns=(1, 1))
        locked_file.chmod(0)
        locked_folder.chmod(0)
        summary, _ = _index(library, ordinary_user / "a")
        assert sorted(skipped.path for skipped in summary.skipped) == [locked_folder, locked_file]
        assert (summary.photos_missing, library.status().faces, library.status().files_failed) == (0, 3, 0)
        locked_file.chmod(0o600)
        locked_folder.chmod(0o700)
        summary, calls = _index(library, ordinary_user / "a")
        assert (summary.photos_unchanged, summary.skipped_known, calls) == (2, 0, 0)


@pytest.mark.parametrize(
    "name", [b"new\nline.png", "🙂 é.png".encode(), b"\xff not utf-8.png", b"per%20cent'quote.png"]
)
def test_any_file_name_is_indexed_once(library: Library, tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path / "odd") + b"/" + name))
    try:
        draw(path, RED)
    except OSError:
        pytest.skip("this file system has no such names")
    assert _index(library, tmp_path / "odd", options=BY_FOLDER)[0].photos_new == 1
    assert _index(library, tmp_path / "odd")[0].photos_unchanged == 1
    (photo,) = library.catalog.photo_paths(library.catalog.photo_ids().values()).values()
    assert photo.path == path


def test_the_result_does_not_depend_on_batches_or_workers(five_faces_album: Path, tmp_path: Path) -> None:
    shutil.copy(five_faces_album / "both.png", five_faces_album / "deep" / "again.png")
    (five_faces_album / "bad.jpg").write_text("bad")
    contents = []
    for options in (IndexOptions(), IndexOptions(batch_faces=1, workers=1), IndexOptions(workers=4)):
        with Library.create(tmp_path / str(len(contents)), MODELS) as library:
            _index(library, five_faces_album, options=options)
            ids, embeddings = library.catalog.embeddings()
            files = library.files.of(library.catalog.photo_ids().values())
            contents.append((ids.tolist(), files))
            np.testing.assert_allclose(
                embeddings, [tiles.embedding_of(colour) for colour in (RED, GREEN, RED, GREEN, GREY)], atol=1e-6
            )  # to rounding: matrices of other sizes
    assert contents[0] == contents[1] == contents[2]


def test_faces_are_embedded_in_batches_across_photos(library: Library, tmp_path: Path) -> None:
    for number in range(10):
        draw(tmp_path / "many" / f"{number}.png", (number, 0, 0), (0, number, 1))
    tower = ColourTower()
    index_photos(library, [tmp_path / "many"], TileDetector(), tower, IndexOptions(batch_faces=8))
    assert tower.batches == [8, 8, 4]


def test_progress_counts_what_there_is_to_do(library: Library, five_faces_album: Path) -> None:
    (five_faces_album / "bad.jpg").write_text("bad")
    said: list[IndexProgress] = []
    index_photos(library, [five_faces_album], TileDetector(), ColourTower(), on_progress=said.append)
    assert [progress.done for progress in said] == list(range(7))
    assert {progress.total for progress in said} == {6}
    assert (said[-1].faces, said[-1].skipped) == (5, 1)
    assert said[0].current is None
    assert said[1].current == five_faces_album / "bad.jpg"


class _MiddleDetector(TileDetector):
    """Sees one face in the middle tenth of any photo."""

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        height, width = pixels.shape[:2]
        box = np.array([0.45 * width, 0, 0.55 * width, height], np.float32)
        landmarks = (TEMPLATE_112 * (0.1 * width / 112) + (box[0], 0)).astype(np.float32)
        return [DetectedFace(box, landmarks, 0.99)]


def test_boxes_are_in_pixels_of_the_file_also_when_it_was_reduced(library: Library, tmp_path: Path) -> None:
    photo = draw(tmp_path / "wide" / "wide.png", *[RED] * 150)  # 6000 px: more than is decoded
    index_photos(library, [tmp_path / "wide"], _MiddleDetector(), ColourTower())
    (photo_id,) = library.catalog.photo_ids().values()
    assert library.catalog.photo_sizes([photo_id]) == {photo_id: (6000, 40)}
    (stored,) = library.catalog.faces_in([photo_id])
    np.testing.assert_allclose(stored.box, [2700, 0, 3300, 40], rtol=0.02)
    (asked,) = ask(library, probe_photo(photo, _MiddleDetector(), ColourTower())).faces
    np.testing.assert_allclose(asked.box, stored.box, atol=0.1)


# Names from folders


def test_folders_name_the_most_prominent_face(library: Library, tmp_path: Path) -> None:
    people = tmp_path / "people"
    draw(people / "Ann" / "alone.png", RED)
    draw(people / "Ann" / "group.png", GREEN, RED, BLUE)
    draw(people / "Zoë" / "one.png", BLUE)
    summary, _ = _index(library, people, options=BY_FOLDER)
    assert _names(library) == {"alone.png": ["Ann"], "group.png": [None, "Ann", None], "one.png": ["Zoë"]}
    assert (summary.faces_named, library.status().people_named) == (3, 2)


def test_names_come_also_to_photos_that_were_indexed_without(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    summary, calls = _index(library, five_faces_album, options=BY_FOLDER)
    assert (summary.faces_named, calls) == (4, 0)
    assert _names(library)["green.png"] == ["deep"]
    assert _index(library, five_faces_album, options=BY_FOLDER)[0].faces_named == 0


def test_a_folder_never_overrules_a_name(library: Library, five_faces_album: Path) -> None:
    _index(library, five_faces_album)
    with library.changing():
        library.people.label(library.people.named("Greta"), [4], "user")
    _index(library, five_faces_album, options=BY_FOLDER)
    assert _names(library)["green.png"] == ["Greta"]
    draw(five_faces_album / "Other" / "x.png")
    shutil.copy(
        five_faces_album / "deep" / "grey.png", five_faces_album / "Other" / "grey.png"
    )  # the same photo in a second folder
    _index(library, five_faces_album, options=BY_FOLDER)
    assert _names(library)["grey.png"] == ["deep"]
    assert library.status().people_named == 3  # album, deep, Greta: nobody was made without a face


def test_the_most_prominent_face_is_large_and_central() -> None:
    centre, edge, larger_at_edge = [40, 40, 60, 60], [0, 40, 20, 60], [0, 30, 34, 64]
    assert most_prominent(np.array([edge, centre], np.float32), (100, 100)) == 1
    assert most_prominent(np.array([larger_at_edge, centre], np.float32), (100, 100)) == 1
    assert most_prominent(np.array([[10, 10, 70, 70], centre], np.float32), (100, 100)) == 0
    assert most_prominent(np.array([centre, centre], np.float32), (100, 100)) == 0


# What stops a run


def test_ctrl_c_keeps_what_was_finished(library: Library, tmp_path: Path) -> None:
    many = tmp_path / "many"
    for number in range(20):
        draw(many / f"{number:02}.png", (number, 0, 0))

    def stop(progress: IndexProgress) -> None:
        if progress.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(IndexInterrupted) as caught:
        index_photos(library, [many], TileDetector(), ColourTower(), IndexOptions(batch_faces=5), on_progress=stop)
    assert (caught.value.summary.photos_new, caught.value.summary.interrupted) == (7, True)
    assert (library.status().faces, library.status().vectors) == (7, "current")
    _assert_search_equals_brute_force(library)
    summary, calls = _index(library, many)
    assert (summary.photos_new, summary.photos_unchanged, calls) == (13, 7, 13)


def test_ctrl_c_while_folders_are_looked_through_leaves_the_library_as_it_is(
    library: Library, five_faces_album: Path
) -> None:
    _index(library, five_faces_album)

    def stopped() -> Iterator[Path]:
        yield five_faces_album
        raise KeyboardInterrupt

    with pytest.raises(IndexInterrupted) as caught:
        index_photos(library, stopped(), TileDetector(), ColourTower(), BY_FOLDER)
    summary = caught.value.summary
    assert (summary.interrupted, summary.photos_present, summary.photos_new, summary.faces_named) == (True, 5, 0, 0)
    assert (library.status().faces, library.status().vectors) == (5, "current")


class _InterruptedTower(ColourTower):
    """Ctrl-C arrives once, while it computes."""

    def embed(self, crops: Pixels) -> Floats:
        embeddings = super().embed(crops)
        if len(self.batches) == 2:
            raise KeyboardInterrupt
        return embeddings


def test_ctrl_c_in_the_middle_of_a_batch_does_not_lose_it(library: Library, tmp_path: Path) -> None:
    for number in range(9):
        draw(tmp_path / "many" / f"{number}.png", (number, 0, 0))
    with pytest.raises(IndexInterrupted):
        index_photos(library, [tmp_path / "many"], TileDetector(), _InterruptedTower(), IndexOptions(batch_faces=3))
    assert library.status().faces == 6
    _assert_search_equals_brute_force(library)


@pytest.mark.parametrize("after", [False, True])
def test_ctrl_c_between_rows_and_vectors(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """The rows are committed, and the vectors have not followed, or nobody knows yet that they have."""
    for number in range(9):
        draw(tmp_path / "many" / f"{number}.png", (number, 0, 0))
    add, calls = Vectors.add, []

    def interrupted_once(vectors: Vectors, ids: NDArray[np.int64], embeddings: Floats) -> None:
        calls.extend([len(ids)] if len(ids) else [])  # an empty library adds none, or nothing
        stop = calls == [3, 3] and len(ids) > 0  # two batches
        if after or not stop:
            add(vectors, ids, embeddings)
        if stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(Vectors, "add", interrupted_once)
    with pytest.raises(IndexInterrupted):
        index_photos(library, [tmp_path / "many"], TileDetector(), ColourTower(), IndexOptions(batch_faces=3))
    assert (library.status().faces, library.status().vectors) == (6, "current")
    _assert_search_equals_brute_force(library)


class _BrokenTower(ColourTower):
    def embed(self, crops: Pixels) -> Floats:
        return np.full((len(crops), 32), np.nan, np.float32)


def test_a_tower_that_gives_nonsense_changes_nothing(library: Library, five_faces_album: Path) -> None:
    with pytest.raises(TowerError, match="finite"):
        index_photos(library, [five_faces_album], TileDetector(), _BrokenTower())
    assert library.status().photos == 0


def test_other_models_are_refused(library: Library, five_faces_album: Path) -> None:
    class OtherTower(ColourTower):
        identity = "d1" * 32

    class OtherDetector(TileDetector):
        identity = "tiles-2"

    with pytest.raises(TowerError, match="cannot be compared"):
        index_photos(library, [five_faces_album], TileDetector(), OtherTower())
    with pytest.raises(LibraryError, match="tiles-2"):
        index_photos(library, [five_faces_album], OtherDetector(), ColourTower())


def test_a_library_open_for_reading_is_not_indexed_into(library: Library, five_faces_album: Path) -> None:
    with Library.open(library.path) as reader, pytest.raises(LibraryError, match="reading only"):
        _index(reader, five_faces_album)


@contextmanager
def _files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """Stands in for a full disk: the kernel refuses to let any file grow beyond this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room_bytes", [100_000, 150_000, 200_000])
def test_a_full_disk_is_an_error_and_loses_no_finished_photo(library: Library, tmp_path: Path, room_bytes: int) -> None:
    for number in range(40):
        draw(tmp_path / "many" / f"{number:02}.png", *[(number, other, 9) for other in range(20)])
    with _files_no_larger_than(room_bytes), pytest.raises(LibraryError, match="free disk space"):
        _index(library, tmp_path / "many")
    photos = library.status().photos
    assert 0 < photos < 40
    assert library.status().faces == 20 * photos
    _assert_search_equals_brute_force(library)
    summary, _ = _index(library, tmp_path / "many")
    assert (summary.photos_new, summary.photos_unchanged) == (40 - photos, photos)


def test_a_photo_in_the_folders_of_two_people_names_nobody_and_is_said(tmp_path: Path) -> None:
    album = tmp_path / "album"
    ann, bob = (200, 20, 20), (20, 200, 20)
    draw(album / "Ann" / "1.png", ann)
    draw(album / "Bob" / "2.png", bob)
    for name in ("Ann", "Bob"):
        draw(album / name / "both.png", ann, bob)
    with Library.create(tmp_path / "library", MODELS) as library:
        summary = index_photos(library, [album], TileDetector(), ColourTower(), BY_FOLDER)
        assert sorted(filter(None, library.people.names().values())) == ["Ann", "Bob"]
        assert summary.faces_named == 2
        (unnamed,) = summary.unnamed
        assert unnamed.path == album / "Ann" / "both.png"
        assert unnamed.reason.startswith("lies in the folders of Ann and Bob: name its faces by hand")
        again = index_photos(library, [album], TileDetector(), ColourTower(), BY_FOLDER)
        assert (again.faces_named, again.unnamed) == (0, summary.unnamed)
