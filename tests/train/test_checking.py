"""Faults planted in training data are found, and clean data gives none: copies, wrong labels, one person twice."""

from __future__ import annotations

import io
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.demo import write_album
from facesearch.errors import TrainingDataError
from facesearch.records import Floats, Pixels
from facesearch.vision.tower.tower import Tower
from facesearch_train.checking import DataReport, Embed, check_data
from facesearch_train.data.duplicates import equal_files, same_shots, thumbnails
from facesearch_train.data.mislabelled import People, find_mislabelled, find_twins, own_distances
from facesearch_train.data.packs import TrainingPhoto

PEOPLE, PHOTOS, SIZE = 40, 6, 8


def faces(seed: int = 0, spread: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of people far apart: float32 (240, 8), and whose they are."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(PEOPLE), PHOTOS).astype(np.int32)
    centres = rng.normal(0, 1, (PEOPLE, SIZE))
    return (centres[people] + rng.normal(0, spread, (len(people), SIZE))).astype(np.float32), people


def test_mean_squared_distances_equal_a_loop_over_all_pairs() -> None:
    embeddings, people = faces()
    people = np.where(people == 3, 2, people)  # twelve photos of one
    people[-1] = 40  # one photo of another
    own = own_distances(embeddings, people)
    within = People.of(embeddings, people).within()
    for number, place in ((2, 2), (0, 0), (39, 38)):
        rows = np.flatnonzero(people == number)
        squared = {
            (a, b): float(((embeddings[a] - embeddings[b]) ** 2).sum()) for a, b in itertools.permutations(rows, 2)
        }
        assert within[place] == pytest.approx(np.mean(list(squared.values())), rel=1e-5)
        for row in rows:
            to_others = [value for (a, _), value in squared.items() if a == row]
            assert own[row] == pytest.approx(np.sqrt(np.mean(to_others)), rel=1e-5)
    assert np.isnan(own[-1])


@pytest.mark.parametrize("seed", range(3))
def test_clean_embeddings_raise_no_doubt(seed: int) -> None:
    embeddings, people = faces(seed)
    assert len(find_mislabelled(embeddings, people)) <= 1  # of 240, by the chance of the draw
    assert find_twins(embeddings, people) == []


@pytest.mark.parametrize("seed", range(3))
def test_swapped_photos_are_found_with_the_people_they_show(seed: int) -> None:
    embeddings, people = faces(seed)
    swapped = people.copy()
    swapped[[1, 50]] = people[[50, 1]]
    first, second, *more = find_mislabelled(embeddings, swapped)
    assert {suspect.row: suspect.person for suspect in (first, second)} == {1: people[1], 50: people[50]}
    assert len(more) <= 1


def test_a_stranger_in_a_folder_is_found_and_is_nobody() -> None:
    embeddings, people = faces()
    embeddings[7] = 4.0
    suspect, *more = find_mislabelled(embeddings, people)
    assert len(more) <= 1
    assert (suspect.row, suspect.person) == (7, None)


def test_people_with_two_photos_are_not_judged() -> None:
    embeddings, _ = faces()
    people = (np.arange(len(embeddings)) // 2).astype(np.int32)
    people[[1, 50]] = people[[50, 1]]
    assert find_mislabelled(embeddings, people) == []


@pytest.mark.parametrize("seed", range(3))
def test_one_person_under_two_numbers_is_found(seed: int) -> None:
    embeddings, people = faces(seed)
    people[people == 4] = np.where(np.arange(PHOTOS) % 2, 4, 40)
    pairs = [(twins.first, twins.second) for twins in find_twins(embeddings, people)]
    assert pairs == [(4, 40)]


def test_equal_files_are_grouped_and_missing_ones_passed_over(tmp_path: Path) -> None:
    contents = {"a": b"one", "b": b"two", "c": b"one", "d": b"longer", "e": b"two", "f": b"one"}
    paths = [tmp_path / name for name in contents]
    for path in paths:
        path.write_bytes(contents[path.name])
    looked_at: list[int] = []
    photos = [TrainingPhoto(path, "Al") for path in (*paths, tmp_path / "gone")]
    assert equal_files(photos, looked_at.append) == [(0, 2, 5), (1, 4)]
    assert sum(looked_at) == 5  # d has a size of its own


def shots(count: int, seed: int = 0) -> np.ndarray:
    """Smooth pictures that differ: uint8 (count, 112, 112, 3)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(picture).resize((112, 112))) for picture in small])


def test_a_shot_saved_again_darker_and_moved_a_pixel_is_the_same_shot() -> None:
    pictures = shots(20)
    file = io.BytesIO()
    Image.fromarray(np.roll(pictures[3], 1, axis=1)).point(lambda value: value * 0.8).save(file, "JPEG", quality=30)
    again = np.asarray(Image.open(file))
    small = thumbnails(np.concatenate([pictures, again[None]]))
    ((first, second, likeness),) = same_shots(small, [*range(20), 20])
    assert (first, second) == (3, 20)
    assert 0.97 <= likeness <= 1.0
    assert list(same_shots(small, [*range(20), 3])) == []  # two copies of one person are no fault


def test_empty_pictures_resemble_nothing() -> None:
    assert list(same_shots(thumbnails(np.full((3, 112, 112, 3), 80, np.uint8)), [0, 1, 2])) == []


@pytest.fixture(scope="module")
def embed() -> Embed:
    """The tower's embeddings, (N, 112, 112, 3) -> (N, 32), worked out once for equal crops."""
    tower, known = Tower.load(), dict[bytes, Floats]()

    def remembered(crops: Pixels) -> Floats:
        keys = [crop.tobytes() for crop in crops]
        if unknown := [row for row, key in enumerate(keys) if key not in known]:
            embedded = tower.embed(crops[unknown])
            known.update((keys[row], embedding) for row, embedding in zip(unknown, embedded, strict=True))
        return np.stack([known[key] for key in keys])

    return remembered


@pytest.fixture(scope="module")
def faultless_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten people with five portraits each, and no fault."""
    return write_album(tmp_path_factory.mktemp("checked") / "album", 10, 5, groups=0, seed=3).directory / "people"


def checked(folder: Path, embed: Embed, monkeypatch: pytest.MonkeyPatch) -> DataReport:
    monkeypatch.setenv("FACESEARCH_CACHE", str(folder.parent / "cache"))
    return check_data([folder], embed)


def test_a_clean_album_has_next_to_no_faults(
    faultless_album: Path, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = checked(faultless_album, embed, monkeypatch)
    assert (report.photos, report.people, report.single) == (50, 10, ())
    assert report.unreadable == report.equal_across_people == report.same_shot_across_people == ()
    assert report.copies_of_one == 0
    assert len(report.mislabelled) <= 2  # of 50: the tower is allowed a doubt
    assert report.one_person_twice == ()


def test_planted_faults_are_found(
    faultless_album: Path, embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = Path(shutil.copytree(faultless_album, tmp_path / "people"))
    before = {path: path.stat().st_mtime_ns for path in people.rglob("*")}
    folders = sorted(people.iterdir())
    photo = [sorted(folder.iterdir()) for folder in folders]
    # Copy one across as it is, four in another version, one within; cut a person in two.
    shutil.copy(photo[2][0], folders[3] / "copy.jpg")
    shutil.copy(photo[2][1], folders[2] / "copy.jpg")
    for number in range(4):
        with Image.open(photo[4][number]) as image:
            image.resize((280, 280)).save(folders[5] / f"again{number}.jpg", quality=60)
    (people / "Second Name").mkdir()
    for path in photo[6][:2]:
        path.rename(people / "Second Name" / path.name)
    # A broken file, a photo without a face, and a person with one photo.
    (folders[7] / "broken.jpg").write_bytes(b"no photo")
    Image.new("RGB", (200, 200), "grey").save(folders[7] / "wall.jpg")
    for path in photo[8][1:]:
        path.unlink()

    # Of drawn faces the detector misses some too: they are no part of this.
    missed = {found.path for found in checked(faultless_album, embed, monkeypatch).no_face}
    report = checked(people, embed, monkeypatch)

    def named(folder: Path) -> str:
        return f"people/{folder.name}"

    assert [entry[0].path.name for entry in report.unreadable] == ["broken.jpg"]
    assert {found.path for found in report.no_face} - {
        people / path.relative_to(faultless_album) for path in missed
    } == {folders[7] / "wall.jpg"}
    assert report.single == (named(folders[8]),)
    assert report.copies_of_one == 1
    (equal,) = report.equal_across_people
    assert {shown.path for shown in equal.photos} == {photo[2][0], folders[3] / "copy.jpg"}
    pairs = [{shown.path for shown in again.photos} for again in report.same_shot_across_people]
    planted = [{photo[4][number], folders[5] / f"again{number}.jpg"} for number in range(4)]
    assert all(pair in planted for pair in pairs)
    assert len(pairs) >= 2  # of four: where the detector places a face otherwise, the crops differ
    assert {named(folders[6]), "people/Second Name"} in [set(pair.people) for pair in report.one_person_twice]
    untouched = {path: path.stat().st_mtime_ns for path in before if path.exists()}
    assert all(before[path] == changed or path.is_dir() for path, changed in untouched.items())


def test_swapped_portraits_are_the_most_doubtful(
    faultless_album: Path, embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = Path(shutil.copytree(faultless_album, tmp_path / "people"))
    folders = sorted(people.iterdir())
    used = {path.name for path in folders[0].iterdir()} & {path.name for path in folders[1].iterdir()}
    swapped = [folder / sorted(used)[1] for folder in folders[:2]]
    contents = [path.read_bytes() for path in swapped]
    for path, content in zip(swapped, reversed(contents), strict=True):
        path.write_bytes(content)
    doubts = checked(people, embed, monkeypatch).mislabelled
    assert {doubt.photo.path for doubt in doubts[:2]} == set(swapped)
    assert len(doubts) <= 4
    assert {doubt.likely_person for doubt in doubts[:2]} <= {"people/" + folder.name for folder in folders[:2]} | {None}


def test_data_that_training_refuses_is_refused(faultless_album: Path, embed: Embed, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(sorted(faultless_album.iterdir())[0], tmp_path / "people" / "alone"))
    for folder in (alone.parent, tmp_path / "missing"):
        with pytest.raises(TrainingDataError):
            check_data([folder], embed)
    assert [path.name for path in tmp_path.iterdir()] == ["people"]
