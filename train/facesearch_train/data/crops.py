"""Aligned crops of a dataset, made once and kept as one uint8 memmap beside an index.

A cache is a folder: `crops.npy`, uint8 (N, S, S, 3) with S 112 by default, and `index.json`: the person in each row,
and how it was cut. It is built in a folder beside it and renamed when complete, so nobody sees half of one; an
interrupted build continues where it stopped. A cache is identified by the files of its dataset, the detector, the
template and this room's version. Refuses to guess: a photo without a face is left out and counted, unless its layout
fixes where the face is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesearch.errors import TrainingDataError
from facesearch.records import CROP_SIZE_PX, Floats, Pixels
from facesearch.vision.alignment import TEMPLATE_NAME, align
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.network_cache import cache_dir
from facesearch_train.data.crop_parts import PhotoCounter, Progress, cut_parts
from facesearch_train.data.cutting import CROP_VERSION, NO_FACE, usual_landmarks
from facesearch_train.data.datasets import Dataset, Layout
from facesearch_train.data.packs import PhotoReader, TrainingPhoto


@dataclass(frozen=True, eq=False)
class CropSet:
    """The crops of one dataset, row by row."""

    folder: Path
    dataset: Dataset  # with the identity and the photo of each crop
    # uint8 (N, S, S, 3) RGB, mapped from disk; S is 112 unless made otherwise
    crops: Pixels
    # "detected", "aligned" (the photo was such a crop already) or "fallback" (cut where faces of this layout usually
    # are, as none was found)
    origins: tuple[str, ...]
    scores: Floats  # float32 (N,), the detector's; NaN where it found none or was not asked
    dropped: tuple[tuple[TrainingPhoto, str], ...]  # photos without a crop, each with the reason
    fingerprint: str = ""  # changes when any crop does

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def identities(self) -> list[str]:
        """The person in each row."""
        return [photo.identity for photo in self.dataset.photos]

    @property
    def paths(self) -> list[Path]:
        """Each row's photo."""
        return [photo.path for photo in self.dataset.photos]

    def describe(self) -> str:
        """One line: how the photos became crops."""
        origins = Counter(self.origins)
        how = ", ".join(
            f"{origins[origin]:,} {origin}" for origin in ("detected", "aligned", "fallback") if origins[origin]
        )
        left_out = f"{len(self.dropped):,} photo{'' if len(self.dropped) == 1 else 's'} left out"
        return f"{self.dataset.name}: {len(self):,} crops ({how}), {left_out}"


def default_crops_dir() -> Path:
    """Where caches lie by default: in the cache directory (see FACESEARCH_CACHE)."""
    folder = cache_dir()
    if folder is None:
        raise TrainingDataError("The cache directory cannot be written: point FACESEARCH_CACHE to a folder that can.")
    return folder / "crops"


def prepare_crops(
    dataset: Dataset,
    folder: Path | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    size_px: int = CROP_SIZE_PX,
) -> CropSet:
    """The dataset's crops: from its cache, or made now and cached.

    folder: where this dataset's cache lies, by default one in default_crops_dir() named after the dataset; a cache of
    other photos there is replaced. progress: called from several threads, one at a time, with photos done and photos in
    all. workers: threads, by default one a core. size_px: the crops' side, the face as large in proportion.
    Raises TrainingDataError where no photo gives a crop, the folder cannot be written, or it holds anything else.
    """
    fingerprint = fingerprint_of(dataset, load_detector().identity, size_px)
    folder = folder or default_crops_dir() / _folder_name(dataset, size_px)
    _refuse_other_folder(folder)
    counter = PhotoCounter(len(dataset.photos), progress)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with one_builder(folder):
            if _index_of(folder).get("fingerprint") != fingerprint or not _is_whole(folder):
                partial = folder.with_name(f".{folder.name}-{fingerprint[:16]}.partial")
                partial.mkdir(mode=0o700, exist_ok=True)
                cut_parts(dataset, partial, size_px, counter, workers or os.cpu_count() or 1)
                _join_parts(dataset, partial, size_px, fingerprint)
                _publish(partial, folder)
    except OSError as error:
        raise TrainingDataError(
            f"The crops of {dataset.name} cannot be written to {folder} ({error}). They need about "
            f"{len(dataset.photos) * size_px**2 * 6 / 1e9:.1f} GB there; point FACESEARCH_CACHE elsewhere."
        ) from error
    return open_crops(folder)


def open_crops(folder: Path) -> CropSet:
    """A finished cache. Raises TrainingDataError where there is none, or one of another version of this room."""
    index = _index_of(folder)
    if index.get("version") != CROP_VERSION or not _is_whole(folder):
        raise TrainingDataError(f"{folder} holds no crops that this version reads. Make them again: facesearch train.")
    root = Path(index["root"])
    photos = tuple(
        TrainingPhoto(root / path, identity) for path, identity in zip(index["paths"], index["identities"], strict=True)
    )
    layout: Layout = index["layout"]
    return CropSet(
        folder=folder,
        dataset=Dataset(index["name"], root, layout, photos, tuple(index["warnings"])),
        crops=np.load(folder / "crops.npy", mmap_mode="r"),
        origins=tuple(index["origins"]),
        scores=np.array([np.nan if score is None else score for score in index["scores"]], dtype=np.float32),
        dropped=tuple((TrainingPhoto(root / path, identity), reason) for path, identity, reason in index["dropped"]),
        fingerprint=index["fingerprint"],
    )


