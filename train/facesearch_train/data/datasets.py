"""Labelled photos of faces: folders in CelebA's layout, in LFW's or one folder per person, and packed sets (see packs).

The layout is detected and printed. Reads names, sizes and lists, never a pixel: whether a photo can be decoded is seen
when the crops are made. Refuses data that nothing can be learned from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facesearch.errors import TrainingDataError
from facesearch_train.data.folders import (
    entries_of,
    hides,
    holds_folders,
    is_empty,
    is_file,
    is_folder,
    is_hidden,
    is_photo,
    lines_of,
    photo_files,
    step_into_lone_folder,
)
from facesearch_train.data.packs import RecordPhotos, TarPack, TrainingPhoto
from facesearch_train.data.recordio import RecordFile
from facesearch_train.data.tarball import Tarball

Layout = Literal["celeba", "lfw", "folders", "recordio", "unlabelled", "merged"]

LAYOUT_NAMES: dict[Layout, str] = {
    "celeba": "CelebA's layout (img_align_celeba/ and identity_CelebA.txt)",
    "lfw": "LFW's layout (Name/Name_0001.jpg)",
    "folders": "one folder per person",
    "recordio": "InsightFace's RecordIO (train.rec and train.idx)",
    "unlabelled": "a folder of photos without labels",
    "merged": "several datasets",
}
UNKNOWN = "?"  # what the identity of a photo of an unlabelled folder begins with: the person is not known
CELEBA_PEOPLE = 10177  # CelebA's ids are 1 to this
CELEBA_PHOTOS = 202599  # and its photos 000001 to this
# Where the people's folders lie in LFW's archives, and in the albums that `facesearch demo` draws.
_INNER_FOLDERS = ("lfw-deepfunneled", "lfw_funneled", "lfw-funneled", "lfw", "people")
_LFW_PHOTO = re.compile(r"(?P<name>.+)_\d{4}\.jpg")
_SPLIT_FOLDERS = frozenset({"train", "training", "val", "valid", "validation", "test"})


@dataclass(frozen=True)
class Dataset:
    """Labelled photos under one root."""

    name: str
    root: Path  # the folder, or the file that all photos are packed into
    layout: Layout
    photos: Sequence[TrainingPhoto]
    warnings: tuple[str, ...] = ()  # one line each, counted, with what to do

    def photos_per_person(self) -> Counter[str]:
        """How many photos each identity has."""
        return Counter(photo.identity for photo in self.photos)

    def describe(self) -> str:
        """One line: what was found, in which layout."""
        if self.layout == "unlabelled":
            return f"{self.name}: {len(self.photos):,} photos; {LAYOUT_NAMES[self.layout]}"
        people = self.photos_per_person()
        several = sum(count > 1 for count in people.values())
        return (
            f"{self.name}: {len(self.photos):,} photos of {len(people):,} people, {several:,} with two or more; "
            f"{LAYOUT_NAMES[self.layout]}{', in a tar file' if isinstance(self.photos[0].pack, TarPack) else ''}"
        )


def read_dataset(path: Path) -> Dataset:
    """The labelled photos of a folder, in the order of their names, or of a packed set, in its own order.

    Layouts: `img_align_celeba/` with `identity_CelebA.txt` beside it (or under `Img/` and `Anno/`, as CelebA is handed
    out); `Name/Name_0001.jpg`, in the folder itself or in its `lfw-deepfunneled/`; else one folder per person, in the
    folder itself or in its `people/`, where all photos below a person's folder, however deep, show that person, and a
    lone folder around all is stepped into. A tar file, plain or gzipped, is read like the folder that it unpacks to (a
    folder a person, or LFW's). A folder with `train.rec` and `train.idx`, or that `train.rec`, is InsightFace's
    RecordIO: each label is a person.

    Raises TrainingDataError where there is no such folder or file, no photo, one person only or nobody with two photos.
    """
    dataset = list_photos(path)
    require_trainable(dataset)
    return dataset


def list_photos(path: Path, *, unlabelled: bool = False) -> Dataset:
    """Like read_dataset, for a set that is merged with others: one person alone, or single photos, will do.

    unlabelled: so will a folder that holds photos and no folders; each is then of somebody UNKNOWN.
    """
    if not is_folder(path) and not is_file(path):
        raise TrainingDataError(
            f"{path} is neither a folder nor a packed set. Give the training photos with --data: one folder per "
            "person, a .tar or .tar.gz of such folders, or a folder with train.rec and train.idx."
        )
    path = path.resolve()
    dataset = _read_layout(path)
    if unlabelled and not dataset.photos and is_folder(path):
        dataset = _read_unlabelled(path)
    if not dataset.photos:
        hints = " ".join(dataset.warnings)
        raise TrainingDataError(
            f"{path} holds no training photos. Put each person's photos into a folder of their own. {hints}".strip()
        )
    return dataset


def _read_layout(path: Path) -> Dataset:
    records = path if path.suffix == ".rec" else path / "train.rec"
    if is_file(records):
        return _read_records(RecordFile(records))
    if is_file(path):
        return _read_tar(Tarball(path))
    celeba = _celeba_parts(path)
    return _read_celeba(path, *celeba) if celeba else _read_folders(path)


def require_trainable(dataset: Dataset) -> None:
    """Raise TrainingDataError where the contrastive loss would lack genuine or impostor pairs."""
    people = dataset.photos_per_person()
    if len(people) < 2:
        raise TrainingDataError(
            f"{dataset.root} shows one person only ({next(iter(people), 'nobody')}). Training compares people: add "
            f"folders of others. (Read as {LAYOUT_NAMES[dataset.layout]}.)"
        )
    if max(people.values()) < 2:
        raise TrainingDataError(
            f"{dataset.root} has {len(people):,} people but nobody with two photos. Training needs people in two or "
            f"more photos. (Read as {LAYOUT_NAMES[dataset.layout]}.)"
        )


def _celeba_parts(path: Path) -> tuple[Path, Path] | None:
    """CelebA's photo folder and its list of identities, or None where the folder has another layout."""
    home = path.parent if path.name == "img_align_celeba" else path
    photos = [home / "img_align_celeba", home / "Img" / "img_align_celeba"]
    lists = [home / "identity_CelebA.txt", home / "Anno" / "identity_CelebA.txt"]
    folder = next((photo for photo in photos if is_folder(photo)), None)
    if folder is None:
        return None
    listing = next((listing for listing in lists if listing.is_file()), None)
    if listing is None:
        raise TrainingDataError(
            f"{folder} has no list of who is who. Put CelebA's identity_CelebA.txt into {home} (a line: 'file id')."
        )
    return folder, listing


def _read_celeba(path: Path, folder: Path, listing: Path) -> Dataset:
    present = {entry.name: is_empty(entry) for entry in entries_of(folder) if entry.is_file()}
    photos, missing, empty = [], [], []
    for number, line in enumerate(lines_of(listing), start=1):
        if not line.strip():
            continue
        fields = line.split()
        if len(fields) != 2:
            raise TrainingDataError(f"{listing}, line {number}: {line!r} is not 'file id', as in '000001.jpg 2880'.")
        name, identity = fields
        if name not in present:
            missing.append(name)
        elif present[name]:
            empty.append(name)
        else:
            photos.append(TrainingPhoto(folder / name, identity))
    unlisted = sorted(name for name in present.keys() - {photo.path.name for photo in photos} - set(empty))
    warnings = [
        *_warning(missing, f"named in {listing} but missing in {folder}: left out. Copy them there, or train without"),
        *_warning(empty, f"empty in {folder}: left out. Copy them again"),
        *_warning(unlisted, f"in {folder} but not named in {listing}: left out. Add lines 'file id' to use them"),
    ]
    return Dataset(path.name, path, "celeba", tuple(photos), tuple(warnings))


def _read_folders(path: Path) -> Dataset:
    """LFW's layout or one folder per person: they differ in where the folders lie and how the photos are named."""
    top = next((path / name for name in _INNER_FOLDERS if is_folder(path / name) and holds_folders(path / name)), path)
    top = step_into_lone_folder(top)
    folders = [entry.name for entry in entries_of(top) if entry.is_dir() and not is_hidden(entry.name)]
    if len(folders) > 1 and {name.lower() for name in folders} <= _SPLIT_FOLDERS:
        raise TrainingDataError(
            f"{top} holds {', '.join(folders)}, not people. Give each of them as a --data of its own."
        )
    photos, empty = [], []
    for name in folders:
        for entry in photo_files(top / name):
            if is_empty(entry):
                empty.append(entry.path)
            else:
                photos.append(TrainingPhoto(Path(entry.path), name))
    loose = [entry.name for entry in entries_of(top) if entry.is_file() and is_photo(entry.name)]
    warnings = [
        *_warning(loose, f"loose in {top}, in no person's folder: left out. Move them into folders named by person"),
        *_warning(empty, f"empty below {top}: left out. Copy them again"),
    ]
    named = bool(photos) and all(_is_lfw_photo(photo) for photo in photos)
    return Dataset(path.name, path, "lfw" if named else "folders", tuple(photos), tuple(warnings))


def _read_unlabelled(path: Path) -> Dataset:
    files = [entry for entry in entries_of(path) if entry.is_file() and is_photo(entry.name)]
    photos = tuple(TrainingPhoto(Path(file.path), UNKNOWN + file.name) for file in files if not is_empty(file))
    empty = [file.path for file in files if is_empty(file)]
    return Dataset(
        path.name, path, "unlabelled", photos, tuple(_warning(empty, f"empty in {path}: left out. Copy them again"))
    )


def _read_tar(tarball: Tarball) -> Dataset:
    """As the folder that the archive would unpack to; CelebA's layout is not looked for."""
    path = tarball.path
    pack = TarPack(tarball)
    entries, damage = tarball.entries()
    wanted = [entry for entry in entries if entry.parts and is_photo(entry.parts[-1]) and not hides(entry.parts)]
    folders = _common_folders([entry.parts for entry in wanted])
    photos, loose, empty = [], [], []
    for entry in wanted:
        if len(entry.parts) < folders + 2:
            loose.append("/".join(entry.parts))
        elif not entry.span[1]:
            empty.append("/".join(entry.parts))
        else:
            photos.append(TrainingPhoto(path.joinpath(*entry.parts), entry.parts[folders], pack, entry.span))
    cut_off = (
        [f"{path} is damaged or cut off after {len(entries):,} files ({damage}). Copy it again."] if damage else []
    )
    warnings = [
        *cut_off,
        *_warning(loose, f"in {path} in no person's folder: left out. Move them into folders named by person"),
        *_warning(empty, f"empty in {path}: left out. Pack them again"),
    ]
    named = bool(photos) and all(_is_lfw_photo(photo) for photo in photos)
    name = re.sub(r"(\.tar)?(\.gz|\.tgz)?$", "", path.name, flags=re.IGNORECASE)
    return Dataset(name, path, "lfw" if named else "folders", tuple(photos), tuple(warnings))


def _common_folders(names: Sequence[tuple[str, ...]]) -> int:
    """How many lone folders stand around all people's folders in an archive, as step_into_lone_folder would enter."""
    depth = 0
    while (
        len({name[depth] for name in names}) == 1
        and all(len(name) > depth + 1 for name in names)
        and any(len(name) > depth + 2 for name in names)
    ):
        depth += 1
    return depth


def _read_records(file: RecordFile) -> Dataset:
    records = file.photos()
    people = len(set(records.labels.tolist()))
    announced = file.announced()
    warnings = [
        f"{count:,} {'records' if count > 1 else 'record'} of {file.path} {what}: left out. Copy train.rec and "
        "train.idx again."
        for count, what in ((records.damaged, "damaged"), (records.cut_off, "missing at its end (is it cut off?)"))
        if count
    ]
    if announced and announced[0] != people:
        warnings.append(
            f"{file.path.parent / 'property'} announces {announced[0]:,} people, {file.path.name} shows {people:,}."
        )
    photos = RecordPhotos(file, records)
    return Dataset(file.path.parent.name, file.path, "recordio", photos, tuple(warnings))


def _is_lfw_photo(photo: TrainingPhoto) -> bool:
    match = _LFW_PHOTO.fullmatch(photo.path.name)
    return match is not None and photo.path.parent.name == photo.identity == match["name"]


def _warning(names: Iterable[str], what: str) -> list[str]:
    """One counted line that shows the first of them, or nothing."""
    listed = list(names)
    return [f"{len(listed):,} {'files' if len(listed) > 1 else 'file'} {what} (first: {listed[0]})."] if listed else []
