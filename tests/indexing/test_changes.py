"""A collection that changes between runs: replaced, moved, copied and deleted photos, drives that are not there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.people_library import everything
from support.tiles import WHITE, ColourTower, TileDetector, draw

from facesearch.errors import PhotoError
from facesearch.indexing import (
    DEFAULT_OPTIONS,
    AbsentFolder,
    IndexInterrupted,
    IndexOptions,
    IndexSummary,
    index_photos,
    prune,
)
from facesearch.indexing.survey import software_of
from facesearch.library import Library
from facesearch.people import name_faces
from facesearch.photos import fingerprint
from facesearch.query import QueryOptions, ask, probe_photo

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


@pytest.fixture
def changing_album(tmp_path: Path) -> Path:
    album = tmp_path / "album"
    draw(album / "red.png", RED)
    draw(album / "deep" / "green.png", GREEN)
    return album


def _index(library: Library, *paths: Path, options: IndexOptions = DEFAULT_OPTIONS) -> tuple[IndexSummary, int]:
    """The summary, and how many photos the detector was given."""
    detector = TileDetector()
    return index_photos(library, paths, detector, ColourTower(), options), detector.calls


def _paths(library: Library) -> list[str]:
    files = library.files.of(library.catalog.photo_ids().values())
    return sorted(Path(os.fsdecode(path)).name for path, *_ in files)


# Replaced, failed


def test_rehash_finds_what_was_replaced_with_the_same_time_and_size(library: Library, tmp_path: Path) -> None:
    photo = draw(tmp_path / "album" / "a.bmp", RED)  # a BMP of one size has one length
    _index(library, tmp_path / "album")
    before = photo.stat()
    draw(photo, GREEN)
    os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert photo.stat().st_size == before.st_size
    assert _index(library, tmp_path / "album")[0].photos_unchanged == 1
    summary, calls = _index(library, tmp_path / "album", options=IndexOptions(rehash=True))
    assert (summary.photos_changed, summary.photos_unchanged, calls) == (1, 0, 1)
    summary, calls = _index(library, tmp_path / "album", options=IndexOptions(rehash=True))
    assert (summary.photos_changed, summary.photos_unchanged, calls) == (0, 1, 0)


def test_failed_photos_are_tried_again_when_the_software_changed(
    library: Library, changing_album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (changing_album / "bad.jpg").write_text("no photo")
    _index(library, changing_album)
    assert _index(library, changing_album)[0].skipped_known == 1
    monkeypatch.setattr("facesearch.indexing.run.software_of", lambda detector: "pillow 99.0")
    summary, _ = _index(library, changing_album)
    assert ([skipped.path for skipped in summary.skipped], summary.skipped_known) == ([changing_album / "bad.jpg"], 0)
    assert summary.photos_unchanged == 2
    assert _index(library, changing_album)[0].skipped_known == 1  # and once only


def _named(library: Library) -> dict[str, bool]:
    """The people with a name, and whether the file of their photo is missing."""
    faces = library.catalog.faces_in(library.catalog.photo_ids().values())
    where = library.catalog.photo_paths(face.photo_id for face in faces)
    return {face.name: where[face.photo_id].missing for face in faces if face.name is not None}


@pytest.mark.parametrize("harm", ["cut off", "partly"])
def test_a_photo_that_is_damaged_for_a_while_keeps_its_people(
    library: Library, changing_album: Path, tmp_path: Path, harm: str
) -> None:
    photo = draw(changing_album / "red.jpg", RED, WHITE, GREEN)
    _index(library, changing_album)
    green = library.catalog.faces_in([library.catalog.photo_ids()[fingerprint(photo)]])[1]
    name_faces(library, [green.face_id], "Greta")
    before, whole = everything(library), photo.read_bytes()
    photo.write_bytes(whole[:100] if harm == "cut off" else whole[:-200])
    for _ in range(2):
        summary, _ = _index(library, changing_album)
        assert [skipped.path for skipped in summary.skipped] == [photo]
        assert (everything(library), _named(library)) == (before, {"Greta": True})
        assert prune(library).files == 0
    photo.write_bytes(whole)
    assert _index(library, changing_album)[0].skipped == ()
    assert (everything(library), _named(library)) == (before, {"Greta": False})
    photo.write_bytes(whole[:100])
    _index(library, changing_album)
    photo.write_bytes(whole[:2] + b"\xff\xfe\x00\x06edit" + whole[2:])  # a comment
    assert _index(library, changing_album)[0].faces_kept == 1
    assert _named(library) == {"Greta": False}
    photo.write_bytes(b"nothing")
    _index(library, changing_album)
    photo.unlink()
    _index(library, changing_album)
    assert (_named(library), prune(library).files, _named(library)) == ({"Greta": True}, 1, {})


def test_the_software_is_told_by_decoder_and_detector() -> None:
    class OtherDetector(TileDetector):
        identity = "tiles-2"

    software = software_of(TileDetector())
    assert "pillow " in software
    assert software == software_of(TileDetector())
    assert software != software_of(OtherDetector())


# Moved, copied


def test_a_copy_is_listed_with_both_paths(library: Library, changing_album: Path) -> None:
    shutil.copy(changing_album / "red.png", changing_album / "deep" / "again.png")
    _index(library, changing_album)
    answer = ask(
        library, probe_photo(changing_album / "red.png", TileDetector(), ColourTower()), QueryOptions(k=2, faces=True)
    )
    first, second = answer.faces[0].photos
    assert {first.photo, *first.copies} == {changing_album / "red.png", changing_album / "deep" / "again.png"}
    assert (second.photo, second.copies) == (changing_album / "deep" / "green.png", ())


def test_a_move_that_was_interrupted_is_a_move_after_the_next_run(library: Library, changing_album: Path) -> None:
    _index(library, changing_album)
    (changing_album / "red.png").rename(changing_album / "a moved.png")
    draw(changing_album / "b new.png", BLUE)

    def stop(progress: object) -> None:
        if progress.done == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(IndexInterrupted):
        index_photos(
            library, [changing_album], TileDetector(), ColourTower(), IndexOptions(batch_faces=1), on_progress=stop
        )
    assert _paths(library) == ["a moved.png", "green.png", "red.png"]
    summary, _ = _index(library, changing_album)
    assert (summary.photos_moved, summary.photos_missing) == (1, 0)
    assert _paths(library) == ["a moved.png", "b new.png", "green.png"]
    assert _index(library, changing_album)[0].photos_moved == 0


def test_a_photo_moved_to_another_root_is_moved_though_its_old_root_is_not_walked(
    library: Library, changing_album: Path, tmp_path: Path
) -> None:
    _index(library, changing_album)
    (tmp_path / "other").mkdir()
    (changing_album / "red.png").rename(tmp_path / "other" / "red.png")
    summary, calls = _index(library, tmp_path / "other")
    assert (summary.photos_moved, summary.photos_copied, calls) == (1, 0, 0)
    assert library.status().files == 2


def test_a_copy_of_a_photo_on_an_absent_drive_leaves_that_one_known(
    library: Library, changing_album: Path, tmp_path: Path
) -> None:
    _index(library, changing_album)
    draw(tmp_path / "other" / "red.png", RED)
    changing_album.rename(tmp_path / "unplugged")
    summary, _ = _index(library, tmp_path / "other")
    assert (summary.photos_moved, summary.photos_copied) == (0, 1)
    assert library.status().files == 3


# Absent roots


def test_a_renamed_root_is_said_and_answers_show_the_new_paths(
    library: Library, changing_album: Path, tmp_path: Path
) -> None:
    other = draw(tmp_path / "drive" / "blue.png", BLUE).parent
    _index(library, changing_album, other)
    renamed, unplugged = changing_album.rename(tmp_path / "renamed"), other.rename(tmp_path / "unplugged")
    summary, calls = _index(library, renamed)
    assert (summary.photos_copied, summary.photos_moved, calls) == (2, 0, 0)
    assert summary.absent == (AbsentFolder(changing_album, 2),)
    (face, *_) = ask(
        library, probe_photo(renamed / "red.png", TileDetector(), ColourTower()), QueryOptions(k=1, faces=True)
    ).faces
    assert (face.photos[0].photo, face.photos[0].missing) == (renamed / "red.png", False)
    assert face.photos[0].copies == (changing_album / "red.png",)
    assert _index(library, renamed)[0].absent == ()  # said once
    assert [(one.path, one.files) for one in prune(library).kept] == [(changing_album, 2), (other, 1)]
    dropped = prune(library, [changing_album], force=True)
    assert (dropped.files, dropped.photos, dropped.kept) == (2, 0, ())
    unplugged.rename(other)
    assert _index(library, renamed, other)[0].photos_unchanged == 3


def test_a_root_that_was_taken_for_renamed_may_come_back(
    library: Library, changing_album: Path, tmp_path: Path
) -> None:
    _index(library, changing_album)
    shutil.copytree(changing_album, tmp_path / "copy")
    away = changing_album.rename(tmp_path / "away")
    assert _index(library, tmp_path / "copy")[0].absent == (AbsentFolder(changing_album, 2),)
    away.rename(changing_album)
    assert _index(library, changing_album)[0].photos_unchanged == 2
    assert library.status().files_missing == 0


def test_prune_drops_in_some_folders_only(library: Library, changing_album: Path) -> None:
    _index(library, changing_album)
    (changing_album / "red.png").unlink()
    (changing_album / "deep" / "green.png").unlink()
    draw(changing_album / "deep" / "blue.png", BLUE)
    _index(library, changing_album)
    assert prune(library, [changing_album / "deep"]).files == 1
    assert _paths(library) == ["blue.png", "red.png"]


@pytest.mark.parametrize("leaves_mount_point", [False, True])
def test_a_root_that_is_not_there_is_said_and_kept(
    library: Library, changing_album: Path, tmp_path: Path, leaves_mount_point: bool
) -> None:
    _index(library, changing_album)
    draw(tmp_path / "other" / "blue.png", BLUE)
    changing_album.rename(tmp_path / "unplugged")
    if leaves_mount_point:
        changing_album.mkdir()
    summary, _ = _index(library, changing_album, tmp_path / "other")
    assert summary.absent == (AbsentFolder(changing_album, 2),)
    assert (summary.photos_new, summary.photos_missing, library.status().files_missing) == (1, 0, 0)
    assert prune(library).kept == (AbsentFolder(changing_album, 2),)
    assert library.status().files == 3
    if leaves_mount_point:
        changing_album.rmdir()
    (tmp_path / "unplugged").rename(changing_album)
    summary, calls = _index(library, changing_album)
    assert (summary.photos_unchanged, summary.absent, calls) == (2, (), 0)


def test_what_file_managers_leave_is_no_sign_of_a_drive(library: Library, changing_album: Path, tmp_path: Path) -> None:
    _index(library, changing_album)
    changing_album.rename(tmp_path / "unplugged")
    changing_album.mkdir()
    for name in (".DS_Store", ".directory", "Thumbs.db"):
        (changing_album / name).write_bytes(b"settings")
    assert _index(library, changing_album)[0].absent == (AbsentFolder(changing_album, 2),)
    kept = prune(library)
    assert (kept.files, kept.kept) == (0, (AbsentFolder(changing_album, 2),))
    (changing_album / "a note.txt").write_bytes(b"this folder is in use")
    assert _index(library, changing_album)[0].absent == ()
    assert prune(library).files == 2


def test_a_folder_that_was_never_known_is_an_error(library: Library, changing_album: Path, tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="does not exist"):
        _index(library, changing_album, tmp_path / "misspelt")
    assert library.status().photos == 0


# Drives below a root


def _mount(folder: Path) -> None:
    """An empty drive in a folder; skips the test where that is not allowed."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False).returncode:
        pytest.skip("drives can be mounted by root only, on Linux")


