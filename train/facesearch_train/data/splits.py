"""Who is trained on and who validates: a split by person, never by photo, that stays the same as photos are added.

Knows names only.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from facesearch.errors import TrainingDataError
from facesearch_train.data.joined import bare_name, same_name

# Fewer people in two photos than this on either side give no impostor pair between people who also have genuine ones.
LEAST_PEOPLE = 2


@dataclass(frozen=True)
class PersonSplit:
    """Identities to train on and to validate with: no one is on both sides."""

    training: frozenset[str]
    validation: frozenset[str]


def split_by_person(
    identities: Iterable[str],
    validation_share: float,
    seed: int,
    validate: Collection[str] = (),
    *,
    taught: bool = False,
) -> PersonSplit:
    """Split people at random by the seed and their name alone, so that neither new photos nor new people move anyone.

    identities: one for each photo. validation_share: from 0 to below 1, of the people. validate: people who validate
    in any case, by merged identity (`lfw/Zico`) or by name (`Zico`). The dataset's part of an identity does not count:
    a person is on the same side whatever else is merged. Where chance leaves fewer than two people in two photos to
    validate, the next by chance join them. taught: a teacher knows pairs without names, so that nobody need be left to
    train on. Raises TrainingDataError where there are too few people for both sides.
    """
    if not 0 <= validation_share < 1:
        raise ValueError(f"validation_share is {validation_share}; it must be 0 or more and below 1")
    photos = Counter(identities)
    wanted = {_key(person) for person in validate}
    forced = {person for person in photos if _key(person) in wanted}
    by_chance = sorted(photos, key=lambda person: (_chance(person, seed), person))
    validation = forced | {person for person in by_chance if _chance(person, seed) < validation_share}
    several = [person for person in by_chance if photos[person] > 1]
    for person in several:
        if sum(other in validation for other in several) >= LEAST_PEOPLE:
            break
        validation.add(person)
    training = photos.keys() - validation
    lacks_pairs = len(training) < LEAST_PEOPLE or not any(photos[person] > 1 for person in training)
    if len(several) < LEAST_PEOPLE or (lacks_pairs and not taught):
        raise TrainingDataError(
            f"{len(photos):,} people, {len(several):,} of them in two or more photos, are too few to train on some and "
            f"validate with others: add photos of at least {2 * LEAST_PEOPLE} people, two or more of each."
        )
    return PersonSplit(frozenset(training), frozenset(validation))


def _chance(person: str, seed: int) -> float:
    """A number from 0 to 1 that depends on the name and the seed alone."""
    digest = hashlib.sha256(os.fsencode(f"{seed}:{_key(person)}")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _key(person: str) -> str:
    """The key of a person, whatever the dataset and the spelling of a full name."""
    name = bare_name(person)
    return same_name(name) or name
