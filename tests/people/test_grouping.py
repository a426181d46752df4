"""Grouping: unnamed people are found, joined to known ones or left alone, and a grouping is undone."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.people_library import ANN, BOB, draw_album, everything, index
from support.tiles import MODELS, TILE_PX, Colour, ColourTower, TileDetector, draw

from facesearch.demo import write_album
from facesearch.errors import LibraryError, UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.indexing import IndexOptions, IndexSummary, index_photos
from facesearch.library import Library, forget, verify
from facesearch.people import (
    change_log,
    group_people,
    merge_people,
    name_faces,
    name_person,
    reject_faces,
    split_faces,
    undo_change,
)
from facesearch.tuning.teaching.lessons import read_lessons


def shade(colour: Colour, number: int) -> Colour:
    return colour[0] + number, colour[1] + number, colour[2] + number


@pytest.fixture
def ungrouped_library(tmp_path: Path) -> Iterator[Library]:
    """Three photos each of Ann (faces 1 to 3), Bob and Carl, and one of all of them and a stranger (faces 10 to 13)."""
    album = draw_album(tmp_path / "album")
    with Library.create(tmp_path / "library", MODELS) as library:
        for photos in (album / "Ann", album / "Bob", album / "Carl", album):
            index(library, photos)
        yield library


def groups_of(library: Library) -> dict[int, set[int]]:
    """The faces of every person, by number."""
    return {person: set(library.people.sources_of(person)) for person in library.people.names()}


def colours_of(library: Library, photos: Path) -> dict[str, int | None]:
    """The person of each face, by photo and column of tiles."""
    found = {}
    photo_ids = {row[1]: row[0] for row in library._database.rows("SELECT path, photo_id FROM files")}
    for face in library.catalog.faces_in(photo_ids):
        path = Path(photo_ids[face.photo_id].decode()).relative_to(photos)
        found[f"{path}:{int(face.box[0]) // TILE_PX}"] = face.person_id
    return found


def test_people_are_found_without_a_name_and_a_single_face_waits(ungrouped_library: Library) -> None:
    summary = group_people(ungrouped_library)
    assert sorted(map(sorted, groups_of(ungrouped_library).values())) == [[1, 2, 3, 10], [4, 5, 6, 11], [7, 8, 9, 12]]
    assert set(ungrouped_library.people.names().values()) == {None}
    assert (summary.faces, summary.known, summary.grouped, summary.joined, summary.waiting) == (13, 0, 12, 0, 1)
    assert [(person.person_id, person.is_new, person.faces, person.total) for person in summary.people] == [
        (1, True, 4, 4),
        (2, True, 4, 4),
        (3, True, 4, 4),
    ]
    assert {face for person in summary.people for face in person.face_ids} == set(range(1, 13))
    assert set(ungrouped_library.people.sources_of(1).values()) == {"group"}


def test_a_second_run_changes_nothing(ungrouped_library: Library) -> None:
    group_people(ungrouped_library)
    before, lines = everything(ungrouped_library), len(ungrouped_library.journal.lines())
    summary = group_people(ungrouped_library)
    assert (summary.change, summary.people, summary.known, summary.waiting) == (None, (), 12, 1)
    assert (everything(ungrouped_library), len(ungrouped_library.journal.lines())) == (before, lines)


def test_a_dry_run_says_the_same_and_changes_nothing(ungrouped_library: Library, tmp_path: Path) -> None:
    before = everything(ungrouped_library)
    with Library.open(tmp_path / "library") as reader:
        said = group_people(reader, dry_run=True)
    assert everything(ungrouped_library) == before
    done = group_people(ungrouped_library)
    assert [person.face_ids for person in said.people] == [person.face_ids for person in done.people]
    assert {person.person_id for person in said.people} == {None}
    assert (said.change, said.dry_run, said.grouped, said.waiting) == (None, True, done.grouped, done.waiting)


def test_one_undo_takes_a_run_back_and_another_does_it_again(ungrouped_library: Library) -> None:
    nothing = everything(ungrouped_library)
    summary = group_people(ungrouped_library)
    grouped = everything(ungrouped_library)
    (line,) = change_log(ungrouped_library)
    assert (line.change, line.action, line.source, line.faces) == (summary.change, "group", "group", 12)
    undo = undo_change(ungrouped_library)
    assert everything(ungrouped_library) == nothing
    undo_change(ungrouped_library, undo.change)
    assert everything(ungrouped_library) == grouped


def test_new_photos_join_named_and_unnamed_people_or_wait(ungrouped_library: Library, tmp_path: Path) -> None:
    group_people(ungrouped_library)
    ann = next(person for person, faces in groups_of(ungrouped_library).items() if 1 in faces)
    name_person(ungrouped_library, ann, "Ann")
    before = groups_of(ungrouped_library)
    draw(tmp_path / "more" / "two.png", shade(ANN, 4), shade(BOB, 4))
    draw(tmp_path / "more" / "new.png", (10, 10, 10))
    index(ungrouped_library, tmp_path / "more")
    summary = group_people(ungrouped_library)
    assert (summary.grouped, summary.joined, summary.waiting) == (0, 2, 2)
    assert {(person.name, person.is_new, person.faces, person.total) for person in summary.people} == {
        ("Ann", False, 1, 5),
        (None, False, 1, 5),
    }
    after = groups_of(ungrouped_library)
    assert after.keys() == before.keys()
    assert all(before[person] <= after[person] for person in before)
    assert ungrouped_library.people.names()[ann] == "Ann"


def test_what_a_user_said_never_moves(ungrouped_library: Library) -> None:
    name_faces(ungrouped_library, [1, 4], "Ann")  # wrong for 4, but said
    name_faces(ungrouped_library, [5], "Bob")
    before = {face: person for person, faces in groups_of(ungrouped_library).items() for face in faces}
    group_people(ungrouped_library)
    after = {face: person for person, faces in groups_of(ungrouped_library).items() for face in faces}
    assert {face: after[face] for face in before} == before
    assert ungrouped_library.people.names()[1] == "Ann"
    assert after[2] == after[3] == before[1]
    assert 6 not in after or after[6] != after[4] or after[6] == before[4]


def test_a_rejected_face_stays_rejected_from_person_and_group(ungrouped_library: Library) -> None:
    group_people(ungrouped_library)
    ann = next(person for person, faces in groups_of(ungrouped_library).items() if 1 in faces)
    reject_faces(ungrouped_library, ann, [2])
    for _ in range(2):
        group_people(ungrouped_library)
        assert groups_of(ungrouped_library)[ann] == {1, 3, 10}
        assert (2, ann) in ungrouped_library.people.rejections()
    name_person(ungrouped_library, ann, "Ann")
    bob = next(person for person, faces in groups_of(ungrouped_library).items() if 4 in faces)
    merge_people(ungrouped_library, bob, [ann])  # the rejection goes with her
    group_people(ungrouped_library)
    assert 2 not in groups_of(ungrouped_library)[bob]


def test_rejected_faces_may_become_a_group_of_their_own(ungrouped_library: Library, tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / "twin" / f"{number}.png", shade(ANN, 5 + number))
    index(ungrouped_library, tmp_path / "twin")
    group_people(ungrouped_library)
    ann = next(person for person, faces in groups_of(ungrouped_library).items() if 1 in faces)
    twins = sorted(groups_of(ungrouped_library)[ann] - {1, 2, 3, 10})
    assert len(twins) == 3
    reject_faces(ungrouped_library, ann, twins)
    group_people(ungrouped_library)
    assert groups_of(ungrouped_library)[ann] == {1, 2, 3, 10}
    assert not any(set(twins) & faces and {1, 2, 3, 10} & faces for faces in groups_of(ungrouped_library).values())


def test_a_split_is_not_undone(ungrouped_library: Library) -> None:
    group_people(ungrouped_library)
    ann = next(person for person, faces in groups_of(ungrouped_library).items() if 1 in faces)
    split_faces(ungrouped_library, ann, [2, 3])
    before = everything(ungrouped_library)
    assert group_people(ungrouped_library).change is None
    assert everything(ungrouped_library) == before


def test_two_faces_of_one_photo_are_not_put_together(ungrouped_library: Library, tmp_path: Path) -> None:
    draw(tmp_path / "mirror" / "0.png", shade(ANN, 1), shade(ANN, 6))
    index(ungrouped_library, tmp_path / "mirror")
    group_people(ungrouped_library)
    for faces in groups_of(ungrouped_library).values():
        photos = [face.photo_id for face in ungrouped_library.catalog.faces(faces).values()]
        assert len(photos) == len(set(photos))


def test_the_size_of_a_group_can_be_asked_for(ungrouped_library: Library) -> None:
    assert group_people(ungrouped_library, least_faces=5, dry_run=True).grouped == 0
    assert group_people(ungrouped_library, least_faces=4, dry_run=True).grouped == 12


def test_a_calibration_decides_how_near_is_near_enough(ungrouped_library: Library) -> None:
    strict = Calibration((0.0001, 0.0005), (6.0, -6.0))
    assert group_people(ungrouped_library, strict, dry_run=True).grouped == 0
    blind = Calibration((0.001, 2.0), (30.0, 29.0))  # everything is near: the photo of four keeps four people apart
    seen = group_people(ungrouped_library, blind, dry_run=True)
    assert seen.grouped > 0
    assert max(person.faces for person in seen.people) <= 10


def test_groups_do_not_hang_on_the_order_of_indexing(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    people = rng.integers(20, 235, (8, 3))
    album = tmp_path / "album"
    for number in range(40):
        colours = [tuple(int(channel) for channel in people[who] + rng.integers(-3, 4, 3)) for who in rng.choice(8, 2)]
        draw(album / f"{number:02}.png", *colours)  # type: ignore[arg-type]
    photos = sorted(album.iterdir())
    found = []
    for run in range(3):
        random.Random(run).shuffle(photos)
        with Library.create(tmp_path / f"library-{run}", MODELS) as library:
            for photo in photos:
                index(library, photo)
            group_people(library)
            found.append(colours_of(library, album))
    assert len(set(found[0].values())) > 3
    assert found[0] == found[1] == found[2]


def test_a_forgotten_group_leaves_no_trace_and_the_library_stays_sound(
    ungrouped_library: Library, tmp_path: Path
) -> None:
    group_people(ungrouped_library)
    ungrouped_library.close()
    forget(tmp_path / "library", "#1")
    assert verify(tmp_path / "library", MODELS).findings == ()
    with Library.open(tmp_path / "library", writable=True) as again:
        assert 1 not in again.people.names()
        assert not any("1" in str(line.parts) and "person_id=1," in str(line.parts) for line in again.journal.lines())
        assert group_people(again).change is None


def test_a_reader_is_told_that_it_only_reads(ungrouped_library: Library, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library") as reader, pytest.raises(LibraryError, match="for reading only"):
        group_people(reader)


def test_an_empty_library_has_nobody(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", MODELS) as library:
        summary = group_people(library)
    assert (summary.faces, summary.people, summary.waiting) == (0, (), 0)


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits of people who do not exist, indexed with the shipped tower and detector."""
    from facesearch import open_library

    folder = tmp_path_factory.mktemp("portraits")
    write_album(folder / "album", 6, 5, seed=2, groups=2)
    with open_library(folder / "library") as library:
        library.index(folder / "album", group=False)
    return folder


