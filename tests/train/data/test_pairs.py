"""The draws: right labels, half and half, every photo, and the same again from the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from facesearch_train.data.pairs import (
    PairData,
    PeopleData,
    draw_pairs,
    draw_people,
    number_identities,
    photos_by_person,
)

IDENTITIES = np.array([4, 4, 4, 1, 1, 0, 2, 2, 2, 2, 3, 5, 6, 7, 7], np.int32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_photos_by_person() -> None:
    groups = photos_by_person(IDENTITIES)
    assert [list(group) for group in groups] == [[5], [3, 4], [6, 7, 8, 9], [10], [0, 1, 2], [11], [12], [13, 14]]


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_half_and_half_and_rightly_labelled(seed: int) -> None:
    first, second, label = draw_pairs(IDENTITIES, rng(seed))
    assert (first != second).all()
    np.testing.assert_array_equal(label == 0, IDENTITIES[first] == IDENTITIES[second])
    assert (label == 0).sum() == (label == 1).sum()


def test_every_photo_with_a_partner_is_in_a_genuine_pair_once_as_first() -> None:
    first, _, label = draw_pairs(IDENTITIES, rng())
    counts = Counter(IDENTITIES.tolist())
    expected = [row for row, person in enumerate(IDENTITIES) if counts[int(person)] > 1]
    assert sorted(first[label == 0]) == expected


def test_partners_vary_between_draws() -> None:
    partners = {tuple(draw_pairs(IDENTITIES, rng(seed))[1][:4]) for seed in range(10)}
    assert len(partners) > 5


@pytest.mark.parametrize("group", [2, 3])
def test_people_stand_in_groups_of_one_person_or_of_strangers(group: int) -> None:
    order = draw_people(IDENTITIES, rng(), group, 0.25).reshape(-1, group)
    counts = Counter(IDENTITIES.tolist())
    for photos in order:
        people = set(IDENTITIES[photos].tolist())
        assert len(people) == 1 or all(counts[person] == 1 for person in people)
    drawn = set(order.reshape(-1).tolist())
    assert {row for row, person in enumerate(IDENTITIES) if counts[int(person)] > 1} <= drawn


def test_share_of_people_with_one_photo() -> None:
    identities = np.concatenate([np.repeat(np.arange(30), 2), np.arange(100, 200)]).astype(np.int32)
    order = draw_people(identities, rng(), 2, 0.25)
    assert (identities[order] >= 100).mean() == pytest.approx(0.25, abs=0.03)


def test_epochs_differ_and_repeat_from_their_number() -> None:
    crops = np.arange(len(IDENTITIES) * 12, dtype=np.uint8).reshape(-1, 2, 2, 3)
    data = PairData(crops, IDENTITIES, 4, 7, None)
    data.draw(3)
    (first, second), label = data[1]
    data.draw(4)
    assert not np.array_equal(data[1][0][0], first)
    data.draw(3)
    np.testing.assert_array_equal(data[1][0][0], first)
    np.testing.assert_array_equal(data[1][0][1], second)
    np.testing.assert_array_equal(data[1][1], label)
    assert first.shape == (4, 2, 2, 3)


def test_people_batches_are_whole_and_limited() -> None:
    crops = np.zeros((len(IDENTITIES), 2, 2, 3), np.uint8)
    data = PeopleData(crops, IDENTITIES, 4, 7, 2, photos_per_person=2, singles_share=0.25)
    assert len(data) == 2
    for step in range(len(data)):
        (pixels, people), _ = data[step]
        assert pixels.shape == (4, 2, 2, 3)
        assert people.shape == (4,)


def test_numbers_follow_sorted_names() -> None:
    assert number_identities(["b", "a", "c", "a"]).tolist() == [1, 0, 2, 0]
