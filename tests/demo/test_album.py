"""Synthetic people: the same seed draws the same picture, the truth in people.csv is true, and people differ."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.demo import DrawnFace, DrawnPhoto, draw_group, draw_portrait, random_people, write_album
from facesearch.errors import UsageError
from facesearch.records import Floats
from facesearch.vision.alignment import align
from facesearch.vision.detector.detector import load_detector


def inside(face: DrawnFace, photo: DrawnPhoto) -> bool:
    height, width = photo.pixels.shape[:2]
    left, top, right, bottom = face.box
    within = (face.landmarks > face.box[:2]).all() and (face.landmarks < face.box[2:]).all()
    return bool(0 <= left < right <= width and 0 <= top < bottom <= height and within)


def test_same_seed_draws_the_same_people_and_pixels() -> None:
    first, second = (random_people(3, seed=7) for _ in range(2))
    assert first == second
    photos = [draw_portrait(person, np.random.default_rng(5), 200) for person in (first[1], second[1])]
    np.testing.assert_array_equal(photos[0].pixels, photos[1].pixels)
    np.testing.assert_array_equal(photos[0].faces[0].landmarks, photos[1].faces[0].landmarks)
    other = draw_portrait(first[1], np.random.default_rng(6), 200)
    assert (other.pixels != photos[0].pixels).mean() > 0.5


def test_another_seed_draws_other_people_with_other_names() -> None:
    first, second = random_people(20, seed=1), random_people(20, seed=2)
    assert len({person.name for person in first}) == 20
    assert not set(first) & set(second)


def test_names_are_unique_and_the_first_people_do_not_depend_on_the_count() -> None:
    many = random_people(300, seed=1)
    assert len({person.name for person in many}) == 300
    assert random_people(5, seed=1) == many[:5]


def test_faces_lie_inside_the_picture_and_hold_their_landmarks() -> None:
    rng = np.random.default_rng(0)
    for person in random_people(12, seed=3):
        size_px = int(rng.integers(90, 400))
        photo = draw_portrait(person, rng, size_px)
        assert photo.pixels.shape == (size_px, size_px, 3) and photo.pixels.dtype == np.uint8
        assert inside(photo.faces[0], photo)
        assert photo.faces[0].box[3] - photo.faces[0].box[1] > 40


@pytest.mark.parametrize("count", [1, 2, 6, 11])
def test_a_group_shows_each_of_its_people_once_side_by_side(count: int) -> None:
    people = random_people(count, seed=4)
    photo = draw_group(people, np.random.default_rng(1), face_px=60)
    assert [face.person for face in photo.faces] == people
    assert all(inside(face, photo) for face in photo.faces)
    centres = np.array([face.box.reshape(2, 2).mean(axis=0) for face in photo.faces])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 1000 * np.eye(count)
    assert apart.min() > 60


def test_too_small_pictures_and_empty_groups_are_usage_errors() -> None:
    person = random_people(1, seed=0)[0]
    rng = np.random.default_rng(0)
    for draw in (
        lambda: draw_portrait(person, rng, 80),
        lambda: draw_group([], rng),
        lambda: draw_group([person], rng, face_px=20),
        lambda: random_people(0, seed=0),
    ):
        with pytest.raises(UsageError):
            draw()


def small_crop(photo: DrawnPhoto) -> Floats:
    """The aligned face as 20 x 20 colours of equal mean and spread, so that exposure does not count."""
    crop = Image.fromarray(align(photo.pixels, photo.faces[0].landmarks)).resize((20, 20), Image.Resampling.BOX)
    values = np.asarray(crop, np.float32)
    return (values - values.mean()) / values.std()


def test_people_differ_more_than_photos_of_one_person() -> None:
    rng = np.random.default_rng(2)
    people = random_people(10, seed=5)
    crops = np.array([[small_crop(draw_portrait(person, rng, 160)).ravel() for _ in range(4)] for person in people])
    distances = np.linalg.norm(crops.reshape(40, 1, -1) - crops.reshape(1, 40, -1), axis=2)
    owner = np.repeat(np.arange(10), 4)
    same = owner[:, None] == owner[None]
    genuine, impostor = distances[same & ~np.eye(40, dtype=bool)], distances[~same]
    assert np.median(genuine) < 0.75 * np.median(impostor)
    nearest = owner[(distances + 1e6 * np.eye(40)).argmin(axis=1)]
    assert (nearest == owner).mean() > 0.8


def test_the_detector_finds_drawn_people_and_their_landmarks() -> None:
    detector, rng = load_detector(), np.random.default_rng(8)
    photos = [draw_portrait(person, rng, int(rng.integers(110, 320))) for person in random_people(14, seed=6)]
    photos.append(draw_group(random_people(6, seed=7), rng, face_px=70))
    errors = []
    for photo in photos:
        found = detector.detect(photo.pixels)
        for face in photo.faces:
            eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
            off = [np.linalg.norm(other.landmarks - face.landmarks, axis=1).mean() / eyes for other in found]
            errors.append(min(off, default=np.inf))
    assert np.mean(np.array(errors) < 0.25) >= 0.95
    assert np.median(errors) < 0.12  # of the distance between the eyes


def test_an_album_has_a_folder_a_person_and_the_truth_in_its_csv(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    album = write_album(tmp_path / "album", 4, 2, seed=9, progress=lambda done, total: seen.append((done, total)))
    assert (album.portraits, album.groups) == (8, 1)
    assert seen == [(number, 9) for number in range(1, 10)]
    rows = list(csv.DictReader((album.directory / "people.csv").open(encoding="utf-8", newline="")))
    files = {path.relative_to(album.directory).as_posix() for path in album.directory.rglob("*.jpg")}
    assert {row["photo"] for row in rows} == files
    assert len(rows) == album.faces
    for name in album.people:
        mine = [row for row in rows if row["photo"].startswith(f"people/{name}/")]
        assert [row["photo"] for row in mine] == [f"people/{name}/0001.jpg", f"people/{name}/0002.jpg"]
        assert {row["person"] for row in mine} == {name}
    grouped = [row["person"] for row in rows if row["photo"].startswith("groups/")]
    assert len(grouped) >= 2 and set(grouped) <= set(album.people)
    for row in rows:
        with Image.open(album.directory / row["photo"]) as image:
            assert 0 <= float(row["x1"]) < float(row["x2"]) <= image.width
            assert 0 <= float(row["y1"]) < float(row["y2"]) <= image.height
        assert float(row["x1"]) < float(row["nose_x"]) < float(row["x2"])


def test_an_album_is_written_again_without_leaving_the_old_one(tmp_path: Path) -> None:
    write_album(tmp_path, 3, 1, seed=1)
    (tmp_path / "note.txt").write_text("mine")
    again = write_album(tmp_path, 2, 1, seed=2)
    assert {path.name for path in tmp_path.iterdir()} == {"people", "groups", "people.csv", "note.txt"}
    assert {path.name for path in (tmp_path / "people").iterdir()} == set(again.people)
    first = (tmp_path / "people" / again.people[0] / "0001.jpg").read_bytes()
    write_album(tmp_path, 2, 1, seed=2)
    assert (tmp_path / "people" / again.people[0] / "0001.jpg").read_bytes() == first


def test_the_number_of_group_photos_can_be_chosen(tmp_path: Path) -> None:
    assert write_album(tmp_path, 3, 1, groups=2).groups == 2
    assert len(list((tmp_path / "groups").iterdir())) == 2
    assert write_album(tmp_path, 3, 1, groups=0).groups == 0
    assert not (tmp_path / "groups").exists()


def test_folders_of_others_are_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,phone\nAda,1\n")
    with pytest.raises(UsageError, match="not empty"):
        write_album(tmp_path, 1, 1)
    with pytest.raises(UsageError, match="is a file"):
        write_album(tmp_path / "people.csv", 1, 1)
    assert (tmp_path / "people.csv").read_text() == "name,phone\nAda,1\n"
    with pytest.raises(UsageError, match="at least one"):
        write_album(tmp_path / "new", 0, 1)
    assert not (tmp_path / "new").exists()
