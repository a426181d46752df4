"""What an import of names did: plain records, ready to print."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from facesearch.records import SkippedFile


@dataclass(frozen=True)
class ImportConflict:
    """A face that has the name `name` in the library, and `other` in the metadata."""

    photo: Path
    face_id: int
    name: str
    other: str


@dataclass(frozen=True)
class NotThisPerson:
    """A face that the metadata calls `name`, but that was rejected for that person."""

    photo: Path
    face_id: int
    name: str


@dataclass(frozen=True)
class Unmatched:
    """A named region that matches no face in the library and did not become one."""

    photo: Path
    name: str


@dataclass(frozen=True)
class UnusableName:
    """A name in a photo's metadata whose region does not clearly mean one face, and why."""

    photo: Path
    name: str
    reason: str


@dataclass
class ImportSummary:
    """What an import did."""

    photos: int = 0  # with names in their metadata
    regions: int = 0  # with a name and an area that can be used, each face once
    faces_named: int = 0  # that got a name
    people_new: int = 0  # created for it
    faces_same: int = 0  # that had it already
    faces_added: int = 0  # regions that became faces, since the detector had seen none there
    faces_unseen: int = 0  # of these, those in which no face can be seen: they are never compared with others
    not_added: str | None = None  # why regions could not become faces, in words
    conflicts: list[ImportConflict] = field(default_factory=list)
    rejected: list[NotThisPerson] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)
    unusable: list[UnusableName] = field(default_factory=list)
    photos_unknown: list[Path] = field(default_factory=list)  # with names, but not in the library
    skipped: list[SkippedFile] = field(default_factory=list)  # that could not be used, with the reason
    dry_run: bool = False
