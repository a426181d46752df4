"""Photos worked on in several lanes at once: the same rows for any number, copies read once, order kept."""

from __future__ import annotations

import shutil
import threading
import tracemalloc
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pytest
from PIL import Image
from support.tiles import draw

from facesearch.demo import write_album
from facesearch.demo.drawing import draw_group
from facesearch.demo.person import random_people
from facesearch.errors import PhotoError
from facesearch.indexing import IndexOptions, index_photos
from facesearch.indexing.reading import Known, Onlooker, work_ahead
from facesearch.library import Library
from facesearch.photos import photo_file
from facesearch.records import Models, Photo, PhotoFile
from facesearch.vision.detector.detector import Detector, load_detector
from facesearch.vision.tower.tower import Tower

Seen = TypeVar("Seen")

NOTHING_KNOWN = Known(set(), set())


@pytest.fixture
def mixed_album(tmp_path: Path) -> Path:
    """Drawn people alone and in groups, a photo without anyone, a copy, and a file that is no photo."""
    folder = tmp_path / "album"
    write_album(folder, 3, 4, seed=11)
    for number in range(3):
        group = draw_group(random_people(4, seed=number), np.random.default_rng(number), face_px=70)
        Image.fromarray(group.pixels).save(folder / f"group{number}.jpg")
    draw(folder / "nobody.png")
    shutil.copy(folder / "group1.jpg", folder / "copy.jpg")
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff bad")
    return folder


class InThisProcess:
    """The real detector, as one that no other process can have."""

    def __init__(self, detector: Detector) -> None:
        self.identity, self.detect = detector.identity, detector.detect


def test_every_number_of_workers_gives_the_same_rows(mixed_album: Path, tmp_path: Path, tower: Path) -> None:
    """In processes of their own, and in threads of this one."""
    embedder = Tower.load(tower, device="cpu")
    found: list[dict[str, Any]] = []
    for workers, apart in ((1, True), (2, True), (3, False)):
        loaded = load_detector(lanes=workers)
        detector = loaded if apart else InThisProcess(loaded)
        with Library.create(tmp_path / f"library{workers}", Models.of(detector, embedder)) as library:
            summary = index_photos(
                library, [mixed_album], detector, embedder, IndexOptions(batch_faces=5, workers=workers)
            )
            photos = library.catalog.photo_ids()
            ids, embeddings = library.catalog.embeddings()
            found.append(
                {
                    "photos": photos,
                    "files": library.files.of(photos.values()),
                    "faces": ids.tolist(),
                    "embeddings": embeddings.tobytes(),
                    "boxes": [face.box.tobytes() for face in library.catalog.faces(ids.tolist()).values()],
                    "counts": (summary.photos_new, summary.photos_copied, summary.faces_new, summary.skipped),
                }
            )
    readable = sum(path.suffix in {".jpg", ".png"} for path in mixed_album.rglob("*")) - 1
    assert found[0]["counts"][:2] == (readable - 1, 1)
    assert len(found[0]["faces"]) >= 20
    assert found[0] == found[1] == found[2]


def see_ahead(
    files: list[PhotoFile], known: Known, look: Callable[[Photo], Seen], *, lanes: int, ahead: int
) -> Generator[tuple[PhotoFile, Seen | str | PhotoError]]:
    """Each file with what `look` makes of its photo in this process."""
    return work_ahead(files, known, lambda: Onlooker(lambda _, photo: look(photo)), lanes=lanes, ahead=ahead)


def test_results_come_in_the_files_order_whoever_is_first(tmp_path: Path) -> None:
    files = [photo_file(draw(tmp_path / f"{number}.png", (number, 0, 0))) for number in range(12)]
    second_is_done = threading.Event()

    def look(photo: Photo) -> str:
        if photo.file.path.stem == "0":
            assert second_is_done.wait(60)  # the first one comes out after a later one
        elif photo.file.path.stem == "1":
            second_is_done.set()
        return photo.file.path.stem

    results = list(see_ahead(files, NOTHING_KNOWN, look, lanes=2, ahead=6))
    assert results == [(file, str(number)) for number, file in enumerate(files)]


