"""Labelled folders in every layout: what is read, what is warned of, what is refused; merged, and split by person."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ordinary_user import acting_as_ordinary_user

from facesearch.errors import TrainingDataError
from facesearch_train.data.datasets import Dataset, list_photos, read_dataset
from facesearch_train.data.joined import merge_datasets, same_name
from facesearch_train.data.lfw import LfwPair, LfwPhoto, fetch_lfw, people_in_folds, photos_of_pairs, read_lfw_pairs
from facesearch_train.data.splits import split_by_person


def write(root: Path, *names: str, content: bytes = b"not decoded here") -> Path:
    """Files below root, with their folders."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def celeba(root: Path, lines: dict[str, str]) -> Path:
    """A folder in CelebA's layout: photo -> id."""
    write(root, *(f"img_align_celeba/{name}" for name in lines))
    (root / "identity_CelebA.txt").write_text("".join(f"{name} {identity}\n" for name, identity in lines.items()))
    return root


def people(dataset: Dataset) -> dict[str, list[str]]:
    """Identity -> file names."""
    found: dict[str, list[str]] = {}
    for photo in dataset.photos:
        found.setdefault(photo.identity, []).append(photo.path.name)
    return found


def test_celebas_layout_is_known_by_its_list(tmp_path: Path) -> None:
    root = celeba(tmp_path, {"000001.jpg": "2880", "000002.jpg": "17", "000003.jpg": "2880"})
    dataset = read_dataset(root)
    assert dataset.layout == "celeba"
    assert people(dataset) == {"2880": ["000001.jpg", "000003.jpg"], "17": ["000002.jpg"]}
    assert dataset.warnings == ()
    assert "3 photos of 2 people, 1 with two or more" in dataset.describe()
    assert people(read_dataset(root / "img_align_celeba")) == people(dataset)


def test_celebas_folders_as_handed_out(tmp_path: Path) -> None:
    write(tmp_path, "Img/img_align_celeba/1.jpg", "Img/img_align_celeba/2.jpg", "Img/img_align_celeba/3.jpg")
    write(tmp_path, "Anno/identity_CelebA.txt", content=b"1.jpg 5\n2.jpg 5\n3.jpg 6\n")
    assert people(read_dataset(tmp_path)) == {"5": ["1.jpg", "2.jpg"], "6": ["3.jpg"]}


def test_what_celebas_list_and_folder_lack_is_counted(tmp_path: Path) -> None:
    root = celeba(tmp_path, {"1.jpg": "5", "2.jpg": "5", "3.jpg": "6", "4.jpg": "6", "5.jpg": "6"})
    (root / "img_align_celeba" / "4.jpg").unlink()
    (root / "img_align_celeba" / "5.jpg").write_bytes(b"")
    write(root, "img_align_celeba/8.jpg", "img_align_celeba/9.jpg")
    dataset = read_dataset(root)
    assert people(dataset) == {"5": ["1.jpg", "2.jpg"], "6": ["3.jpg"]}
    missing, empty, unlisted = dataset.warnings
    assert missing.startswith("1 file named in") and "missing" in missing and "4.jpg" in missing
    assert empty.startswith("1 file empty") and "5.jpg" in empty
    assert unlisted.startswith("2 files in") and "8.jpg" in unlisted


def test_a_line_that_is_no_file_and_id_is_named(tmp_path: Path) -> None:
    root = celeba(tmp_path, {"1.jpg": "5"})
    (root / "identity_CelebA.txt").write_text("1.jpg 5\n\n2.jpg\n")
    with pytest.raises(TrainingDataError, match=r"line 3: '2\.jpg' is not 'file id'"):
        read_dataset(root)
    (root / "identity_CelebA.txt").unlink()
    with pytest.raises(TrainingDataError, match="no list of who is who"):
        read_dataset(root)


