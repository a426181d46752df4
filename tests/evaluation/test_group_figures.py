"""False matches and misses by group, against pairs counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from facesearch.evaluation.group_figures import GroupedFaces, group_lines, report_groups

# On a line: group a lies at 0, 1, 2, 3 (people p, q, r, r), group b at 10, 10.5, 20 (s, t, u).
PLACES = np.array([[0], [1], [2], [3], [10], [10.5], [20]], np.float32)
FACES = GroupedFaces(PLACES, list("pqrrstu"), {"b": [4, 5, 6], "a": [0, 1, 2, 3]})


def test_shares_are_those_of_pairs_counted_by_hand() -> None:
    report = report_groups(FACES, 1.0)
    a, b = report.groups
    assert (a.group, a.photos, a.people, a.impostor_pairs, a.genuine_pairs) == ("a", 4, 3, 5, 1)
    assert a.false_matches is not None
    assert a.misses is not None
    assert a.false_matches.share == pytest.approx(2 / 5)  # 0-1 and 1-2 of 0-1, 0-2, 0-3, 1-2, 1-3
    assert a.misses.share == 0  # 2-3
    assert b.false_matches is not None
    assert b.false_matches.share == pytest.approx(1 / 3)
    assert b.misses is None
    assert report.everybody.photos == 7
    assert report.everybody.false_matches is not None
    assert report.everybody.false_matches.share == pytest.approx(3 / 20)  # of 21 pairs one is of one person
    assert report.worst_to_best == pytest.approx((2 / 5) / (1 / 3))


def test_local_scales_judge_the_same_pairs() -> None:
    # In group b faces lie ten times as densely: 0.5 apart is far there, and 1 apart near elsewhere.
    report = report_groups(FACES, 0.5, np.array([2, 2, 2, 2, 0.2, 0.2, 0.2], np.float32))
    assert report.judged
    assert report.groups[0].false_matches is not None
    assert report.groups[1].false_matches is not None
    assert report.groups[0].false_matches.share == pytest.approx(2 / 5)
    assert report.groups[1].false_matches.share == 0
    assert report.worst_to_best is None


def test_intervals_hold_the_truth_and_are_wider_with_fewer_people() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for people in (30, 300):
        places = rng.uniform(size=(people, 1)).astype(np.float32)
        faces = GroupedFaces(places, [str(row) for row in range(people)], {"one": range(people)})
        # Two numbers drawn from 0 to 1 lie at most t apart with probability 1 - (1 - t)², here one half.
        share = report_groups(faces, 1 - np.sqrt(0.5)).groups[0].false_matches
        assert share is not None
        assert share.low <= 0.5 <= share.high
        widths.append(share.high - share.low)
    assert widths[1] < widths[0] / 2


def test_chance_alone_makes_groups_differ_the_more_the_fewer_people_are_in_them() -> None:
    rng = np.random.default_rng(5)
    by_chance = []
    for people in (40, 400):
        places = rng.uniform(size=(4 * people, 2)).astype(np.float32)
        groups = {name: range(start * people, (start + 1) * people) for start, name in enumerate("abcd")}
        report = report_groups(GroupedFaces(places, [str(row) for row in range(4 * people)], groups), 0.2)
        assert report.worst_to_best is not None
        assert report.worst_to_best_by_chance is not None
        by_chance.append(report.worst_to_best_by_chance)
        line = next(line for line in group_lines(report) if line.startswith("by chance"))
        assert f" {by_chance[-1]:.1f} " in line
    assert 1 < by_chance[1] < by_chance[0] < 2.5
    alone = report_groups(GroupedFaces(PLACES, list("pqrrstu"), {"a": [0, 1, 2, 3]}), 1.0)
    assert alone.worst_to_best_by_chance is None


def test_the_table_names_every_group_and_what_it_rests_on() -> None:
    lines = group_lines(report_groups(FACES, 1.0), report_groups(FACES, 2.0))
    assert lines[1].split()[:3] == ["a", "4", "40.00%"]
    assert "80.00%" in lines[1]  # by the other report: 0-2 and 1-3 pass too
    assert lines[3].split()[0] == "all"
    assert "plain distance of 1.000" in lines[4]
