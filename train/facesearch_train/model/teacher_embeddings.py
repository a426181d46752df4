"""A teacher's embeddings of a cache of crops, computed once and kept beside it as a teacher file (see `teacher`).

An interrupted computation continues where it stopped. If the crops or the teacher change, the file is made again. Reads
only crops, never photos.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from facesearch.errors import TrainingDataError
from facesearch.records import Floats, Pixels
from facesearch_train.data.crops import CropSet, one_builder

DLIB = Path("dlib")  # names the built-in teacher in place of a teacher file
_PART = 256  # crops between two saves: some seconds of work

Progress = Callable[[int, int], None]  # crops done, crops in all


class Teacher(Protocol):
    """A network that says how far apart two faces are."""

    name: str  # short, for file names
    identity: str  # changes with whatever changes its embeddings
    threshold: float  # the distance below which it takes two faces for one person

    def embed(self, crops: Pixels) -> Floats:
        """uint8 (N, 112, 112, 3) -> float32 (N, K)."""
        ...


def teacher_files(
    teachers: Sequence[Path], crop_sets: Sequence[CropSet], progress: Progress | None = None
) -> tuple[Path, ...]:
    """Teacher files, in which each entry `dlib` is replaced by one file a set of crops, made now where there is none.

    progress: told of crops done and crops in all, over all sets. Raises TrainingDataError where dlib's weights are not
    installed, or a file cannot be written.
    """
    files: list[Path] = []
    for teacher in teachers:
        if teacher != DLIB:
            files.append(teacher)
            continue
        from facesearch_train.model.dlib_teacher import DlibTeacher

        dlib, done, total = DlibTeacher(), 0, sum(map(len, crop_sets))
        for crops in crop_sets:
            files.append(embed_crops(crops, dlib, _Share(progress, done, total)))
            done += len(crops)
    return tuple(files)


@dataclass(frozen=True)
class _Share:
    """Reports the progress of one set as part of all sets."""

    progress: Progress | None
    before: int  # crops of the sets before it
    total: int

    def __call__(self, done: int, _: int) -> None:
        if self.progress:
            self.progress(self.before + done, self.total)


def embed_crops(crops: CropSet, teacher: Teacher, progress: Progress | None = None) -> Path:
    """The teacher file of a cache of crops: the one beside it, or a new one.

    progress: told of crops done and crops in all. Raises TrainingDataError where it cannot be written.
    """
    target = crops.folder.with_name(f"{crops.folder.name}-{teacher.name}.npz")
    source = hashlib.sha256(f"{crops.fingerprint} {teacher.identity}".encode()).hexdigest()
    partial = target.with_name(f".{target.stem}-{source[:16]}.partial")
    try:
        with one_builder(target):
            if _source_of(target) != source:
                partial.mkdir(exist_ok=True)
                _write(target, crops, teacher, _embedded(crops, teacher, partial, progress), source)
                shutil.rmtree(partial)
            elif progress:
                progress(len(crops), len(crops))
    except OSError as error:
        raise TrainingDataError(
            f"The teacher's embeddings of {crops.dataset.name} cannot be written to {target} ({error}). Point "
            "FACESEARCH_CACHE to a folder with room."
        ) from error
    return target


def _embedded(crops: CropSet, teacher: Teacher, partial: Path, progress: Progress | None) -> Floats:
    """float32 (N, K). Parts that an earlier, interrupted run saved in `partial` are not computed again."""
    parts = []
    for start in range(0, len(crops), _PART):
        path = partial / f"{start:09d}.npy"
        part = _saved(path)
        if part is None:
            part = teacher.embed(np.asarray(crops.crops[start : start + _PART]))
            writing = path.with_suffix(".writing")
            with writing.open("wb") as stream:
                np.save(stream, part)
            writing.replace(path)
        parts.append(part)
        if progress:
            progress(min(start + _PART, len(crops)), len(crops))
    return np.concatenate(parts)


def _saved(path: Path) -> Floats | None:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (OSError, ValueError, EOFError):
        return None


def _write(target: Path, crops: CropSet, teacher: Teacher, embeddings: Floats, source: str) -> None:
    """Write a new file and rename it over the old one, so that nobody sees half a file."""
    paths = [photo.path.relative_to(crops.dataset.root).as_posix() for photo in crops.dataset.photos]
    writing = target.with_suffix(".writing")
    with writing.open("wb") as stream:
        np.savez(
            stream,
            paths=np.array(paths),
            embeddings=embeddings.astype(np.float16),
            threshold=np.float32(teacher.threshold),
            root=np.array(str(crops.dataset.root)),
            source=np.array(source),
        )
    writing.replace(target)


def _source_of(target: Path) -> str:
    """What a teacher file was made from; "" where there is none that can be read."""
    try:
        with np.load(target, allow_pickle=False) as members:
            return str(members["source"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return ""