def test_the_command_groups_a_real_library(portraits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = CommandLine(capsys)
    library = ("--library", portraits / "library")
    dry = run("people", "group", "--dry-run", "--json", *library)
    assert (dry.code, dry.err) == (0, "")
    said = json.loads(dry.out)
    assert keys_of(said) | {"people[].name"} == documented_keys("people group")
    assert said["people"] and said["dry_run"] and said["change"] is None

    done = run("people", "group", *library)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["new", "group", "faces", "now"]
    assert lines[-1].startswith("to name one: facesearch people name ")
    assert lines[-2].startswith("to see them: facesearch people sheet --all ")
    assert lines[-3].startswith("to undo: facesearch people undo ")
    assert f"{len(said['people'])} new groups of {said['grouped']} faces" in lines[-4]
    with Library.open(portraits / "library") as opened:
        paths = opened.catalog.photo_paths(opened.catalog.photo_ids().values())
        right = total = 0
        for person in opened.people.names():
            faces = opened.catalog.faces(opened.people.sources_of(person)).values()
            folders = [paths[face.photo_id].path.parent for face in faces]
            alone = [folder.name for folder in folders if folder.parent.name == "people"]
            total += len(alone)
            right += max(map(alone.count, alone), default=0)
        assert total > 0
        assert right / total >= 0.8  # drawn faces are alike, and the tower never saw one

    again = run("people", "group", *library)
    assert again.out.startswith("nothing to change\n")
    assert run("people", "undo", *library).code == 0
    with Library.open(portraits / "library") as opened:
        assert opened.people.names() == {}


def test_the_command_refuses_what_makes_no_sense(
    portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = CommandLine(capsys)
    assert run("people", "group", "--min-size", "1", "--library", portraits / "library").code == 2
    missing = run("people", "group", "--library", tmp_path / "nothing")
    assert missing.code == 4
    assert "there is no library" in missing.err
    with Library.create(tmp_path / "other", MODELS):
        pass
    other = run("people", "group", "--library", tmp_path / "other")
    assert other.code == 5
    assert "built with the tower colours" in other.err


def said_by(library: Library, person: int) -> set[str]:
    return set(library.people.sources_of(person).values())


def test_naming_a_group_vouches_for_the_faces_in_it_and_not_for_later_ones(
    ungrouped_library: Library, tmp_path: Path
) -> None:
    group_people(ungrouped_library)
    grouped = everything(ungrouped_library)
    ann, bob = (
        next(person for person, faces in groups_of(ungrouped_library).items() if face in faces) for face in (1, 4)
    )
    named = name_person(ungrouped_library, ann, "Ann").change
    assert (said_by(ungrouped_library, ann), said_by(ungrouped_library, bob)) == ({"named group"}, {"group"})
    draw(tmp_path / "more" / "new.png", shade(ANN, 4))
    index(ungrouped_library, tmp_path / "more")
    group_people(ungrouped_library)
    assert [face for face, source in ungrouped_library.people.sources_of(ann).items() if source == "group"] == [14]
    with ungrouped_library.snapshot():
        assert read_lessons(ungrouped_library).faces_a_person.tolist() == [4]  # 14 only the tower says
    name_person(ungrouped_library, ann, "Annie")  # another spelling is no look at the faces
    assert ungrouped_library.people.sources_of(ann)[14] == "group"
    undo_change(ungrouped_library)
    undo_change(ungrouped_library)
    undo_change(ungrouped_library, named)
    assert everything(ungrouped_library) == grouped
    said = [line.source for line in change_log(ungrouped_library) if line.action in ("name", "undo")]
    assert set(said) <= {None, "user"}  # whoever put the faces there before, that was the user


def test_saying_whose_group_it_is_vouches_for_it_too(ungrouped_library: Library) -> None:
    group_people(ungrouped_library)
    merge_people(ungrouped_library, 3, [2])  # two groups of nobody: nobody is vouched for
    assert said_by(ungrouped_library, 3) == {"group"}
    name_person(ungrouped_library, 1, "Ann")
    before = everything(ungrouped_library)
    merge_people(ungrouped_library, 1, [3])
    assert said_by(ungrouped_library, 1) == {"named group"}
    undo_change(ungrouped_library)
    assert everything(ungrouped_library) == before


def set_quality(library: Library, quality: float | None, *face_ids: int) -> None:
    with library.changing():
        for face_id in face_ids:
            library._database.execute("UPDATE faces SET quality = ? WHERE id = ?", (quality, face_id))


def test_a_poor_face_neither_starts_nor_joins_a_group(ungrouped_library: Library) -> None:
    set_quality(
        ungrouped_library, 0.2, 1, 2, 4
    )  # of three of Ann's portraits two: she has a good one left, and a group photo
    summary = group_people(ungrouped_library)
    assert sorted(map(sorted, groups_of(ungrouped_library).values())) == [[5, 6, 11], [7, 8, 9, 12]]
    assert (summary.faces, summary.waiting, summary.poor) == (13, 6, 3)
    set_quality(ungrouped_library, 0.9, 4)
    again = group_people(ungrouped_library)
    assert sorted(map(sorted, groups_of(ungrouped_library).values())) == [[4, 5, 6, 11], [7, 8, 9, 12]]
    assert (again.joined, again.waiting, again.poor) == (1, 5, 2)


def test_a_face_of_unknown_quality_counts_as_good_and_zero_takes_all(ungrouped_library: Library) -> None:
    set_quality(ungrouped_library, None, *range(1, 7))
    assert group_people(ungrouped_library, dry_run=True).grouped == 12
    set_quality(ungrouped_library, 0.0, *range(1, 14))
    assert group_people(ungrouped_library, dry_run=True).grouped == 0
    assert group_people(ungrouped_library, least_quality=0, dry_run=True).grouped == 12


def test_a_poor_face_that_has_a_person_stays_and_still_counts(ungrouped_library: Library) -> None:
    name_faces(ungrouped_library, [1, 2], "Ann")
    set_quality(ungrouped_library, 0.1, 1, 2)
    summary = group_people(ungrouped_library)
    assert groups_of(ungrouped_library)[1] == {1, 2, 3, 10}
    assert (summary.known, summary.poor) == (2, 0)


def test_a_rejection_of_a_poor_face_is_kept_in_mind(ungrouped_library: Library) -> None:
    name_faces(ungrouped_library, [1, 2, 10], "Ann")
    reject_faces(ungrouped_library, 1, [1])
    set_quality(ungrouped_library, 0.1, 1)
    assert groups_of_after(ungrouped_library)[1] == {2, 3, 10}
    set_quality(ungrouped_library, 0.9, 1)
    assert groups_of_after(ungrouped_library)[1] == {2, 3, 10}


def groups_of_after(library: Library) -> dict[int, set[int]]:
    group_people(library)
    return groups_of(library)


@pytest.mark.parametrize("quality", [-0.1, 1.1, float("nan")])
def test_a_quality_that_cannot_be_is_refused(ungrouped_library: Library, quality: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        group_people(ungrouped_library, least_quality=quality)


def index_and_group(library: Library, *photos: Path, group: bool | None = None) -> IndexSummary:
    return index_photos(library, list(photos), TileDetector(), ColourTower(), IndexOptions(group=group))


def test_index_groups_at_the_end_of_a_run_as_one_change_that_undo_takes_back(tmp_path: Path) -> None:
    album = draw_album(tmp_path / "album")
    with Library.create(tmp_path / "library", MODELS) as library:
        first = index_and_group(library, album)
        assert (first.groups_new, first.faces_grouped, first.faces_joined, first.faces_without_person) == (3, 12, 0, 1)
        assert [line.change for line in change_log(library)] == [first.group_change]
        undo_change(library, first.group_change)
        again = index_and_group(library, album)
        assert (again.grouped, again.faces_without_person) == (False, 13)  # what was taken back stays so
        undo_change(library, 2)
        draw(tmp_path / "more" / "two.png", shade(ANN, 4), shade(BOB, 4))
        more = index_and_group(library, album, tmp_path / "more")
        assert (more.groups_new, more.faces_joined, more.faces_without_person) == (0, 2, 1)


def test_a_run_that_ended_before_it_grouped_is_made_up_for(tmp_path: Path) -> None:
    album = draw_album(tmp_path / "album")
    with Library.create(tmp_path / "library", MODELS) as library:
        assert not index_and_group(library, album, group=False).grouped
        assert library.people.names() == {}
        made_up = index_and_group(library, album)
        assert (made_up.photos_new, made_up.groups_new) == (0, 3)
        assert not index_and_group(library, album).grouped


def test_a_library_can_be_set_to_be_grouped_by_hand_only(tmp_path: Path) -> None:
    album = draw_album(tmp_path / "album")
    with Library.create(tmp_path / "library", MODELS) as library:
        with library.changing():
            library.grouped.set_by_itself(wanted=False)
        assert not index_and_group(library, album).grouped
        assert not library.status().groups_by_itself
        assert index_and_group(library, album, group=True).groups_new == 3


def test_photos_one_by_one_end_in_the_same_groups_as_all_at_once(tmp_path: Path) -> None:
    """What is new is looked at with what lies around it; a group needs three of a person to be there."""
    album = draw_album(tmp_path / "album", photos=6)
    with Library.create(tmp_path / "one by one", MODELS) as library:
        for photo in sorted(album.rglob("*.png")):
            index_and_group(library, photo)
        one_by_one = colours_of(library, album)
    with Library.create(tmp_path / "at once", MODELS) as library:
        index_and_group(library, album)
        at_once = colours_of(library, album)
    assert partition(one_by_one) == partition(at_once)
    assert len(partition(at_once)) == 4


def test_what_waits_joins_when_new_faces_come_between(tmp_path: Path) -> None:
    """Two faces of somebody wait; a third one, and the photo of a stranger, bring them into a group."""
    with Library.create(tmp_path / "library", MODELS) as library:
        for number, colour in enumerate(itertools.product((20, 100, 250), repeat=3)):
            draw(tmp_path / "others" / f"{number}.png", colour)
        draw(tmp_path / "others" / "ann 1.png", ANN)
        draw(tmp_path / "others" / "ann 2.png", shade(ANN, 1))
        assert index_and_group(library, tmp_path / "others").groups_new == 0
        draw(tmp_path / "new" / "ann 3.png", shade(ANN, 2))
        found = index_and_group(library, tmp_path / "new")
        assert (found.groups_new, found.faces_grouped) == (1, 3)


def test_the_command_says_what_it_grouped_and_can_be_told_not_to(
    portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, own = CommandLine(capsys), ("--library", tmp_path / "library")
    photos = portraits / "album"
    assert "no person yet: run facesearch people group" in run("index", photos, "--no-group", *own).out
    assert "no longer groups" in run("people", "group", "--manual", *own).out
    assert json.loads(run("people", "group", "--manual", "--json", *own).out) == {"automatic": False}
    assert "index does not group" in run("status", *own).out
    assert "people " not in run("index", photos, *own).out
    assert "from now on" in run("people", "group", "--automatic", *own).out
    found = run("index", photos, *own)
    said = r"^people   (\d+) new groups?(, \d+ not grouped yet)? \(to undo: facesearch people undo 1\)"
    line = re.search(said, found.out, re.MULTILINE)
    assert line is not None
    assert (int(line[1]) > 0, found.err) == (True, "")
    assert "change 1" in run("people", "undo", *own).out


def partition(people: dict[str, int | None]) -> set[frozenset[str]]:
    """The faces of each person together; those of nobody each by itself."""
    kept: dict[object, set[str]] = {}
    for face, person in people.items():
        kept.setdefault(face if person is None else person, set()).add(face)
    return {frozenset(faces) for faces in kept.values()}
