"""Packed sets: tar files and InsightFace's RecordIO give the photos that they hold; damage is reported and counted."""

from __future__ import annotations

import gzip
import resource
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.packed_sets import (
    END,
    MAGIC,
    image_record,
    insightface,
    pictures,
    png,
    record,
    tar,
    tar_member,
    write_records,
)

from facesearch.demo import write_album
from facesearch.errors import PhotoError, TrainingDataError
from facesearch_train.checking import check_data
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import Dataset, list_photos, read_dataset
from facesearch_train.data.joined import JoinedCrops, merge_datasets
from facesearch_train.data.packs import PhotoReader

NAMES = ("Al/1.png", "Al/2.png", "Bo/1.png", "Bo/2.png")
PICTURES = pictures(4)
FILES = {name: png(picture) for name, picture in zip(NAMES, PICTURES, strict=True)}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix in (".gz", ".tgz") else content)
    return path


def names(dataset: Dataset) -> list[str]:
    """`person: name below the set` of every photo."""
    return [f"{photo.identity}: {photo.path.relative_to(dataset.root).as_posix()}" for photo in dataset.photos]


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tgz"])
def test_a_tar_is_read_like_the_folder_it_unpacks_to(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, tar(FILES))
    dataset = read_dataset(path)
    assert (dataset.name, dataset.layout, dataset.root) == ("set", "folders", path)
    assert names(dataset) == [f"{entry[:2]}: {entry}" for entry in NAMES]
    assert dataset.warnings == ()
    assert dataset.describe().endswith("4 photos of 2 people, 2 with two or more; one folder per person, in a tar file")
    crops = prepare_crops(dataset, tmp_path / "cache", workers=2)
    np.testing.assert_array_equal(crops.crops, PICTURES)
    assert crops.origins == ("aligned",) * 4
    assert crops.paths == [photo.path for photo in dataset.photos]
    assert sorted(entry.name for entry in tmp_path.iterdir() if not entry.name.startswith(".")) == ["cache", name]


def test_a_tar_of_photos_is_searched_for_faces(tmp_path: Path) -> None:
    write_album(tmp_path / "album", people=2, photos=2, seed=5, groups=0)
    drawn = read_dataset(tmp_path / "album" / "people")
    files = {photo.path.relative_to(drawn.root).as_posix(): photo.path.read_bytes() for photo in drawn.photos}
    packed = prepare_crops(read_dataset(write(tmp_path / "drawn.tar.gz", tar(files))), tmp_path / "packed")
    loose = prepare_crops(drawn, tmp_path / "loose")
    np.testing.assert_array_equal(packed.crops, loose.crops)
    assert packed.origins == ("detected",) * 4
    assert packed.identities == loose.identities


def test_folders_around_all_hidden_and_other_files_are_passed_over(tmp_path: Path) -> None:
    content = tar_member(b"unpacked/", b"", b"5") + tar_member(b"unpacked/set/Al/link.png", b"", b"2")
    files = {f"./unpacked/set/{name}": content for name, content in FILES.items()} | {
        "unpacked/set/Al/.hidden.png": b"x",
        "unpacked/set/__MACOSX/Al/1.png": b"x",
        "unpacked/set/list.txt": b"x",
        "unpacked/set/Al/empty.png": b"",
        "unpacked/set/loose.png": b"x",
    }
    dataset = read_dataset(write(tmp_path / "set.tar", content + tar(files)))
    assert names(dataset) == [f"{entry[:2]}: unpacked/set/{entry}" for entry in NAMES]
    loose, empty = dataset.warnings
    assert loose.startswith("1 file in") and "loose.png" in loose
    assert empty.startswith("1 file empty") and "empty.png" in empty


def test_a_photo_beside_a_lone_folder_makes_the_folder_a_person(tmp_path: Path) -> None:
    files = {f"set/{name}": content for name, content in FILES.items()} | {"loose.png": b"x"}
    assert {photo.identity for photo in list_photos(write(tmp_path / "set.tar", tar(files))).photos} == {"set"}
    for name, content in files.items():
        (tmp_path / "same" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "same" / name).write_bytes(content)
    assert {photo.identity for photo in list_photos(tmp_path / "same").photos} == {"set"}


