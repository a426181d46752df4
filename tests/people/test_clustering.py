"""Groups of embeddings: against naive loops, planted people, and what must hold whatever the faces are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from facesearch.evaluation.calibration import Calibration
from facesearch.people.clusters import Bounds, KnownFaces, group_faces, score_clusters
from facesearch.people.clusters import neighbours as neighbours_module
from facesearch.people.clusters.apart import Apart, pairs_within
from facesearch.people.clusters.neighbours import near_pairs
from facesearch.people.clusters.tree import Tree, build_tree
from facesearch.records import Floats

# Drawn people: their own pairs lie around 0.64 apart, pairs of strangers around 1.5.
BOUNDS = Bounds((0.0, 0.8, 1.6), (9.0, 4.0, -4.0))


def drawn(people: int, each: int, seed: int = 0, within: float = 0.08) -> tuple[Floats, np.ndarray]:
    """Faces on a sphere around their people, whose places are as far apart as chance has it, and whose each is."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(people, 32))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    person = np.repeat(np.arange(people), each)
    faces = places[person] + within * rng.normal(size=(len(person), 32))
    return faces.astype(np.float32), person


def alike(faces: Floats) -> Floats:
    """The local scales of a space without a cohort."""
    return np.ones(len(faces), np.float32)


def test_the_nearest_pairs_are_those_of_a_naive_loop() -> None:
    faces, _ = drawn(6, 5, within=0.15)
    distances = np.linalg.norm(faces[:, None].astype(np.float64) - faces[None], axis=2)
    expected = set()
    for face in range(30):
        nearest = sorted((other for other in range(30) if other != face), key=lambda other: distances[face, other])[:4]
        expected |= {(min(face, other), max(face, other)) for other in nearest if distances[face, other] <= 1.0}
    seen: list[tuple[int, int]] = []
    edges = near_pairs(faces, alike(faces), 4, 1.0, lambda done, total: seen.append((done, total)))
    assert list(zip(edges.first.tolist(), edges.second.tolist(), strict=True)) == sorted(expected)
    assert seen == [(30, 30)]


def test_many_faces_are_searched_in_partitions_with_nearly_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    faces, _ = drawn(300, 10)
    exact = near_pairs(faces, alike(faces), 8, 1.0)
    monkeypatch.setattr(neighbours_module, "EXACT_UP_TO_FACES", 100)
    in_partitions = near_pairs(faces, alike(faces), 8, 1.0)
    both = set(zip(exact.first, exact.second, strict=True)) & set(
        zip(in_partitions.first, in_partitions.second, strict=True)
    )
    assert len(both) > 0.98 * len(exact)


def naive_heights(faces: Floats, reach: float) -> list[float]:
    """The heights of average linkage in squared distance, one merge at a time over all pairs."""
    groups = [[face] for face in range(len(faces))]
    squared = ((faces[:, None].astype(np.float64) - faces[None]) ** 2).sum(axis=2)
    heights = []
    while True:
        pairs = [
            (float(np.sqrt(squared[np.ix_(groups[i], groups[j])].mean())), i, j)
            for i, j in itertools.combinations(range(len(groups)), 2)
        ]
        if not pairs or min(pairs)[0] > reach:
            return heights
        height, i, j = min(pairs)
        heights.append(height)
        groups[i] += groups.pop(j)


def grow(faces: Floats, photos: np.ndarray | None = None, reach: float = 1.2) -> Tree:
    photos = np.arange(len(faces)) if photos is None else photos
    return build_tree(faces, alike(faces), near_pairs(faces, alike(faces), len(faces), 9.0), Apart(photos), reach)


def test_the_tree_is_that_of_average_linkage() -> None:
    faces, _ = drawn(6, 7, within=0.15)
    tree = grow(faces)
    assert sorted(tree.heights[tree.faces :].tolist()) == pytest.approx(sorted(naive_heights(faces, 1.2)), abs=1e-6)
    assert (tree.children[tree.faces :].max(axis=1) < np.arange(tree.faces, len(tree.sizes))).all()
    below = np.where(tree.children[:, 0] < 0, 1, tree.sizes[tree.children].sum(axis=1))
    assert (below == tree.sizes).all()
    assert (tree.heights >= np.where(tree.children < 0, 0, tree.heights[tree.children]).max(axis=1)).all()


