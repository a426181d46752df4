"""Who says whose a face is; and names that come from elsewhere than the user's own hand, lists and other programs, as
one change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from facesearch.library import Library

CONFIRMED = "confirmed"
"""Who says whose a face is, where the user has said so in reply to a doubt."""


def name_after_source(
    library: Library, names: Mapping[int, str], bearers: Mapping[str, int | None], source: str
) -> int | None:
    """Give faces their names as one line of the journal; returns its number. To be called inside `changing`.

    names: by face id, in the order in which people come. bearers: who bears each name, None for somebody new. A group
    without a name that is left without a face goes. source: as the journal and the faces keep it.
    """
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for face_id, name in names.items():
        by_name[name].append(face_id)
    former = {face.person_id for face in library.catalog.faces(names).values() if face.person_id is not None}
    with library.people.change("import", {"source": source}) as change:
        for name, face_ids in by_name.items():
            bearer = bearers[name]
            change.move(face_ids, change.create(name) if bearer is None else bearer, source)
            change.end_part()
        for group in sorted(former - {person for _, person in library.people.faces_of(former)}):
            change.remove(group)
            change.end_part()
    return change.line_id
