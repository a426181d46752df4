"""Labeled Faces in the Wild: its lists of pairs, and its photos where scikit-learn can download them.

Source of the formats: http://vis-www.cs.umass.edu/lfw/README.txt. Reads lists, never a pixel.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from facesearch.errors import TrainingDataError, UsageError
from facesearch.import_path import how_to_install
from facesearch.vision.network_cache import cache_dir
from facesearch_train.data.datasets import Dataset

PAIRS_FORMAT = "'name<TAB>1<TAB>2' for one person or 'name<TAB>1<TAB>other name<TAB>1' for two"


@dataclass(frozen=True)
class LfwPhoto:
    """A photo as LFW names it: `Name_Name/Name_Name_0001.jpg`."""

    name: str
    number: int

    @property
    def path(self) -> Path:
        """Below the folder that holds the people's folders."""
        return Path(self.name, f"{self.name}_{self.number:04d}.jpg")


@dataclass(frozen=True)
class LfwPair:
    """Two photos to be judged."""

    first: LfwPhoto
    second: LfwPhoto

    @property
    def genuine(self) -> bool:
        """Whether both show one person."""
        return self.first.name == self.second.name


Fold = tuple[LfwPair, ...]


def read_lfw_pairs(path: Path) -> tuple[Fold, ...]:
    """The folds of a list of pairs, in order; in each the genuine pairs first.

    The first line is `folds<TAB>n` (View 2) or `n` (View 1, one fold); each fold then has n genuine and n impostor
    pairs. Raises TrainingDataError, with the line's number, where the list says anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path} cannot be read ({error}). Give LFW's pairs.txt with --pairs.") from error
    while lines and not lines[-1].strip():
        lines.pop()
    folds, each = _first_line(path, lines[0] if lines else "")
    if len(lines) - 1 != folds * each * 2:
        raise TrainingDataError(
            f"{path} has {len(lines) - 1:,} pairs, but its first line announces {folds * each * 2:,} "
            f"({folds} folds of {each} genuine and {each} impostor pairs). Copy the whole file again."
        )
    pairs = [_pair(path, number, line) for number, line in enumerate(lines[1:], start=2)]
    for index, pair in enumerate(pairs):
        expected = index % (2 * each) < each
        if pair.genuine != expected:
            kind = "two photos of one person" if expected else "photos of two people"
            raise TrainingDataError(
                f"{path}, line {index + 2}: {kind} expected here ({each} pairs of each "
                f"kind in turn), not {lines[index + 1]!r}."
            )
    return tuple(tuple(pairs[start : start + 2 * each]) for start in range(0, len(pairs), 2 * each))


def read_folds(path: Path, numbers: Sequence[int] = ()) -> tuple[Fold, ...]:
    """Some folds of a list of pairs, counted from 1; all of them where none is named.

    Raises TrainingDataError as read_lfw_pairs does, and UsageError for a fold that the list does not have.
    """
    every = read_lfw_pairs(path)
    if wrong := [number for number in numbers if not 1 <= number <= len(every)]:
        raise UsageError(f"{path} has folds 1 to {len(every)}, so there is no fold {wrong[0]}. Leave it out.")
    return tuple(every[number - 1] for number in numbers) or every


def people_in_folds(folds: Sequence[Fold]) -> frozenset[str]:
    """The names of all who appear in these folds."""
    return frozenset(photo.name for fold in folds for pair in fold for photo in (pair.first, pair.second))


def photos_of_pairs(dataset: Dataset, folds: Sequence[Fold]) -> Dataset:
    """The dataset's photos that the folds name, as a dataset of its own (`name-pairs`): no other needs a crop to judge.

    Raises TrainingDataError where a photo that they name is not there.
    """
    named = {photo.path.name for fold in folds for pair in fold for photo in (pair.first, pair.second)}
    photos = tuple(photo for photo in dataset.photos if photo.path.name in named)
    require_photos(named, {photo.path.name for photo in photos}, dataset.root)
    return replace(dataset, name=f"{dataset.name}-pairs", photos=photos)


def require_photos(named: Set[str], there: Set[str], root: Path) -> None:
    """Raise TrainingDataError where a list of pairs names photos (file names) that are not there."""
    if missing := sorted(named - there):
        raise TrainingDataError(
            f"{len(missing):,} of {len(named):,} photos that the list of pairs names are not in {root} (first: "
            f"{missing[0]}). Copy them there, or give the list that belongs to these photos (--pairs)."
        )


def fetch_lfw(folder: Path | None = None) -> Path:
    """The folder of LFW's photos: as scikit-learn left it, or downloaded (200 MB) and checked by it now.

    folder: scikit-learn's data folder, by default one in the cache directory. Raises TrainingDataError, which says
    where to put the files, without scikit-learn or without the network.
    """
    cache = cache_dir()
    if folder is None and cache is None:
        raise TrainingDataError(
            "there is no folder to keep LFW's photos in: set FACESEARCH_CACHE to one, or give --data"
        )
    home = folder or (cache or Path()) / "datasets"
    lfw = home / "lfw_home"
    if (lfw / "lfw_funneled").is_dir():
        return lfw
    remedy = (
        f"Unpack lfw-deepfunneled.tgz or lfw-funneled.tgz into {lfw}, so that {lfw / 'lfw_funneled'} holds a folder a "
        "person, or give any folder of labelled faces with --data."
    )
    try:
        from sklearn.datasets import fetch_lfw_people
    except ImportError as error:
        raise TrainingDataError(
            f"No training photos: without --data LFW is downloaded, for which scikit-learn is missing "
            f"({how_to_install('scikit-learn')}). {remedy}"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it tries a second time
            fetch_lfw_people(data_home=str(home), min_faces_per_person=200, n_retries=1)
    except OSError as error:  # no network, a server that does not answer, a full disk, a checksum that differs
        raise TrainingDataError(f"LFW cannot be downloaded ({error}). {remedy}") from error
    return lfw


def _first_line(path: Path, line: str) -> tuple[int, int]:
    fields = line.split()
    if not 1 <= len(fields) <= 2 or not all(field.isdecimal() and int(field) > 0 for field in fields):
        raise TrainingDataError(
            f"{path}, line 1: {line!r} is neither 'folds<TAB>pairs of each kind', as in '10<TAB>300', nor one number."
        )
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 else (1, int(fields[0]))


def _pair(path: Path, number: int, line: str) -> LfwPair:
    fields = line.split("\t") if "\t" in line else line.split()
    numbers = fields[1:3] if len(fields) == 3 else fields[1::2]
    if len(fields) not in (3, 4) or not all(text.strip().isdecimal() for text in numbers):
        raise TrainingDataError(f"{path}, line {number}: {line!r} is not {PAIRS_FORMAT}.")
    names = (fields[0], fields[0] if len(fields) == 3 else fields[2])
    first, second = (LfwPhoto(name.strip(), int(text)) for name, text in zip(names, numbers, strict=True))
    if len(fields) == 4 and first.name == second.name:
        raise TrainingDataError(f"{path}, line {number}: {line!r} names one person as two.")
    return LfwPair(first, second)
