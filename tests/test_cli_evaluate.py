"""`facesearch evaluate` on drawn people: its figures against distances worked out from the same tower."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from small_tower import write_small_tower

from facesearch.portraits import write_album


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("album"), 4, 3, groups=0, seed=5).directory / "people"


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, people: Path) -> CommandLine:
    monkeypatch.setenv("FACESEARCH_CACHE", str(people.parents[1] / "cache"))
    return CommandLine(capsys)


def test_all_pairs_of_a_folder_a_person(run: CommandLine, people: Path, tower: Path) -> None:
    from facesearch.tower import Tower
    from facesearch_train.crops import prepare_crops
    from facesearch_train.datasets import read_dataset

    ran = run("evaluate", "--data", people, "--tower", tower, "--threshold", "0.05", "--json")
    assert ran.code == 0, ran.err
    figures = json.loads(ran.out)
    crops = prepare_crops(read_dataset(people))
    embeddings = Tower.load(tower, device="cpu").embed(np.asarray(crops.crops)).astype(np.float64)
    genuine, impostor = [], []
    for row in range(len(crops)):
        for other in range(row):
            same = crops.identities[row] == crops.identities[other]
            (genuine if same else impostor).append(float(np.linalg.norm(embeddings[row] - embeddings[other])))
    assert (figures["genuine_pairs"], figures["impostor_pairs"]) == (len(genuine), len(impostor))
    assert figures["genuine_distance"] == pytest.approx(np.mean(genuine), rel=1e-3)
    right = sum(distance <= 0.05 for distance in genuine) + sum(distance > 0.05 for distance in impostor)
    assert figures["accuracy_at_threshold"] == pytest.approx(right / (len(genuine) + len(impostor)))


def test_a_list_of_pairs_fold_by_fold(run: CommandLine, people: Path, tower: Path, tmp_path: Path) -> None:
    names = sorted(folder.name for folder in people.iterdir())
    lfw = tmp_path / "lfw"
    for name in names:
        person = name.replace(" ", "_")
        (lfw / person).mkdir(parents=True)
        for number, photo in enumerate(sorted((people / name).iterdir()), start=1):
            (lfw / person / f"{person}_{number:04d}.jpg").write_bytes(photo.read_bytes())
    a, b, c, d = (name.replace(" ", "_") for name in names)
    folds = [
        f"{a}\t1\t2\n{b}\t1\t3\n{a}\t1\t{c}\t1\n{b}\t2\t{d}\t1",
        f"{c}\t1\t2\n{d}\t2\t3\n{c}\t1\t{a}\t3\n{d}\t2\t{b}\t3",
    ]
    (lfw / "pairs.txt").write_text("2\t2\n" + "\n".join(folds) + "\n")
    ran = run("evaluate", "--protocol", "lfw", "--data", lfw, "--tower", tower)
    assert ran.code == 0, ran.err
    assert "4 genuine and 4 impostor pairs of 11 photos" in ran.out
    assert "over 2 folds" in ran.out
    only = json.loads(
        run("evaluate", "--protocol", "lfw", "--data", lfw, "--tower", tower, "--fold", "2", "--json").out
    )
    assert only["genuine_pairs"] == 2
    refused = run("evaluate", "--protocol", "lfw", "--data", lfw, "--tower", tower, "--fold", "3")
    assert refused.code == 2
    assert "no fold 3" in refused.err


def test_without_photos_the_exit_code_is_6(run: CommandLine, tmp_path: Path, tower: Path) -> None:
    assert run("evaluate", "--data", tmp_path, "--tower", tower).code == 6