def _unmount(folder: Path) -> None:
    if os.path.ismount(folder):
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def drive(changing_album: Path) -> Iterator[Path]:
    """A mounted drive with one photo, below the album."""
    folder = changing_album / "drive"
    try:
        _mount(folder)
        draw(folder / "blue.png", BLUE)
        yield folder
    finally:
        _unmount(folder)


def test_a_drive_below_a_root_whose_folder_is_gone_is_kept(library: Library, changing_album: Path, drive: Path) -> None:
    _index(library, changing_album)
    assert library.drives.all() == [os.fsencode(drive)]
    _unmount(drive)
    drive.rmdir()  # as desktops do with the folders of what they mount
    (changing_album / "red.png").unlink()
    summary, _ = _index(library, changing_album)
    assert (summary.absent, summary.photos_missing) == ((AbsentFolder(drive, 1),), 1)
    dropped = prune(library)
    assert (dropped.files, dropped.kept) == (1, (AbsentFolder(drive, 1),))
    _mount(drive)
    draw(drive / "blue.png", BLUE)
    summary, calls = _index(library, changing_album)
    assert (summary.absent, library.status().files_missing, library.status().faces) == ((), 0, 2)
    assert calls == 0  # known by its content
    _unmount(drive)
    drive.rmdir()
    assert prune(library, [drive], force=True).files == 1
    assert (_paths(library), library.drives.all()) == (["green.png"], [])