def test_lfws_layout_is_known_in_a_tar(tmp_path: Path) -> None:
    lfw = {f"lfw/Al/Al_000{number}.jpg": b"x" for number in (1, 2)} | {"lfw/Bo/Bo_0001.jpg": b"x"}
    assert read_dataset(write(tmp_path / "lfw.tgz", tar(lfw))).layout == "lfw"


def test_long_names_and_names_given_twice(tmp_path: Path) -> None:
    long = "Al/" + "ä" * 120 + ".png"
    path_record = f"path={long}\n".encode()
    size_record = b"size=%d\n" % len(FILES["Al/1.png"])
    pax = b"".join(b"%d %s" % (len(text) + 4, text) for text in (path_record,)) + b"%d %s" % (
        len(size_record) + 3,
        size_record,
    )
    content = tar_member(b"ignored", pax, b"x") + tar_member(b"short", FILES["Al/1.png"])
    gnu = b"Bo/" + b"b" * 150 + b".png"
    content += tar_member(b"././@LongLink", gnu + b"\0", b"L") + tar_member(gnu[:100], FILES["Bo/1.png"])
    content += tar_member(b"/../Al/2.png", b"replaced below") + tar_member(b"Al/2.png", FILES["Al/2.png"]) + END
    dataset = read_dataset(write(tmp_path / "set.tar", content))
    assert names(dataset) == [f"Al: {long}", f"Bo: {gnu.decode()}", "Al: Al/2.png"]
    np.testing.assert_array_equal(prepare_crops(dataset, tmp_path / "cache").crops, PICTURES[[0, 2, 1]])


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_is_cut_off_gives_what_is_whole(tmp_path: Path, suffix: str) -> None:
    whole = tar(FILES)
    path = tmp_path / f"set{suffix}"
    for cut in (len(whole) - len(END), len(whole) - len(END) - 600, len(whole) - len(END) - 30_000):
        path.write_bytes(gzip.compress(whole, mtime=0)[: -(len(whole) - cut)] if suffix == ".tar.gz" else whole[:cut])
        dataset = list_photos(path)
        (warning,) = dataset.warnings
        count = len(dataset.photos)
        assert f"is damaged or cut off after {count} files" in warning and "Copy it again" in warning
        assert 2 <= count <= 4
        if cut < len(whole) - len(END):
            assert count < 4
        crops = prepare_crops(dataset, tmp_path / "cache")
        np.testing.assert_array_equal(crops.crops, PICTURES[:count])


def test_a_damaged_header_ends_a_tar(tmp_path: Path) -> None:
    first = tar_member(b"Al/1.png", FILES["Al/1.png"])
    rest = bytearray(tar({"Bo/1.png": FILES["Bo/1.png"]}))
    rest[3] ^= 1  # the checksum no longer fits
    dataset = list_photos(write(tmp_path / "set.tar", first + bytes(rest)))
    assert names(dataset) == ["Al: Al/1.png"]
    assert "after 1 files" in dataset.warnings[0]


def test_damage_within_gzipped_data_costs_the_photos_behind_it(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(tar(FILES)))
    packed[len(packed) * 5 // 8] ^= 0xFF
    (tmp_path / "set.tar.gz").write_bytes(packed)
    dataset = list_photos(tmp_path / "set.tar.gz")
    assert "damaged or cut off" in dataset.warnings[0]  # the checksum at the end, where the data could be inflated
    made = prepare_crops(dataset, tmp_path / "cache")
    np.testing.assert_array_equal(made.crops[:2], PICTURES[:2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a tar file"),
        (b"PK\x03\x04" + bytes(2000), "is not a tar file"),
        (b"\x1f\x8b" + bytes(100), "is not a tar file"),
        (gzip.compress(b"text", mtime=0), "is not a tar file"),
        (END, "holds no training photos"),
        (tar({"Al/1.txt": b"x"}), "holds no training photos"),
        (tar({"1.png": b"x", "2.png": b"x"}), "2 files in .* in no person's folder"),
        (tar({"Al/1.png": b"x", "Al/2.png": b"x"}), "shows one person only"),
        (tar({"Al/1.png": b"x", "Bo/2.png": b"x"}), "nobody with two photos"),
    ],
)
def test_files_that_are_no_set_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "set.tar").write_bytes(content)
    with pytest.raises(TrainingDataError, match=message):
        read_dataset(tmp_path / "set.tar")


