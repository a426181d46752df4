"""One answer a face, in words: who it is, or that nobody in the library is likely, and how sure that is.

With a calibration the probability decides, and a threshold that the user gives is a limit besides; without one the
threshold decides alone. The terminal, the pages and JSON take the same sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

from facesearch.query.answers import Choice, FaceVerdict, PairVerdict, PersonMatch, QueryAnswer
from facesearch.text import called, percent

CLEAR = 0.9  # from this probability on, a verdict names one choice; below, it names the next one too
SET_APART = "The other faces on the photo changed this answer: one person is rarely on a photo twice."

_NOT_HERE = "not in this library"


def verdict_of(people: Sequence[PersonMatch], nobody: float | None, limit: float | None) -> FaceVerdict:
    """The verdict on a face.

    people: the likeliest first, two where there are two. nobody: the probability that it is nobody in the library, None
    without a calibration. limit: nobody farther than this is a match; None for no limit.
    """
    if not people:
        return FaceVerdict(f"{_NOT_HERE}: it holds no faces", is_match=False, is_clear=True)
    if nobody is None:
        return _by_distance(people, limit)
    choices = [_choice(match) for match in people[:2]] + [Choice(None, None, None, nobody)]
    # The sort is stable and nobody comes last, so a person who is as likely as nobody comes first.
    first, second, *_ = sorted(choices, key=lambda choice: -(choice.probability or 0.0))
    if first.face_id is not None and limit is not None and people[0].distance > limit:
        return _beyond(people[0], limit)
    assert first.probability is not None
    is_clear = first.probability >= CLEAR
    text = _named(first)
    if not is_clear:
        text = f"{_likely(first.probability)} {text}, or {_named(second)}"
    return FaceVerdict(text, first.face_id is not None, is_clear, first, None if is_clear else second)


def pair_verdict(distance: float, threshold: float, probability: float | None) -> PairVerdict:
    """The verdict on two faces. probability: that they are one person; None without a calibration."""
    if probability is None:
        is_match = distance <= threshold
        said = "the same person" if is_match else "different people"
        return PairVerdict(said, is_match, is_clear=True)
    is_match = probability >= 1 - probability
    sure = max(probability, 1 - probability)
    said = f"{'the same person' if is_match else 'different people'} ({percent(sure)})"
    return PairVerdict(said if sure >= CLEAR else f"probably {said}", is_match, sure >= CLEAR)


def footer(answer: QueryAnswer) -> str | None:
    """What the numbers of an answer mean, in one line; None where there are none."""
    of_people = any(face.people for face in answer.faces)
    if not of_people and not any(face.photos for face in answer.faces):
        return None
    if answer.calibrated_by is None:
        return f"A smaller distance is more alike; up to {answer.threshold:.3f} counts as the same person."
    if of_people:
        assumed = f"assume a {percent(answer.prior)} chance beforehand that the person is in this library"
    else:
        assumed = "are those of one person, assuming even odds beforehand"
    by = " (calibrated on its named people)" if answer.calibrated_by == "library" else ""
    return f"A smaller distance is more alike. Probabilities {assumed}{by}."


def _by_distance(people: Sequence[PersonMatch], limit: float | None) -> FaceVerdict:
    near = [match for match in people if limit is None or match.distance <= limit]
    if not near:
        assert limit is not None
        return _beyond(min(people, key=lambda match: match.distance), limit)
    first = _choice(near[0])
    return FaceVerdict(f"{_who(first)} (distance {near[0].distance:.3f})", is_match=True, is_clear=True, first=first)


def _beyond(nearest: PersonMatch, limit: float) -> FaceVerdict:
    text = f"no match within {limit:.3f}, {_who(_choice(nearest))} is at {nearest.distance:.3f}"
    return FaceVerdict(text, is_match=False, is_clear=True)


def _choice(match: PersonMatch) -> Choice:
    return Choice(match.person_id, match.name, match.face_id, match.posterior)


def _named(choice: Choice) -> str:
    assert choice.probability is not None
    return f"{_who(choice)} ({percent(choice.probability)})"


def _who(choice: Choice) -> str:
    return _NOT_HERE if choice.face_id is None else called(choice.name, choice.person_id, choice.face_id)


def _likely(probability: float) -> str:
    return "probably" if probability >= 0.5 else "perhaps"
