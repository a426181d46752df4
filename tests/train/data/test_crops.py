"""Crops of drawn people: aligned, cached once, resumed, never half-written; and several caches read as one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.windows_files import refuse_open_files

from facesearch.demo import write_album
from facesearch.errors import TrainingDataError
from facesearch.records import DetectedFace
from facesearch.vision.alignment import TEMPLATE_112
from facesearch.vision.detector.detector import load_detector
from facesearch_train.data import crop_parts
from facesearch_train.data.crops import CropSet, open_crops, prepare_crops
from facesearch_train.data.cutting import choose_face, usual_landmarks
from facesearch_train.data.datasets import Dataset, list_photos, read_dataset
from facesearch_train.data.joined import JoinedCrops, merge_datasets


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn people in three photos each, one folder per person. Not to be changed."""
    album = tmp_path_factory.mktemp("album")
    write_album(album, people=3, photos=3, seed=5, groups=0)
    return album / "people"


@pytest.fixture
def drawn_copy(drawn: Path, tmp_path: Path) -> Path:
    """A copy of `drawn` that a test may change."""
    return Path(shutil.copytree(drawn, tmp_path / "people"))


@pytest.fixture(scope="module")
def crops(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> CropSet:
    return prepare_crops(read_dataset(drawn), tmp_path_factory.mktemp("crops") / "cache")


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_every_drawn_face_lies_on_the_template(drawn: Path, crops: CropSet) -> None:
    assert crops.crops.shape == (9, 112, 112, 3)
    assert crops.crops.dtype == np.uint8
    assert crops.origins == ("detected",) * 9
    assert (crops.scores > 0.5).all()
    assert crops.paths == [photo.path for photo in read_dataset(drawn).photos]
    assert crops.identities == [path.parent.name for path in crops.paths]
    detector = load_detector()
    for crop in crops.crops:
        face = choose_face(detector.detect(np.asarray(crop)), (112, 112))
        assert face is not None
        assert np.abs(face.landmarks - TEMPLATE_112).mean() < 4  # px; a face turned aside cannot fit all five


def test_a_cache_is_read_again_and_not_made_again(drawn: Path, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    folder = tmp_path / "cache"
    first = prepare_crops(read_dataset(drawn), folder, progress=lambda *count: done.append(count))
    assert done == [(number, 9) for number in range(1, 10)]
    again = prepare_crops(read_dataset(drawn), folder, progress=lambda *count: done.append(count))
    assert len(done) == 9
    np.testing.assert_array_equal(first.crops, again.crops)
    np.testing.assert_array_equal(first.crops, open_crops(folder).crops)
    assert left_in(tmp_path) == ["cache"]
    assert left_in(folder) == ["crops.npy", "index.json"]


def test_changed_photos_and_other_sizes_make_it_anew(drawn_copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    before = prepare_crops(read_dataset(drawn_copy), folder)
    (gone, *_) = before.paths
    gone.unlink()
    after = prepare_crops(read_dataset(drawn_copy), folder)
    np.testing.assert_array_equal(after.crops, before.crops[1:])
    small = prepare_crops(read_dataset(drawn_copy), folder, size_px=64)
    assert small.crops.shape == (8, 64, 64, 3)
    half = np.asarray(Image.fromarray(after.crops[0]).resize((64, 64), Image.Resampling.BOX), dtype=float)
    assert np.abs(half - small.crops[0]).mean() < 6
    assert left_in(tmp_path) == ["cache", "people"]


def test_a_folder_that_holds_anything_else_is_never_replaced(drawn_copy: Path, tmp_path: Path) -> None:
    prepare_crops(read_dataset(drawn_copy), tmp_path / "caches" / "one")
    with pytest.raises(TrainingDataError, match=r"caches holds other files than crops \(such as .*Name a folder"):
        prepare_crops(read_dataset(drawn_copy), tmp_path / "caches")
    assert left_in(tmp_path / "caches" / "one") == ["crops.npy", "index.json"]


def test_by_default_a_cache_lies_in_the_cache_directory(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path))
    made = prepare_crops(read_dataset(drawn))
    assert made.folder.parent == tmp_path / "crops"
    assert made.folder.name.startswith("people-112-")


def test_an_interrupted_build_shows_nothing_and_goes_on(
    drawn: Path, crops: CropSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crop_parts, "PART_SIZE", 2)
    folder = tmp_path / "cache"
    seen: list[int] = []

    def interrupt(done: int, _: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_crops(read_dataset(drawn), folder, progress=interrupt, workers=1)
    assert not folder.exists()
    with pytest.raises(TrainingDataError, match="holds no crops"):
        open_crops(folder)
    parts = {path: path.stat().st_mtime_ns for path in tmp_path.glob(".cache-*/*.npz")}
    assert len(parts) == 2  # photos 1 to 4; the part of 5 and 6 was not complete
    finished = prepare_crops(read_dataset(drawn), folder, progress=lambda done, _: seen.append(done), workers=1)
    assert seen == [2, 4, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal(finished.crops, crops.crops)
    assert left_in(tmp_path) == ["cache"]


def test_photos_without_a_face_are_left_out_with_the_reason(drawn_copy: Path, tmp_path: Path) -> None:
    someone = next(drawn_copy.iterdir())
    Image.new("RGB", (300, 200), "grey").save(someone / "wall.png")
    (someone / "broken.jpg").write_bytes(next(someone.glob("*.jpg")).read_bytes()[:2000])
    (someone / "text.jpg").write_bytes(b"no photo")
    made = prepare_crops(read_dataset(drawn_copy), tmp_path / "cache")
    reasons = {photo.path.name: reason for photo, reason in made.dropped}
    assert len(made) == 9
    assert reasons["wall.png"] == "no face found"
    assert set(reasons) == {"wall.png", "broken.jpg", "text.jpg"}
    assert {photo.identity for photo, _ in made.dropped} == {someone.name}
    assert "text.jpg" in reasons["text.jpg"]
    assert made.describe() == "people: 9 crops (9 detected), 3 photos left out"
    one = replace(made, dropped=made.dropped[:1])
    assert one.describe() == "people: 9 crops (9 detected), 1 photo left out"


def test_a_set_without_any_face_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for name in ("Al", "Bo"):
        (tmp_path / "walls" / name).mkdir(parents=True)
        for number in (1, 2):
            Image.new("RGB", (200, 150), "grey").save(tmp_path / "walls" / name / f"{number}.png")
    with pytest.raises(TrainingDataError, match=r"None of the 4 photos in .*walls shows a face .*no face found"):
        prepare_crops(read_dataset(tmp_path / "walls"), tmp_path / "cache")
    assert left_in(tmp_path) == ["walls"]


def test_a_folder_that_cannot_be_written_is_named(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingDataError, match=r"cannot be written .* FACESEARCH_CACHE"):
        prepare_crops(read_dataset(drawn), tmp_path / "file" / "cache")


@pytest.mark.parametrize("harm", ["crops.npy", "index.json"])
def test_a_damaged_cache_is_made_anew(drawn: Path, crops: CropSet, tmp_path: Path, harm: str) -> None:
    folder = Path(shutil.copytree(crops.folder, tmp_path / "cache"))
    (folder / harm).write_bytes((folder / harm).read_bytes()[:5000] if harm == "crops.npy" else b"{")
    with pytest.raises(TrainingDataError, match="Make them again"):
        open_crops(folder)
    np.testing.assert_array_equal(prepare_crops(read_dataset(drawn), folder).crops, crops.crops)


def test_aligned_crops_are_taken_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 112, 112, 3), dtype=np.uint8)  # no detector would find a face in noise
    for number, picture in enumerate(pixels):
        path = tmp_path / "set" / f"{number // 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    made = prepare_crops(read_dataset(tmp_path / "set"), tmp_path / "cache")
    np.testing.assert_array_equal(made.crops, pixels)
    assert made.origins == ("aligned",) * 4
    assert np.isnan(made.scores).all()
    assert prepare_crops(read_dataset(tmp_path / "set"), tmp_path / "large", size_px=128).crops.shape == (
        4,
        128,
        128,
        3,
    )


def test_a_damaged_file_does_not_make_aligned_crops_photos(tmp_path: Path) -> None:
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), dtype=np.uint8)):
        (tmp_path / "set" / f"{number // 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "set" / f"{number // 2}" / f"{number}.png")
    (tmp_path / "set" / "0" / "1.png").write_bytes(b"no photo")
    made = prepare_crops(read_dataset(tmp_path / "set"), tmp_path / "cache")
    assert made.origins == ("aligned",) * 3
    assert [photo.path.name for photo, _ in made.dropped] == ["1.png"]


def celeba_of(photo: Path, root: Path, copies: int) -> Dataset:
    """One photo many times and two without a face, one of them of another size, in CelebA's layout."""
    images = root / "img_align_celeba"
    images.mkdir(parents=True)
    for number in range(copies):
        shutil.copy(photo, images / f"{number:02}.jpg")
    with Image.open(photo) as image:
        width, height = image.size
    Image.linear_gradient("L").resize((width, height)).save(images / "98.jpg")
    Image.linear_gradient("L").resize((width, height + 40)).save(images / "99.jpg")
    lines = [f"{path.name} {int(path.stem) % 3 + 1}\n" for path in sorted(images.iterdir())]
    (root / "identity_CelebA.txt").write_text("".join(lines))
    return read_dataset(root)


def test_where_a_layout_fixes_the_face_it_is_cut_there(drawn: Path, tmp_path: Path) -> None:
    photo = min(drawn.rglob("*.jpg"), key=lambda path: path.stat().st_size)
    made = prepare_crops(celeba_of(photo, tmp_path / "celeba", copies=20), tmp_path / "cache")
    assert made.origins == ("detected",) * 20 + ("fallback",)
    assert made.paths[-1].name == "98.jpg"
    assert [photo.path.name for photo, _ in made.dropped] == ["99.jpg"]
    # A vertical gradient, cut like the others: rows rise from top to bottom, and stay within the photo's.
    rows = made.crops[-1].mean(axis=(1, 2))
    assert (np.diff(rows) >= 0).all() and rows[0] > 0 and rows[-1] < 255


def test_usual_landmarks_need_enough_photos_of_a_size() -> None:
    landmarks = np.arange(4 * 10, dtype=np.float32).reshape(4, 5, 2)
    landmarks[1] = np.nan
    sizes = [(8, 9), (8, 9), (8, 9), (7, 9)]
    usual = usual_landmarks(sizes, landmarks, least=2)
    assert set(usual) == {(8, 9)}
    np.testing.assert_allclose(usual[8, 9], (landmarks[0] + landmarks[2]) / 2)


def face(x: float, y: float, side: float, score: float = 0.9) -> DetectedFace:
    """A square box around a centre."""
    box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], dtype=np.float32)
    return DetectedFace(box, np.zeros((5, 2), np.float32), score)