def test_a_copy_of_what_is_on_an_absent_drive_leaves_that_one_known(
    library: Library, changing_album: Path, drive: Path
) -> None:
    _index(library, changing_album)
    shutil.copy(drive / "blue.png", changing_album / "copy.png")
    _unmount(drive)
    drive.rmdir()
    summary, _ = _index(library, changing_album)
    assert (summary.photos_copied, summary.photos_moved, summary.absent) == (1, 0, (AbsentFolder(drive, 1),))


def test_a_folder_that_held_a_drive_once_is_one_like_any_other(
    library: Library, changing_album: Path, drive: Path
) -> None:
    _index(library, changing_album)
    _unmount(drive)
    draw(drive / "blue.png", BLUE)
    _index(library, changing_album)
    assert library.drives.all() == []
    shutil.rmtree(drive)
    assert _index(library, changing_album)[0].photos_missing == 1
    assert prune(library).files == 1


# Pruned


def test_prune_drops_what_was_deleted_and_nothing_else(library: Library, changing_album: Path) -> None:
    draw(changing_album / "blue.png", BLUE)
    shutil.copy(changing_album / "red.png", changing_album / "red again.png")
    _index(library, changing_album, options=IndexOptions(people_from_folders=True))
    assert prune(library).files == 0  # nothing is gone
    for name in ("red.png", "blue.png"):
        (changing_album / name).unlink()
    assert prune(library).files == 0  # perhaps they were moved: that is for the next run to find out
    assert _index(library, changing_album)[0].photos_missing == 2
    said = prune(library, dry_run=True)
    assert (said.files, said.photos, said.faces, said.dry_run, library.status().files) == (2, 1, 1, True, 4)
    summary = prune(library)
    assert (summary.files, summary.photos, summary.faces, summary.kept) == (2, 1, 1, ())
    assert _paths(library) == ["green.png", "red again.png"]
    assert (library.status().faces, library.status().vectors) == (2, "current")
    assert len(library.vectors()) == 2