@pytest.mark.parametrize("inside", ["", "lfw-deepfunneled", "lfw_funneled"])
def test_lfws_layout_is_known_by_its_names(tmp_path: Path, inside: str) -> None:
    write(tmp_path / inside, "Al_Gore/Al_Gore_0001.jpg", "Al_Gore/Al_Gore_0002.jpg", "Zico/Zico_0001.jpg")
    write(tmp_path, "pairs.txt")
    dataset = read_dataset(tmp_path)
    assert dataset.layout == "lfw"
    assert dataset.root == tmp_path
    assert people(dataset) == {"Al_Gore": ["Al_Gore_0001.jpg", "Al_Gore_0002.jpg"], "Zico": ["Zico_0001.jpg"]}


def test_a_folder_a_person_takes_all_photos_below(tmp_path: Path) -> None:
    write(
        tmp_path, "zoë b/b.PNG", "zoë b/2024/summer/a.webp", "Al/1.heic", "Al/notes.txt", "Al/.hidden.jpg", ".git/x.jpg"
    )
    write(tmp_path, "loose.jpg", "__MACOSX/Al/1.jpg")
    dataset = read_dataset(tmp_path)
    assert dataset.layout == "folders"
    assert people(dataset) == {"Al": ["1.heic"], "zoë b": ["a.webp", "b.PNG"]}
    (warning,) = dataset.warnings
    assert warning.startswith("1 file loose in") and "loose.jpg" in warning


def test_a_lone_folder_around_all_is_stepped_into(tmp_path: Path) -> None:
    write(tmp_path, "unpacked/faces/Al/1.jpg", "unpacked/faces/Al/2.jpg", "unpacked/faces/Bo/1.jpg")
    assert set(people(read_dataset(tmp_path))) == {"Al", "Bo"}


def test_a_drawn_album_is_read_without_its_group_photos(tmp_path: Path) -> None:
    write(tmp_path, "people/Al/1.jpg", "people/Al/2.jpg", "people/Bo/1.jpg", "groups/1.jpg", "people.csv")
    assert people(read_dataset(tmp_path)) == {"Al": ["1.jpg", "2.jpg"], "Bo": ["1.jpg"]}


def test_a_linked_folder_does_not_lead_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, "Al/1.jpg", "Al/2.jpg", "Bo/1.jpg")
    (tmp_path / "Al" / "again").symlink_to(tmp_path / "Al", target_is_directory=True)
    assert people(read_dataset(tmp_path)) == {"Al": ["1.jpg", "2.jpg"], "Bo": ["1.jpg"]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no training photos"),
        (["1.jpg", "2.jpg"], "2 files loose in .* Move them into folders named by person"),
        (["Al/1.txt"], "holds no training photos"),
        (["Al/1.jpg", "Al/2.jpg"], "shows one person only .Al."),
        (["Al/1.jpg", "Bo/1.jpg"], "2 people but nobody with two photos"),
        (["train/Al/1.jpg", "val/Bo/1.jpg"], "Give each of them as a --data of its own"),
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(TrainingDataError, match=message) as raised:
        read_dataset(write(tmp_path, *names))
    assert raised.value.exit_code == 6
    assert str(tmp_path) in str(raised.value)


def test_empty_files_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "Al/1.jpg", "Al/2.jpg", "Bo/1.jpg")
    write(tmp_path, "Bo/2.jpg", "Bo/3.jpg", content=b"")
    dataset = read_dataset(tmp_path)
    assert people(dataset)["Bo"] == ["1.jpg"]
    assert dataset.warnings[0].startswith("2 files empty below")


def test_no_folder_or_one_that_cannot_be_listed_is_refused() -> None:
    with acting_as_ordinary_user() as folder:
        with pytest.raises(TrainingDataError, match="is neither a folder nor a packed set"):
            read_dataset(folder / "nowhere")
        write(folder, "Al/1.jpg", "Bo/1.jpg")
        (folder / "Bo").chmod(0)
        for path in (folder, folder / "Bo"):
            with pytest.raises(TrainingDataError, match=r"Bo cannot be listed .* permission"):
                read_dataset(path)
        with pytest.raises(TrainingDataError, match="is neither a folder nor a packed set"):
            read_dataset(folder / "Bo" / "inside")


