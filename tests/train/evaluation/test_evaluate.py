"""Protocols on crops that carry their embedding in a pixel, against values worked out by hand or by a naive loop."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from facesearch.errors import TrainingDataError
from facesearch.evaluation import pair_counts
from facesearch.evaluation.pair_counts import count_pairs, missed_pairs
from facesearch.records import Floats, Pixels
from facesearch_train.data.crops import CropSet
from facesearch_train.data.datasets import Dataset
from facesearch_train.data.lfw import LfwPair, LfwPhoto
from facesearch_train.data.packs import TrainingPhoto
from facesearch_train.evaluation import protocols
from facesearch_train.evaluation.protocols import (
    choose_searches,
    embed_rows,
    evaluate_folders,
    evaluate_identification,
    evaluate_lfw,
    judge_lfw_pairs,
)

Place = tuple[float, float]  # a face's embedding, in hundredths, 0 to 255


def embed(crops: Pixels) -> Floats:
    """Reads an embedding (N, 2) from each crop's first pixel."""
    assert crops.dtype == np.uint8 and crops.shape[1:] == (112, 112, 3)
    return crops[:, 0, 0, :2].astype(np.float32) / 100


def crop_set(places: dict[str, list[Place]], fallback: tuple[str, ...] = (), dropped: tuple[str, ...] = ()) -> CropSet:
    """Faces at these places, named as LFW names them; some cut only where faces usually are; some without a crop."""
    photos, pixels = [], []
    for name, own in places.items():
        for number, place in enumerate(own, start=1):
            photos.append(TrainingPhoto(LfwPhoto(name, number).path, name))
            pixels.append(place)
    crops = np.zeros((len(photos), 112, 112, 3), dtype=np.uint8)
    crops[:, 0, 0, :2] = pixels
    origins = tuple("fallback" if photo.path.stem in fallback else "detected" for photo in photos)
    without = tuple((TrainingPhoto(Path(f"{stem}.jpg"), stem[:-5]), "no face found") for stem in dropped)
    dataset = Dataset("drawn", Path("drawn"), "lfw", tuple(photos))
    return CropSet(Path("cache"), dataset, crops, origins, np.ones(len(photos), np.float32), without)


PLACES = {"Al": [(0, 0), (30, 40), (0, 10)], "Bo": [(100, 0), (100, 50)], "Cy": [(200, 0)]}
# Distances by hand: Al 1-2 0.5, Al 1-3 0.1, Bo 1-2 0.5; Al1-Bo1 1.0, Al1-Cy1 2.0, Bo1-Cy1 1.0, Al3-Bo1 1.005.


def pair(first: str, one: int, second: str, other: int) -> LfwPair:
    return LfwPair(LfwPhoto(first, one), LfwPhoto(second, other))


FOLDS = (
    (pair("Al", 1, "Al", 2), pair("Al", 1, "Bo", 1)),
    (pair("Al", 1, "Al", 3), pair("Bo", 1, "Cy", 1)),
    (pair("Bo", 1, "Bo", 2), pair("Al", 1, "Cy", 1)),
)


def test_lfw_by_hand() -> None:
    crops = crop_set(PLACES)
    pairs = judge_lfw_pairs(crops, FOLDS, embed)
    np.testing.assert_allclose(pairs.distances, [0.5, 1.0, 0.1, 1.0, 0.5, 2.0], atol=1e-6)
    assert pairs.labels.tolist() == [0, 1] * 3
    assert pairs.folds.tolist() == [0, 0, 1, 1, 2, 2]
    assert [crops.paths[row].name for row in pairs.first] == [p.first.path.name for fold in FOLDS for p in fold]
    report = evaluate_lfw(crops, FOLDS, embed, threshold=0.3)
    assert report.accuracy is not None
    assert report.accuracy.accuracies == (1.0, 1.0, 1.0)
    assert report.accuracy.thresholds == pytest.approx((0.75, 0.75, 0.75))
    assert report.best.distance == pytest.approx(0.75)
    assert report.accuracy_at_threshold == pytest.approx(4 / 6)
    assert (report.auc, report.equal_error_rate) == (1.0, 0.0)
    assert report.genuine_distance == pytest.approx(1.1 / 3)
    assert report.impostor_distance == pytest.approx(4 / 3)
    assert (report.photos, report.genuine_pairs, report.impostor_pairs) == (6, 3, 3)
    assert (report.photos_not_found, report.pairs_not_found) == (0, 0)
    # Three impostor pairs carry no FAR below a third: there is no figure for 0.1 and less.
    assert report.true_accepts == ()