def test_prune_keeps_what_came_back(library: Library, changing_album: Path) -> None:
    _index(library, changing_album)
    (changing_album / "red.png").rename(changing_album / "aside.bak")
    _index(library, changing_album)
    (changing_album / "aside.bak").rename(changing_album / "red.png")
    assert prune(library).files == 0
    assert _paths(library) == ["green.png", "red.png"]


def test_prune_takes_an_absent_root_only_by_force(library: Library, changing_album: Path, tmp_path: Path) -> None:
    draw(tmp_path / "other" / "blue.png", BLUE)
    _index(library, changing_album, tmp_path / "other")
    (changing_album / "red.png").unlink()
    _index(library, changing_album)  # one file of the root was known to be missing before the drive went
    shutil.rmtree(changing_album)
    summary = prune(library)
    assert (summary.files, summary.kept) == (0, (AbsentFolder(changing_album, 2),))
    summary = prune(library, force=True)
    assert (summary.files, summary.photos, summary.kept) == (2, 2, ())
    assert _paths(library) == ["blue.png"]
    assert library.roots.all() == [os.fsencode(tmp_path / "other")]
    with pytest.raises(PhotoError, match="does not exist"):
        _index(library, changing_album)


def test_prune_keeps_what_a_mount_point_below_a_root_hides(library: Library, changing_album: Path) -> None:
    _index(library, changing_album)
    (changing_album / "deep" / "green.png").unlink()  # leaves an empty folder, as a drive does
    assert _index(library, changing_album)[0].photos_missing == 1
    assert prune(library).kept == (AbsentFolder(changing_album / "deep", 1),)
    (changing_album / "deep").rmdir()
    summary = prune(library)
    assert (summary.files, summary.kept) == (1, ())


def test_prune_drops_unnamed_groups_that_are_empty(library: Library, changing_album: Path) -> None:
    _index(library, changing_album)
    with library.changing():
        ids = library.catalog.embeddings()[0].tolist()
        library.people.label(library.people.add(), ids[:1], "user")
        library.people.label(library.people.named("Ann"), ids[1:], "user")
    shutil.rmtree(changing_album / "deep")
    (changing_album / "red.png").unlink()
    draw(changing_album / "blue.png", BLUE)
    _index(library, changing_album)
    assert prune(library).people == 1
    assert (library.status().people, library.status().people_named) == (1, 1)  # a name is never dropped