def test_faces_of_one_photo_stay_apart_unless_they_are_few_among_many() -> None:
    near, _ = drawn(1, 30, within=0.02)
    faces = np.concatenate([near, near + np.float32(0.1)])  # two looks of one person, 0.57 apart
    photos = np.arange(60)
    photos[45] = photos[10]
    assert grow(faces, photos).sizes.max() == 60  # one mirror is no reason to split a person of 60 faces
    photos[[46, 47, 48]] = photos[[11, 12, 13]]
    assert grow(faces, photos).sizes.max() == 30  # but four are: two people who are often together
    pair = [10, 45]
    assert grow(faces[pair], photos[pair]).sizes.max() == 1
    assert grow(faces[pair]).sizes.max() == 2


def test_pairs_within_photos_are_found() -> None:
    first, second = pairs_within(np.array([7, 3, 7, 9, 7, 3]))
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (0, 4), (1, 5), (2, 4)]
    assert [len(part) for part in pairs_within(np.empty(0, np.int64))] == [0, 0]


def test_bounds_read_distances_from_log_odds() -> None:
    bounds = Bounds((0.4, 0.9), (6.0, 1.0), chance=0.0)
    # 10 of log-odds a unit of distance. Two faces among e^5 need 3, and three times as many faces need ln 3 less.
    two, six = bounds.heights([2, 6], round(np.exp(5)))
    assert two == pytest.approx(0.7, abs=1e-3)
    assert six == pytest.approx(0.7 + np.log(3) / 10, abs=1e-3)
    assert bounds.heights([2], round(np.exp(15)))[0] == pytest.approx(0.1, abs=1e-3)  # 9: on the line beyond the knots
    assert bounds.heights([2], round(np.exp(20)))[0] == 0  # 12: nothing is near enough
    sizes = bounds.heights(np.arange(2, 500), 1000)
    assert (np.diff(sizes) >= 0).all()
    assert sizes[-1] == bounds.reach(1000) == bounds.heights([50], 1000)[0]
    assert (np.diff([bounds.heights([5], faces)[0] for faces in (10, 100, 1000, 10_000)]) < 0).all()


def test_bounds_follow_the_scale_of_a_tower() -> None:
    card = Calibration((0.3, 0.6, 0.9, 1.2), (5.0, 3.0, 1.0, -1.0))
    wider = Calibration(tuple(2 * distance for distance in card.distances), card.log_odds)
    sizes = np.arange(2, 60)
    assert Bounds.of(wider, 1.0).heights(sizes, 900) == pytest.approx(2 * Bounds.of(card, 1.0).heights(sizes, 900))
    alone = Bounds.of(None, 0.6).heights(sizes, 900)
    assert 2 * alone == pytest.approx(Bounds.of(None, 1.2).heights(sizes, 900))
    assert 0 < alone[0] < 0.6


def test_planted_people_are_found_whatever_the_order() -> None:
    faces, person = drawn(40, 8)
    found = group_faces(faces, KnownFaces.nothing(len(faces)), BOUNDS)
    scores = score_clusters(found, person)
    assert scores.precision == 1
    assert scores.recall > 0.9
    assert np.bincount(found[found >= 0]).tolist() == sorted(np.bincount(found[found >= 0]).tolist(), reverse=True)
    shuffled = np.random.default_rng(1).permutation(len(faces))
    again = group_faces(faces[shuffled], KnownFaces.nothing(len(faces)), BOUNDS)
    assert (again == found[shuffled]).all()


def test_strangers_wait() -> None:
    faces, _ = drawn(200, 1)
    assert (group_faces(faces, KnownFaces.nothing(200), BOUNDS) == -1).all()


