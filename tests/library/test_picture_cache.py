"""The cache of small pictures: bounded, private, and started again whatever happens to its file."""

from __future__ import annotations

import stat
from pathlib import Path

from facesearch.library.picture_cache import PictureCache, drop_pictures

FILE = "pictures.db"


def test_pictures_are_kept_for_other_processes_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    cache.put(b"a", b"picture", cache.begin())
    assert PictureCache(tmp_path).get(b"a") == b"picture"
    assert cache.get(b"b") is None
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_the_pictures_that_were_not_looked_at_go_first_when_there_are_too_many(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, limit_bytes=10_000)
    begun = cache.begin()
    for number in range(9):
        cache.put(bytes([number]), bytes(1000), begun)
    again = PictureCache(tmp_path, limit_bytes=10_000)  # which has seen none of them
    for number in (0, 1):
        assert again.get(bytes([number])) is not None
    for number in range(10, 12):
        again.put(bytes([number]), bytes(1000), again.begin())
    left = [number for number in range(12) if again.get(bytes([number])) is not None]
    assert len(left) == 8
    assert {0, 1, 10, 11} <= set(left)


def test_what_was_dropped_is_gone_for_everybody_and_does_not_come_back(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    begun = cache.begin()
    cache.put(b"a", b"picture", begun)
    assert drop_pictures(tmp_path)
    assert not drop_pictures(tmp_path)
    assert cache.get(b"a") is None
    cache.put(b"late", b"made from rows that are gone", begun)
    assert cache.get(b"late") is None
    cache.put(b"b", b"another", cache.begin())
    assert cache.get(b"b") == b"another"


def test_a_damaged_file_is_begun_anew_and_a_folder_that_may_not_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    cache = PictureCache(tmp_path)
    assert cache.get(b"a") is None
    cache.put(b"a", b"picture", cache.begin())
    assert cache.get(b"a") == b"picture"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / FILE).mkdir()
    nowhere = PictureCache(tmp_path / "taken")
    assert nowhere.begin() == ""
    nowhere.put(b"a", b"picture", nowhere.begin())
    assert nowhere.get(b"a") is None