def test_photos_that_cannot_be_decoded_are_dropped_with_a_reason(tmp_path: Path) -> None:
    damaged = {**FILES, "Bo/2.png": FILES["Bo/2.png"][:500]}
    crops = prepare_crops(read_dataset(write(tmp_path / "set.tar.gz", tar(damaged))), tmp_path / "cache")
    assert len(crops) == 3
    ((photo, reason),) = crops.dropped
    assert photo.path == tmp_path / "set.tar.gz" / "Bo" / "2.png"
    assert "is damaged (99 % of the picture is missing)" in reason


def test_a_changed_archive_is_cut_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "set.tar", tar(FILES))
    prepare_crops(read_dataset(path), tmp_path / "cache")
    other = pictures(4, seed=1)
    write(path, tar({name: png(picture) for name, picture in zip(NAMES, other, strict=True)}))
    np.testing.assert_array_equal(prepare_crops(read_dataset(path), tmp_path / "cache").crops, other)


LABELS = [0, 0, 3, 3]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return insightface(tmp_path / "faces_tiny", LABELS, list(FILES.values()))


@pytest.mark.parametrize("given", ["", "train.rec"])
def test_record_files_give_their_photos(records: Path, tmp_path: Path, given: str) -> None:
    dataset = read_dataset(records / given)
    assert (dataset.name, dataset.layout) == ("faces_tiny", "recordio")
    assert names(dataset) == ["0: 0/1", "0: 0/2", "3: 3/3", "3: 3/4"]
    assert dataset.warnings == ()
    assert "InsightFace's RecordIO" in dataset.describe()
    crops = prepare_crops(dataset, tmp_path / "cache")
    np.testing.assert_array_equal(crops.crops, PICTURES)
    assert crops.origins == ("aligned",) * 4


def test_records_of_one_label_or_several_without_identities(tmp_path: Path) -> None:
    """MS1MV3 has no records of identities, and record 0 is a photo; Glint360K's photos have two labels each."""
    contents = list(FILES.values())
    data = [(0, image_record(7.0, 0, contents[0])), (5, image_record([7.0, 0.0], 5, contents[1]))]
    data += [(6, image_record([8.0, 1.0], 6, contents[2])), (9, image_record(8.0, 9, contents[3]))]
    dataset = read_dataset(write_records(tmp_path / "set", data, people=2))
    assert names(dataset) == ["7: 7/0", "7: 7/5", "8: 8/6", "8: 8/9"]
    np.testing.assert_array_equal(prepare_crops(dataset, tmp_path / "cache").crops, PICTURES)


@pytest.mark.parametrize("place", [24, 25, 28, 40])
def test_a_photo_that_holds_the_magic_number_is_joined_again(tmp_path: Path, place: int) -> None:
    photo = bytes(place - 24) + MAGIC + MAGIC + b"end"
    stored = record(image_record(1.0, 1, photo))
    assert stored.count(MAGIC) == 3  # where the photo's two lie at multiples of four, two parts' take their places
    folder = write_records(
        tmp_path / "set",
        [(1, image_record(1.0, 1, photo)), (2, image_record(1.0, 2, b"a" * 9)), (3, image_record(2.0, 3, b"b"))],
        people=2,
    )
    dataset = list_photos(folder)
    with PhotoReader() as reader:
        assert [reader.content(entry) for entry in dataset.photos] == [photo, b"a" * 9, b"b"]


def test_what_property_announces_is_compared(records: Path) -> None:
    (records / "property").write_text("3,112,112")
    (warning,) = read_dataset(records).warnings
    assert warning.endswith("announces 3 people, train.rec shows 2.")
    (records / "property").unlink()
    assert read_dataset(records).warnings == ()


def test_a_record_file_that_is_cut_off_gives_what_is_whole(records: Path, tmp_path: Path) -> None:
    whole = (records / "train.rec").read_bytes()
    offsets = [int(line.split("\t")[1]) for line in (records / "train.idx").read_text().splitlines()]
    (records / "train.rec").write_bytes(whole[: offsets[4] + 1000])  # within photo 4; two records of identities follow
    dataset = read_dataset(records)
    assert names(dataset) == ["0: 0/1", "0: 0/2", "3: 3/3"]
    (warning,) = dataset.warnings
    assert warning.startswith("3 records of") and "is it cut off?" in warning and "Copy" in warning
    np.testing.assert_array_equal(prepare_crops(dataset, tmp_path / "cache").crops, PICTURES[:3])


