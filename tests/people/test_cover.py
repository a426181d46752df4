"""The face that stands for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.people_library import create, draw_album
from support.tiles import draw

from facesearch.library import Library
from facesearch.pages.person_faces import everybody
from facesearch.people import list_people, name_faces, reject_faces, show_person
from facesearch.people.cover import cover_faces, geometric_medians

ANN_ID, BOB_ID = 1, 2


@pytest.fixture
def shades_library(tmp_path: Path) -> Iterator[Library]:
    """Ann has faces 1 to 5, a shade apart each, and face 18, a blue one that is not hers."""
    album = draw_album(tmp_path / "album", photos=5)
    draw(album / "blue.png", (9, 9, 250))
    with create(tmp_path / "library", album) as library:
        (blue,) = (face_id for face_id in range(16, 22) if _is_alone(library, face_id))
        name_faces(library, [blue], "Ann")
        yield library


def _is_alone(library: Library, face_id: int) -> bool:
    found = library.catalog.faces([face_id])
    return bool(found) and len(library.catalog.faces_in([found[face_id].photo_id])) == 1


def rate(library: Library, person_id: int, *qualities: float | None) -> list[int]:
    """Set the qualities of a person's faces, by id; returns the ids."""
    face_ids = sorted(library.people.sources_of(person_id))
    with library.changing():
        for face_id, quality in zip(face_ids, qualities, strict=True):
            library._database.execute("UPDATE faces SET quality = ? WHERE id = ?", (quality, face_id))
    return face_ids


def test_of_the_typical_half_the_best_is_the_cover(shades_library: Library) -> None:
    """The median of the shades 0 to 4 and an outlier lies at shade 2 or 3: faces 2 to 4, of 6 the nearer half."""
    face_ids = rate(shades_library, ANN_ID, 0.1, 0.5, 0.4, 0.9, 0.1, 1.0)
    assert cover_faces(shades_library, [ANN_ID]) == {ANN_ID: face_ids[3]}
    rate(shades_library, ANN_ID, 0.1, 0.1, 0.8, 0.3, 0.1, 1.0)
    assert cover_faces(shades_library, [ANN_ID]) == {ANN_ID: face_ids[2]}


def test_the_best_face_of_all_is_no_cover_where_it_lies_far_off(shades_library: Library) -> None:
    face_ids = rate(shades_library, ANN_ID, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0)
    assert cover_faces(shades_library, [ANN_ID])[ANN_ID] != face_ids[5]


def test_without_qualities_it_is_the_most_typical(shades_library: Library) -> None:
    face_ids = rate(shades_library, BOB_ID, *[None] * 5)
    assert cover_faces(shades_library, [BOB_ID, ANN_ID, 99])[BOB_ID] == face_ids[2]  # the middle of five shades
    assert 99 not in cover_faces(shades_library, [99])


def test_a_known_quality_is_better_than_an_unknown_one(shades_library: Library) -> None:
    face_ids = rate(shades_library, BOB_ID, None, None, None, 0.0, None)
    assert cover_faces(shades_library, [BOB_ID])[BOB_ID] == face_ids[3]


def test_a_cover_is_not_looked_for_again_until_a_face_comes_goes_or_changes(
    shades_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    anns = rate(shades_library, ANN_ID, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5)
    looked_for: list[set[int]] = []
    sampled = shades_library.face_owners.sampled_rows

    def counting(person_ids: Iterable[int], most: int) -> Any:
        looked_for.append(set(person_ids))
        return sampled(person_ids, most)

    monkeypatch.setattr(shades_library.face_owners, "sampled_rows", counting)
    found = cover_faces(shades_library, [ANN_ID, BOB_ID])
    assert looked_for.pop() == {ANN_ID, BOB_ID}
    assert cover_faces(shades_library, [ANN_ID, BOB_ID]) == found
    assert not looked_for.pop()
    reject_faces(shades_library, ANN_ID, [found[ANN_ID]])
    after = cover_faces(shades_library, [ANN_ID, BOB_ID])
    assert looked_for.pop() == {ANN_ID}
    assert after[ANN_ID] != found[ANN_ID]
    rate(shades_library, ANN_ID, *(0.1 + 0.1 * (face == min(anns)) for face in sorted(set(anns) - {found[ANN_ID]})))
    cover_faces(shades_library, [ANN_ID])
    assert looked_for.pop() == {ANN_ID}


def test_lists_and_sheets_show_the_cover(shades_library: Library) -> None:
    covers = cover_faces(shades_library, [1, 2, 3])
    assert {each.person_id: each.cover_face_id for each in list_people(shades_library).people} == covers
    assert {each.person_id: each.face_id for each in everybody(shades_library, 10).people} == covers
    plain = list_people(shades_library, covers=False)
    assert [replace(each, cover_face_id=None) for each in list_people(shades_library).people] == list(plain.people)
    shown = show_person(shades_library, ANN_ID)
    assert shown.person.cover_face_id == covers[ANN_ID]
    assert {face.quality for face in shown.faces} == {1.0}


def test_each_group_gets_its_own_median_however_long_the_others_are() -> None:
    """Compared with Weiszfeld's step written out for one group, from its definition."""
    random = np.random.default_rng(4)
    groups = [random.normal(size=(count, 32)).astype(np.float32) for count in (1, 2, 3, 9, 40)]
    groups.append(np.repeat(groups[2][:2], [4, 1], axis=0))  # most of them at one point, which is the median
    for places, found in zip(groups, geometric_medians(groups), strict=True):
        middle = places.mean(axis=0, dtype=np.float64)
        for _ in range(2000):
            far = np.maximum(np.linalg.norm(places - middle, axis=1), 1e-12)
            middle = (places / far[:, None]).sum(axis=0) / (1 / far).sum()
        least = np.linalg.norm(places - middle, axis=1).sum()
        assert np.linalg.norm(places - found, axis=1).sum() <= least * 1.0005
