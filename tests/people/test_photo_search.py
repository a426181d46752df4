"""Photos by who is on them and when they were taken; who is seen together; hidden people, and covers."""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.people_library import ANN, BOB, CARL, STRANGER, everything, index
from support.tiles import MODELS, draw

from facesearch.api.library import FaceLibrary
from facesearch.errors import UsageError
from facesearch.exchange import make_album
from facesearch.library import Library, forget, verify
from facesearch.library.rows.photo_search import Sort
from facesearch.people import (
    PhotoWish,
    change_log,
    hide_people,
    list_people,
    list_photos,
    merge_people,
    name_faces,
    number_photos,
    reject_faces,
    seen_together,
    set_cover,
    show_person,
    some_photos,
    undo_change,
)

PHOTOS = {
    "2018-05-01 ann.png": (ANN,),
    "2019-06-30 ann bob.png": (ANN, BOB),
    "2019-07-04 all.png": (ANN, BOB, CARL),
    "2019-12-31 ann bob stranger.png": (ANN, BOB, STRANGER),
    "2020-01-01 bob.png": (BOB,),
    "2020-02-02 sky.png": ((255, 255, 255),),
}
NAMES = {ANN: "Ann", BOB: "Bob", CARL: "Carl"}


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name, colours in PHOTOS.items():
        draw(tmp_path / "album" / name, *colours)
    return tmp_path / "album"


@pytest.fixture
def library(tmp_path: Path, album: Path) -> Iterator[Library]:
    """Ann (1), Bob (2) and Carl (3) are named on all of their photos; the stranger is nobody."""
    with Library.create(tmp_path / "library", MODELS) as library:
        index(library, album)
        paths = {where.path.name: photo for photo, where in library.catalog.photo_paths(range(1, 9)).items()}
        for colour, name in NAMES.items():
            faces = []
            for photo, colours in PHOTOS.items():
                if colour in colours:
                    on_photo = sorted(library.catalog.faces_in([paths[photo]]), key=lambda face: face.box[0])
                    faces.append(on_photo[colours.index(colour)].face_id)
            name_faces(library, faces, name)
        yield library


def found(library: Library, **wish: object) -> list[str]:
    """The names of the photos, without dates and endings."""
    listed = list_photos(library, PhotoWish(**wish))  # type: ignore[arg-type]
    return [photo.photo.stem[11:] for photo in listed.photos]


def test_photos_of_all_of_any_and_of_nobody_else(library: Library) -> None:
    assert found(library, people=("Ann", "Bob")) == ["ann bob", "all", "ann bob stranger"]
    assert found(library, people=("Ann", "Carl"), any_of=True) == ["ann", "ann bob", "all", "ann bob stranger"]
    assert found(library, people=("Bob",), without=("Ann",)) == ["bob"]
    assert found(library, people=("Ann", "Bob"), without=("Ann",), any_of=True) == ["bob"]
    assert found(library, people=("Ann", "Bob"), only=True) == ["ann bob"]
    assert found(library, people=("Ann", "Bob"), any_of=True, only=True) == ["ann", "ann bob", "bob"]
    assert found(library, without=("Ann", "Bob")) == ["sky"]
    assert found(library, unknown=True) == ["ann bob stranger"]
    assert found(library, people=("#3",), without_faces=False) == ["all"]
    assert found(library, without_faces=True) == ["sky"]


def test_dates_are_days_months_or_years_with_both_ends(library: Library) -> None:
    assert found(library, since="2019", until="2019") == ["ann bob", "all", "ann bob stranger"]
    assert found(library, since="2019-07-04", until="2019-07-04") == ["all"]
    assert found(library, since="2019-12", until="2019") == ["ann bob stranger"]
    assert found(library, since="2019-07", until="2020-01-01") == ["all", "ann bob stranger", "bob"]
    assert found(library, people=("Ann",), until="2018") == ["ann"]


def test_photos_say_when_they_were_taken_and_who_is_on_them(library: Library) -> None:
    photo = list_photos(library, PhotoWish(people=("Carl",))).photos[0]
    assert (photo.taken, photo.taken_zone_min, photo.taken_source) == ("2019-07-04T12:00:00", None, "name")
    assert [(person.person_id, person.name) for person in photo.people] == [(1, "Ann"), (2, "Bob"), (3, "Carl")]