def test_groups_of_fewer_faces_than_asked_for_wait() -> None:
    faces, person = drawn(4, 5)
    assert score_clusters(group_faces(faces, KnownFaces.nothing(20), BOUNDS, 5), person).recall == 1
    assert (group_faces(faces, KnownFaces.nothing(20), BOUNDS, 6) == -1).all()


def known_half(person: np.ndarray) -> np.ndarray:
    """Every other face of each person is known, as 100 and up."""
    return np.where(np.arange(len(person)) % 2 == 0, 100 + person, -1)


def test_faces_join_known_people_who_keep_theirs_and_stay_two() -> None:
    faces, person = drawn(10, 8)
    known = known_half(person)
    known[:16:2] = [100, 101] * 4  # the user mixed two people up: that is theirs to correct
    found = group_faces(faces, KnownFaces(known, np.arange(80)), BOUNDS)
    assert (found[known >= 0] == known[known >= 0]).all()
    assert (found[16:] == 100 + person[16:]).all()
    assert set(found[:16]) <= {100, 101, -1, *range(110, 200)}


def test_a_rejected_face_never_joins_and_the_others_do() -> None:
    faces, person = drawn(5, 8)
    known = known_half(person)
    rejections = np.array([[1, 100], [3, 100], [9, 100]])
    found = group_faces(faces, KnownFaces(known, np.arange(40), rejections), BOUNDS)
    assert found[[1, 3]].tolist() == [-1, -1]
    assert found[[5, 7]].tolist() == [100, 100]
    assert found[9] == 101


def test_a_person_takes_one_face_of_a_photo() -> None:
    faces, person = drawn(2, 30)
    photos = np.arange(60)
    photos[[1, 3]] = 1000, 1000
    photos[7] = photos[0]
    found = group_faces(faces, KnownFaces.nothing(60), BOUNDS)
    assert score_clusters(found, person).recall == 1
    found = group_faces(faces, KnownFaces(np.full(60, -1), photos), BOUNDS)
    assert found[1] != found[3]
    assert found[0] != found[7]
    assert (found[30:] == found[30]).all()
    known = np.full(60, -1)
    known[0] = 5
    assert group_faces(faces, KnownFaces(known, photos), BOUNDS)[7] != 5  # the person is in that photo already


@pytest.mark.parametrize("seed", range(8))
def test_a_second_grouping_changes_nothing(seed: int) -> None:
    """On faces that overlap, with photos of several faces, people known by half, and rejections."""
    rng = np.random.default_rng(seed)
    faces, person = drawn(30, 9, seed, within=0.1)
    known = np.where(rng.random(270) < 0.3, 10 + person // 2, -1)
    photos = rng.integers(0, 150, 270)
    rejections = np.stack([rng.integers(0, 270, 40), rng.integers(10, 25, 40)], axis=1)
    first = group_faces(faces, KnownFaces(known, photos, rejections, 30), BOUNDS)
    assert (first != known).any()
    again = group_faces(faces, KnownFaces(first, photos, rejections), BOUNDS)
    assert (again == first).all()
    joined = (first != known) & (first >= 0)
    assert not {(row, person) for row, person in rejections.tolist()} & set(
        zip(np.flatnonzero(joined).tolist(), first[joined].tolist(), strict=True)
    )
    for number in set(first[joined].tolist()):  # nobody gets two faces of a photo
        rows = np.flatnonzero(first == number)
        came = set(photos[rows[joined[rows]]].tolist())
        assert len(came) == joined[rows].sum()
        assert not came & set(photos[rows[~joined[rows]]].tolist())


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_faces(count: int) -> None:
    faces = np.zeros((count, 32), np.float32)
    assert group_faces(faces, KnownFaces.nothing(count), BOUNDS, 3).tolist() == [-1] * count
    assert group_faces(faces, KnownFaces.nothing(count), BOUNDS, 2).tolist() == ([0, 0] if count == 2 else [-1] * count)