def test_files_that_cannot_be_looked_at_are_left_to_the_cutting() -> None:
    with acting_as_ordinary_user() as folder:
        write(folder, "Al/1.jpg", "Al/2.jpg", "Bo/1.jpg")
        (folder / "Bo").chmod(0o400)
        assert people(read_dataset(folder))["Bo"] == ["1.jpg"]


def folders(root: Path, *names: str) -> Dataset:
    return list_photos(write(root, *names))


def test_merged_people_bear_their_datasets_name(tmp_path: Path) -> None:
    first, second = folders(tmp_path / "one", "1/a.jpg", "1/b.jpg"), folders(tmp_path / "two", "1/a.jpg", "2/a.jpg")
    merged = merge_datasets([first, second])
    assert people(merged) == {"one/1": ["a.jpg", "b.jpg"], "two/1": ["a.jpg"], "two/2": ["a.jpg"]}
    assert merged.layout == "merged" and merged.warnings == ()


def test_celebas_ids_join_a_loose_set_and_double_shots_are_kept_once(tmp_path: Path) -> None:
    aligned = list_photos(celeba(tmp_path / "celeba", {"01.jpg": "7", "02.jpg": "7", "03.jpg": "8"}))
    wild = folders(tmp_path / "wild", "7/01.jpg", "7/09.jpg", "9/10.jpg")
    merged = merge_datasets([aligned, wild])
    assert people(merged) == {
        "celeba/7": ["02.jpg", "01.jpg", "09.jpg"],
        "celeba/8": ["03.jpg"],
        "celeba/9": ["10.jpg"],
    }
    assert [photo.path.parent.name for photo in merged.photos if photo.path.name == "01.jpg"] == ["7"]
    assert any(warning.startswith("1 CelebA photos are in several sets") for warning in merged.warnings)
    assert people(merge_datasets([wild, aligned])) == {
        "celeba/7": ["01.jpg", "09.jpg", "02.jpg"],
        "celeba/9": ["10.jpg"],
        "celeba/8": ["03.jpg"],
    }


@pytest.mark.parametrize(
    "names",
    [
        ["7/90.jpg", "9/10.jpg"],  # numbers, but no file bears them out
        ["8/01.jpg", "9/10.jpg"],  # CelebA says that 01.jpg shows 7
        ["7/01.jpg", "20000/10.jpg"],  # CelebA has no such id
        ["7/01.jpg", "Al/10.jpg"],
    ],
)
def test_numbers_alone_are_not_celebas_ids(tmp_path: Path, names: list[str]) -> None:
    aligned = list_photos(celeba(tmp_path / "celeba", {"01.jpg": "7", "02.jpg": "7", "03.jpg": "8"}))
    merged = merge_datasets([aligned, folders(tmp_path / "other", *names)])
    assert {identity for identity in people(merged) if identity.startswith("celeba/")} == {"celeba/7", "celeba/8"}
    assert len(merged.photos) == 5


def test_celebas_photo_numbers_bear_its_ids_out(tmp_path: Path) -> None:
    more = folders(tmp_path / "more", "7/000011.webp", "9/202599.webp")
    wild = folders(tmp_path / "wild", "7/000011.jpg", "7/000012.jpg")
    assert people(merge_datasets([more, wild])) == {"more/7": ["000011.webp", "000012.jpg"], "more/9": ["202599.webp"]}
    aligned = list_photos(celeba(tmp_path / "celeba", {"000001.jpg": "7", "000012.jpg": "7"}))
    merged = merge_datasets([more, wild, aligned])
    assert people(merged) == {
        "celeba/7": ["000011.webp", "000012.jpg", "000001.jpg"],
        "celeba/9": ["202599.webp"],
    }
    assert merged.warnings[-1].startswith("2 CelebA photos are in several sets")
    beyond = folders(tmp_path / "beyond", "7/202600.jpg", "7/000013.jpg", "8/000014.jpg")
    assert "beyond/7" in people(merge_datasets([beyond, aligned]))
    other = folders(tmp_path / "other", "8/000012.jpg", "8/000015.jpg")  # CelebA says that 000012 shows 7
    assert "other/8" in people(merge_datasets([aligned, other]))