def test_no_more_is_begun_than_may_wait(tmp_path: Path) -> None:
    files = [photo_file(draw(tmp_path / f"{number}.png", (number, 0, 0))) for number in range(12)]
    looked: list[str] = []
    results = see_ahead(files, NOTHING_KNOWN, lambda photo: looked.append(photo.file.path.stem), lanes=1, ahead=3)
    next(results)
    results.close()
    assert looked == ["0", "1", "2", "3"][: len(looked)]


class Counted:
    """A seer that counts what is on its way: begun, and not handed out yet."""

    def __init__(self, at_once: list[int], lock: threading.Lock) -> None:
        self._at_once, self._lock = at_once, lock

    def see(self, file: PhotoFile) -> int:
        with self._lock:
            self._at_once[0] += 1
            self._at_once[1] = max(self._at_once[:2])
        answer = len(file.path.name)
        with self._lock:
            self._at_once[0] -= 1
        return answer

    def give_up(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def worked_through(photos: int) -> tuple[int, int, int]:
    """The most photos that were worked on at once, and that were taken and not handed out; and the most bytes held."""
    lanes, ahead, at_once, lock = 3, 12, [0, 0], threading.Lock()
    taken = handed_out = most = 0
    # Made before memory is watched: pathlib interns every name, and Python's table of interned strings, which grows by
    # megabytes at once when it is full, belongs to the tests before this one as well.
    every = [PhotoFile(Path(f"{number:06}.jpg"), number, number) for number in range(photos)]

    def files() -> Iterator[PhotoFile]:
        nonlocal taken
        for file in every:
            taken += 1
            yield file

    tracemalloc.start()
    for _ in work_ahead(files(), NOTHING_KNOWN, lambda: Counted(at_once, lock), lanes=lanes, ahead=ahead):
        most = max(most, taken - handed_out)
        handed_out += 1
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert handed_out == photos
    assert at_once[1] <= lanes
    assert most <= ahead + 1
    return at_once[1], most, held


def test_what_is_on_its_way_and_held_does_not_grow_with_the_photos() -> None:
    few, many = worked_through(500), worked_through(10_000)
    assert few[1] == many[1] == 13
    assert many[2] < few[2] + 50_000  # bytes


def copies_of(photo: Path, count: int) -> tuple[list[PhotoFile], Known]:
    """As many files of one content, and what is known before: that they are as long as one another."""
    paths = [photo.with_name(f"{number}{photo.suffix}") for number in range(count)]
    for path in paths:
        shutil.copy(photo, path)
    return [photo_file(path) for path in paths], Known({photo.stat().st_size}, set())


def test_copies_are_looked_at_once(tmp_path: Path) -> None:
    files, known = copies_of(draw(tmp_path / "photo.png", (1, 2, 3)), 4)
    looked: list[str] = []

    def look(photo: Photo) -> Photo:
        looked.append(photo.sha256)
        return photo

    results = [result for _, result in see_ahead(files, known, look, lanes=3, ahead=8)]
    assert isinstance(results[0], Photo)
    assert results[1:] == [results[0].sha256] * 3
    assert len(looked) == 1


def test_a_copy_of_what_failed_is_tried_itself(tmp_path: Path) -> None:
    files, known = copies_of(draw(tmp_path / "photo.png", (1, 2, 3)), 3)

    def look(photo: Photo) -> str:
        if photo.file.path == files[0].path:
            raise PhotoError("on a bad sector", "is on a bad sector")
        return "seen"

    results = [result for _, result in see_ahead(files, known, look, lanes=2, ahead=8)]
    assert isinstance(results[0], PhotoError)
    assert results[1] == "seen"
    assert results[2] == photo_sha256(files[2])


def photo_sha256(file: PhotoFile) -> str:
    (result,) = (photo for _, photo in see_ahead([file], NOTHING_KNOWN, lambda photo: photo.sha256, lanes=1, ahead=0))
    assert isinstance(result, str)
    return result
