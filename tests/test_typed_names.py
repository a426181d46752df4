"""Names and paths in both of Unicode's forms: an accent within its letter (NFC), as keyboards type it, and apart from
it (NFD), as macOS writes it on the disk. Whatever the user types finds what is there."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.films import write_tiles
from support.people_library import ANN, BOB
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import UsageError
from facesearch.exchange import name_by_list
from facesearch.indexing import index_photos, prune
from facesearch.library import Library, find_person, forget
from facesearch.paths import spelled_on_disk
from facesearch.people import (
    FaceReader,
    PhotoWish,
    add_face,
    faces_meant,
    list_photos,
    name_person,
)
from facesearch.photos import photo_file
from facesearch.query import probe_photo

FOLDER, PHOTO, NAME = "Zo\u00eb \u00e0 l'\u00eele", "Caf\u00e9 \u1ebf.png", "Zo\u00eb \u1ebe"
FORMS = [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")]


@pytest.fixture(params=FORMS, ids=str)
def forms(request: pytest.FixtureRequest) -> tuple[str, str]:
    """On the disk, and as typed."""
    return request.param  # type: ignore[no-any-return]


def _typed(forms: tuple[str, str], text: str) -> str:
    return unicodedata.normalize(forms[1], text)


@pytest.fixture
def photo(tmp_path: Path, forms: tuple[str, str]) -> Path:
    """A photo, as it is called on the disk."""
    written = unicodedata.normalize(forms[0], f"{FOLDER}/{PHOTO}")
    return draw(tmp_path / written, ANN, BOB, (255, 255, 255))


@pytest.fixture
def spelled(tmp_path: Path, forms: tuple[str, str], photo: Path) -> Path:
    """The same photo, as the user types it."""
    return tmp_path / _typed(forms, f"{FOLDER}/{PHOTO}")


@pytest.fixture
def library(tmp_path: Path, spelled: Path) -> Iterator[Library]:
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(library, [spelled.parent], TileDetector(), ColourTower())
        yield library


def test_a_person_in_photos_and_videos(library: Library, tmp_path: Path, forms: tuple[str, str], photo: Path) -> None:
    pytest.importorskip("av")
    video = write_tiles(photo.with_name("film.mov"), [ANN], [ANN])
    index_photos(library, [photo.parent], TileDetector(), ColourTower())
    with library.changing():
        everybody = library.catalog.faces_in(library.catalog.photo_ids().values())
        ann = [face.face_id for face in everybody if face.box[0] == 0]
        library.people.label(library.people.named(unicodedata.normalize(forms[0], NAME)), ann, "user")
    assert find_person(library, _typed(forms, NAME)) == 1
    wish = PhotoWish(people=(_typed(forms, NAME),), under=tmp_path / _typed(forms, FOLDER))
    assert {entry.photo for entry in list_photos(library, wish).photos} == {photo, video}
    name_person(library, 1, _typed(forms, NAME))
    with pytest.raises(UsageError, match=f"did you mean {NAME}"):
        find_person(library, _typed(forms, NAME.removesuffix("\u1ebe") + "\u1ebf\u1ebf"))


def test_a_photo_on_the_disk(library: Library, spelled: Path, photo: Path) -> None:
    assert [known.photo_id for known in library.files.under([photo.parent]).values()] == [1]
    assert index_photos(library, [spelled], TileDetector(), ColourTower()).photos_unchanged == 1
    assert photo_file(spelled).path == spelled_on_disk(spelled) == photo
    assert probe_photo(spelled, TileDetector(), ColourTower()).faces
    added = add_face(library, spelled, (84, 4, 110, 30), FaceReader(TileDetector(), ColourTower()), "Dora")
    assert added.photo_id == 1
    assert len(faces_meant(library, spelled, number=1)) == 1


def test_a_list(library: Library, spelled: Path) -> None:
    rows = spelled.parent.parent / "names.csv"
    rows.write_text(f"path,person,x1,y1,x2,y2\n{spelled.relative_to(rows.parent)},Ann,0,0,40,40\n", "utf-8")
    assert name_by_list(library, rows).named == 1


def test_a_photo_that_is_gone_is_listed_forgotten_and_pruned(
    library: Library, tmp_path: Path, spelled: Path, photo: Path
) -> None:
    photo.rename(tmp_path / "away.png")
    assert list_photos(library, PhotoWish(under=spelled.parent)).photos[0].photo == photo
    assert len(faces_meant(library, spelled, number=1)) == 1
    index_photos(library, [spelled.parent], TileDetector(), ColourTower())
    photo.parent.rmdir()
    assert index_photos(library, [spelled.parent], TileDetector(), ColourTower()).absent[0].path == photo.parent
    assert prune(library, [spelled.parent], dry_run=True, force=True).files == 1
    library.close()
    assert forget(library.path, str(spelled)).photos == 1


def test_two_files_that_differ_in_their_form_alone_are_two(tmp_path: Path) -> None:
    one, other = (tmp_path / unicodedata.normalize(form, PHOTO) for form in ("NFC", "NFD"))
    draw(one, ANN)
    draw(other, BOB)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system holds one of them only")
    assert (spelled_on_disk(one), spelled_on_disk(other)) == (one, other)
    with Library.create(tmp_path.with_name("library"), MODELS) as library:
        index_photos(library, [tmp_path], TileDetector(), ColourTower())
        known = [library.files.at(path) for path in (one, other)]
        assert len({each.photo_id for each in known if each is not None}) == 2