@pytest.mark.parametrize("how", ["fallback", "dropped"])
def test_a_face_not_found_is_charged_to_the_tower(how: str) -> None:
    if how == "fallback":
        crops = crop_set(PLACES, fallback=("Al_0001",))
    else:
        places = {**PLACES, "Al": PLACES["Al"][1:]}
        crops = crop_set(places, dropped=("Al_0001",))
        # Without its first photo Al's others would be numbered from 1: give them their own numbers back.
        photos = tuple(
            TrainingPhoto(LfwPhoto("Al", number).path, "Al") if photo.identity == "Al" else photo
            for number, photo in enumerate(crops.dataset.photos, start=2)
        )
        crops = replace(crops, dataset=replace(crops.dataset, photos=photos))
    pairs = judge_lfw_pairs(crops, FOLDS, embed)
    np.testing.assert_allclose(pairs.distances, [np.inf, -np.inf, np.inf, 1.0, 0.5, -np.inf], atol=1e-6)
    report = evaluate_lfw(crops, FOLDS, embed)
    assert (report.photos_not_found, report.pairs_not_found) == (1, 4)
    assert report.best.accuracy == pytest.approx(2 / 6)
    assert report.accuracy is not None
    assert report.accuracy.mean == pytest.approx(2 / 6)
    assert report.impostor_distance == pytest.approx(1.0)
    assert "Infinity" not in json.dumps(report.to_json())


def test_a_photo_that_is_not_there_is_an_error() -> None:
    with pytest.raises(TrainingDataError, match=r"1 of 6 photos .* \(first: Al_0003.jpg\)") as raised:
        evaluate_lfw(crop_set({**PLACES, "Al": PLACES["Al"][:2]}), FOLDS, embed)
    assert "--pairs" in str(raised.value)


def test_one_fold_has_no_accuracy_by_folds() -> None:
    report = evaluate_lfw(crop_set(PLACES), FOLDS[:1], embed)
    assert report.accuracy is None
    assert report.to_json()["accuracy"] is None
    assert report.best.accuracy == 1.0


def test_the_report_survives_json() -> None:
    values = json.loads(json.dumps(evaluate_lfw(crop_set(PLACES), FOLDS, embed).to_json(), allow_nan=False))
    assert values["accuracy"]["mean"] == 1.0
    assert values["accuracy"]["std"] == 0.0
    assert values["best"] == {"distance": pytest.approx(0.75), "accuracy": 1.0}
    assert values["protocol"] == "lfw"


