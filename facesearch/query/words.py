"""What is said of the faces of an answer, in plain text: the same sentences in a terminal and on a page."""

from __future__ import annotations

from facesearch.query.answers import ProbeFace, QueryAnswer

SET_APART = "changed by the other faces: one person rarely stands twice in a photo"


def likelihood(face: ProbeFace) -> str | None:
    """How likely it is nobody in the library, and how far the first is ahead; None where that cannot be said."""
    if not face.people or face.nobody is None or face.margin is None:
        return None
    if face.is_nobody:
        return f"nobody you have: {face.nobody:.1%}, likelier than anybody"
    return f"nobody you have: {face.nobody:.1%}; the first is {100 * face.margin:.1f} points ahead of the next"


def meanings(answer: QueryAnswer) -> list[str]:
    """What `same person` and `probability` mean in an answer: a sentence each, none where nobody was near."""
    of_people = any(face.people for face in answer.faces)
    if not of_people and not any(face.photos for face in answer.faces):
        return []
    nearest = " to the nearest face" if of_people else ""
    said = [f"same person: at a distance of at most {answer.threshold:.3f}{nearest}"]
    if answer.calibrated_by is None:
        return said
    by = " (calibrated on this library's named people)" if answer.calibrated_by == "library" else ""
    if not of_people:
        return [*said, f"probability: of one person, were one and two as likely beforehand{by}"]
    assumed = f"{answer.prior:g} that one of them is on the photo"
    among = f"of this person, among all in the library and nobody; assumed beforehand: {assumed}"
    return [*said, f"probability: {among}{by}"]