def test_the_face_meant_is_large_and_central() -> None:
    size = (200, 200)
    small_central, large_aside, larger_aside = face(100, 100, 60), face(170, 100, 90), face(150, 100, 110)
    assert choose_face([], size) is None
    # 3600 - 0 against 8100 - 2 * 70² = -1700.
    assert choose_face([large_aside, small_central], size) is small_central
    # 12100 - 2 * 50² = 7100 against 3600; the score plays no part.
    assert choose_face([face(100, 100, 60, score=1.0), larger_aside], size) is larger_aside


def test_joined_caches_read_like_one_array(drawn_copy: Path, crops: CropSet, tmp_path: Path) -> None:
    second = prepare_crops(list_photos(drawn_copy), tmp_path / "cache")
    first = replace(crops, dataset=replace(crops.dataset, name="first"))
    joined = JoinedCrops(merge_datasets([second.dataset, first.dataset]), [second, first])
    assert joined.shape == (18, 112, 112, 3)
    assert len(joined) == len(joined.identities) == 18
    rows = np.array([17, 0, 9, 9, 3])
    both = np.concatenate([second.crops, crops.crops])
    np.testing.assert_array_equal(joined[rows], both[rows])
    np.testing.assert_array_equal(joined[2:12], both[2:12])
    np.testing.assert_array_equal(joined[np.arange(18) % 5 == 0], both[::5])
    np.testing.assert_array_equal(joined[11], both[11])
    some = joined.rows(np.array([16, 2, 4]))
    assert len(some) == 3
    assert some.shape == (3, 112, 112, 3)
    np.testing.assert_array_equal(some[np.array([2, 0])], both[[4, 16]])
    np.testing.assert_array_equal(some[:2], both[[16, 2]])
    np.testing.assert_array_equal(some[1], both[2])
    # Drawn people have full names: the same name in both sets is one person.
    assert joined.identities[:9] == joined.identities[9:] == [f"people/{name}" for name in crops.identities]


