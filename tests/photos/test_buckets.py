"""Photos in a bucket, over the protocol of Amazon S3, from a server on this machine."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import CommandLine, LibraryCommands
from support.s3_server import ACCESS_KEY, JPEG, SECRET_KEY, Bucket, fresh_clients, s3_server

from facesearch.demo import write_album
from facesearch.errors import PhotoError, UsageError
from facesearch.exchange.listed_photos import make_album
from facesearch.paths import address, is_in_bucket, whole_path
from facesearch.photos import buckets, fingerprint, photo_file, walk
from facesearch.photos.files import read_file
from facesearch.photos.watch import watch
from facesearch.records import PhotoFile, SkippedFile

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install '.[s3]'")


@pytest.fixture
def address_of_server(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The bucket is there as s3://archive, for this process and those that it starts."""
    with s3_server(archive=bucket) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with fresh_clients(monkeypatch):
            yield url


def in_archive(key: str) -> Path:
    return Path(f"s3://archive/{key}")


def test_paths_of_objects_are_whole_and_shown_as_urls() -> None:
    path = Path("s3://archive/1999/one.jpg")
    assert is_in_bucket(path)
    assert is_in_bucket(os.fsencode(path))
    assert whole_path(path) == path
    assert address(path) == "s3://archive/1999/one.jpg"
    assert whole_path("one.jpg") == Path.cwd() / "one.jpg"
    for other in ("/s3:/archive", "folder/s3:/archive", "s3:", "s3", "c:/photos", "ftp://archive/one.jpg"):
        assert not is_in_bucket(Path(other)), other
    with pytest.raises(UsageError, match="with a key or a password") as refused:
        whole_path("s3://KEY:SECRET@archive/1999")
    assert "SECRET" not in str(refused.value)


def test_a_bucket_is_walked_like_a_folder(bucket: Bucket, address_of_server: str) -> None:
    for key in ("b.jpg", "a/2.jpg", "a/1.jpg", "a/.hidden.jpg", "a/@eaDir/1.jpg", "a/b/no suffix", "c/x.jpg", "z.txt"):
        bucket.put(f"press/{key}", JPEG)
    for key in ("press/", "press/a//lost.jpg", "elsewhere/0.jpg"):
        bucket.put(key, JPEG)
    bucket.put("press/c/.facesearchignore", b"x.*\n")
    walking = walk([Path("s3://archive/press"), in_archive("press/b.jpg")])
    found = [address(each.path) for each in walking]
    assert found == [f"s3://archive/press/{key}" for key in ("b.jpg", "a/1.jpg", "a/2.jpg", "a/b/no suffix")]
    assert (walking.other_files, walking.folders_left_out) == (1, 1)


