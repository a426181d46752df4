"""One answer a face: what decides it (people, nobody, the threshold), and its wording."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesearch.query import PersonMatch, QueryAnswer, footer
from facesearch.query.answers import ProbeFace
from facesearch.query.verdict import pair_verdict, verdict_of
from facesearch.text import percent


def person(name: str | None, posterior: float | None, distance: float = 0.5, number: int | None = 1) -> PersonMatch:
    return PersonMatch(
        rank=1,
        person_id=number,
        name=name,
        face_id=7,
        distance=distance,
        same_person=distance <= 0.8,
        nearest_photo=Path("a.jpg"),
        missing=False,
        photo_count=1,
        posterior=posterior,
    )


@pytest.mark.parametrize(
    ("people", "nobody", "said"),
    [
        ([("Vera Okafor", 0.9996), ("Ida Roth", 0.0)], 0.0004, "Vera Okafor (100 %)"),
        ([("Vera Okafor", 0.9), ("Ida Roth", 0.1)], 0.0, "Vera Okafor (90 %)"),
        ([("Vera Okafor", 0.02)], 0.97, "not in this library (97 %)"),
        ([("Vera Okafor", 0.71), ("Ida Roth", 0.22)], 0.07, "probably Vera Okafor (71 %), or Ida Roth (22 %)"),
        ([("Vera Okafor", 0.6), ("Ida Roth", 0.1)], 0.3, "probably Vera Okafor (60 %), or not in this library (30 %)"),
        ([("Vera Okafor", 0.3), ("Ida Roth", 0.1)], 0.6, "probably not in this library (60 %), or Vera Okafor (30 %)"),
        ([("Vera Okafor", 0.4), ("Ida Roth", 0.35)], 0.25, "perhaps Vera Okafor (40 %), or Ida Roth (35 %)"),
        ([("Vera Okafor", 0.5)], 0.5, "probably Vera Okafor (50 %), or not in this library (50 %)"),
        ([(None, 0.95)], 0.05, "unnamed #1 (95 %)"),
        ([], 1.0, "not in this library: it holds no faces"),
    ],
)
def test_the_likeliest_is_named_and_the_next_where_that_is_not_clear(
    people: list[tuple[str | None, float]], nobody: float, said: str
) -> None:
    found = verdict_of([person(*each) for each in people], nobody, None)
    assert found.text == said
    assert found.is_match == (not said.startswith(("not in", "probably not")))
    assert found.is_clear == (", or" not in said)
    assert (found.second is None) == found.is_clear


def test_a_limit_that_the_user_gives_counts_besides_the_probability() -> None:
    vera = person("Vera", 0.97, distance=0.52)
    assert verdict_of([vera], 0.03, 0.52).text == "Vera (97 %)"
    beyond = verdict_of([vera], 0.03, 0.3)
    assert (beyond.text, beyond.is_match, beyond.first) == ("no match within 0.300, Vera is at 0.520", False, None)
    assert verdict_of([person("Vera", 0.03, distance=0.52)], 0.97, 0.3).text == "not in this library (97 %)"


def test_without_a_calibration_the_threshold_decides() -> None:
    people = [person("Vera", None, 0.9), person("Ida", None, 0.7), person(None, None, 0.6, number=None)]
    assert verdict_of(people, None, 0.8).text == "Ida (distance 0.700)"
    assert verdict_of(people, None, 0.65).text == "face #7 (distance 0.600)"
    nobody = verdict_of(people, None, 0.5)
    assert (nobody.text, nobody.is_match) == ("no match within 0.500, face #7 is at 0.600", False)


@pytest.mark.parametrize(
    ("probability", "said", "is_match"),
    [
        (0.98, "the same person (98 %)", True),
        (0.6, "probably the same person (60 %)", True),
        (0.3, "probably different people (70 %)", False),
        (0.004, "different people (100 %)", False),
        (None, "the same person", True),
    ],
)
def test_two_photos_have_one_verdict_too(probability: float | None, said: str, is_match: bool) -> None:
    found = pair_verdict(0.8, 0.8, probability)
    assert (found.text, found.is_match) == (said, is_match)
    assert pair_verdict(0.81, 0.8, None).text == "different people"


def test_the_footer_is_one_line_and_says_what_is_assumed() -> None:
    face = ProbeFace((0, 0, 1, 1), 1.0, (person("Vera", 0.9),))
    said = footer(QueryAnswer(Path("a.jpg"), 0.845, (face,), 0.2, "library"))
    assert said is not None
    assert "a 20 % chance beforehand" in said
    assert said.endswith("(calibrated on its named people).")
    assert "up to 0.845 counts" in (footer(QueryAnswer(Path("a.jpg"), 0.845, (face,), 0.2)) or "")
    assert footer(QueryAnswer(Path("a.jpg"), 0.845, (), 0.2)) is None


@pytest.mark.parametrize(
    ("share", "decimals", "said"),
    [(0.972, 0, "97 %"), (0.972, 1, "97.2 %"), (0.0004, 1, "< 0.1 %"), (0.001, 0, "< 1 %"), (0.0, 1, "0.0 %")],
)
def test_a_share_is_written_one_way(share: float, decimals: int, said: str) -> None:
    assert percent(share, decimals) == said
