"""The exported tower: half the size, the network's numbers, figures as counted one by one, and never half-written."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from support.packed_sets import png, tar
from support.tiny_training import STAGE, coloured_people, tiny_config

from facesearch.errors import TowerError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.metrics import best_threshold, roc_curve
from facesearch.vision.tower.tower import Tower, TowerCard
from facesearch_train import card_figures
from facesearch_train.card_figures import judge, threshold_by_person
from facesearch_train.cohort import StrangerPhotos
from facesearch_train.crop_data import CropData
from facesearch_train.model.network import DenseNetShape, build_tower
from facesearch_train.recipe import _weights_of
from facesearch_train.tower_export import export_tower, multiply_distances, rescale_to_unit_threshold, serving_tower

# Wide enough that kernels, not the archive around them, make up the file.
CONFIG = tiny_config(network=DenseNetShape(units=(1, 1), growth_rate=32))
VALIDATION = coloured_people(6, seed=2)


@dataclass(frozen=True)
class Exported:
    serving: keras.Model
    whole: Path
    folder: Path
    card: TowerCard


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("export")
    keras.utils.set_random_seed(4)
    trained = build_tower(28, shape=CONFIG.network)
    trained.save_weights(folder / "best.weights.h5")
    serving = serving_tower(CONFIG, folder / "best.weights.h5")
    serving.save(folder / "whole.keras")
    card = export_tower(serving, folder / "tower", CONFIG, VALIDATION, {"data": ["drawn"]}, sample=VALIDATION.crops[:9])
    return Exported(serving, folder / "whole.keras", folder / "tower", card)


def test_the_file_is_half_the_size_and_its_kernels_are_float16(exported: Exported, tmp_path: Path) -> None:
    assert (exported.folder / "tower.keras").stat().st_size < 0.55 * exported.whole.stat().st_size
    with zipfile.ZipFile(exported.folder / "tower.keras") as archive:
        archive.extract("model.weights.h5", tmp_path)
    kinds: dict[bool, set[str]] = {True: set(), False: set()}

    def note(_: str, entry: object) -> None:
        if isinstance(entry, h5py.Dataset):
            kinds[entry.ndim >= 2].add(str(entry.dtype))

    with h5py.File(tmp_path / "model.weights.h5", "r") as weights:
        weights.visititems(note)
    assert kinds == {True: {"float16"}, False: {"float32"}}


def test_strangers_make_the_cards_cohort(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "cache"))
    strangers = tmp_path / "strangers.tar"
    crops = coloured_people(20, 1, seed=8).crops
    strangers.write_bytes(tar({f"p{row}/a.png": png(np.asarray(crops[row])) for row in range(20)}))
    card = export_tower(
        exported.serving, tmp_path / "tower", CONFIG, VALIDATION, {}, cohort=StrangerPhotos([strangers])
    )
    assert exported.card.cohort is None
    tower = Tower.load(tmp_path / "tower", device="cpu")
    assert tower.cohort is not None
    assert card.cohort is not None
    assert tower.cohort.identity == card.cohort["identity"]
    assert len(tower.cohort.centres) <= 4  # of five people or more each
    scales = tower.local_scale(tower.embed(VALIDATION.crops))
    assert scales.shape == (24,)
    assert (scales > 0).all()


def test_the_tower_gives_the_networks_numbers(exported: Exported) -> None:
    tower = Tower.load(exported.folder, device="cpu")
    expected = np.asarray(exported.serving.predict_on_batch(VALIDATION.crops.astype(np.float32)))
    embeddings = tower.embed(VALIDATION.crops)
    assert embeddings.shape == (24, 32)
    np.testing.assert_allclose(embeddings, expected, atol=0.005 * np.linalg.norm(expected, axis=1).mean())


def test_the_tower_runs_in_int8_nearly_alike(exported: Exported) -> None:
    crops = np.asarray(VALIDATION.crops)
    exact = Tower.load(exported.folder, device="cpu").embed(crops)
    tower = Tower.load(exported.folder, device="cpu", precision="int8")
    assert tower.precision == "int8"
    convolutions = {layer.name for layer in exported.serving.layers if isinstance(layer, keras.layers.Conv2D)}
    assert set(exported.card.int8_ranges or {}) == convolutions
    assert 0 < np.linalg.norm(tower.embed(crops) - exact) < 0.05 * np.linalg.norm(exact)


def test_keras_reads_the_halved_file_too(exported: Exported) -> None:
    loaded = keras.saving.load_model(exported.folder / "tower.keras", compile=False)
    for half, whole in zip(loaded.get_weights(), exported.serving.get_weights(), strict=True):
        np.testing.assert_allclose(half, whole, rtol=1e-3, atol=1e-6)


def test_the_card_says_what_was_measured(exported: Exported) -> None:
    card = exported.card
    embeddings = Tower.load(exported.folder, device="cpu").embed(VALIDATION.crops)
    genuine, impostor = naive_distances(embeddings, VALIDATION)
    assert card.figures["people"] == 6
    assert card.figures["photos"] == 24
    assert card.figures["genuine_pairs"] == len(genuine) == 6 * 6
    assert card.figures["impostor_pairs"] == len(impostor) == 15 * 16
    assert card.figures["genuine_distance"] == pytest.approx(np.mean(genuine), abs=1e-3)
    assert card.figures["impostor_distance"] == pytest.approx(np.mean(impostor), abs=1e-3)
    wins = [(g < i) + 0.5 * (g == i) for g in genuine for i in impostor]
    assert card.figures["auc"] == pytest.approx(np.mean(wins), abs=1e-3)
    assert card.training["data"] == ["drawn"]
    assert card.training["config"]["name"] == "tiny"


def naive_distances(embeddings: np.ndarray, data: CropData) -> tuple[list[float], list[float]]:
    genuine, impostor = [], []
    for i in range(len(embeddings)):
        for j in range(i + 1, len(embeddings)):
            distance = float(np.sqrt(((embeddings[i] - embeddings[j]) ** 2).sum()))
            (genuine if data.identities[i] == data.identities[j] else impostor).append(distance)
    return genuine, impostor


def test_the_threshold_lets_one_impostor_pair_in_a_hundred_pass() -> None:
    rng = np.random.default_rng(0)
    identities = np.repeat(np.arange(20), 4).astype(np.int32)
    embeddings = (rng.normal(0, 1, (20, 8))[identities] + rng.normal(0, 0.3, (80, 8))).astype(np.float32)
    data = CropData(np.zeros((80, 1, 1, 3), np.uint8), identities)
    judged = judge(embeddings, data.identities)
    genuine, impostor = (np.array(distances) for distances in naive_distances(embeddings, data))
    passing = (impostor <= judged["threshold"] + 1e-3).mean()
    assert judged["threshold_far"] == 0.01
    assert 0.008 < passing <= 0.0105
    accepted = (genuine <= judged["threshold"]).mean()
    assert judged["figures"]["tar_at_far_0.01"] == pytest.approx(accepted, abs=0.02)


def test_the_card_says_the_best_threshold_and_what_it_and_1_are_worth() -> None:
    data, embeddings = drawn_people(people=20, photos=4, spread=0.35)
    judged = judge(embeddings, data.identities)
    figures = judged["figures"]
    genuine, impostor = (np.array(distances) for distances in naive_distances(embeddings, data))

    def right(threshold: float) -> float:
        return float(((genuine <= threshold).mean() + (impostor > threshold).mean()) / 2)

    best = max(right(threshold) for threshold in [*genuine, *impostor])
    assert figures["accuracy_at_best_threshold"] == pytest.approx(best, abs=1e-4)
    assert right(figures["best_threshold"]) == pytest.approx(best, abs=0.005)
    assert figures["best_threshold_far"] == pytest.approx((impostor <= figures["best_threshold"]).mean(), abs=0.001)
    assert figures["accuracy_at_1"] == pytest.approx(right(1.0), abs=1e-4)


def test_the_card_is_calibrated_and_the_error_is_that_of_people_it_was_not_fitted_on() -> None:
    data, embeddings = drawn_people(people=200, photos=4, spread=0.8)
    card = judge(embeddings, data.identities)["calibration"]
    calibration = Calibration.from_card(card)
    assert calibration is not None
    assert card["prior"] == 0.5
    strangers, others = drawn_people(people=200, photos=4, spread=0.8, seed=1)
    genuine, impostor = (np.array(distances) for distances in naive_distances(others, strangers))
    said = calibration.probability(np.concatenate([genuine, impostor]))
    weight = np.concatenate([np.full(len(genuine), 0.5 / len(genuine)), np.full(len(impostor), 0.5 / len(impostor))])
    is_genuine = np.arange(len(said)) < len(genuine)
    error = 0.0
    for low in np.arange(0, 1, 0.1):
        own = (said >= low) & (said < low + 0.1)
        error += abs((weight * (said - is_genuine))[own].sum())
    assert calibration.expected_calibration_error is not None
    assert calibration.expected_calibration_error < 0.06
    assert error < 0.06
    few, their = drawn_people(people=4, photos=2, spread=0.8)
    assert judge(their, few.identities)["calibration"] is None


def test_pairs_of_many_photos_are_counted_to_the_same_card(monkeypatch: pytest.MonkeyPatch) -> None:
    data, embeddings = drawn_people(people=60, photos=4, spread=0.8)
    listed = judge(embeddings, data.identities)
    monkeypatch.setattr(card_figures, "_MOST_LISTED", 10)
    counted = judge(embeddings, data.identities)
    assert counted["figures"] == pytest.approx(listed["figures"], abs=1e-3)
    # Listed, the threshold is an impostor pair that just passes; counted, it lies anywhere up to the next one.
    assert counted["threshold"] == pytest.approx(listed["threshold"], abs=0.01)
    both = [Calibration.from_card(judged["calibration"]) for judged in (listed, counted)]
    assert both[0] is not None and both[1] is not None
    distances = np.linspace(0, 6, 50)
    np.testing.assert_allclose(both[1].probability(distances), both[0].probability(distances), atol=0.01)


def drawn_people(people: int, photos: int, spread: float, seed: int = 0) -> tuple[CropData, np.ndarray]:
    """Identities and embeddings of people around places of their own."""
    rng = np.random.default_rng(seed)
    identities = np.repeat(np.arange(people), photos).astype(np.int32)
    noise = rng.normal(0, spread, (len(identities), 8))
    embeddings = (rng.normal(0, 1, (people, 8))[identities] + noise).astype(np.float32)
    return CropData(np.zeros((len(identities), 1, 1, 3), np.uint8), identities), embeddings


@pytest.mark.parametrize("radius", [None, 2.0], ids=["free", "one length"])
def test_the_best_threshold_can_be_brought_to_1(exported: Exported, radius: float | None) -> None:
    serving = build_tower(112, shape=CONFIG.network, input_size_px=28, radius=radius)
    serving.set_weights(exported.serving.get_weights())
    crops = VALIDATION.crops.astype(np.float32)
    before = np.asarray(serving.predict_on_batch(crops))
    factor = rescale_to_unit_threshold(serving, VALIDATION)
    after = np.asarray(serving.predict_on_batch(crops))
    assert abs(factor - 1) > 0.01
    np.testing.assert_allclose(after, factor * before, rtol=1e-4, atol=1e-5)
    genuine, impostor = (np.array(distances) for distances in naive_distances(after, VALIDATION))

    def right(threshold: float) -> float:
        return float(((genuine <= threshold).mean() + (impostor > threshold).mean()) / 2)

    assert right(1.0) == max(right(threshold) for threshold in [*genuine, *impostor])
    assert rescale_to_unit_threshold(serving, VALIDATION) == pytest.approx(1.0, abs=1e-3)


def test_the_person_with_the_most_photos_does_not_set_the_threshold() -> None:
    """Five people of two photos, and one of twenty who are farther apart, against every candidate tried by hand."""
    few, few_embeddings = drawn_people(5, 2, 0.3)
    many, many_embeddings = drawn_people(1, 20, 1.5, seed=1)
    embeddings = np.concatenate([few_embeddings, many_embeddings])
    identities = np.concatenate([few.identities, many.identities + 5]).astype(np.int32)
    pairs = [(a, b) for a in range(len(identities)) for b in range(a)]
    distance = {(a, b): float(np.linalg.norm(embeddings[a] - embeddings[b])) for a, b in pairs}
    impostor = np.array([distance[a, b] for a, b in pairs if identities[a] != identities[b]])
    own = [
        np.array([distance[a, b] for a, b in pairs if identities[a] == identities[b] == person]) for person in range(6)
    ]

    def right(threshold: float) -> float:
        return float((np.mean([(each <= threshold).mean() for each in own]) + (impostor > threshold).mean()) / 2)

    best = threshold_by_person(embeddings, identities)
    assert best.accuracy == pytest.approx(max(right(candidate) for candidate in distance.values()))
    assert right(best.distance) == pytest.approx(best.accuracy)
    roc = roc_curve([distance[pair] for pair in pairs], [int(identities[a] != identities[b]) for a, b in pairs])
    assert best.distance < 0.9 * best_threshold(roc, balanced=True).distance


def test_a_tower_whose_embeddings_have_one_length_is_served_with_that_length(
    tmp_path: Path,
) -> None:
    config = tiny_config(network=CONFIG.network, stages=(replace(STAGE, radius=1.5),))
    build_tower(28, shape=CONFIG.network, radius=1.5).save_weights(tmp_path / "best.weights.h5")
    serving = serving_tower(config, tmp_path / "best.weights.h5")
    card = export_tower(serving, tmp_path / "tower", config, VALIDATION, {}, unit_threshold=True)
    embeddings = Tower.load(tmp_path / "tower", device="cpu").embed(VALIDATION.crops)
    expected = 1.5 * card.training["distances_times"]
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), expected, rtol=1e-4)
    assert card.figures["best_threshold"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("radius", [None, 1.5], ids=["free", "one length"])
def test_a_mirrored_tower_is_served_as_one_and_trained_on_without(tmp_path: Path, radius: float | None) -> None:
    config = tiny_config(network=CONFIG.network, stages=(replace(STAGE, radius=radius),), mirrored=True)
    build_tower(28, shape=CONFIG.network, radius=radius).save_weights(tmp_path / "best.weights.h5")
    serving = serving_tower(config, tmp_path / "best.weights.h5")
    export_tower(serving, tmp_path / "tower", config, VALIDATION, {}, unit_threshold=True)
    crops = VALIDATION.crops
    served = Tower.load(tmp_path / "tower", device="cpu").embed(crops)
    np.testing.assert_allclose(served, np.asarray(serving.predict_on_batch(crops.astype(np.float32))), atol=0.02)
    mirror_images = Tower.load(tmp_path / "tower", device="cpu").embed(np.ascontiguousarray(crops[:, :, ::-1]))
    np.testing.assert_allclose(served, mirror_images, atol=1e-3)
    begun = build_tower(28, shape=CONFIG.network, radius=radius)
    begun.set_weights(_weights_of(tmp_path / "tower"))  # what --start-from does


def test_an_exported_tower_with_unit_threshold_says_so(exported: Exported, tmp_path: Path) -> None:
    serving = keras.models.clone_model(exported.serving)
    serving.set_weights(exported.serving.get_weights())
    card = export_tower(serving, tmp_path / "tower", CONFIG, VALIDATION, {}, unit_threshold=True)
    factor = card.training["distances_times"]
    assert card.margin == pytest.approx(CONFIG.margin * factor)
    assert card.figures["best_threshold"] == pytest.approx(1.0, abs=0.01)
    assert card.figures["genuine_distance"] == pytest.approx(
        factor * exported.card.figures["genuine_distance"], rel=0.01
    )
    assert "distances_times" not in exported.card.training


@pytest.mark.parametrize("radius", [None, 2.0], ids=["free", "one length"])
def test_multiplied_distances_are_divided_back_to_the_weights_that_were(
    exported: Exported, radius: float | None
) -> None:
    network = build_tower(28, shape=CONFIG.network, radius=radius)
    network.set_weights(exported.serving.get_weights())
    before = network.get_weights()
    multiply_distances(network, 0.7)
    moved = [not np.array_equal(was, now) for was, now in zip(before, network.get_weights(), strict=True)]
    assert any(moved) == (radius is None)
    multiply_distances(network, 1 / 0.7)
    for was, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_allclose(now, was, rtol=1e-6)


def test_only_a_linear_last_layer_is_rescaled() -> None:
    inputs = keras.Input((112, 112, 3))
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    with pytest.raises(TowerError, match="linear Dense"):
        rescale_to_unit_threshold(network, VALIDATION)


def test_a_tower_that_computes_no_numbers_leaves_the_old_one_whole(exported: Exported, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported.folder, tmp_path / "tower"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    broken = keras.models.clone_model(exported.serving)
    broken.set_weights([np.full_like(weight, np.nan) for weight in exported.serving.get_weights()])
    with pytest.raises(TowerError, match="not written"):
        export_tower(broken, folder, CONFIG, VALIDATION, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    Tower.load(folder, device="cpu")
