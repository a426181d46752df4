"""Where the names of faces come from; and naming after lists and other programs, as one change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from facesearch.library import AddedFace, Library

CONFIRMED = "confirmed"
"""The source of a face's person if the user confirmed it when `review` doubted it."""


def name_after_source(
    library: Library,
    names: Mapping[int, str],
    bearers: Mapping[str, int | None],
    source: str,
    added: Sequence[tuple[int, AddedFace, str]] = (),
) -> int | None:
    """Give faces their names as one line of the journal; returns its number. To be called inside `changing`.

    names: by face id, in the order in which people come. bearers: the person of each name, None for a new one. A group
    without a name that is left without a face goes. source: as the journal and the faces keep it. added: faces to be
    added, each with its photo and its name.
    """
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for face_id, name in names.items():
        by_name[name].append(face_id)
    new_by_name: defaultdict[str, list[tuple[int, AddedFace]]] = defaultdict(list)
    for photo_id, face, name in added:
        new_by_name[name].append((photo_id, face))
    former = {face.person_id for face in library.catalog.faces(names).values() if face.person_id is not None}
    with library.people.change("import", {"source": source}) as change:
        for name in dict.fromkeys([*by_name, *new_by_name]):
            bearer, face_ids = bearers[name], by_name[name]
            face_ids += [change.add_face(*new) for new in new_by_name[name]]
            change.move(face_ids, change.create(name) if bearer is None else bearer, source)
            change.end_part()
        for group in sorted(former - {person for _, person in library.people.faces_of(former)}):
            change.remove(group)
            change.end_part()
    return change.line_id
