"""Who is who: named, merged, split, rejected and taken back, in a real library."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.people_library import STRANGER, Snapshot, create, draw_album, everything, index
from support.tiles import MODELS, ColourTower, TileDetector, draw, embedding_of

from facesearch.errors import FacesearchError, PersonMergedError, UsageError
from facesearch.indexing import prune, reindex
from facesearch.library import AddedFace, Library, forget, verify
from facesearch.library.rows.lineage import kin
from facesearch.people import (
    change_log,
    confirm_faces,
    face_in_photo,
    find_faces,
    find_person,
    group_people,
    hide_people,
    list_people,
    merge_people,
    name_faces,
    name_person,
    reject_faces,
    set_born,
    set_cover,
    show_person,
    split_faces,
    undo_change,
    undo_since,
)
from facesearch.records import DetectedFace, EmbeddedFace, Floats, Models, Pixels
from facesearch.vision.alignment import TEMPLATE_112


def faces_of(library: Library, person_id: int) -> set[int]:
    return set(library.people.sources_of(person_id))


# Whom and which face


def test_a_person_is_a_name_or_a_number(library: Library) -> None:
    assert [find_person(library, who) for who in ("Bob", "#2", "2")] == [2, 2, 2]
    name_person(library, 3, "2")
    assert [find_person(library, who) for who in ("2", "#2")] == [3, 2]
    with pytest.raises(UsageError, match=r"called ann; did you mean Ann\?"):
        find_person(library, "ann")
    for nobody in ("Zacharias", "#77", "77", "9" * 30, "#" + "9" * 30):
        with pytest.raises(UsageError, match="nobody in"):
            find_person(library, nobody)


def test_a_face_is_a_number_or_the_persons_on_a_photo(library: Library, album: Path) -> None:
    assert find_faces(library, ["4", "face:5", "face #6", "Face#6", "#4"]) == [4, 5, 6]
    assert find_faces(library, [str(album / "Bob" / "1.png")]) == [5]
    assert face_in_photo(library, album / "together.png", number=2) == 11
    assert face_in_photo(library, album / "together.png", box=(85, 2, 118, 38)) == 12
    name_faces(library, [11], "Bob")
    assert find_faces(library, [str(album / "together.png")], person_id=2) == [11]
    for word, problem in (
        ("face:99", "no face #99"),
        (str(album / "together.png"), "has several faces: face #10 at 0,0,40,40"),
        (str(album / "nothing.png"), "is not in the library"),
    ):
        with pytest.raises(UsageError, match=problem):
            find_faces(library, [word])
    with pytest.raises(UsageError, match="has no face of Carl; its faces are face #10"):
        find_faces(library, [str(album / "together.png")], person_id=3)
    with pytest.raises(UsageError, match="has 4 faces; ask for one from 1 to 4"):
        face_in_photo(library, album / "together.png", number=5)
    with pytest.raises(UsageError, match="has no face at 0,60,40,100; its faces are face #10"):
        face_in_photo(library, album / "together.png", box=(0, 60, 40, 100))


# Naming and correcting


def test_a_person_is_renamed_and_a_name_is_one_persons(library: Library) -> None:
    changed = name_person(library, 1, " Anna\u0308 ", born="1984-05-17")
    assert (changed.name, changed.born, changed.faces, changed.total) == ("Annä", "1984-05-17", 0, 3)
    with pytest.raises(UsageError, match=r"already called Annä: to merge them with Bob"):
        name_person(library, 2, "Annä")
    assert name_person(library, 1, "Annä").change is None  # it has the name already
    for bad in ("", "  ", "a\x1bb", "#12", "face:3"):
        with pytest.raises(UsageError):
            name_person(library, 1, bad)
    for bad in ("1984", "17.5.1984", "2999-01-01"):
        with pytest.raises(UsageError):
            set_born(library, 1, bad)
    assert set_born(library, 1, None).born is None


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="time zones by TZ")
def test_somebody_may_be_born_today_where_that_is_tomorrow_in_greenwich(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "EAST-23:59:59")  # all but a day ahead
    time.tzset()
    try:
        today = datetime.now().astimezone().date()
        assert set_born(library, 1, today.isoformat()).born == today.isoformat()
        with pytest.raises(UsageError, match="is in the future"):
            set_born(library, 1, (today + timedelta(days=1)).isoformat())
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_face_goes_to_the_person_of_that_name(library: Library) -> None:
    assert name_faces(library, [10], "Ann").total == 4
    new = name_faces(library, [13], "Dora", born="1990-01-02")
    assert (new.person_id, new.name, new.born, new.faces, new.total) == (4, "Dora", "1990-01-02", 1, 1)
    with pytest.raises(UsageError, match=r'belongs to Ann: .* people split "Ann" face:10 --to "Dora"'):
        name_faces(library, [10], "Dora")
    assert name_faces(library, [1], "Ann").change is None
    assert library.people.sources_of(1) == {1: "folder", 2: "folder", 3: "folder", 10: "user"}


def test_a_merge_gives_everything_to_the_first(library: Library) -> None:
    reject_faces(library, 2, [1, 13])
    set_born(library, 2, "1970-03-04")
    with library.changing():
        group = library.people.add()
        library.people.label(group, [10, 11], "group")
    changed = merge_people(library, group, [1, 2, group])
    assert (changed.person_id, changed.name, changed.born) == (group, "Ann", "1970-03-04")
    assert (changed.faces, changed.people, changed.total) == (6, 2, 8)
    assert library.people.names() == {3: "Carl", group: "Ann"}
    assert library.people.sources_of(group)[4] == "folder"  # who said so goes along
    assert library.people.rejections() == {(13, group)}  # face 1 is theirs: the merge is the later word
    with pytest.raises(UsageError, match="two people"):
        merge_people(library, 3, [3])


def test_a_person_without_faces_is_followed_through_a_merge(library: Library) -> None:
    reject_faces(library, 2, sorted(faces_of(library, 2)))
    merge_people(library, 1, [2])
    merge_people(library, 3, [1])
    assert library.people.became(2) == library.people.bearer("Bob") == 3
    with pytest.raises(PersonMergedError, match=r"person #2 was merged into Carl \(#3\)"):
        find_person(library, "#2")
    lines = library.journal.lines()
    assert kin(lines, [3], library.people.names()).names == {"Ann", "Bob", "Carl"}  # what forget must not leave
    undo_change(library)
    undo_change(library)
    assert library.people.names() == {1: "Ann", 2: "Bob", 3: "Carl"}
    assert library.people.became(2) == 2


def test_a_split_makes_another_person_and_keeps_the_faces_away(library: Library) -> None:
    unnamed = split_faces(library, 1, [2])
    assert (unnamed.person_id, unnamed.name, unnamed.total) == (4, None, 1)
    named = split_faces(library, 1, [3], to="Bob")
    assert (named.person_id, faces_of(library, 2)) == (2, {3, 4, 5, 6})
    assert library.people.rejections() == {(2, 1), (3, 1)}
    with pytest.raises(UsageError, match="face #3 does not belong to Ann"):
        split_faces(library, 1, [3])
    with pytest.raises(UsageError, match="already belong to Ann"):
        split_faces(library, 1, [1], to="Ann")
    assert split_faces(library, 4, [2], to="Dora").people == 1  # nothing is left of the group
    assert set(library.people.names()) == {1, 2, 3, 5}
    split_faces(library, 2, [3], to="Ann")  # a mistake, said by hand
    assert library.people.rejections() == {(2, 1), (3, 2)}


# Rejected for good


def test_a_rejected_face_stays_rejected_whatever_reads_its_photo_again(library: Library, album: Path) -> None:
    changed = reject_faces(library, 1, [1])
    assert (changed.faces, changed.total) == (1, 2)

    def check() -> None:
        assert library.people.rejections() == {(1, 1)}
        assert library.catalog.faces([1])[1].person_id is None
        assert faces_of(library, 1) == {2, 3}

    check()
    index(library, album / "Ann", names=True)  # unchanged
    check()
    os.utime(album / "Ann" / "0.png", ns=(1, 1))  # touched
    index(library, album / "Ann", names=True)
    check()
    index(library, album / "Ann", names=True, rehash=True)
    check()
    shutil.copy(album / "Ann" / "0.png", album / "Ann" / "copy.png")
    index(library, album / "Ann", names=True)
    check()
    (album / "Ann" / "0.png").rename(album / "Ann" / "moved.png")
    (album / "Ann" / "copy.png").unlink()
    index(library, album / "Ann", names=True)
    check()
    with library.changing():
        assert library.people.label(1, [1], "group") == 0
    check()
    assert reject_faces(library, 1, [1]).change is None
    name_faces(library, [1], "Ann")  # by hand it is hers again
    assert library.people.rejections() == set()


class OtherTower(ColourTower):
    identity = "d1" * 32

    def embed(self, crops: Pixels) -> Floats:
        return super().embed(crops)[:, ::-1].copy()


class OtherDetector(TileDetector):
    """Draws tighter boxes in another order."""

    identity = "tiles-2"

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        faces = super().detect(pixels)[::-1]
        return [
            DetectedFace(face.box + np.array([3, 3, -3, -3], np.float32), face.landmarks, face.score) for face in faces
        ]


@pytest.mark.parametrize("detector", [TileDetector(), OtherDetector()])
def test_rejections_follow_their_faces_through_a_reindex(library: Library, album: Path, detector: TileDetector) -> None:
    name_faces(library, [10], "Ann")
    reject_faces(library, 1, [10, 11, 1])
    split_faces(library, 2, [4])
    before = everything(library)
    assert len(before[2]) == 4
    assert reindex(library, detector, OtherTower()).faces_kept == 13
    assert everything(library) == before
    library.close()
    with Library.open(library.path, Models.of(detector, OtherTower()), writable=True) as moved:
        index_photos_named(moved, album, detector)
        assert everything(moved) == before
        undo_change(moved)  # and so do the changes: the split
        assert faces_of(moved, 2) == {4, 5, 6}


def index_photos_named(library: Library, album: Path, detector: TileDetector) -> None:
    from facesearch.indexing import IndexOptions, index_photos

    index_photos(library, [album / "Ann"], detector, OtherTower(), IndexOptions(people_from_folders=True, rehash=True))


def test_a_rejection_ends_with_its_face(library: Library, album: Path) -> None:
    reject_faces(library, 1, [1, 2])
    draw(album / "Ann" / "0.png", (90, 90, 90))  # edited: another photo, with a new face
    (album / "Ann" / "1.png").unlink()
    index(library, album / "Ann")
    assert library.people.rejections() == {(2, 1)}  # face 2 may come back
    prune(library)
    assert library.people.rejections() == set()
    with pytest.raises(UsageError, match=r"nothing of change .* is left to undo: its faces are gone"):
        undo_change(library)


def test_a_renamed_or_merged_person_is_found_by_the_former_folder(library: Library, album: Path) -> None:
    name_person(library, 1, "Anna Meyer")
    reject_faces(library, 1, [1])
    merge_people(library, 3, [2])
    draw(album / "Ann" / "new.png", (199, 9, 9))
    draw(album / "Bob" / "new.png", (1, 2, 3))
    for name in ("Ann", "Bob"):
        index(library, album / name, names=True)
    assert library.people.names() == {1: "Anna Meyer", 3: "Carl"}  # nobody is called Ann or Bob again
    assert library.catalog.faces([1])[1].person_id is None
    assert (len(faces_of(library, 1)), len(faces_of(library, 3))) == (3, 7)


def test_a_grouping_is_one_change_and_leaves_rejected_faces_alone(library: Library, album: Path) -> None:
    for number in range(4):
        draw(album / "new" / f"{number}.png", (60 + number, 60, 160))
        draw(album / "Ann" / f"more-{number}.png", (203 + number, 13, 13))
    index(library, album)
    (near,) = find_faces(library, [str(album / "Ann" / "more-0.png")])
    reject_faces(library, 1, [near])
    before = everything(library)
    summary = group_people(library)
    assert (summary.joined, summary.grouped) == (6, 4)
    after = everything(library)
    assert library.catalog.faces([near])[near].person_id != 1
    assert change_log(library, 1)[0].change == summary.change
    undone = undo_change(library)
    assert everything(library) == before
    undo_change(library, undone.change)
    assert everything(library) == after
    group = max(library.people.names())
    member = min(faces_of(library, group))
    named = name_person(library, group, "Emil").change
    reject_faces(library, group, [member])
    group_people(library)
    assert library.catalog.faces([member])[member].person_id is None
    with pytest.raises(UsageError, match=rf"change {summary.change} cannot be undone, because change .*{named}"):
        undo_change(library, summary.change)


# The journal


def test_every_change_is_a_line_and_can_be_taken_back(library: Library) -> None:
    before = [everything(library)]
    numbers = []
    for step in (
        lambda: name_person(library, 1, "Anna", born="1999-01-01"),
        lambda: name_faces(library, [10], "Anna"),
        lambda: reject_faces(library, 2, [4, 11]),
        lambda: split_faces(library, 3, [9]),
        lambda: merge_people(library, 1, [2, 4]),
        lambda: set_born(library, 1, None),
    ):
        numbers.append(step().change)
        before.append(everything(library))
    assert [each.change for each in change_log(library)][:6] == numbers[::-1]
    assert [each.action for each in change_log(library)][::-1][:3] == ["label"] * 3  # the folders
    after = before.pop()
    for number in numbers[::-1]:
        undone = undo_change(library)
        assert undone.taken_back.change == number
        assert everything(library) == before.pop()
    last = change_log(library)[0]
    assert (last.action, last.takes_back) == ("undo", numbers[0])
    for number in [each.change for each in change_log(library, 6)]:  # an undo of an undo is a redo
        undo_change(library, number)
    assert everything(library) == after
    for _ in range(len(numbers) + 3):
        undo_change(library)
    assert everything(library) == ([], [], [])  # what the folders said is taken back too
    with pytest.raises(UsageError, match="no change to people"):
        undo_change(library)


def test_a_change_in_the_middle_is_taken_back_where_nothing_stands_in_the_way(library: Library) -> None:
    first = name_person(library, 1, "Anna").change
    second = name_faces(library, [13], "Dora").change
    third = merge_people(library, 1, [4]).change
    with pytest.raises(UsageError, match=rf"change {second} cannot be undone, because change {third} came later"):
        undo_change(library, second)
    undo_change(library, first)  # the merge did not touch the name
    assert library.people.names()[1] == "Ann"
    undo_change(library, third)
    undo_change(library, second)
    with pytest.raises(
        UsageError, match=rf"change {second} was already undone by \d+; to redo it: facesearch people undo \d+"
    ):
        undo_change(library, second)
    with pytest.raises(UsageError, match="there is no change 99"):
        undo_change(library, 99)


def test_names_that_others_have_by_now_stand_in_the_way(library: Library) -> None:
    merged = merge_people(library, 1, [2]).change
    taken = name_person(library, 3, "Bob").change
    with pytest.raises(UsageError, match=rf"because change {taken} came later"):
        undo_change(library, merged)
    undo_change(library, taken)
    undo_change(library, merged)
    assert library.people.names() == {1: "Ann", 2: "Bob", 3: "Carl"}


def test_a_person_who_is_gone_stands_in_the_way(library: Library) -> None:
    rejected = reject_faces(library, 2, [4]).change
    merged = merge_people(library, 1, [2]).change
    with pytest.raises(UsageError, match=rf"because change {merged} came later"):
        undo_change(library, rejected)
    made = split_faces(library, 3, [9]).change
    split_faces(library, 1, [1])
    joined = merge_people(library, 4, [5]).change
    later = name_person(library, 4, "Dora").change
    with pytest.raises(UsageError, match=rf"because change {later} \(and {joined}, \d+\) came later"):
        undo_change(library, made)


@st.composite
def steps(draw_from: st.DrawFn) -> list[tuple[object, ...]]:
    person, face = st.integers(1, 8), st.integers(1, 13)
    names = st.sampled_from(["Ann", "Bob", "Carl", "Dora", "Emil"])
    some = st.lists(face, min_size=1, max_size=3)
    dates = st.sampled_from([None, "1970-01-01", "1980-02-02"])
    return draw_from(
        st.lists(
            st.one_of(
                st.tuples(st.just("name"), person, names, dates),
                st.tuples(st.just("face"), some, names, dates),
                st.tuples(st.just("born"), person, dates),
                st.tuples(st.just("merge"), person, st.lists(person, min_size=1, max_size=3)),
                st.tuples(st.just("split"), person, some, st.one_of(st.none(), names)),
                st.tuples(st.just("reject"), person, some),
                st.tuples(st.just("hide"), st.lists(person, min_size=1, max_size=2)),
                st.tuples(st.just("cover"), person, st.one_of(st.none(), face)),
                st.tuples(st.just("confirm"), person, some),
                st.tuples(st.just("add"), st.integers(1, 10), st.booleans(), names),
                st.tuples(st.just("undo"), st.integers(1, 30)),
                st.tuples(st.just("label"), names, some),
            ),
            min_size=1,
            max_size=14,
        )
    )


def add_face(library: Library, photo_id: int, name: str, *, is_seen: bool) -> None:
    """A small face of somebody that the detector missed, with an embedding if it is seen."""
    box = np.array([2, 2, 12, 12], np.float32)
    seen = DetectedFace(box, (TEMPLATE_112 * (10 / 112) + 2).astype(np.float32), 0.6)
    face = AddedFace(box, "user", EmbeddedFace(seen, embedding_of(STRANGER), 0.5) if is_seen else None)
    with library.changing():
        person = library.people.find(name)
        with library.people.change("add-face") as change:
            change.move([change.add_face(photo_id, face)], change.create(name) if person is None else person)


def all_of(library: Library) -> tuple[Snapshot, list[tuple[object, ...]]]:
    """`everything`, and every face but for its local scale."""
    return everything(library), library._database.rows(
        "SELECT id, photo_id, box, landmarks, score, quality, embedding, found_by FROM faces ORDER BY id"
    )


def do(library: Library, step: tuple[object, ...]) -> None:
    action, *arguments = step
    if action == "label":
        name, faces = arguments
        with library.changing():
            library.people.label(library.people.named(name), faces, "folder")  # type: ignore[arg-type]
        return
    if action == "add":
        photo_id, is_seen, name = arguments
        add_face(library, photo_id, name, is_seen=is_seen)  # type: ignore[arg-type]
        return
    if action == "cover":  # likewise
        person, face = arguments
        theirs = sorted(faces_of(library, person))  # type: ignore[arg-type]
        arguments = [person, theirs[face % len(theirs)] if face and theirs else face]  # type: ignore[operator]
    if action in {"split", "confirm"}:  # mostly of faces that are the person's, or nothing would ever be split
        person, faces, *to = arguments
        theirs = sorted(faces_of(library, person))  # type: ignore[arg-type]
        arguments = [person, theirs[: len(faces)] or faces, *to]  # type: ignore[arg-type]
    {
        "name": name_person,
        "face": name_faces,
        "born": set_born,
        "merge": merge_people,
        "split": split_faces,
        "reject": reject_faces,
        "hide": hide_people,
        "cover": set_cover,
        "confirm": confirm_faces,
        "undo": undo_change,
    }[str(action)](library, *arguments)  # type: ignore[operator]


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        with create(Path(folder) / "library", draw_album(Path(folder) / "album")):
            pass
        yield Path(folder) / "library"


@settings(max_examples=150, deadline=None)
@given(steps())
def test_whatever_is_done_can_be_taken_back_to_the_very_state_before(
    template: Path, done: list[tuple[object, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library"
        shutil.copytree(template, path)
        with Library.open(path, writable=True) as library:
            states = [(all_of(library), library.journal.lines()[-1].line_id)]
            for step in done:
                before = all_of(library)
                try:
                    do(library, step)
                except FacesearchError:
                    assert all_of(library) == before  # refused as a whole
                lines = library.journal.lines(states[-1][1])
                if lines or all_of(library) != before:
                    assert len(lines) == 1  # a change is one line, and without a line nothing has changed
                    states.append((all_of(library), lines[0].line_id))
            after = states[-1][0]
            numbers = []
            for (before, _), (_, line) in zip(states[-2::-1], states[:0:-1], strict=True):
                undone = undo_change(library, line)
                numbers.append(undone.change)
                assert all_of(library) == before
            for number in numbers[::-1]:
                undo_change(library, number)
            assert all_of(library) == after
        assert verify(path, MODELS).sound


def test_all_changes_since_one_are_taken_back_or_none(library: Library) -> None:
    before = everything(library)
    first = name_person(library, 1, "Anna").change
    merge_people(library, 1, [2])
    undo_change(library)
    split_faces(library, 1, [1], to="Bob")
    assert [each.taken_back.action for each in undo_since(library, first or 0)] == ["split", "name"]
    assert everything(library) == before
    assert len(undo_since(library, 1)) == 3
    with pytest.raises(UsageError, match="no change from 1 on"):
        undo_since(library, 1)


def test_a_change_that_is_cut_short_leaves_nothing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    before, lines = everything(library), len(library.journal.lines())

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facesearch.library.rows.journal.Journal.add", power_cut)
    for change in (
        lambda: merge_people(library, 1, [2, 3]),
        lambda: split_faces(library, 1, [1], to="Dora"),
        lambda: reject_faces(library, 1, [1]),
        lambda: name_faces(library, [10], "Dora"),
        lambda: undo_change(library, 1),
    ):
        with pytest.raises(KeyboardInterrupt):
            change()
        assert everything(library) == before
    assert len(library.journal.lines()) == lines


def test_lines_of_former_versions_are_listed_taken_back_and_forgotten(library: Library) -> None:
    with library.changing():
        library._database.execute("DELETE FROM journal")
        library.journal.add("label", {"person_id": 1, "face_ids": [1, 2, 3], "source": "folder"})
        library.journal.add("label", {"person_id": 2, "face_ids": [4, 5, 6], "source": "folder"})
        library.journal.add("drop", {"person_ids": [9]})
    drop, bob, ann = change_log(library)
    assert (drop.action, drop.can_be_undone, bob.names, bob.faces, ann.source) == ("drop", False, ("Bob",), 3, "folder")
    with pytest.raises(UsageError, match="former version"):
        undo_change(library, drop.change)
    undo_change(library)
    assert faces_of(library, 2) == set()
    undo_change(library, change_log(library)[0].change)
    assert faces_of(library, 2) == {4, 5, 6}
    library.close()
    forget(library.path, "Bob")
    with Library.open(library.path) as opened:
        assert [each.names for each in change_log(opened)] == [(), ("Ann",)]


# Forgotten


def test_the_journal_forgets_a_person_with_all_former_names_and_keeps_the_others_lines(library: Library) -> None:
    name_person(library, 1, "Annabella", born="1984-05-17")
    name_person(library, 2, "Bobberino")
    merge_people(library, 1, [2])
    split_faces(library, 3, [9])
    name_person(library, 1, "Anna-Maria")
    library.close()
    summary = forget(library.path, "Anna-Maria")
    assert summary.faces == 6
    everything_left = b"".join(entry.read_bytes() for entry in library.path.iterdir())
    for name in (b"Annabella", b"Bobberino", b"Anna-Maria", b"1984-05-17"):
        assert name not in everything_left
    with Library.open(library.path, writable=True) as opened:
        assert [each.action for each in change_log(opened)] == ["split", "label"]  # Carl's are whole
        undo_change(opened)
        assert faces_of(opened, 3) == {7, 8, 9}


def test_a_name_that_only_the_journal_knows_is_forgotten_too(library: Library) -> None:
    made = name_faces(library, [13], "Dorothea").change
    undo_change(library, made)
    name_person(library, 1, "Annabella")
    name_person(library, 1, "Anna")
    merge_people(library, 1, [2])
    library.close()
    assert b"Dorothea" in b"".join(entry.read_bytes() for entry in library.path.iterdir())
    summary = forget(library.path, "Dorothea")
    assert (summary.faces, summary.journal) == (0, 2)
    assert b"Dorothea" not in b"".join(entry.read_bytes() for entry in library.path.iterdir())
    for former in ("Annabella", "Bob"):
        with pytest.raises(UsageError, match=rf"{former} is Anna \(#1\) today: forget #1"):
            forget(library.path, former)


def test_lists_say_who_is_there(library: Library, album: Path) -> None:
    with library.changing():
        library.people.label(library.people.add(), [12, 13], "group")
    reject_faces(library, 1, [1])
    everybody = list_people(library)
    assert [(each.person_id, each.name, each.faces, each.photos) for each in everybody.people] == [
        (1, "Ann", 2, 2),
        (2, "Bob", 3, 3),
        (3, "Carl", 3, 3),
        (4, None, 2, 1),
    ]
    assert everybody.faces_without_person == 3
    shown = show_person(library, 1)
    assert [(face.face_id, face.photo, face.source) for face in shown.faces] == [
        (2, album / "Ann" / "1.png", "folder"),
        (3, album / "Ann" / "2.png", "folder"),
    ]
    assert [face.face_id for face in shown.rejected] == [1]
    assert shown.faces[0].box == (0, 0, 40, 40)