def test_damaged_records_are_counted(records: Path, tmp_path: Path) -> None:
    lines = (records / "train.idx").read_text().splitlines()
    offsets = [int(line.split("\t")[1]) for line in lines]
    content = bytearray((records / "train.rec").read_bytes())
    content[offsets[1]] ^= 1  # no magic number
    content[offsets[2] + 12 : offsets[2] + 16] = struct.pack("<f", float("nan"))
    content[offsets[3] + 8 + 24] ^= 0xFF  # the photo's first byte: seen when it is decoded
    (records / "train.rec").write_bytes(content)
    dataset = list_photos(records)
    assert names(dataset) == ["3: 3/3", "3: 3/4"]
    assert dataset.warnings[0].startswith("2 records of") and "damaged" in dataset.warnings[0]
    crops = prepare_crops(dataset, tmp_path / "cache")
    assert [photo.path.name for photo, _ in crops.dropped] == ["3"]
    np.testing.assert_array_equal(crops.crops, PICTURES[3:])


def test_a_record_that_changed_after_it_was_listed_is_an_error(records: Path) -> None:
    dataset = list_photos(records)
    (records / "train.rec").write_bytes(bytes(40))
    with PhotoReader() as reader, pytest.raises(PhotoError, match="copy the packed set again"):
        reader.content(dataset.photos[0])
    with PhotoReader() as reader, pytest.raises(PhotoError, match="ends too early"):
        reader.content(dataset.photos[3])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, "says where each photo begins"),
        ("", "is empty or cut off"),
        ("0\t0\n1", "is empty or cut off"),
        ("Al/1.png 0\n", "is not an index"),
    ],
)
def test_an_index_that_is_none_is_refused(records: Path, index: str | None, message: str) -> None:
    (records / "train.idx").unlink()
    if index is not None:
        (records / "train.idx").write_text(index)
    with pytest.raises(TrainingDataError, match=message):
        read_dataset(records)


def test_listing_a_record_file_holds_no_photo(tmp_path: Path) -> None:
    photo = bytes(40_000)
    data = [(key, image_record(float(key // 4), key, photo)) for key in range(250)]
    folder = write_records(tmp_path / "set", data, people=63)
    del data
    tracemalloc.start()
    try:
        dataset = list_photos(folder)
        assert len(dataset.photos) == 250
        assert dataset.photos[-1].span[1] == 40_000
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # bytes; the photos are 10 MB
    assert held < 200_000


def test_packed_sets_and_folders_are_merged_and_checked_together(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(tmp_path / "crops"))
    for name, content in FILES.items():
        target = tmp_path / "loose" / name.replace("Bo", "Cy")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    archive = write(tmp_path / "set.tar.gz", tar(FILES))
    sets = [list_photos(path) for path in (records, archive, tmp_path / "loose")]
    joined = JoinedCrops(merge_datasets(sets), [prepare_crops(data, tmp_path / f"c-{data.name}") for data in sets])
    np.testing.assert_array_equal(joined[:], np.concatenate([PICTURES] * 3))
    assert joined.identities[::4] == ["faces_tiny/0", "set/Al", "loose/Al"]
    report = check_data(
        [records, archive, tmp_path / "loose"], lambda crops: crops.reshape(len(crops), -1)[:, :32] / 255.0
    )
    assert [len(copies.photos) for copies in report.equal_across_people] == [3] * 4
    assert {photo.path.name for photo in report.equal_across_people[0].photos} == {"1", "1.png"}
    assert report.unreadable == ()


def test_a_gzipped_tar_that_the_disk_has_no_room_for_is_no_fault_of_its_photos(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path / "set.tar.gz", tar(FILES)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with PhotoReader(tmp_path) as reader, pytest.raises(TrainingDataError, match="Free as much disk space"):
            reader.content(dataset.photos[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with PhotoReader(tmp_path / "gone") as reader, pytest.raises(TrainingDataError, match="No such file or directory"):
        reader.content(dataset.photos[0])
