"""Videos in a library: tracks with their time spans, and everything else as for photos."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command_line import CommandLine
from support.films import Appearance, portrait, write_film, write_motion_photo, write_tiles
from support.people_library import everything
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import PhotoError, UsageError
from facesearch.indexing import IndexSummary, index_photos, prune, reindex, survey
from facesearch.library import Library, forget, verify
from facesearch.people import (
    PhotoWish,
    face_in_photo,
    find_faces,
    group_people,
    list_photos,
    name_faces,
    reject_faces,
    show_photo,
    undo_change,
)
from facesearch.people.history import undo_since
from facesearch.photos import photo_file
from facesearch.records import Span
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.faces import SeeingWorker
from facesearch.web.html_pages import _frames

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def _index(library: Library, *paths: Path) -> IndexSummary:
    return index_photos(library, paths, TileDetector(), ColourTower())


def _spans(library: Library) -> list[tuple[Span | None, list[float]]]:
    faces = library.catalog.faces(library.catalog.embeddings()[0].tolist())
    return [(face.span, face.box.tolist()) for face in faces.values()]


def test_faces_have_the_time_span_of_their_track(library: Library, tmp_path: Path) -> None:
    write_tiles(tmp_path / "album" / "a.mov", [RED], [RED, GREEN], [RED, GREEN], [])
    summary = _index(library, tmp_path / "album")
    assert (summary.photos_new, summary.skipped, summary.other_files) == (1, (), 0)
    assert _spans(library) == [
        (Span(0, 2.0, 0, 0), [0, 0, 40, 40]),
        (Span(0, 2.0, 1.0, 0), [0, 0, 40, 40]),
        (Span(1.0, 2.0, 1.0, 1), [40, 0, 80, 40]),
    ]
    assert library.catalog.durations([1]) == {1: 4.0}
    assert library.catalog.photo_sizes([1]) == {1: (80, 40)}
    assert summary.faces_new == 3


def test_somebody_who_is_away_for_a_moment_has_one_span(library: Library, tmp_path: Path) -> None:
    write_tiles(tmp_path / "a.mov", [RED], [RED], [], [], [RED], [RED])
    _index(library, tmp_path)
    spans = [span for span, _ in _spans(library) if span is not None]
    assert {(span.start_s, span.end_s, span.track) for span in spans} == {(0, 5.0, 0)}


def test_somebody_who_is_away_for_long_has_two_spans(library: Library, tmp_path: Path) -> None:
    write_tiles(tmp_path / "a.mov", [RED], [RED], *[[]] * 8, [RED], [RED])
    _index(library, tmp_path)
    spans = [span for span, _ in _spans(library) if span is not None]
    assert {(span.start_s, span.end_s) for span in spans} == {(0, 1.0), (10.0, 11.0)}


def test_somebody_in_the_place_of_another_is_another_track(library: Library, tmp_path: Path) -> None:
    write_tiles(tmp_path / "a.mov", [RED], [RED], [BLUE], [BLUE])
    _index(library, tmp_path)
    spans = [span for span, _ in _spans(library) if span is not None]
    assert {(span.start_s, span.end_s) for span in spans} == {(0, 1.0), (2.0, 3.0)}


def test_an_unchanged_video_is_not_read_again_and_a_copy_and_a_move_are_known(library: Library, tmp_path: Path) -> None:
    album = tmp_path / "album"
    path = write_tiles(album / "a.mov", [RED], [RED])
    _index(library, album)
    assert _index(library, album).photos_unchanged == 1
    shutil.copyfile(path, album / "b.mov")
    assert _index(library, album).photos_copied == 1
    path.rename(album / "c.mov")
    summary = _index(library, album)
    assert (summary.photos_moved, summary.faces_new) == (1, 0)
    assert len(_spans(library)) == 1


def test_a_video_that_is_gone_is_pruned(library: Library, tmp_path: Path) -> None:
    album = tmp_path / "album"
    path = write_tiles(album / "a.mov", [RED])
    draw(album / "b.png", GREEN)
    _index(library, album)
    path.unlink()
    assert _index(library, album).photos_missing == 1
    assert prune(library).photos == 1
    assert [span for span, _ in _spans(library)] == [None]


def test_a_video_that_cannot_be_read_is_skipped_with_the_reason(library: Library, tmp_path: Path) -> None:
    album = tmp_path / "album"
    path = write_tiles(album / "a.mov", [RED], [RED])
    os.truncate(path, 200)
    draw(album / "b.png", GREEN)
    summary = _index(library, album)
    assert [file.path for file in summary.skipped] == [path]
    assert "cut off or damaged" in summary.skipped[0].reason
    assert _index(library, album).skipped_known == 1


def test_a_damaged_video_that_shows_a_face_is_kept(library: Library, tmp_path: Path) -> None:
    path = write_tiles(tmp_path / "a.mkv", *[[RED]] * 12, codec="ffv1", pixel_format="bgr0")
    os.truncate(path, path.stat().st_size // 2)
    summary = _index(library, tmp_path)
    (damaged,) = summary.photos_damaged
    assert damaged.damage.startswith("it ends after")


def test_without_the_extra_videos_are_counted_and_known_ones_kept(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album = tmp_path / "album"
    write_tiles(album / "known.mov", [RED])
    _index(library, album)
    write_tiles(album / "new.mov", [GREEN])
    monkeypatch.setattr(survey, "reads_videos", lambda: False)
    summary = _index(library, album)
    assert (summary.videos_left_out, summary.photos_unchanged, summary.photos_missing) == (1, 1, 0)
    assert summary.skipped == ()


def test_drawn_people_are_followed_and_recognised(tmp_path: Path) -> None:
    """With the real detector and tower, through the program."""
    from facesearch.api.library import FaceLibrary
    from facesearch.text import time_span

    people = [Appearance(0, 0, 3), Appearance(1, 1, 4, 0.58)]
    write_film(tmp_path / "album" / "film.mp4", people, 5, options={"crf": "20"})
    for person in (0, 1):
        Image.fromarray(portrait(person, 300)).save(tmp_path / "album" / f"{person}.png")
    with FaceLibrary(tmp_path / "library") as opened:
        summary = opened.index(tmp_path / "album")
        assert (summary.photos_new, summary.skipped) == (3, ())
        answer = opened.ask(opened.probe(tmp_path / "album" / "film.mp4"))
        assert answer.duration_s == pytest.approx(5, abs=0.2)
        assert [time_span(face.span) for face in answer.faces] == ["00:00:00-00:00:02", "00:00:01-00:00:03"]
        for person in (0, 1):
            (face,) = opened.ask(opened.probe(tmp_path / "album" / f"{person}.png")).faces
            in_film = {each.span for each in face.people if each.nearest_photo.name == "film.mp4"}
            assert in_film or face.people[0].photo_count == 2


def test_a_query_of_a_motion_photo_answers_from_its_film_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the real detector and tower: in words, in JSON, on a page and in an explanation; on the photo alone where
    the film cannot be read, and from the film alone where the photo shows no face."""
    film = write_film(tmp_path / "film.mp4", [Appearance(0, 0, 3), Appearance(1, 1, 4, 0.58)], 5, options={"crf": "20"})
    for person in (0, 1):
        (tmp_path / "album" / f"person {person}").mkdir(parents=True)
        Image.fromarray(portrait(person, 300)).save(tmp_path / "album" / f"person {person}" / "a.png")
    probe = write_motion_photo(tmp_path / "IMG.jpg", portrait(0, 400), film)
    run, own = CommandLine(capsys), ("--library", tmp_path / "library", "--device", "cpu")
    assert run("index", tmp_path / "album", "--people-from-folders", "--no-group", *own).code == 0
    said = run("query", probe, *own).out
    assert said.startswith(f"2 faces in {probe}, 1 of them only in its film\n\nface 1: person 0 (")
    assert "\nface 2: person 1 (" in said
    assert "[00:00:01-00:00:03, " in said
    answer = json.loads(run("query", probe, "--json", *own).out)
    assert answer["duration_s"] is None
    still, in_film = answer["faces"]
    assert (still["span"], still["people"][0]["name"], in_film["people"][0]["name"]) == (None, "person 0", "person 1")
    assert (in_film["span"]["start_s"], in_film["span"]["end_s"]) == (1.0, 3.0)
    page = tmp_path / "page.html"
    assert run("query", probe, "--html", page, *own).code == 0
    assert "the photo IMG.jpg with 1 face framed" in page.read_text(encoding="utf-8")
    assert "<br>00:00:01-00:00:03" in page.read_text(encoding="utf-8")
    assert "person 1" in run("why", probe, "--face", "2", "--out", tmp_path / "why.html", *own).out

    nobody = write_motion_photo(tmp_path / "nobody.jpg", np.full((300, 400, 3), 128, np.uint8), film)
    said = run("query", nobody, *own).out
    assert said.startswith(f"2 faces in {nobody}, only in its film\n\nface 1: person 0 (")
    assert "the same person" in run("compare", nobody, tmp_path / "album" / "person 0" / "a.png", *own).out
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes()[:32] + bytes(2000))
    alone = write_motion_photo(tmp_path / "alone.jpg", portrait(0, 400), broken)
    assert run("query", alone, *own).out.startswith(f"1 face in {alone}\n\nface 1: person 0 (")