def test_joined_caches_leave_out_what_has_no_crop(drawn_copy: Path, tmp_path: Path) -> None:
    someone = next(drawn_copy.iterdir())
    Image.new("RGB", (300, 200), "grey").save(someone / "0000.png")
    dataset = read_dataset(drawn_copy)
    joined = JoinedCrops(merge_datasets([dataset]), [prepare_crops(dataset, tmp_path / "cache")])
    assert len(dataset.photos) == 10
    assert len(joined) == 9
    assert "0000.png" not in {path.name for path in joined.paths}


def test_the_index_holds_no_photo_outside_its_root(crops: CropSet) -> None:
    index = json.loads((crops.folder / "index.json").read_text(encoding="utf-8"))
    assert all(not path.startswith(("/", "..")) for path in index["paths"])
    assert index["template"] == "arcface-112"


@pytest.mark.photos
@pytest.mark.parametrize(
    ("name", "origin"),
    [("lfw", "detected"), ("celeba", "detected"), ("packed/pins.tar.gz", "aligned"), ("glint24", "aligned")],
)
def test_real_photos_of_every_layout_are_cut(photos_dir: Path, tmp_path: Path, name: str, origin: str) -> None:
    dataset = read_dataset(photos_dir / name)
    some = replace(dataset, photos=dataset.photos[:: len(dataset.photos) // 10][:10])
    made = prepare_crops(some, tmp_path / "cache")
    assert made.origins == (origin,) * 10
    spread = made.crops[:, 30:100, 20:90].astype(float).std(axis=(1, 2, 3))
    assert (spread > 10).all()


def test_crops_are_made_and_made_anew_where_no_open_file_can_be_renamed(
    drawn_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    asked = refuse_open_files(monkeypatch)
    assert len(prepare_crops(read_dataset(drawn_copy), folder)) == 9
    next(drawn_copy.rglob("*.jpg")).unlink()
    assert len(prepare_crops(read_dataset(drawn_copy), folder)) == 8
    assert folder in asked
    assert left_in(tmp_path) == ["cache", "people"]


def test_crops_that_a_run_has_open_are_not_replaced_on_windows(
    drawn_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    kept = prepare_crops(read_dataset(drawn_copy), folder)
    before = np.array(kept.crops)
    next(drawn_copy.rglob("*.jpg")).unlink()
    with monkeypatch.context() as windows:
        refuse_open_files(windows)
        with pytest.raises(TrainingDataError, match=r"cache are in use by another run of facesearch: let it end"):
            prepare_crops(read_dataset(drawn_copy), folder)
    np.testing.assert_array_equal(open_crops(folder).crops, before)
    del kept
    assert len(prepare_crops(read_dataset(drawn_copy), folder)) == 8
    assert left_in(tmp_path) == ["cache", "people"]