def random_set(people: int, photos: int, seed: int = 0, **missing: tuple[str, ...]) -> CropSet:
    """People around places of their own, near enough to be mixed up now and then."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(60, 200, (people, 2))
    spots = np.clip(np.rint(centres[:, None] + rng.normal(0, 12, (people, photos, 2))), 0, 255)
    return crop_set({f"P{person:03}": [tuple(spot) for spot in spots[person]] for person in range(people)}, **missing)


def test_all_pairs_equal_a_naive_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_counts, "_BLOCK_VALUES", 200)  # several blocks
    monkeypatch.setattr(protocols, "EMBED_BATCH", 7)
    crops = random_set(people=10, photos=4)
    report = evaluate_folders(crops, embed, threshold=0.2)
    places = crops.crops[:, 0, 0, :2].astype(float) / 100
    rows = list(combinations(range(40), 2))
    distances = np.array([np.linalg.norm(places[a] - places[b]) for a, b in rows])
    labels = np.array([crops.identities[a] != crops.identities[b] for a, b in rows])
    assert (report.genuine_pairs, report.impostor_pairs) == (10 * 6, 40 * 39 // 2 - 60)
    assert report.genuine_distance == pytest.approx(distances[~labels].mean())
    assert report.impostor_distance == pytest.approx(distances[labels].mean())
    assert report.auc == pytest.approx(roc_auc_score(labels, distances), abs=1e-4)
    assert report.accuracy_at_threshold == pytest.approx(np.mean((distances > 0.2) == labels))
    best = max(np.mean((distances > threshold) == labels) for threshold in [0, *distances])
    assert report.best.accuracy == pytest.approx(best)
    assert [found.far for found in report.true_accepts] == [0.1, 0.01]
    for found in report.true_accepts:
        allowed = np.sort(distances[labels])[int(found.far * labels.sum())]  # the first impostor too many
        assert found.tar == pytest.approx(np.mean(distances[~labels] < allowed), abs=0.02)
        assert np.mean(distances[labels] <= found.threshold) <= found.far


def test_all_pairs_of_some_people_only() -> None:
    crops = random_set(people=6, photos=3)
    report = evaluate_folders(crops, embed, identities={"P001", "P004", "nobody"})
    assert (report.photos, report.genuine_pairs, report.impostor_pairs) == (6, 6, 9)


def test_faces_not_found_are_never_accepted_and_always_counted() -> None:
    whole = random_set(people=4, photos=3)
    crops = random_set(people=4, photos=3, fallback=("P000_0001",), dropped=("P003_0004", "P003_0005"))
    report = evaluate_folders(crops, embed, threshold=9.0)
    assert (report.photos, report.photos_not_found) == (14, 3)
    assert (report.genuine_pairs, report.impostor_pairs) == (3 * 3 + 10, 14 * 13 // 2 - 19)
    # Genuine pairs lost: P000's first with two others; P003's two absent ones with three others and one another.
    genuine_lost, impostor_lost = 2 + 2 * 3 + 1, report.pairs_not_found - 9
    assert report.pairs_not_found == 14 * 13 // 2 - 11 * 10 // 2
    # At a threshold that accepts whatever has a face, what is right is every genuine pair found, and impostors lost.
    assert report.accuracy_at_threshold == pytest.approx((19 - genuine_lost + impostor_lost) / 91)
    assert report.auc < evaluate_folders(whole, embed).auc


def test_a_set_without_pairs_is_refused() -> None:
    for places in ({"Al": [(0.0, 0.0), (1.0, 1.0)]}, {"Al": [(0.0, 0.0)], "Bo": [(1.0, 1.0)]}):
        with pytest.raises(TrainingDataError, match="no pairs to judge"):
            evaluate_folders(crop_set(places), embed)


def test_counting_stands_equal_embeddings_and_far_origins() -> None:
    counts = count_pairs(np.ones((3, 2)), np.array([0, 0, 1]), threshold=0.5)
    assert (counts.genuine.sum(), counts.impostor.sum(), counts.genuine[0]) == (1, 2, 1)
    near = np.array([[0.0, 0.0], [0.3, 0.4]])
    for origin in (0.0, 1e6):
        assert count_pairs(near + origin, np.array([0, 0]), 1.0).sums[0] == pytest.approx(0.5, abs=1e-6)


def test_missed_pairs_by_hand() -> None:
    # Found a a b, absent a c: genuine a-a twice more; impostor 10 - 3 genuine - 2 found ones = 5.
    assert missed_pairs(["a", "a", "b"], ["a", "c"]) == (2, 5)
    assert missed_pairs(["a", "b"], []) == (0, 0)


def test_searches_are_chosen_by_the_seed() -> None:
    photos = [*random_set(people=20, photos=3).dataset.photos, TrainingPhoto(Path("x.jpg"), "X")]
    searches = choose_searches(photos, 8, seed=3)
    assert searches == choose_searches(photos[::-1], 8, seed=3)
    assert searches != choose_searches(photos, 8, seed=4)
    assert len({search.identity for search in searches}) == 8
    for search in searches:
        assert search.gallery != search.probe
        assert search.gallery.identity == search.probe.identity == search.identity
    assert len(choose_searches(photos, 20, seed=1)) == 20
    for people in (21, 0):
        with pytest.raises(TrainingDataError, match="there are 20"):
            choose_searches(photos, people, seed=1)


def test_identification_equals_a_naive_loop() -> None:
    crops = random_set(people=30, photos=2, seed=4)
    found = evaluate_identification(crops, embed, people=30, seed=1)
    place_of = dict(zip(crops.paths, crops.crops[:, 0, 0, :2].astype(float), strict=True))
    ranks = []
    searches = choose_searches(crops.dataset.photos, 30, seed=1)
    for search in searches:
        probe = place_of[search.probe.path]
        distances = [np.linalg.norm(probe - place_of[other.gallery.path]) for other in searches]
        own = np.linalg.norm(probe - place_of[search.gallery.path])
        ranks.append(sum(distance <= own for distance in distances))  # equal strangers stand before
    assert 0 < found.rank_1 < found.rank_5 <= 1
    assert found.rank_1 == np.mean(np.array(ranks) <= 1)
    assert found.rank_5 == np.mean(np.array(ranks) <= 5)


def test_people_without_a_face_found_count_as_missed() -> None:
    places = {"Al": [(0.0, 0.0), (1.0, 0.0)], "Bo": [(100.0, 0.0), (101.0, 0.0)]}
    assert evaluate_identification(crop_set(places), embed, people=2).rank_1 == 1.0
    half = evaluate_identification(crop_set(places, fallback=("Bo_0001",)), embed, people=2)
    assert (half.rank_1, half.rank_5, half.photos_not_found) == (0.5, 0.5, 1)
    none = evaluate_identification(
        crop_set(places, fallback=("Al_0001", "Al_0002", "Bo_0001", "Bo_0002")), embed, people=2
    )
    assert (none.rank_1, none.photos_not_found) == (0.0, 4)


def test_embedding_keeps_the_order_across_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "EMBED_BATCH", 4)
    crops = random_set(people=5, photos=2)
    rows = np.array([9, 0, 3, 3, 7, 1, 2, 8, 5])
    np.testing.assert_array_equal(embed_rows(crops, rows, embed), embed(np.asarray(crops.crops))[rows])
