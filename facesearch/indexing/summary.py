"""What a run is asked to do, and what it says about itself: frozen records, ready to be printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facesearch.records import SkippedFile
from facesearch.vision.runtime import available_cores


@dataclass(frozen=True)
class IndexOptions:
    """people_from_folders: the name of a photo's folder is the name of the person it shows (see people.name_by_folder).

    rehash: read every photo again, also those whose time and size are as before. leave_out: files to pass over this
    time. batch_faces: faces embedded and committed together. workers: photos worked on at once, each up to 50 MB; 0 is
    as many as there are cores. foreign_folders: look into the folders that NAS systems and photo programs keep for
    themselves, too. save_every_s: seconds after which the file of vectors is brought up to date in between.
    """

    people_from_folders: bool = False
    rehash: bool = False
    leave_out: frozenset[Path] = frozenset()
    batch_faces: int = 32
    workers: int = 0
    foreign_folders: bool = False
    save_every_s: float = 60.0

    @property
    def lanes(self) -> int:
        """How many threads detect at once."""
        return self.workers or available_cores()


DEFAULT_OPTIONS = IndexOptions()


@dataclass(frozen=True)
class IndexProgress:
    """How far a run is. total: the files that are new or changed; the unchanged ones need no time."""

    done: int
    total: int
    faces: int
    skipped: int
    current: Path | None


@dataclass(frozen=True)
class AbsentFolder:
    """A folder that is not there today, or is empty as a mount point without its drive is. files: those that the
    library knows in it."""

    path: Path
    files: int


@dataclass(frozen=True)
class DamagedPhoto:
    """A photo of which only a part can be seen, with a face in that part."""

    path: Path
    damage: str  # what is missing, in words
    faces: int


@dataclass(frozen=True)
class IndexSummary:
    """What a run did.

    photos_copied and photos_moved: content that the library knew already, found under another path, beside or instead
    of the former one. photos_missing: files that were there at the last run. skipped: what could not be read in this
    run; skipped_known: files that could not be read before and have not changed since, nor has the software. absent:
    folders that are not there today, given ones and former ones of photos that were found elsewhere; what the library
    knows of them was left as it is. other_files: no photos, by name or first bytes. folders_left_out: those of NAS
    systems and photo programs. photos_misnamed: read in this run, and photos by their first bytes alone. faces_named:
    faces that people_from_folders gave to a person. faces_kept: faces of changed photos that have the person whom the
    face at the same place had before. faces_without_person: in the library, after this run. photos_without_faces:
    photos of the library that are there and in which no face was found, and photos_present: all photos that are there,
    both after this run.
    """

    photos_new: int
    photos_changed: int
    photos_unchanged: int
    photos_copied: int
    photos_moved: int
    photos_missing: int
    skipped: tuple[SkippedFile, ...]
    skipped_known: int
    absent: tuple[AbsentFolder, ...]
    other_files: int
    faces_new: int
    faces_named: int
    elapsed_s: float
    interrupted: bool
    faces_kept: int = 0
    faces_without_person: int = 0
    unnamed: tuple[SkippedFile, ...] = ()  # folders and photos that people_from_folders named nobody after
    photos_without_faces: int = 0
    photos_present: int = 0
    folders_left_out: int = 0
    photos_misnamed: tuple[Path, ...] = ()
    photos_damaged: tuple[DamagedPhoto, ...] = ()  # of those that were read in this run


class IndexInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run, after everything that was finished has been committed. summary: what that was."""

    def __init__(self, summary: IndexSummary) -> None:
        super().__init__("interrupted")
        self.summary = summary