def test_an_object_that_is_replaced_within_its_second_counts_as_changed(bucket: Bucket, address_of_server: str) -> None:
    bucket.put("a/one.jpg", b"1" * 40)
    (listed,) = walk([in_archive("a")])
    before = photo_file(in_archive("a/one.jpg"))
    assert listed == before  # by its folder's listing and by itself
    assert (before.size_bytes, before.mtime_ns // 10**9) == (40, 1_700_000_000)
    bucket.put("a/one.jpg", b"2" * 40)
    after = photo_file(in_archive("a/one.jpg"))
    assert after.mtime_ns != before.mtime_ns
    assert after.mtime_ns // 10**9 == before.mtime_ns // 10**9


def test_an_object_is_fetched_once_and_again_when_it_has_changed(
    bucket: Bucket, address_of_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_archive("one.jpg")
    bucket.put("one.jpg", b"first")
    assert read_file(path)[1] == read_file(path)[1] == b"first"
    assert sum(request.startswith("GET one.jpg") for request in bucket.requests) == 1
    digest = fingerprint(path)
    bucket.put("one.jpg", b"other")
    assert read_file(path)[1] == b"first"  # a moment later, within the same photo, nobody asks again
    monkeypatch.setattr(buckets, "_RECENT_S", 0)
    assert read_file(path)[1] == b"other"
    assert fingerprint(path) != digest


def test_a_large_object_is_read_in_pieces(
    bucket: Bucket, address_of_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_WHOLE_BYTES", 100)
    bucket.put("film.mp4", bytes(range(200)))
    with buckets.open_object(in_archive("film.mp4")) as stream:
        stream.seek(150)
        assert stream.read(10) == bytes(range(150, 160))
        stream.seek(0)
        assert stream.read() == bytes(range(200))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAWRONG"}, "may not be read"),
        ({"AWS_ACCESS_KEY_ID": ""}, "needs credentials"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "cannot be read"),
    ],
)
def test_a_bucket_that_cannot_be_read_says_why_and_no_secret(
    change: dict[str, str], said: str, bucket: Bucket, address_of_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in change.items():
        if value:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name)
    bucket.put("one.jpg", JPEG)
    buckets._system.cache_clear()
    for look in (photo_file, lambda path: walk([path]), read_file):
        with pytest.raises(PhotoError, match=said) as refused:
            look(in_archive("one.jpg"))
        assert not re.search("AKIA|secret|127", str(refused.value))
        assert isinstance(refused.value.__cause__, OSError)
        assert refused.value.__cause__.errno is not None  # the next run tries it again
    assert not buckets.is_gone(in_archive("one.jpg"))


def test_what_is_not_there_is_gone_and_what_cannot_be_asked_is_not(bucket: Bucket, address_of_server: str) -> None:
    bucket.put("a/one.jpg", JPEG)
    assert not buckets.is_gone(in_archive("a"))
    assert buckets.is_gone(in_archive("b"))
    assert buckets.is_gone(Path("s3://other"))
    with pytest.raises(PhotoError, match=r"s3://other/x\.jpg: does not exist"):
        photo_file(Path("s3://other/x.jpg"))
    with pytest.raises(PhotoError, match="is a folder"):
        photo_file(in_archive("a"))


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry

    buckets._system.cache_clear()
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(_registry, "gs", raising=False)  # where other tests have loaded it
    with pytest.raises(PhotoError, match="gcsfs"):
        photo_file(Path("gs://archive/one.jpg"))


def test_a_bucket_is_not_watched_nor_linked_to_but_copied_from(
    bucket: Bucket, address_of_server: str, tmp_path: Path
) -> None:
    bucket.put("one.jpg", JPEG)
    with pytest.raises(PhotoError, match="reports no changes"):
        watch([in_archive("one.jpg")], lambda _: True)
    with pytest.raises(UsageError, match="--copy"):
        make_album([in_archive("one.jpg")], tmp_path / "album")
    made = make_album([in_archive("one.jpg"), in_archive("gone.jpg")], tmp_path / "album", copy=True)
    assert (made.photos, made.skipped) == (1, (in_archive("gone.jpg"),))
    copied = tmp_path / "album" / "0001 one.jpg"
    assert copied.read_bytes() == JPEG
    assert int(copied.stat().st_mtime) == 1_700_000_000


def test_a_bucket_is_indexed_asked_and_read_again(
    bucket: Bucket, address_of_server: str, run: CommandLine, tmp_path: Path
) -> None:
    folder = write_album(tmp_path / "album", 2, 2, groups=1, seed=5).directory
    for path in sorted(folder.rglob("*.jpg")):
        bucket.put(f"press/{path.relative_to(folder)}", path.read_bytes())
    photos = [key for key in bucket.objects if key.endswith(".jpg")]
    command = LibraryCommands(tmp_path / "library", run)
    root = "s3://archive/press"
    assert command.apart("index", root, "--people-from-folders", "--workers", "1")["photos_new"] == len(photos) == 5

    gone, edited = photos[1], photos[2]
    bucket.put(edited, bucket.objects[photos[3]][0])
    content = bucket.objects.pop(gone)
    again = command("index", root, "--workers", "1")
    assert (again["photos_unchanged"], again["photos_missing"]) == (3, 1)
    bucket.objects[gone] = content
    assert command.apart("index", root, "--ray", "local", "--workers", "1")["photos_present"] == 4

    bucket.requests.clear()
    assert command("index", root)["photos_unchanged"] == 5
    assert not [request for request in bucket.requests if request.startswith(("GET press/", "PART"))]
    answer = command("query", f"s3://archive/{photos[0]}")
    assert answer["photo"] == f"s3://archive/{photos[0]}"
    bucket.requests.clear()
    moved = command.apart("reindex", "--smallest-face", "30", "--ray", "local", "--workers", "1")
    assert (moved["switched"], moved["photos"], list(moved["nodes"].values())) == (True, 4, [4])
    whole = [request for request in bucket.requests if request.startswith("GET press/")]
    assert len(whole) == len(set(whole)) == 4  # each photo is fetched once
    # Its person is called groups, like its folder: a word that the tower's card in the library has, too.
    command("forget", f"s3://archive/{photos[0]}", "--yes")
    assert f"s3://archive/{photos[0]}" not in json.dumps(command("photos"))
    bucket.is_down = True
    kept = run("index", root, "--library", command.library)
    assert kept.code == 3
    assert len(command("photos")["photos"]) == 3
    assert SECRET_KEY not in command.said + kept.out + kept.err
    for file in command.library.iterdir():
        assert SECRET_KEY.encode() not in file.read_bytes()


def test_a_folder_that_cannot_be_listed_is_skipped_and_costs_nothing(
    bucket: Bucket, address_of_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs.core import S3FileSystem

    bucket.put("a/one.jpg", JPEG)
    monkeypatch.setattr(S3FileSystem, "retries", 1)  # five, and two seconds of waiting between them, are the default
    walking = walk([in_archive("a")])
    bucket.is_down = True
    (found,) = walking
    assert isinstance(found, SkippedFile)
    assert "cannot be read" in found.reason
    assert not isinstance(found, PhotoFile)
