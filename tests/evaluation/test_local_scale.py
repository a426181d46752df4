"""Local scales and judged distances against numbers worked out by hand, and a cohort on a tower's card."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from facesearch.errors import TowerError
from facesearch.evaluation.all_pairs import NamedFaces, report_all_pairs
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort, judged_distances
from facesearch.evaluation.search import identify
from facesearch.vision.tower.tower import Tower, read_card, write_card

# Three strangers far apart around (0, 0), and three ten times as near to one another around (10, 0).
CENTRES = np.array([[3, 0], [0, 4], [-5, 0], [10.3, 0], [10, 0.4], [9.5, 0]], np.float32)
COHORT = Cohort(CENTRES, 2, 0.7, 1.0, 0.01, Calibration((0.5, 1.5), (2.0, -2.0), 0.03))


def test_a_local_scale_is_the_mean_distance_to_the_nearest_centres_in_units() -> None:
    places = np.array([[0, 0], [10, 0]], np.float32)
    # To (0, 0) the centres lie 3, 4 and 5 away, to (10, 0) 0.3, 0.4 and 0.5.
    np.testing.assert_allclose(COHORT.local_scale(places), [3.5 / 0.7, 0.35 / 0.7], rtol=1e-6)
    np.testing.assert_allclose(dataclasses.replace(COHORT, neighbours=3).local_scale(places[:1]), [4 / 0.7], rtol=1e-6)


def test_the_spread_of_a_centre_counts_as_distance_to_its_people() -> None:
    # Squared distances to (0, 0) are 9, 16 and 25; with the spreads 16, 16 and 25: roots 4, 4 and 5.
    spread = dataclasses.replace(COHORT, spreads=np.array([7, 0, 0, 0, 0, 0], np.float32))
    np.testing.assert_allclose(spread.local_scale(np.zeros((1, 2), np.float32)), [4 / 0.7], rtol=1e-6)
    # That is the root mean square distance to the people themselves.
    people = np.random.default_rng(2).normal(size=(50, 2)).astype(np.float32)
    mean = people.mean(axis=0)
    squared = ((people - mean) ** 2).sum(axis=1).mean()
    cloud = Cohort(mean[None], 1, 1.0, 1.0, spreads=np.array([squared], np.float32))
    place = np.array([[3, 1]], np.float32)
    exact = np.sqrt(((people - place) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(cloud.local_scale(place), [exact], rtol=1e-5)


def test_a_judged_distance_is_the_plain_one_over_the_mean_of_both_scales() -> None:
    assert float(judged_distances(3.0, 5.0, 1.0)) == pytest.approx(1.0)
    np.testing.assert_allclose(judged_distances([[1.0, 4.0]], [[2.0]], [2.0, 6.0]), [[0.5, 1.0]])
    # Everything ten times as small: the judged distances are the same.
    sparse, dense = np.array([[1, 1], [-1, 2]], np.float32), np.array([[10.1, 0.1], [9.9, 0.2]], np.float32)
    judged = [
        judged_distances(np.linalg.norm(pair[0] - pair[1]), *COHORT.local_scale(pair)) for pair in (sparse, dense)
    ]
    assert judged[0] == pytest.approx(judged[1], rel=1e-5)


def test_a_scale_is_the_same_to_the_bit_in_any_company_and_never_zero() -> None:
    rng = np.random.default_rng(0)
    cohort = Cohort(rng.normal(size=(211, 32)).astype(np.float32), 5, 1.3, 0.9)
    places = rng.normal(size=(3000, 32)).astype(np.float32)
    together = cohort.local_scale(places)
    assert together.dtype == np.float32
    assert np.array_equal(
        together[[0, 1500, 2999]], [cohort.local_scale(places[row, None])[0] for row in (0, 1500, 2999)]
    )
    naive = [np.sort(np.linalg.norm(cohort.centres - place, axis=1))[:5].mean() / 1.3 for place in places[:20]]
    np.testing.assert_allclose(together[:20], naive, rtol=1e-5)
    on_top = dataclasses.replace(cohort, neighbours=1).local_scale(cohort.centres[:1])
    assert on_top[0] == pytest.approx(0.1)
    assert cohort.local_scale(np.empty((0, 32), np.float32)).shape == (0,)


def test_in_another_space_the_centres_are_mapped_too() -> None:
    turned = COHORT.mapped(lambda rows: 2 * rows[:, ::-1], unit=1.4)
    places = np.array([[1, 2], [9, 9]], np.float32)
    np.testing.assert_allclose(turned.local_scale(2 * places[:, ::-1]), COHORT.local_scale(places), rtol=1e-6)


def test_a_cohort_is_read_from_json_as_it_was_written() -> None:
    card = json.loads(json.dumps(COHORT.to_card()))
    read = Cohort.from_card(card)
    assert read is not None
    assert np.array_equal(read.centres, CENTRES)
    assert (read.neighbours, read.unit, read.threshold, read.calibration) == (2, 0.7, 1.0, COHORT.calibration)
    assert read.identity == COHORT.identity == card["identity"]
    assert dataclasses.replace(COHORT, neighbours=3).identity != COHORT.identity
    assert dataclasses.replace(COHORT, unit=0.8).identity != COHORT.identity
    assert Cohort.from_card(None) is None
    assert Cohort.from_card({"method": "of a later version"}) is None


def test_spreads_go_with_the_card_and_with_the_space() -> None:
    spread = dataclasses.replace(COHORT, spreads=np.arange(6, dtype=np.float32))
    read = Cohort.from_card(json.loads(json.dumps(spread.to_card())))
    assert read is not None
    assert read.spreads is not None
    assert read.spreads.tolist() == [0, 1, 2, 3, 4, 5]
    assert read.identity == spread.identity != COHORT.identity
    turned = spread.mapped(lambda rows: 2 * rows[:, ::-1], unit=1.4)
    places = np.array([[1, 2], [9, 9]], np.float32)
    np.testing.assert_allclose(turned.local_scale(2 * places[:, ::-1]), spread.local_scale(places), rtol=1e-6)
    for wrong in (np.ones(5, np.float32), np.full(6, np.nan, np.float32), -np.ones(6, np.float32)):
        with pytest.raises(ValueError, match="spreads"):
            dataclasses.replace(COHORT, spreads=wrong)
    with pytest.raises(ValueError, match="spreads"):
        Cohort.from_card({**spread.to_card(), "spreads": None} | {"method": "nearest-spread-centres", "spreads": ""})


def test_a_face_far_from_all_strangers_has_the_largest_scale_and_no_more() -> None:
    capped = dataclasses.replace(COHORT, most=2.8, power=2.0)
    places = np.array([[0, 0], [10, 0], [500, 0]], np.float32)
    # Mean distances of 3.5, 0.35 and hundreds: 2.8, 0.35 and 2.8, in units of 0.7, to the power of 2.
    np.testing.assert_allclose(capped.local_scale(places), [16, 0.25, 16], rtol=1e-6)
    np.testing.assert_allclose(capped.times(3.0).local_scale(places), np.array([16, 0.25, 16]) / 3, rtol=1e-6)
    turned = capped.mapped(lambda rows: 2 * rows[:, ::-1], unit=1.4)
    np.testing.assert_allclose(turned.local_scale(2 * places[:, ::-1]), [16, 0.25, 16], rtol=1e-6)
    card = json.loads(json.dumps(capped.to_card()))
    read = Cohort.from_card(card)
    assert read is not None
    assert read.most == 2.8
    assert read.identity == capped.identity != dataclasses.replace(COHORT, power=2.0).identity
    assert card["method"] not in {
        COHORT.method,
        "nearest-spread-centres",
    }  # older versions, which know no bound, must refuse it
    with pytest.raises(ValueError, match="incomplete"):
        Cohort.from_card({name: value for name, value in card.items() if name != "most"})
    with pytest.raises(ValueError, match="most"):
        dataclasses.replace(COHORT, most=0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"neighbours": 7},
        {"neighbours": 0},
        {"unit": 0.0},
        {"threshold": math.nan},
        {"identity": "0" * 64},
        {"centres": {"shape": [6, 2], "float32": "no base64!"}},
        {"centres": {"shape": [6, 3], "float32": COHORT.to_card()["centres"]["float32"]}},
        {"centres": None},
    ],
)
def test_a_damaged_cohort_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"cohort|neighbours|reshape"):
        Cohort.from_card({**COHORT.to_card(), **change})


def test_a_tower_without_a_cohort_has_plain_distances(tower: Path) -> None:
    loaded = Tower.load(tower, device="cpu", prepared=False)
    assert loaded.cohort is None
    assert np.array_equal(loaded.local_scale(np.zeros((3, 32), np.float32)), [1, 1, 1])


def test_a_tower_with_a_cohort_gives_local_scales(tower: Path, tmp_path: Path) -> None:
    shutil.copytree(tower, tmp_path / "tower")
    centres = np.random.default_rng(3).normal(size=(9, 32)).astype(np.float32)
    cohort = Cohort(centres, 2, 1.5, 0.8)
    write_card(tmp_path / "tower", dataclasses.replace(read_card(tower), cohort=cohort.to_card()))
    judging = Tower.load(tmp_path / "tower", device="cpu", prepared=False)
    assert judging.cohort is not None
    assert judging.cohort.identity == cohort.identity
    places = np.random.default_rng(4).normal(size=(5, 32)).astype(np.float32)
    assert np.array_equal(judging.local_scale(places), cohort.local_scale(places))


def test_a_card_whose_cohort_is_damaged_or_of_another_size_is_refused(tower: Path, tmp_path: Path) -> None:
    for wrong in ({**COHORT.to_card(), "neighbours": 0}, COHORT.to_card(), ["cohort"]):
        card = dataclasses.asdict(read_card(tower)) | {"cohort": wrong}
        (tmp_path / "tower.json").write_text(json.dumps(card), encoding="utf-8")
        with pytest.raises(TowerError, match="cohort"):
            read_card(tmp_path)


def test_figures_of_judged_distances_are_those_of_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(5)
    names = [str(person) for person in range(12) for _ in range(3)]
    places = np.repeat(rng.normal(size=(12, 4)), 3, axis=0) + rng.normal(scale=0.5, size=(36, 4))
    scales = rng.uniform(0.5, 2.0, 36).astype(np.float32)
    report, _ = report_all_pairs(NamedFaces("folders", "drawn", places, names, scales=scales), 1.1)
    kinds: dict[bool, list[float]] = {True: [], False: []}
    for row, other in itertools.combinations(range(36), 2):
        judged = math.dist(places[row], places[other]) / ((float(scales[row]) + float(scales[other])) / 2)
        kinds[names[row] == names[other]].append(judged)
    right = sum(each <= 1.1 for each in kinds[True]) + sum(each > 1.1 for each in kinds[False])
    assert report.accuracy_at_threshold == pytest.approx(right / (36 * 35 / 2))
    assert report.genuine_distance == pytest.approx(np.mean(kinds[True]), rel=1e-6)
    assert report.impostor_distance == pytest.approx(np.mean(kinds[False]), rel=1e-6)


def test_looking_up_goes_by_judged_distances() -> None:
    gallery, probes = np.array([[0.0], [4.0]]), np.array([[1.0], [3.0]])
    near, far = np.array([1, 1], np.float32), np.array([9, 0.1], np.float32)
    assert identify(gallery, probes).rank_1 == 1.0
    assert identify(gallery, probes, (near, near)).rank_1 == 1.0
    # The first person of the gallery lies where faces are sparse: 3 / 5 is less than 1 / 0.55.
    assert identify(gallery, probes, (far, near)).rank_1 == 0.5
