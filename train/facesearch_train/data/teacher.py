"""A teacher: another network's embeddings of the photos, from a file.

A file is an `.npz` with `paths`, each photo's path below its dataset, and `embeddings`, (N, K): how far apart they lie
is what the teacher says. `threshold` is the distance below which it takes two photos for one person; where the file has
none, that of dlib's ResNet. `root` may name the dataset. Knows nothing of networks; refuses files that fit no dataset.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.errors import TrainingDataError
from facesearch.records import Floats

DLIB_THRESHOLD = 0.6  # as dlib's documentation says


@dataclass(frozen=True, eq=False)
class TeacherFile:
    """One teacher file."""

    path: Path
    rows: dict[str, int]  # of each path below a dataset
    embeddings: Floats  # float32 (N, K), the threshold at 1
    root: Path | None  # the dataset that it was made for


def read_teacher(path: Path) -> TeacherFile:
    """Read a teacher file. Raises TrainingDataError, saying what is wrong with it, for anything else."""
    try:
        with np.load(path, allow_pickle=False) as members:
            paths, embeddings = members["paths"], members["embeddings"].astype(np.float32)
            threshold = float(members["threshold"]) if "threshold" in members else DLIB_THRESHOLD
            root = Path(str(members["root"])) if "root" in members else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise TrainingDataError(
            f"{path} cannot be read as a teacher ({error}). Give an .npz with paths (N,) and embeddings (N, K)."
        ) from error
    if embeddings.ndim != 2 or paths.shape != embeddings.shape[:1] or not np.isfinite(embeddings).all():
        raise TrainingDataError(
            f"{path}: paths {paths.shape} and embeddings {embeddings.shape} must be (N,) and (N, K), all finite."
        )
    if not (np.isfinite(threshold) and threshold > 0):
        raise TrainingDataError(f"{path}: its threshold is {threshold}; it must be more than 0.")
    rows = {str(name): row for row, name in enumerate(paths.tolist())}
    return TeacherFile(path, rows, embeddings / np.float32(threshold), root)


def taught_places(teachers: Sequence[TeacherFile], roots: Sequence[Path], paths: Sequence[Path]) -> Floats:
    """What the teacher says of every photo: float32 (N, K), its threshold at 1; NaN for photos that no file knows.

    roots: the datasets'. paths: (N,), the photos', each below one of the roots. A file that names none of the roots is
    taken for the dataset of which it knows the most photos. Raises TrainingDataError for a file that knows none, and
    for files of two teachers.
    """
    names: list[list[tuple[int, str]]] = [[] for _ in roots]
    for row, path in enumerate(paths):
        for number, root in enumerate(roots):
            if path.is_relative_to(root):
                names[number].append((row, path.relative_to(root).as_posix()))
    sizes = {teacher.embeddings.shape[1] for teacher in teachers}
    if len(sizes) != 1:
        raise TrainingDataError(f"The teacher files have {sorted(sizes)} numbers a photo: give those of one teacher.")
    places = np.full((len(paths), sizes.pop()), np.nan, np.float32)
    for teacher in teachers:
        own = [below for root, below in zip(roots, names, strict=True) if root == teacher.root] or names
        known = [[(row, teacher.rows[name]) for row, name in below if name in teacher.rows] for below in own]
        best = max(known, key=len)
        if not best:
            raise TrainingDataError(
                f"{teacher.path} has no photo of the data: its first is {next(iter(teacher.rows), 'missing')}. "
                "Paths are those below the folder or packed file that --data names."
            )
        mine, its = np.array(best).T
        places[mine] = teacher.embeddings[its]
    return places
