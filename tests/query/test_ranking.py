"""Who a face is, worked out by hand, by a naive sum over all explanations, and on people with known identities."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from facesearch.evaluation.calibration import Calibration
from facesearch.query.ranking import TWICE, Contenders, Values, beliefs, person_distances, set_apart

LINE = Calibration((1.0, 2.0), (2.0, -2.0))


def contenders(*distances: float, reach: float = math.inf, faces: tuple[int, ...] | None = None) -> Contenders:
    counts = np.array(faces or (1,) * len(distances), np.int64)
    return Contenders([f"person {place}" for place in range(len(distances))], np.array(distances), counts, reach)


def test_a_person_is_halfway_between_the_nearest_face_and_the_mean_of_their_faces() -> None:
    nearest, prototype = np.array([0.5, 0.5, 0.5]), np.array([0.4, 0.6, 0.5])
    np.testing.assert_allclose(person_distances(nearest, prototype), [0.45, 0.55, 0.5])


def test_the_posterior_by_hand() -> None:
    """Three people in the library, as likely together as nobody: a third of even odds each, times e^(log odds)."""
    (belief,) = beliefs([contenders(1.25, 1.5, 2.0)], LINE, 3, prior=0.5)
    odds = np.exp([1.0, 0.0, -2.0]) / 3
    np.testing.assert_allclose(belief.posterior, odds / (1 + odds.sum()))
    assert belief.nobody == pytest.approx(1 / (1 + odds.sum()))
    assert belief.posterior.sum() + belief.nobody == pytest.approx(1)
    assert belief.likeliest is None  # nobody's odds are 1, hers e / 3
    (likely,) = beliefs([contenders(1.25, 1.5, 2.0)], LINE, 3, prior=0.6)
    assert likely.likeliest == 0
    (unlikely,) = beliefs([contenders(1.25, 1.5, 2.0)], LINE, 3, prior=0.1)
    assert unlikely.likeliest is None
    assert unlikely.nobody / unlikely.posterior[0] == pytest.approx(9 * 3 / math.e)


def test_the_more_people_the_more_is_chance() -> None:
    few, many = (beliefs([contenders(1.25)], LINE, hypotheses)[0] for hypotheses in (1, 1000))
    assert few.likeliest == 0
    assert many.likeliest is None
    assert many.posterior[0] < few.posterior[0] / 100


def test_people_out_of_reach_count_as_strangers_on_average() -> None:
    """Whoever is beyond the reach has, on average, the share of genuine pairs beyond over that of impostor pairs."""
    (belief,) = beliefs([contenders(1.25, reach=1.5)], LINE, 101, prior=0.5)
    rest = 100 / 101 * math.exp(float(LINE.beyond(1.5)))
    own = math.e / 101
    assert belief.nobody == pytest.approx(1 / (1 + own + rest))
    assert belief.posterior[0] == pytest.approx(own / (1 + own + rest))
    assert belief.posterior[0] + belief.nobody < 0.999


def test_somebody_with_many_faces_is_nearer_by_chance() -> None:
    (belief,) = beliefs([contenders(1.5, 1.5, faces=(1, 100))], LINE, 2)
    assert belief.posterior[0] > 2 * belief.posterior[1]
    # At no distance at all chance plays no part: whoever has many faces is not the worse for them.
    (near,) = beliefs([contenders(0.0, 0.0, faces=(1, 100))], LINE, 2)
    assert near.posterior[0] == pytest.approx(near.posterior[1])


def test_nobody_is_near_an_empty_library() -> None:
    (belief,) = beliefs([contenders()], LINE, 0)
    assert (belief.likeliest, belief.nobody, len(belief.posterior)) == (None, 1.0, 0)


def test_priors_that_are_none_are_refused() -> None:
    for prior in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="prior"):
            beliefs([contenders(1.0)], LINE, 1, prior)


def exact_marginals(odds: Values, rest: Values) -> Values:
    """The posterior (F, P) by a sum over every explanation of the photo: each face one of the P people, or (the last
    number) none of them, weighed down by TWICE for every face whose person stands there already."""
    faces, people = odds.shape
    found, total = np.zeros((faces, people)), 0.0
    for who in product(range(people + 1), repeat=faces):
        named = [person for person in who if person < people]
        weight = TWICE ** (len(named) - len(set(named)))
        for face, person in enumerate(who):
            weight *= odds[face, person] if person < people else 1 + rest[face]
        total += weight
        for face, person in enumerate(who):
            if person < people:
                found[face, person] += weight
    return np.asarray(found / total)


def test_faces_are_set_apart_as_the_sum_over_all_explanations_has_it() -> None:
    rng = np.random.default_rng(5)
    alone_errors, joint_errors = [], []
    for _ in range(200):
        odds, rest = np.exp(rng.normal(0, 2, (3, 3))), rng.uniform(0, 1, 3)
        exact = exact_marginals(odds, rest)
        joint = set_apart(odds, rest)
        joint_errors.append(np.abs(joint / (1 + rest + joint.sum(axis=1))[:, None] - exact).mean())
        alone_errors.append(np.abs(odds / (1 + rest + odds.sum(axis=1))[:, None] - exact).mean())
    assert np.mean(joint_errors) < 0.03  # a mean field is no exact sum,
    assert np.mean(joint_errors) < np.mean(alone_errors) / 2  # and far nearer to it than each face by itself


def test_the_surer_face_keeps_the_person_and_the_other_goes_to_the_runner_up() -> None:
    first = Contenders(["ann", "bea"], np.array([1.0, 1.9]), np.array([1, 1]), math.inf)
    second = Contenders(["bea", "ann"], np.array([1.45, 1.4]), np.array([1, 1]), math.inf)
    beliefs_of = beliefs([first, second], LINE, 2, prior=0.9)
    assert [belief.likeliest for belief in beliefs_of] == [0, 0]
    assert [belief.likeliest_alone for belief in beliefs_of] == [0, 1]


def test_the_hint_is_no_rule() -> None:
    """Two faces that are both Ann beyond doubt stay Ann both: a mirror, a collage, or a twin."""
    sure = Calibration((0.5, 1.0), (9.0, -9.0))
    pair = [Contenders(["ann", "bea"], np.array([0.5, 1.0]), np.array([5, 5]), math.inf)] * 2
    for belief in beliefs(pair, sure, 2):
        assert belief.likeliest == 0
        assert 0.9 < belief.posterior[0] < belief.alone[0]


def test_one_face_alone_is_not_changed() -> None:
    (belief,) = beliefs([contenders(1.2, 1.4)], LINE, 2)
    np.testing.assert_array_equal(belief.posterior, belief.alone)
    assert belief.nobody == belief.nobody_alone
