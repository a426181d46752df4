"""What a run is asked to do, and what it says about itself: frozen records, ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facesearch.records import NodeWork, SkippedFile
from facesearch.vision.runtime import available_cores

PHOTOS_A_LANE = 4  # the start of a lane's process takes 0.4 s of a core, as long as some four photos


@dataclass(frozen=True)
class IndexOptions:
    """What a run is asked to do."""

    people_from_folders: bool = False  # a photo's folder names the person that it shows (people.name_by_folder)
    rehash: bool = False  # read every photo again, also those whose time and size are as before
    leave_out: frozenset[Path] = frozenset()  # files to pass over this time
    batch_faces: int = 32  # faces embedded and committed together
    workers: int = 0  # photos worked on at once, each up to 50 MB; 0 is one a core
    foreign_folders: bool = False  # look into the folders that NAS systems and photo programs keep for themselves, too
    save_every_s: float = 60.0  # seconds after which the file of vectors is brought up to date in between
    codes: str | None = None  # in which search keeps the faces from now on; None: as the library is set
    group: bool | None = False  # at the end, put faces that came since the last grouping into groups; None: as set

    @property
    def lanes(self) -> int:
        """How many threads detect at once."""
        return self.workers or available_cores()

    def lanes_for(self, photos: int) -> int:
        """How many of them so many photos are worth: by default a process of its own for every few photos."""
        return max(1, min(self.lanes, photos if self.workers else -(-photos // PHOTOS_A_LANE)))


DEFAULT_OPTIONS = IndexOptions()


@dataclass(frozen=True)
class IndexProgress:
    """How far a run is."""

    done: int
    total: int  # the files that are new or changed; the unchanged ones need no time
    faces: int
    skipped: int
    current: Path | None
    nodes: tuple[NodeWork, ...] = ()  # what the machines of a cluster do


@dataclass(frozen=True)
class AbsentFolder:
    """A folder that is not there today, or is empty as a mount point without its drive is."""

    path: Path
    files: int  # those that the library knows in it


@dataclass(frozen=True)
class DamagedPhoto:
    """A photo of which only a part can be seen, with a face in that part."""

    path: Path
    damage: str  # what is missing, in words
    faces: int


@dataclass(frozen=True)
class LostNames:
    """A photo that has lost people with a name."""

    path: Path
    names: tuple[str, ...]


@dataclass(frozen=True)
class IndexSummary:
    """What a run did.

    A moved photo is content that the library knew, found under a path that replaces the former one; a copied photo is
    found under a path beside it.
    """

    photos_new: int
    photos_changed: int
    photos_unchanged: int
    photos_copied: int
    photos_moved: int
    photos_missing: int  # files that were there at the last run
    skipped: tuple[SkippedFile, ...]  # what could not be read in this run
    skipped_known: int  # files that could not be read before and have not changed since, nor has the software
    absent: tuple[AbsentFolder, ...]  # folders that are not there today; what the library knows of them is kept
    other_files: int  # no photos, by name or first bytes
    faces_new: int
    faces_named: int  # faces that people_from_folders gave to a person
    elapsed_s: float
    interrupted: bool
    faces_kept: int = 0  # faces of changed photos that keep the person of the face at the same place before
    faces_without_person: int = 0  # in the library, after this run
    unnamed: tuple[SkippedFile, ...] = ()  # folders and photos that people_from_folders named nobody after
    photos_without_faces: int = 0  # present photos in which no face was found, after this run
    photos_present: int = 0  # all photos that are there, after this run
    folders_left_out: int = 0  # those of NAS systems and photo programs
    photos_misnamed: tuple[Path, ...] = ()  # read in this run, and photos by their first bytes alone
    photos_damaged: tuple[DamagedPhoto, ...] = ()  # of those that were read in this run
    groups_new: int = 0  # groups without a name that were found at the end of the run
    faces_grouped: int = 0  # faces in these
    faces_joined: int = 0  # faces that joined a person who was known, with a name or without
    group_change: int | None = None  # the line of the journal that takes the grouping back; None where nothing moved
    grouped: bool = False  # whether the run looked for groups
    names_lost: tuple[LostNames, ...] = ()  # of photos that were edited or replaced, and that no other file shows
    videos_left_out: int = 0  # those that cannot be read, because the extra for it is not installed
    nodes: Mapping[str, int] = field(default_factory=dict)  # how many photos each machine of a cluster has read


class IndexInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run, after everything that was finished has been committed. summary: what that was."""

    def __init__(self, summary: IndexSummary) -> None:
        super().__init__("interrupted")
        self.summary = summary


@dataclass(frozen=True)
class ReindexSummary:
    """What a run of `reindex` did."""

    tower: str
    switched: bool  # whether the library answers with the new tower and detector now
    photos: int  # read in this run
    photos_failed: int  # of all photos, those that cannot be read
    photos_changed: int  # whose files show something else by now; the next index reads them
    faces: int  # of the new models
    faces_kept: int  # faces that were known before
    named_lost: int  # faces of people with a name that left with photos that were given up
    waiting: tuple[AbsentFolder, ...]  # folders with photos that are out of reach
    elapsed_s: float
    interrupted: bool
    heads_dropped: int = 0  # deleted heads, which had been taught over another tower
    calibration_dropped: bool = False  # the library's own: distances changed, or the faces it was fitted to
    unread: tuple[SkippedFile, ...] = ()  # photos that cannot be read, or found again, and wait too, with the reason
    photos_edited: int = 0  # read in this run and edited since they were indexed: faces are known by their places
    lost: tuple[LostNames, ...] = ()  # which names left, by photo
    nodes: Mapping[str, int] = field(default_factory=dict)  # how many photos each machine of a cluster has read


class ReindexInterrupted(KeyboardInterrupt):
    """Ctrl-C during a reindex, after everything that was finished has been kept for the next one."""

    def __init__(self, summary: ReindexSummary) -> None:
        super().__init__("interrupted")
        self.summary = summary
