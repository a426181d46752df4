"""A tower's cohort of strangers: centres, none of them a real person's face, and the figures fitted with them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.packed_sets import pictures, png, tar
from support.small_tower import write_small_tower
from support.tiny_training import coloured_people

from facesearch.errors import TrainingDataError
from facesearch.evaluation.cohort import Cohort, judged_distances
from facesearch.evaluation.metrics import IMPOSTOR, best_threshold, roc_curve
from facesearch.vision.tower.tower import Tower, read_card, write_card
from facesearch_train.card_figures import threshold_by_person
from facesearch_train.cohort import (
    Centres,
    Shape,
    StrangerPhotos,
    Strangers,
    Validation,
    add_cohort,
    centres_of,
    cohort_embeddings,
    fit_cohort,
    gather_centres,
)


def test_a_centre_is_the_mean_of_five_people_or_more() -> None:
    rng = np.random.default_rng(0)
    # Forty people in two crowds, and three who stand alone and must not become centres of their own.
    crowds = np.repeat([[0.0, 0.0], [10.0, 0.0]], 20, axis=0) + rng.normal(scale=0.1, size=(40, 2))
    people = np.concatenate([crowds, [[5, 50], [5, 51], [5, -50]]]).astype(np.float32)
    centres = gather_centres(people, 5)
    assert 1 <= len(centres) <= 5
    apart = np.linalg.norm(people[:, None] - centres.points[None], axis=2).min(axis=1)
    assert apart.min() > 1e-3  # not the face of a real person
    # The means, weighed by how many people each stands for, make up the mean of all.
    assert abs(centres.points[:, 1]).max() < 20
    few = gather_centres(people[:12], 300)
    assert len(few) <= 2
    alone = gather_centres(people[:9], 300)
    np.testing.assert_allclose(alone.points, [people[:9].mean(axis=0)], rtol=1e-5)
    np.testing.assert_allclose(alone.spreads, [people[:9].var(axis=0, ddof=1).sum()], rtol=1e-5)


@pytest.mark.parametrize("power", [1.0, 0.8])
def test_the_best_judged_threshold_is_1_and_the_share_of_strangers_is_kept(power: float) -> None:
    rng = np.random.default_rng(1)
    middles = rng.normal(size=(40, 4)) * np.repeat([1.0, 0.2], 20)[:, None] + np.repeat([[0.0], [9.0]], 20, axis=0)
    spread = np.repeat([0.3, 0.06], 60)[:, None]  # the second twenty people lie five times as densely
    places = (np.repeat(middles, 3, axis=0) + rng.normal(size=(120, 4)) * spread).astype(np.float32)
    whose = np.repeat(np.arange(40), 3).astype(np.int32)
    centres = Centres(middles.astype(np.float32)[::2], np.repeat([0.09, 0.0036], 10).astype(np.float32))
    cohort = fit_cohort(centres, places, whose, 0.05, Shape(neighbours=3, power=power))
    assert (cohort.neighbours, cohort.power) == (3, power)
    scales = cohort.local_scale(places)
    assert threshold_by_person(places, whose, scales).distance == pytest.approx(1, abs=1e-3)
    row, column = np.triu_indices(120, 1)
    judged = judged_distances(np.linalg.norm(places[row] - places[column], axis=1), scales[row], scales[column])
    kinds = (whose[row] != whose[column]).astype(np.int64)
    assert (judged[kinds == IMPOSTOR] <= cohort.threshold + 1e-4).mean() == pytest.approx(0.05, abs=0.003)
    assert cohort.calibration is not None
    assert cohort.calibration.probability(0.5) > 0.5 > cohort.calibration.probability(2.0)
    plain = np.linalg.norm(places[row] - places[column], axis=1)
    by_judged, by_plain = (best_threshold(roc_curve(each, kinds), balanced=True) for each in (judged, plain))
    assert by_judged.accuracy > by_plain.accuracy


def test_every_group_makes_as_many_centres_however_few_its_people() -> None:
    rng = np.random.default_rng(4)
    people = rng.normal(size=(440, 2)).astype(np.float32)
    people[400:, 0] += 50
    groups = np.repeat(["many", "few"], [400, 40])
    centres = centres_of(Strangers(people, groups), 3)
    assert len(centres) == 6
    assert (centres.points[:, 0] > 25).sum() == 3
    assert len(centres.spreads) == 6
    # Without groups, or with one, no group has a fixed number of centres.
    for same in (np.repeat("", 440), np.repeat("many", 440)):
        np.testing.assert_allclose(
            centres_of(Strangers(people, same), 3).points, gather_centres(people, 3).points, rtol=1e-5
        )
    with pytest.raises(TrainingDataError, match=r"group few has 4 people"):
        centres_of(Strangers(people[:404], groups[:404]))
    with pytest.raises(TrainingDataError, match=r"people without a group has 4 people"):
        centres_of(Strangers(people[:404], np.repeat(["many", ""], [400, 4])))


def test_no_mean_distance_counts_for_more_than_the_cap() -> None:
    rng = np.random.default_rng(6)
    places = (np.repeat(rng.normal(size=(30, 4)), 2, axis=0) + rng.normal(size=(60, 4)) * 0.1).astype(np.float32)
    whose = np.repeat(np.arange(30), 2).astype(np.int32)
    centres = Centres(rng.normal(size=(7, 4)).astype(np.float32), np.zeros(7, np.float32))
    free = fit_cohort(centres, places, whose, 0.05, Shape(cap=1, power=1))
    capped = fit_cohort(centres, places, whose, 0.05, Shape(cap=0.5, power=1))
    assert free.most is None
    assert capped.most == pytest.approx(np.median(free.local_scale(places)) * free.unit, rel=1e-5)
    scales = capped.local_scale(places)
    assert (scales >= scales.max() * (1 - 1e-6)).sum() == 30


def _packed(path: Path, people: int, photos: int = 1, seed: int = 0) -> Path:
    crops = coloured_people(people, photos, seed).crops
    files = {f"p{row // photos:03d}/{row:04d}.png": png(crop) for row, crop in enumerate(np.asarray(crops))}
    path.write_bytes(tar(files))
    return path


def test_a_finished_tower_gets_a_cohort_and_keeps_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "cache"))
    folder = write_small_tower(tmp_path / "tower")
    before = read_card(folder)
    strangers = _packed(tmp_path / "strangers.tar", 30)
    known = _packed(tmp_path / "known.tar", 12, 4, seed=3)
    said: list[str] = []
    card = add_cohort(folder, StrangerPhotos([strangers]), Validation(known), say=said.append)
    assert Tower.load(folder, device="cpu", prepared=False).card.sha256 == before.sha256
    fitted = {name: getattr(card, name) for name in ("threshold", "threshold_far", "figures", "calibration")}
    assert dataclasses.replace(card, cohort=None) == dataclasses.replace(before, **fitted)
    assert fitted["figures"]["people"] == 12  # plain distances are fitted to the same people
    assert fitted["threshold"] != before.threshold
    cohort = Cohort.from_card(card.cohort)
    assert cohort is not None
    assert card.cohort is not None
    assert card.cohort["data"] == ["strangers.tar"]
    assert any(cohort.identity[:12] in line for line in said)
    tower = Tower.load(folder, device="cpu")
    assert tower.local_scale(tower.embed(coloured_people(12, 4, 3).crops)).mean() > 0
    again = write_small_tower(tmp_path / "again")
    write_card(again, before)
    shutil.copy(folder / "tower.keras", again / "tower.keras")
    other = Cohort.from_card(add_cohort(again, StrangerPhotos([strangers]), Validation(known), say=said.append).cohort)
    assert other is not None
    np.testing.assert_allclose(other.centres, cohort.centres, atol=1e-4)


def test_each_person_counts_once_and_too_few_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "cache"))
    tower = Tower.load(write_small_tower(tmp_path / "tower"), device="cpu")
    several = _packed(tmp_path / "several.tar", 11, 3)
    listed = tmp_path / "groups.csv"
    listed.write_text("photo,group\n0004.png,short\np002/0006.png,tall\n", encoding="utf-8")
    with_groups = cohort_embeddings(StrangerPhotos([several], listed), tower.embed)
    assert with_groups.groups.tolist() == ["", "short", "tall", *[""] * 8]
    listed.write_text("photo,group\nelsewhere.png,tall\n", encoding="utf-8")
    with pytest.raises(TrainingDataError, match="lists no photo"):
        cohort_embeddings(StrangerPhotos([several], listed), tower.embed)
    assert cohort_embeddings(StrangerPhotos([several]), tower.embed).embeddings.shape == (11, 32)
    few = tmp_path / "few.tar"
    few.write_bytes(tar({f"p{row}/a.png": png(picture) for row, picture in enumerate(pictures(9))}))
    with pytest.raises(TrainingDataError, match="9 people"):
        cohort_embeddings(StrangerPhotos([few]), tower.embed)