def test_one_full_name_is_one_person(tmp_path: Path) -> None:
    first = folders(tmp_path / "one", "Keira_Knightley/a.jpg", "Madonna/a.jpg")
    second = folders(tmp_path / "two", "keira knightley/b.jpg", "Madonna/b.jpg")
    merged = merge_datasets([first, second])
    assert people(merged) == {
        "one/Keira_Knightley": ["a.jpg", "b.jpg"],
        "one/Madonna": ["a.jpg"],
        "two/Madonna": ["b.jpg"],
    }
    assert merged.warnings == ("1 people have one name in several datasets and are treated as one person each.",)


def test_only_full_names_are_names() -> None:
    assert same_name("Robert_Downey_Jr.") == same_name("robert downey-jr") == "robert_downey_jr"
    for no_name in ("n000001", "Madonna", "2880", "person_12", "a_b", "50_Cent"):
        assert same_name(no_name) is None


def test_two_datasets_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="both called faces"):
        merge_datasets([folders(tmp_path / side / "faces", "Al/1.jpg", "Al/2.jpg") for side in ("a", "b")])


def photos_of(count: int, photos: int = 2) -> list[str]:
    return [f"set/{number}" for number in range(count) for _ in range(photos)]


def test_people_are_split_whole_and_stay_put() -> None:
    split = split_by_person(photos_of(2000), 0.1, seed=1)
    assert split.training | split.validation == set(photos_of(2000))
    assert not split.training & split.validation
    assert 150 < len(split.validation) < 250
    grown = split_by_person(photos_of(3000, photos=3), 0.1, seed=1)
    assert grown.validation & set(photos_of(2000)) == split.validation
    renamed = split_by_person([identity.replace("set/", "") for identity in photos_of(2000)], 0.1, seed=1)
    assert renamed.validation == {identity.removeprefix("set/") for identity in split.validation}
    assert split_by_person(photos_of(2000), 0.1, seed=2) != split


def test_named_people_validate_whatever_the_dataset() -> None:
    identities = [*photos_of(50), "lfw/Zico", "glint/keira knightley", "lfw/Al_Gore"]
    split = split_by_person(identities, 0.01, seed=1, validate={"Zico", "Keira_Knightley", "set/3", "Nobody_Here"})
    assert {"lfw/Zico", "glint/keira knightley", "set/3"} <= split.validation
    assert len(split.validation) < 10


def test_with_a_share_of_nothing_only_the_named_validate() -> None:
    split = split_by_person(photos_of(50), 0.0, seed=1, validate={"set/3", "set/4"})
    assert split.validation == {"set/3", "set/4"}


def test_small_sets_still_validate_with_two_people() -> None:
    split = split_by_person(photos_of(4), 0.001, seed=1)
    assert len(split.validation) == len(split.training) == 2
    with pytest.raises(TrainingDataError, match="too few"):
        split_by_person(photos_of(3), 0.1, seed=1)
    with pytest.raises(ValueError, match="below 1"):
        split_by_person(photos_of(9), 1.0, seed=1)


VIEW_2 = (
    "2\t2\nZico\t1\t2\nAl Gore\t1\t3\nZico\t1\tAl Gore\t2\nZico\t2\tBo\t1\n"
    "Bo\t1\t2\nBo\t1\t3\nBo\t1\tZico\t1\nBo\t2\tZico\t3\n"
)