def test_lists_have_the_time_spans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`photos --csv` and `export` say when somebody is seen; sidecars cannot, and say so."""
    folder = tmp_path / "library"
    path = write_tiles(tmp_path / "album" / "a.mov", [RED], [RED, GREEN], [RED, GREEN], [])
    draw(tmp_path / "album" / "b.png", RED)
    with Library.create(folder, MODELS) as library:
        _index(library, tmp_path / "album")
        faces = library.catalog.faces(library.catalog.embeddings()[0].tolist())
        name_faces(library, [face_id for face_id, face in faces.items() if face.box[0] == 0], "Ann")
        assert (library.status().videos, library.status().faces_added) == (1, 0)
    run, own = CommandLine(capsys), ("--library", folder)
    rows = {Path(row["photo"]): row for row in csv.DictReader(io.StringIO(run("photos", "--csv", *own).out))}
    assert (rows[path]["duration_s"], rows[path]["spans"]) == ("4.0", "Ann 00:00:00-00:00:02")
    assert rows[path.with_name("b.png")]["spans"] == ""
    listed = list(csv.DictReader(io.StringIO(run("export", "--format", "csv", *own).out)))
    spans = [tuple(row[key] for key in ("start_s", "end_s", "at_s", "track")) for row in listed]
    assert sorted(spans) == [("",) * 4, ("0.0", "2.0", "0.0", "0"), ("0.0", "2.0", "1.0", "0")]
    said = json.loads(run("export", "--format", "json", *own).out)
    assert said["photos"][0]["faces"][1]["span"] == {"start_s": 0.0, "end_s": 2.0, "at_s": 1.0, "track": 0}
    assert said["photos"][1]["faces"][0]["span"] is None
    assert "is a video: XMP has no place for when a face is seen" in run("export", *own).err
    assert "2 (1 of them a video) in 2 files" in run("status", *own).out


def test_a_reindex_keeps_the_people_of_a_video(library: Library, tmp_path: Path) -> None:
    class OtherDetector(TileDetector):
        identity = "tiles-2"

    write_tiles(tmp_path / "album" / "a.mov", [RED], [RED, GREEN], [RED, GREEN], [])
    _index(library, tmp_path / "album")
    before = _spans(library)
    with library.changing(), library.people.change("name") as change:
        change.move([1], change.create(), "user")
    summary = reindex(library, OtherDetector(), ColourTower())
    assert (summary.switched, summary.photos, summary.faces_kept, summary.named_lost) == (True, 1, 3, 0)
    assert _spans(library) == before
    assert library.catalog.faces([1])[1].person_id == 1
    assert library.catalog.durations([1]) == {1: 4.0}


def test_naming_somebody_in_a_video_is_undone_and_done_again(library: Library, tmp_path: Path) -> None:
    write_tiles(tmp_path / "a.mov", [RED], [RED, GREEN], [])
    _index(library, tmp_path)
    before, spans = everything(library), _spans(library)
    name_faces(library, [1], "Ann")
    named = everything(library)
    undone = undo_change(library)
    assert everything(library) == before
    undo_change(library, undone.change)
    assert everything(library) == named
    assert _spans(library) == spans
    library.save_vectors()
    assert verify(library.path, library.models).findings == ()


def test_a_video_is_forgotten_with_its_faces(library: Library, tmp_path: Path) -> None:
    path = write_tiles(tmp_path / "album" / "a.mov", [RED], [RED])
    _index(library, tmp_path / "album")
    library.close()
    forget(library.path, str(path))
    with Library.open(library.path, MODELS) as reader:
        assert _spans(reader) == []
    assert path.is_file()


def test_faces_of_one_person_in_many_frames_are_one_group(library: Library, tmp_path: Path) -> None:
    """Two faces in one frame are two people; two faces in two frames of a video may be one."""
    write_tiles(tmp_path / "a.mov", [RED, GREEN], *[[]] * 7, [RED, GREEN], *[[]] * 7, [RED, GREEN], *[[]] * 7)
    index_photos(library, [tmp_path / "a.mov"], TileDetector(), ColourTower())
    with library.snapshot():
        found = library.grouped.all()
    assert len(set(found.photos.tolist())) == 1
    assert len(set(found.pictures.tolist())) == 3
    people = group_people(library, least_faces=3).people
    assert sorted(person.faces for person in people) == [3, 3]


def test_a_passer_by_is_no_group(library: Library, tmp_path: Path) -> None:
    """The three faces of one track are one appearance. With two photos more there are three."""
    write_tiles(tmp_path / "album" / "a.mov", [RED], [RED, GREEN], [RED], [RED, GREEN])
    _index(library, tmp_path / "album")
    tracks = [span.track for span, box in _spans(library) if span is not None and box[0] == 0]
    assert (len(tracks), len(set(tracks))) == (3, 1)
    summary = group_people(library)
    assert (summary.people, summary.waiting) == ((), summary.faces)
    for number in (1, 2):
        draw(tmp_path / "album" / f"{number}.png", (200, number, 0))
    _index(library, tmp_path / "album")
    (person,) = group_people(library).people
    assert (person.faces, person.is_new) == (5, True)  # all faces of the track come along


def test_a_track_comes_to_a_known_person_whole_unless_one_of_its_faces_was_rejected(
    library: Library, tmp_path: Path
) -> None:
    write_tiles(tmp_path / "album" / "a.mov", [RED], [RED, GREEN], [RED], [RED, GREEN])
    for number in (1, 2, 3):
        draw(tmp_path / "album" / f"{number}.png", (200, number, 0))
    _index(library, tmp_path / "album")
    there = library.catalog.faces(library.catalog.embeddings()[0].tolist())
    of_track = sorted(face_id for face_id, face in there.items() if face.span is not None and face.box[0] == 0)
    assert len(of_track) == 3
    name_faces(library, [face_id for face_id, face in there.items() if face.span is None], "Ann")
    (person,) = group_people(library, dry_run=True).people
    assert (person.name, sorted(person.face_ids)) == ("Ann", of_track)
    name_faces(library, of_track[:1], "Ann")
    reject_faces(library, 1, of_track[:1])
    assert group_people(library).people == ()


def test_a_motion_photo_brings_those_who_are_in_its_film_alone(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = write_tiles(tmp_path / "film.mov", [RED], [RED, BLUE], [RED, BLUE])
    path = _write_motion_photo(tmp_path / "album" / "a.jpg", film)
    content = path.read_bytes()
    summary = _index(library, path.parent)
    assert (summary.photos_new, summary.faces_new, summary.skipped) == (1, 3, ())
    in_film = (Span(1.0, 2.0, 1.0, 1), [40, 0, 80, 40])
    assert _spans(library) == [(None, [0, 0, 40, 40]), (None, [40, 0, 80, 40]), in_film]
    assert library.catalog.durations([1]) == {}
    assert [face.face_id for face in library.catalog.faces_on([1])] == [1, 2]
    name_faces(library, [2], "Ann")
    name_faces(library, [3], "Bob")

    class OtherDetector(TileDetector):
        identity = "tiles-2"

    summary_again = reindex(library, OtherDetector(), ColourTower())
    assert (summary_again.faces_kept, summary_again.named_lost) == (3, 0)
    assert _spans(library)[2] == in_film
    assert {face_id: face.name for face_id, face in library.catalog.faces([2, 3]).items()} == {2: "Ann", 3: "Bob"}
    library.close()
    run, own = CommandLine(capsys), ("--library", library.path)
    assert run("photos", "Bob", *own).out.splitlines()[0] == f"{path} 00:00:01-00:00:02"
    assert run("photos", "Ann", *own).out.splitlines()[0] == str(path)
    assert run("export", *own).code == 0
    written = path.with_name("a.jpg.xmp").read_text(encoding="utf-8")
    assert "Ann" in written
    assert "Bob" not in written  # whose box lies on a frame of the film, not on the photo
    assert path.read_bytes() == content


def _write_motion_photo(path: Path, film: Path, keyword: str = "") -> Path:
    """A photo of two tiles, green and red, with a film behind it."""
    tiles = np.asarray(Image.open(draw(path.parent.parent / "tiles.png", GREEN, RED)))
    return write_motion_photo(path, tiles, film, keyword)


def test_a_motion_photo_is_shown_with_the_faces_in_its_film_and_when(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = write_tiles(tmp_path / "film.mov", [RED], [RED, BLUE], [RED, BLUE])
    path = _write_motion_photo(tmp_path / "album" / "a.jpg", film)
    _index(library, path.parent)
    name_faces(library, [2], "Ann")
    name_faces(library, find_faces(library, ["face:3"]), "Bob")
    shown = show_photo(library, 1)
    in_film = Span(1.0, 2.0, 1.0, 1)
    assert [(face.face_id, face.name, face.span) for face in shown.faces] == [
        (1, None, None), (2, "Ann", None), (3, "Bob", in_film)
    ]  # fmt: skip
    assert [frame["href"] for frame in _frames(shown)] == ["#face-1", "#face-2"]
    assert [face_in_photo(library, path, number) for number in (1, 2, 3)] == [1, 2, 3]
    assert face_in_photo(library, path, box=(40, 0, 80, 40)) == 2  # a box is one on the photo
    assert find_faces(library, [str(path)], person_id=2) == [3]
    with pytest.raises(UsageError, match=r"face #2 at 40,0,80,40, face #3 at 40,0,80,40 00:00:01-00:00:02; give"):
        find_faces(library, [str(path)])
    (photo,) = list_photos(library, PhotoWish()).photos
    assert [(person.name, person.spans) for person in photo.people] == [("Ann", ()), ("Bob", (in_film,))]
    library.close()
    run, own = CommandLine(capsys), ("--library", library.path)
    for who in ("Bob", "2", "#2"):
        assert run("photos", who, *own).out.splitlines()[0] == f"{path} 00:00:01-00:00:02"
    assert run("people", "show", "Bob", *own).out.rstrip().endswith(f"{path} 00:00:01-00:00:02")
    assert run("people", "show", "Ann", *own).out.rstrip().endswith(str(path))


def test_photos_of_several_people_say_who_is_seen_when_also_of_somebody_hidden(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_tiles(tmp_path / "album" / "a.mov", [RED], [RED, GREEN], [RED], [GREEN])
    _index(library, path.parent)
    faces = library.catalog.faces_in([1])
    at_the_left = [face for face in faces if face.box[0] == 0]
    name_faces(library, [face.face_id for face in at_the_left if face.span and face.span.start_s == 0], "Ann")
    name_faces(library, [face.face_id for face in faces if face.box[0] == 40], "Bob")
    library.close()
    run, own = CommandLine(capsys), ("--library", library.path)
    ann, bob = "00:00:00-00:00:02", "00:00:01-00:00:03"
    for who in (("Ann", "Bob"), ("Ann", "#2", "--any")):
        assert run("photos", *who, *own).out.splitlines()[0] == f"{path} Ann {ann}, Bob {bob}"
    assert run("people", "hide", "Bob", *own).code == 0
    assert run("photos", "Bob", *own).out.splitlines()[0] == f"{path} {bob}"
    assert run("photos", "Ann", *own).out.splitlines()[0] == f"{path} {ann}"
    people = {who: json.loads(run("photos", who, "--json", *own).out)["photos"][0]["people"] for who in ("Ann", "Bob")}
    assert [[each["name"] for each in people[who]] for who in ("Ann", "Bob")] == [["Ann"], ["Ann", "Bob"]]


def test_a_face_of_a_video_is_named_by_its_number_in_the_answer_with_its_whole_track(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_tiles(tmp_path / "album" / "a.mov", [RED], [RED, GREEN], [RED], [RED, GREEN])
    _index(library, path.parent)
    tracks = [face.span.track for face in library.catalog.faces_in([1]) if face.span is not None]
    assert len(tracks) > len(set(tracks)) == 2
    with pytest.raises(UsageError, match="has 2 faces; ask for one from 1 to 2"):
        face_in_photo(library, path, 3)
    with pytest.raises(UsageError, match=r"has several faces: face #1 at 0,0,40,40 00:00:00-00:00:03, face #"):
        find_faces(library, [str(path)])
    library.close()
    run, own = CommandLine(capsys), ("--library", library.path)
    assert run("people", "name", path, "Ann", "--face", "1", *own).code == 0
    with Library.open(library.path, writable=True) as opened:
        named = [face.span.track for face in opened.catalog.faces_in([1]) if face.name == "Ann" and face.span]
        assert named == [track for track in tracks if track == tracks[0]]
        assert len(find_faces(opened, [str(path)], person_id=1)) == len(named)
    assert run("people", "reject", "Ann", path, *own).code == 0
    assert f"rejected for Ann: {len(named)} faces" in run("people", "show", "Ann", *own).out


def test_faces_in_a_film_keep_their_people_when_another_program_writes_keywords(
    library: Library, tmp_path: Path
) -> None:
    """In a motion photo, and in a video in which two people are seen at one place, one after the other."""
    film = write_tiles(tmp_path / "film.mov", [RED], [RED, BLUE], [RED, BLUE])
    path = _write_motion_photo(tmp_path / "album" / "a.jpg", film)
    video = write_tiles(tmp_path / "album" / "b.mov", [RED], [RED], [BLUE], [BLUE])
    _index(library, path.parent)
    there = library.catalog.faces_in([2])
    for name, first_s in (("Ann", 0), ("Bob", 2)):
        name_faces(library, [face.face_id for face in there if face.span and face.span.start_s == first_s], name)
    name_faces(library, [3], "Bob")
    before = {photo: [person.name for person in show_photo(library, photo).faces] for photo in (1, 2)}
    assert before == {1: [None, None, "Bob"], 2: ["Ann", "Bob"]}
    _write_motion_photo(path, film, "holiday")
    video.write_bytes(video.read_bytes() + bytes([0, 0, 0, 12, *b"freehome"]))
    summary = _index(library, path.parent)
    assert (summary.photos_changed, summary.faces_kept) == (2, 3)
    assert [[person.name for person in show_photo(library, photo).faces] for photo in (3, 4)] == [*before.values()]


def test_they_keep_them_in_a_reindex_that_comes_before_the_next_index(library: Library, tmp_path: Path) -> None:
    class OtherDetector(TileDetector):
        identity = "tiles-2"

    film = write_tiles(tmp_path / "film.mov", [RED], [RED, BLUE], [RED, BLUE])
    path = _write_motion_photo(tmp_path / "album" / "a.jpg", film)
    video = write_tiles(tmp_path / "album" / "b.mov", [RED], [RED], [BLUE], [BLUE])
    _index(library, path.parent)
    name_faces(library, [face.face_id for face in library.catalog.faces_in([1, 2]) if face.box[0] > 0], "Bob")
    name_faces(library, [face.face_id for face in library.catalog.faces_in([2])], "Ann")
    before, spans = everything(library), _spans(library)
    _write_motion_photo(path, film, "holiday")
    video.write_bytes(video.read_bytes() + bytes([0, 0, 0, 12, *b"freehome"]))
    summary = reindex(library, OtherDetector(), ColourTower())
    assert (summary.switched, summary.photos_edited, summary.lost) == (True, 2, ())
    assert (everything(library), _spans(library)) == (before, spans)
    write_tiles(video, [], [RED, GREEN], [RED], [RED, GREEN])
    left = reindex(library, TileDetector(), ColourTower())
    assert (left.switched, [each.path for each in left.unread]) == (False, [video])


def test_a_list_brings_names_back_by_time_and_place(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a motion photo no box in its film is taken for one on the photo."""
    film = write_tiles(tmp_path / "film.mov", [RED], [RED, BLUE], [RED, BLUE])
    path = _write_motion_photo(tmp_path / "album" / "a.jpg", film)
    write_tiles(tmp_path / "album" / "b.mov", [RED], [RED], [BLUE], [BLUE])
    _index(library, path.parent)
    there = library.catalog.faces_in([2])
    for name, first_s in (("Ann", 0), ("Bob", 2)):
        name_faces(library, [face.face_id for face in there if face.span and face.span.start_s == first_s], name)
    name_faces(library, [3], "Bob")
    named = {face.face_id: face.name for face in library.catalog.faces_in([1, 2])}
    library.close()
    run, own = CommandLine(capsys), ("--library", library.path)
    for kind in ("json", "csv"):
        listing = tmp_path / f"names.{kind}"
        assert run("export", "--format", kind, "--out", listing, *own).code == 0
        with Library.open(library.path, writable=True) as opened:
            undo_since(opened, 1)
            assert {face.name for face in opened.catalog.faces_in([1, 2])} == {None}
        assert run("import", listing, *own).code == 0
        with Library.open(library.path) as opened:
            assert {face.face_id: face.name for face in opened.catalog.faces_in([1, 2])} == named


def test_an_interrupted_run_does_not_wait_for_a_video(tmp_path: Path) -> None:
    """Which could take many minutes; photos are finished."""
    film = write_film(tmp_path / "film.mp4", [Appearance(0, 0, 90)], 90, size=(320, 180), rate=1)
    found: list[Exception | None] = []
    drawn = tmp_path / "a.png"
    Image.fromarray(portrait(0, 300)).save(drawn)
    with SeeingWorker(load_detector()) as worker:
        assert len(worker.see(photo_file(drawn)).faces) == 1  # the process is ready

        def see() -> None:
            try:
                worker.see(photo_file(film))
                found.append(None)
            except PhotoError as error:
                found.append(error)

        seeing = threading.Thread(target=see)
        seeing.start()
        while not worker._is_at_video and seeing.is_alive():
            time.sleep(0.01)
        worker.give_up()
        seeing.join(60)
        assert not seeing.is_alive()
        assert "when the system ended the process" in str(found[0])
        assert len(worker.see(photo_file(drawn)).faces) == 1  # by a new one