def fingerprint_of(dataset: Dataset, detector: str, size_px: int = CROP_SIZE_PX) -> str:
    """What the crops depend on, as a SHA-256 in hex: files with size and time, detector, template and this version."""
    digest = hashlib.sha256(repr((CROP_VERSION, detector, TEMPLATE_NAME, size_px, dataset.layout)).encode())
    for pack in {photo.pack for photo in dataset.photos[:1] if photo.pack}:
        digest.update(repr([(str(path), *_stamp(path)) for path in pack.files]).encode())
    for photo in dataset.photos:
        seen = photo.span if photo.pack else _stamp(photo.path)
        digest.update(repr((str(photo.path), photo.identity, *seen)).encode())
    return digest.hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file, which change when it does."""
    try:
        stat = path.stat()
    except OSError:
        return (-1, -1)
    return (stat.st_size, stat.st_mtime_ns)


def _folder_name(dataset: Dataset, size_px: int) -> str:
    """One folder for a dataset's root and size: when its photos change, the new crops replace the old."""
    return f"{dataset.name}-{size_px}-{hashlib.sha256(os.fsencode(dataset.root)).hexdigest()[:8]}"


@contextmanager
def one_builder(folder: Path) -> Iterator[None]:
    """Wait until no other process builds this folder or file."""
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        else:
            import msvcrt

            while True:
                try:
                    msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError as error:
                    if error.errno != errno.EDEADLK:  # what it gives up with after ten seconds
                        raise
        yield


def _is_whole(folder: Path) -> bool:
    """Whether crops.npy has as many rows as the index, and all of their bytes."""
    try:
        return len(np.load(folder / "crops.npy", mmap_mode="r")) == len(_index_of(folder).get("paths", ()))
    except (OSError, ValueError):
        return False


def _index_of(folder: Path) -> dict[str, Any]:
    """The cache's index, empty where there is none that can be read."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}


def _join_parts(dataset: Dataset, partial: Path, size_px: int, fingerprint: str) -> None:
    """The parts in `partial` become crops.npy and index.json there; faces not found are cut where they usually are."""
    parts = [np.load(path, allow_pickle=False) for path in sorted(partial.glob("*.npz"))]
    table = {key: np.concatenate([part[key] for part in parts]) for key in parts[0].files if key != "crops"}
    fallback = _fallback_crops(dataset, table, size_px, partial)
    kept = table["has_crop"].copy()
    kept[list(fallback)] = True
    if not kept.any():
        shutil.rmtree(partial)
        raise TrainingDataError(
            f"None of the {len(kept):,} photos in {dataset.root} shows a face to train on (the first, "
            f"{dataset.photos[0].path.name}: {table['reasons'][0]}). Give photos of faces of 20 px or more."
        )
    crops = np.lib.format.open_memmap(
        partial / "crops.npy", mode="w+", dtype=np.uint8, shape=(int(kept.sum()), size_px, size_px, 3)
    )
    row_of = np.cumsum(kept) - 1
    start = 0
    for part in parts:
        here = np.flatnonzero(part["has_crop"]) + start
        crops[row_of[here]] = part["crops"]
        start += len(part["has_crop"])
        part.close()
    for photo, crop in fallback.items():
        crops[row_of[photo]] = crop
    crops.flush()
    del crops  # Windows cannot rename a folder that holds a mapped file
    origins = table["origins"].astype("U8")
    origins[list(fallback)] = "fallback"
    rows, dropped = np.flatnonzero(kept), np.flatnonzero(~kept)
    paths = [os.path.relpath(photo.path, dataset.root) for photo in dataset.photos]
    index = {
        **_header(dataset, fingerprint),
        "paths": [paths[row] for row in rows],
        "identities": [dataset.photos[int(row)].identity for row in rows],
        "origins": origins[rows].tolist(),
        "scores": [None if np.isnan(score) else round(float(score), 4) for score in table["scores"][rows]],
        "dropped": [[paths[row], dataset.photos[int(row)].identity, str(table["reasons"][row])] for row in dropped],
    }
    (partial / "index.json").write_text(json.dumps(index, indent=0), encoding="utf-8")


def _fallback_crops(dataset: Dataset, table: dict[str, Any], size_px: int, scratch: Path) -> dict[int, Pixels]:
    """Crops for photos without a face found, in layouts that show every face in the same place: photo to crop."""
    if dataset.layout not in ("celeba", "lfw"):
        return {}
    sizes = [(int(width), int(height)) for width, height in table["sizes"]]
    usual = usual_landmarks(sizes, table["landmarks"])
    missed = [row for row in np.flatnonzero(table["reasons"] == NO_FACE) if sizes[row] in usual]
    with PhotoReader(scratch) as reader:
        return {int(row): align(reader.pixels(dataset.photos[int(row)]), usual[sizes[row]], size_px) for row in missed}


def _header(dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    return {
        "version": CROP_VERSION,
        "fingerprint": fingerprint,
        "name": dataset.name,
        "root": str(dataset.root),
        "layout": dataset.layout,
        "template": TEMPLATE_NAME,
        "warnings": list(dataset.warnings),
    }


def _refuse_other_folder(folder: Path) -> None:
    """Refuse a folder that holds anything else: a cache that is made again replaces its whole folder."""
    others = {path.name for path in folder.iterdir()} - {"crops.npy", "index.json"} if folder.is_dir() else set()
    if others:
        raise TrainingDataError(
            f"{folder} holds other files than crops (such as {min(others)}), and would be replaced. Name a folder for "
            "the crops alone."
        )


def _publish(partial: Path, folder: Path) -> None:
    """The finished cache takes its name in one step; an older one under that name goes."""
    for part in partial.glob("*.npz"):
        part.unlink()
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        try:
            folder.rename(old)
        except PermissionError as error:  # Windows: a file in it is mapped
            raise TrainingDataError(
                f"The crops in {folder} are in use by another run of facesearch: let it end, then start this one again."
            ) from error
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(folder)