def test_lists_of_pairs_with_any_number_of_folds(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(VIEW_2)
    folds = read_lfw_pairs(path)
    assert [[pair.genuine for pair in fold] for fold in folds] == [[True, True, False, False]] * 2
    assert folds[0][2] == LfwPair(LfwPhoto("Zico", 1), LfwPhoto("Al Gore", 2))
    assert folds[0][2].second.path == Path("Al Gore/Al Gore_0002.jpg")
    assert people_in_folds(folds[:1]) == {"Zico", "Al Gore", "Bo"}
    path.write_text("1\nZico\t1\t2\nZico\t1\tBo\t2\n")  # View 1: one fold
    assert [len(fold) for fold in read_lfw_pairs(path)] == [2]


def test_only_the_photos_that_pairs_name_are_taken(tmp_path: Path) -> None:
    photos = [LfwPhoto("Zico", number).path for number in (1, 2, 3)] + [LfwPhoto("Bo", 1).path]
    dataset = list_photos(write(tmp_path / "lfw", *map(str, photos)))
    fold = (LfwPair(LfwPhoto("Zico", 1), LfwPhoto("Zico", 3)), LfwPair(LfwPhoto("Zico", 1), LfwPhoto("Bo", 1)))
    chosen = photos_of_pairs(dataset, [fold])
    assert people(chosen) == {"Bo": ["Bo_0001.jpg"], "Zico": ["Zico_0001.jpg", "Zico_0003.jpg"]}
    assert (chosen.name, chosen.layout) == ("lfw-pairs", "lfw")
    with pytest.raises(TrainingDataError, match=r"1 of 2 photos .*first: Zico_0009\.jpg"):
        photos_of_pairs(dataset, [(LfwPair(LfwPhoto("Zico", 1), LfwPhoto("Zico", 9)),)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: '' is neither"),
        ("ten 300\n", "line 1: 'ten 300' is neither"),
        ("0\t300\n", "line 1"),
        (VIEW_2.replace("Bo\t1\t3\n", ""), "has 7 pairs, but its first line announces 8"),
        (VIEW_2.replace("Al Gore\t1\t3", "Al Gore\t1\tx"), "line 3: .* is not 'name"),
        (VIEW_2.replace("Al Gore\t1\t3", "Al Gore\t1"), "line 3: .* is not 'name"),
        (VIEW_2.replace("Al Gore\t1\t3", "Al Gore\t1\tBo\t3"), "line 3: two photos of one person expected"),
        (VIEW_2.replace("Zico\t2\tBo\t1", "Bo\t2\tBo\t1"), "line 5: .* names one person as two"),
    ],
)
def test_a_malformed_list_of_pairs_is_named_by_its_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(content)
    with pytest.raises(TrainingDataError, match=message):
        read_lfw_pairs(path)


def test_lfw_is_taken_where_scikit_learn_left_it(tmp_path: Path) -> None:
    write(tmp_path, "lfw_home/lfw_funneled/Zico/Zico_0001.jpg", "lfw_home/lfw_funneled/Zico/Zico_0002.jpg")
    write(tmp_path, "lfw_home/lfw_funneled/Bo/Bo_0001.jpg", "lfw_home/lfw_funneled/pairs_0001.txt")
    assert read_dataset(fetch_lfw(tmp_path)).layout == "lfw"


def test_without_the_network_the_error_says_where_to_put_lfw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nothing listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrainingDataError, match="cannot be downloaded") as raised:
        fetch_lfw(tmp_path)
    assert str(tmp_path / "lfw_home" / "lfw_funneled") in str(raised.value)
    assert "--data" in str(raised.value)
    assert not recwarn.list


@pytest.mark.photos
def test_the_real_sets_are_read_as_their_list_says(photos_dir: Path) -> None:
    paths = ("celeba", "packed/celeba_wild.tar.gz", "glint24", "lfw")
    found = {dataset.name: dataset for dataset in (read_dataset(photos_dir / path) for path in paths)}
    assert {name: (dataset.layout, len(dataset.photos)) for name, dataset in found.items()} == {
        "celeba": ("celeba", 10_000),
        "celeba_wild": ("folders", 6_258),
        "glint24": ("folders", 1_439),
        "lfw": ("lfw", 9_502),
    }
    merged = merge_datasets(list(found.values()))
    assert len(merged.photos) == 10_000 + 6_258 + 1_439 + 9_502 - 316  # double shots
    assert len(people(merged)) == 5_429 + 299 - 167 + 19 + 4_416 - 13  # CelebA's ids, and full names, in two sets
    folds = read_lfw_pairs(photos_dir / "lfw" / "pairs.txt")
    assert [len(fold) for fold in folds] == [600] * 7
    assert people_in_folds(folds) <= {photo.identity for photo in found["lfw"].photos}