def test_the_cameras_date_comes_before_the_names_and_orders_by_date(library: Library, album: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2001:02:03 04:05:06"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = "+01:00"
    draw(album / "2030-01-01 x.png", CARL)
    with Image.open(album / "2030-01-01 x.png") as image:
        image.save(album / "2030-01-01 x.png", exif=exif.tobytes())
    index(library, album)
    first, *others = list_photos(library, PhotoWish(sort="date")).photos
    assert (first.taken, first.taken_zone_min, first.taken_source) == ("2001-02-03T04:05:06", 60, "exif")
    dates = [photo.taken or "" for photo in others]
    assert dates == sorted(dates)
    latest = [photo.taken or "" for photo in list_photos(library, PhotoWish(sort="latest")).photos]
    assert latest == sorted([*dates, first.taken], reverse=True)


@pytest.mark.parametrize("sort", ["path", "date", "latest", "quality"])
@pytest.mark.parametrize("people", [(), ("Ann", "Bob")])
def test_the_parts_of_a_list_are_the_list(library: Library, people: tuple[str, ...], sort: Sort) -> None:
    wish = PhotoWish(people=people, any_of=True, sort=sort)
    listed = list_photos(library, wish)
    numbers, total = number_photos(library, wish)
    assert (numbers.tolist(), total) == ([photo.photo_id for photo in listed.photos], listed.total)
    assert len(numbers) > 3
    parts = [some_photos(library, numbers[start : start + 3].tolist()) for start in range(0, len(numbers), 3)]
    assert [photo for part in parts for photo in part] == list(listed.photos)
    assert some_photos(library, [int(numbers[2]), 10**9, int(numbers[0])]) == (listed.photos[2], listed.photos[0])


def test_the_best_faces_come_first(library: Library) -> None:
    with library.changing():
        for face_id, person, _ in library.face_owners.told_faces(but_not_by=""):
            values = (0.9 if person == 1 else 0.1 * (face_id % 5), face_id)
            library._database.execute("UPDATE faces SET quality = ? WHERE id = ?", values)
    best = [photo.photo_id for photo in list_photos(library, PhotoWish(people=("Ann", "Bob"), sort="quality")).photos]
    worst_of = {
        photo: min(face.quality or 0 for face in library.catalog.faces_in([photo]) if face.person_id in (1, 2))
        for photo in best
    }
    assert [worst_of[photo] for photo in best] == sorted(worst_of.values(), reverse=True)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"people": ("Nobody",)}, "nobody in .* is called Nobody"),
        ({"since": "last year"}, "last year is not a date"),
        ({"until": "2019-02-30"}, "is not a date"),
        ({"since": "2020", "until": "2019-12"}, "from 2020 or later and from 2019-12 or before: swap"),
        ({"people": ("Ann", "Bob"), "without": ("#2",)}, "Bob cannot be on the photos and not on them"),
        ({"only": True}, "name a person"),
        ({"people": ("Ann",), "only": True, "unknown": True}, "contradict"),
        ({"people": ("Ann",), "without_faces": True}, "a photo without a face shows nobody"),
        ({"unknown": True, "without_faces": True}, "has no face without a person"),
        ({"sort": "size"}, "sorted by path, date, latest, quality"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(library: Library, wish: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        found(library, **wish)


def test_photos_that_a_former_version_read_are_dated_by_the_next_run(library: Library, album: Path) -> None:
    with library.changing():
        library._database.execute("UPDATE photos SET taken_at = NULL, taken_source = NULL")
    assert found(library, since="2019", until="2019") == []
    index(library, album)
    assert found(library, since="2019", until="2019") == ["ann bob", "all", "ann bob stranger"]


def test_a_sidecar_that_came_later_dates_the_photo_when_it_is_read_again(library: Library, album: Path) -> None:
    sidecar = "<x:xmpmeta><a exif:DateTimeOriginal='2001-02-03T04:05:06+01:00'/></x:xmpmeta>"
    (album / "2020-02-02 sky.png.xmp").write_text(sidecar, encoding="utf-8")
    index(library, album, rehash=True)
    (sky,) = list_photos(library, PhotoWish(without_faces=True)).photos
    assert (sky.taken, sky.taken_zone_min, sky.taken_source) == ("2001-02-03T04:05:06", 60, "xmp")


def test_who_is_seen_with_whom(library: Library) -> None:
    pairs = [(pair.name, pair.other_name, pair.photos) for pair in seen_together(library)]
    assert pairs == [("Ann", "Bob", 3), ("Ann", "Carl", 1), ("Bob", "Carl", 1)]
    of_carl = [(pair.name, pair.other_name, pair.photos) for pair in seen_together(library, "Carl", 1)]
    assert of_carl == [("Carl", "Ann", 1)]
    hide_people(library, [2])
    assert [(pair.name, pair.other_name) for pair in seen_together(library)] == [("Ann", "Carl")]


def test_hidden_people_are_out_of_lists_and_undo_brings_them_back(library: Library) -> None:
    before = everything(library)
    done = hide_people(library, [3, 2, 3])
    assert (done.person_ids, done.names) == ((3, 2), ("Carl", "Bob"))
    listed = list_people(library)
    assert ([person.name for person in listed.people], listed.hidden, listed.faces_without_person) == (["Ann"], 2, 1)
    assert [person.name for person in list_people(library, hidden=True).people] == ["Ann", "Bob", "Carl"]
    assert show_person(library, 3).person.hidden
    assert found(library, people=("Ann",), only=True) == ["ann", "ann bob", "all"]
    photo = list_photos(library, PhotoWish(people=("Carl",))).photos[0]
    assert [person.name for person in photo.people] == ["Ann", "Carl"]  # who was asked for
    assert [[person.name for person in photo.people] for photo in list_photos(library, PhotoWish()).photos[:4]] == [
        ["Ann"]
    ] * 4
    assert hide_people(library, [2]).change is None
    assert hide_people(library, [2], hidden=False).person_ids == (2,)
    assert [line.action for line in change_log(library)[:2]] == ["unhide", "hide"]
    undo_change(library)
    undo_change(library)
    assert everything(library) == before
    assert list_people(library).hidden == 0


def test_a_chosen_cover_stays_until_the_face_goes_to_somebody_else(library: Library) -> None:
    mine, other = sorted(library.people.sources_of(1))[-2:]
    assert set_cover(library, 1, mine).cover_face_id == mine
    assert (show_person(library, 1).person.cover_face_id, show_person(library, 1).cover_chosen) == (mine, True)
    with pytest.raises(UsageError, match="is not a face of Bob"):
        set_cover(library, 2, mine)
    set_cover(library, 1, other)
    undo_change(library)
    assert show_person(library, 1).person.cover_face_id == mine
    reject_faces(library, 1, [mine])
    assert not show_person(library, 1).cover_chosen
    undo_change(library)
    assert show_person(library, 1).cover_chosen
    merge_people(library, 2, [1])
    undo_change(library)
    assert show_person(library, 1).person.cover_face_id == mine


def test_what_was_chosen_can_be_taken_back_when_the_face_is_forgotten(
    library: Library, album: Path, tmp_path: Path
) -> None:
    cover = min(library.people.sources_of(1))
    set_cover(library, 1, cover)
    hide_people(library, [1])
    library.close()
    forget(tmp_path / "library", str(album / "2018-05-01 ann.png"))
    with Library.open(tmp_path / "library", writable=True) as opened:
        assert f'"cover_face_id": {cover}' not in str(opened._database.rows("SELECT details FROM journal"))
        assert undo_change(opened).taken_back.action == "hide"
        assert not show_person(opened, 1).person.hidden
    assert verify(tmp_path / "library", MODELS, repair=True).sound


def test_a_person_over_time(library: Library) -> None:
    shown = show_person(library, 1)
    assert (shown.first_taken, shown.last_taken) == ("2018-05-01T12:00:00", "2019-12-31T12:00:00")
    assert [(each.year, each.photos) for each in shown.photos_by_year] == [(2018, 1), (2019, 3)]


def test_an_album_of_links_or_copies_never_touches_anything(album: Path, tmp_path: Path) -> None:
    photos = sorted(album.iterdir())[:2]
    made = make_album(photos, tmp_path / "new" / "links")
    assert (made.photos, made.skipped) == (2, ())
    links = sorted((tmp_path / "new" / "links").iterdir())
    assert [link.name for link in links] == [f"000{n} {photo.name}" for n, photo in enumerate(photos, start=1)]
    assert [link.resolve() for link in links] == photos
    copied = make_album([*photos, album / "gone.png"], tmp_path / "copies", copy=True)
    assert (copied.photos, copied.skipped) == (2, (album / "gone.png",))
    assert (tmp_path / "copies" / f"0001 {photos[0].name}").read_bytes() == photos[0].read_bytes()
    with pytest.raises(UsageError, match="is not empty"):
        make_album(photos, album)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used for an album"):
        make_album(photos, tmp_path / "file")


def test_the_commands(library: Library, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library.close()
    run, own = CommandLine(capsys), ("--library", tmp_path / "library")
    listed = run("photos", "Ann", "Bob", "--since", "2019-07", *own)
    assert listed.out.splitlines()[:2] == [
        str(album / "2019-07-04 all.png"),
        str(album / "2019-12-31 ann bob stranger.png"),
    ]
    assert listed.out.endswith("2 photos of 6 in the library\n")
    said = json.loads(run("photos", "Ann", "--json", *own).out)
    assert keys_of(said) | {"photos[].copies[]"} == documented_keys("photos") | {"photos[].copies[]"}
    rows = list(csv.DictReader(io.StringIO(run("photos", "Carl", "--csv", *own).out)))
    assert [(Path(row["photo"]).name, row["taken_source"], row["people"]) for row in rows] == [
        ("2019-07-04 all.png", "name", "Ann; Bob; Carl")
    ]
    assert run("photos", "Carl", "-0", *own).out == f"{album / '2019-07-04 all.png'}\0"
    assert "two formats" in run("photos", "--json", "--csv", *own).err
    assert run("photos", "--copy", *own).code == 2
    assert "--any needs people" in run("photos", "--any", *own).err
    assert "give --html too" in run("photos", "Ann", "--limit", "3", *own).err
    page = tmp_path / "page.html"
    assert "page: " in run("photos", "Ann", "--html", page, "--link", tmp_path / "links", *own).out
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 4
    assert "2019-07-04 (by its name)" in page.read_text(encoding="utf-8")
    assert len(list((tmp_path / "links").iterdir())) == 4
    assert "so no folder was made" in run("photos", "--since", "2030", "--link", tmp_path / "none", *own).out
    assert not (tmp_path / "none").exists()

    pairs = json.loads(run("people", "together", "Ann", "--json", *own).out)
    assert keys_of(pairs) == documented_keys("people together")
    assert run("people", "together", *own).out.splitlines()[1].split() == ["3", "Ann", "Bob"]
    assert "Carl: hidden" in run("people", "hide", "Carl", *own).out
    assert "1 hidden" in run("people", "list", *own).out
    assert "Carl (hidden)" in run("people", "list", "--hidden", *own).out
    assert "Carl (number 3): 1 face on 1 photo, hidden from lists and queries\n" in run("people", "show", 3, *own).out
    assert "\ndate: 2019-07-04\n" in run("people", "show", 3, *own).out
    hidden = json.loads(run("people", "unhide", "Carl", "--json", *own).out)
    assert keys_of(hidden) == documented_keys("people hide")
    chosen = json.loads(run("people", "cover", "Ann", album / "2018-05-01 ann.png", "--json", *own).out)
    assert keys_of(chosen) == documented_keys("people cover")
    run("people", "sheet", "Ann", "--out", tmp_path / "ann.html", *own)
    sheet = (tmp_path / "ann.html").read_text(encoding="utf-8")
    assert "photos a year from 2018 to 2019, 3 at most" in sheet
    assert "<title>2018: 1</title>" in sheet
    shown = run("people", "show", "Ann", *own).out
    assert "dates: 2018-05-01 to 2019-12-31" in shown
    assert [line.split()[0] for line in shown.splitlines()[3:5]] == ["2018", "2019"]
    assert ", chosen" in shown


def test_the_api(library: Library, album: Path, tmp_path: Path) -> None:
    library.close()
    with FaceLibrary(tmp_path / "library") as opened:
        names = [photo.photo.name for photo in opened.photos("Ann", 2, only=True).photos]
        assert names == ["2019-06-30 ann bob.png"]
        assert [pair.photos for pair in opened.people.together("Carl")] == [1, 1]
        assert opened.people.hide("Carl", 2).hidden
        assert opened.people.unhide("Carl").names == ("Carl",)
        assert opened.people.set_cover("Ann", album / "2018-05-01 ann.png").cover_face_id is not None
        assert opened.people.set_cover("Ann").cover_face_id is None


def test_pairs_of_everybody_are_those_of_a_naive_count(tmp_path: Path) -> None:
    """Faces of a few people on random photos, twice on some, of nobody on others, and on photos far apart by number."""
    rng = random.Random(3)
    expected: Counter[tuple[int, int]] = Counter()
    with Library.create(tmp_path / "library", MODELS) as library, library.changing():
        run = library._database.execute
        for person in range(1, 8):
            run("INSERT INTO people (id, created_at, hidden) VALUES (?, '', ?)", (person, person == 7))
        for number in range(60):
            photo, shown = 1 + 50_000 * number, [rng.choice([None, *range(1, 8)]) for _ in range(rng.randrange(9))]
            run(
                "INSERT INTO photos (id, sha256, width_px, height_px, added_at) VALUES (?, ?, 1, 1, '')",
                (photo, str(photo)),
            )
            for person_id in shown:
                run(
                    "INSERT INTO faces (photo_id, box, landmarks, score, embedding, person_id, person_source) "
                    "VALUES (?, zeroblob(16), zeroblob(40), 1, zeroblob(128), ?, 'user')",
                    (photo, person_id),
                )
            expected.update(combinations(sorted({each for each in shown if each not in (None, 7)}), 2))
        pairs = [(pair.person_id, pair.other_person_id, pair.photos) for pair in seen_together(library)]
        assert pairs == [
            (*pair, count) for pair, count in sorted(expected.items(), key=lambda each: (-each[1], each[0]))
        ]
        assert len(pairs) == 15
