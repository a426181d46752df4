"""Photos in a bucket, over the protocol of Google Cloud Storage, from a server on this machine."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.command_line import CommandLine, LibraryCommands
from support.gs_server import ACCOUNT, TOKEN, gs_server, service_account
from support.s3_server import JPEG, Bucket, fresh_clients

from facesearch.demo import write_album
from facesearch.errors import PhotoError
from facesearch.paths import address
from facesearch.photos import buckets, photo_file, walk
from facesearch.photos.files import read_file

if find_spec("gcsfs") is None:
    pytest.skip("gcsfs is not installed: pip install '.[gs]'", allow_module_level=True)


@pytest.fixture
def account(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The bucket is there as gs://archive, for this process and those that it starts; the file of who may read it."""
    with gs_server(archive=bucket) as url:
        file = tmp_path / "account.json"
        file.write_text(service_account(url), encoding="utf-8")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
        monkeypatch.setenv("NO_GCE_CHECK", "true")  # this machine is none of Google's
        with fresh_clients(monkeypatch):
            yield file


def in_archive(key: str) -> Path:
    return Path(f"gs://archive/{key}")


def test_a_bucket_is_walked_like_a_folder(bucket: Bucket, account: Path) -> None:
    for key in ("b.jpg", "a/2.jpg", "a/1.jpg", "a/.hidden.jpg", "c/x.jpg", "z.txt", "a/an odd + name?.jpg"):
        bucket.put(f"press/{key}", JPEG)
    for key in ("press/", "press/a//lost.jpg", "elsewhere/0.jpg"):
        bucket.put(key, JPEG if key.endswith("jpg") else b"")
    bucket.put("press/c/.facesearchignore", b"x.*\n")
    walking = walk([in_archive("press")])
    found = list(walking)
    names = ("b.jpg", "a/1.jpg", "a/2.jpg", "a/an odd + name?.jpg")
    assert [address(each.path) for each in found] == [f"gs://archive/press/{name}" for name in names]
    assert walking.other_files == 1
    for each in found:
        assert photo_file(each.path) == each  # by its folder's listing and by itself
        assert read_file(each.path)[1] == JPEG


def test_an_object_that_is_replaced_counts_as_changed(bucket: Bucket, account: Path) -> None:
    bucket.put("one.jpg", b"1" * 40)
    before = photo_file(in_archive("one.jpg"))
    assert (before.size_bytes, before.mtime_ns // 10**9) == (40, 1_700_000_000)
    bucket.put("one.jpg", b"2" * 40)
    after = photo_file(in_archive("one.jpg"))
    assert after.mtime_ns != before.mtime_ns
    assert after.mtime_ns // 10**9 == before.mtime_ns // 10**9


def test_a_large_object_is_read_in_pieces(bucket: Bucket, account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_WHOLE_BYTES", 100)
    bucket.put("film.mp4", bytes(range(200)))
    assert buckets.beginning(in_archive("film.mp4"), 3) == bytes(range(3))
    with buckets.open_object(in_archive("film.mp4")) as stream:
        stream.seek(150)
        assert stream.read(10) == bytes(range(150, 160))
        stream.seek(0)
        assert stream.read() == bytes(range(200))


def test_what_is_not_there_is_gone_and_what_cannot_be_asked_is_not(bucket: Bucket, account: Path) -> None:
    bucket.put("a/one.jpg", JPEG)
    assert not buckets.is_gone(in_archive("a"))
    assert buckets.is_gone(in_archive("b"))
    assert buckets.is_gone(Path("gs://other"))
    with pytest.raises(PhotoError, match=r"gs://other/x\.jpg: does not exist"):
        photo_file(Path("gs://other/x.jpg"))
    bucket.is_down = True
    assert not buckets.is_gone(in_archive("b"))
    with pytest.raises(PhotoError, match="cannot be read"):
        photo_file(in_archive("a/one.jpg"))


@pytest.mark.parametrize("who", [None, "other@tests.invalid"])
def test_who_may_not_read_a_bucket_is_told_so_without_a_secret(
    who: str | None, bucket: Bucket, account: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.put("one.jpg", JPEG)
    if who is None:
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    else:
        account.write_text(account.read_text("utf-8").replace(ACCOUNT, who), encoding="utf-8")
    with caplog.at_level(logging.DEBUG), pytest.raises(PhotoError, match="credentials") as refused:
        photo_file(in_archive("one.jpg"))
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno is not None  # the next run tries it again
    assert not buckets.is_gone(in_archive("one.jpg"))
    assert not [record for record in caplog.records if record.name.startswith(("gcsfs", "google"))]  # nor a traceback


def test_an_account_that_is_no_more_is_told_from_a_lost_network() -> None:
    from google.auth.exceptions import RefreshError, TransportError

    for error, number in ((RefreshError("key-7: invalid_grant"), errno.EACCES), (TransportError("key-7"), errno.EIO)):
        with pytest.raises(buckets.BucketError) as refused, buckets._failures(in_archive("one.jpg")):
            raise error
        assert refused.value.errno == number
        assert "key-7" not in str(refused.value)


def test_a_bucket_is_indexed_asked_and_read_again(
    bucket: Bucket, account: Path, run: CommandLine, tmp_path: Path
) -> None:
    folder = write_album(tmp_path / "album", 2, 2, groups=1, seed=5).directory
    for path in sorted(folder.rglob("*.jpg")):
        bucket.put(f"press/{path.relative_to(folder)}", path.read_bytes())
    photos = [key for key in bucket.objects if key.endswith(".jpg")]
    command = LibraryCommands(tmp_path / "library", run)
    root = "gs://archive/press"
    assert command.apart("index", root, "--ray", "local", "--workers", "1")["photos_new"] == len(photos) == 5
    bucket.requests.clear()
    assert command("index", root)["photos_unchanged"] == 5
    assert not [request for request in bucket.requests if request.startswith(("GET", "PART"))]
    assert command("query", f"gs://archive/{photos[0]}")["photo"] == f"gs://archive/{photos[0]}"
    bucket.put(photos[0], bucket.objects[photos[1]][0])
    assert command.apart("index", root, "--workers", "1")["photos_present"] == 4
    bucket.requests.clear()
    moved = command.apart("reindex", "--smallest-face", "30", "--ray", "local", "--workers", "1")
    assert (moved["switched"], moved["photos"], list(moved["nodes"].values())) == (True, 4, [4])
    whole = [request for request in bucket.requests if request.startswith("GET press/")]
    assert len(whole) == len(set(whole)) == 4  # each photo is fetched once
    assert TOKEN not in command.said
    for file in command.library.iterdir():
        assert TOKEN.encode() not in file.read_bytes()
