"""Names from a list: a CSV file that says who is on which photo, and where on it.

Like folders, it names only faces that have no name and were not rejected. Refuses the whole list if any line cannot be
read; reports lines that it cannot use.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facesearch.errors import UsageError
from facesearch.exchange.table import Cells, box_sides, read_table, refuse_other_encodings
from facesearch.library import Library
from facesearch.names import person_name
from facesearch.paths import is_in_bucket, whole_path
from facesearch.people.addressing import as_counted, photo_at, shown_person
from facesearch.people.sources import name_after_source
from facesearch.records import StoredFace
from facesearch.vision.boxes import MEANT, pair_up

SOURCE = "list"
_BOX = ("x1", "y1", "x2", "y2")
_PATH, _PERSON = ("path", "photo"), ("person", "name")  # each column under either name
_ERRORS_SHOWN = 5


@dataclass(frozen=True)
class PassedOver:
    """A line of a list that named nobody, and why."""

    line: int
    path: str
    person: str
    reason: str


@dataclass(frozen=True)
class ListSummary:
    """What a list did."""

    rows: int  # its lines with a person
    named: int  # faces that got a name
    same: int  # that had it already
    people_new: int  # people who were created
    passed_over: tuple[PassedOver, ...]  # what could not be used
    change: int | None  # the number of the change in the journal, None where there is none
    dry_run: bool  # nothing was changed


@dataclass(frozen=True)
class _Row:
    line: int
    path: Path
    person: str
    box: tuple[float, ...] | None
    face_id: int | None


def name_by_list(library: Library, file: Path, *, root: Path | None = None, dry_run: bool = False) -> ListSummary:
    """Name faces after a CSV file, as one change.

    Its first line names the columns: `path` (or `photo`), `person` (or `name`), and where a photo has several faces
    either `x1`, `y1`, `x2`, `y2` in px of the upright photo or `face`, the number of the face; others are passed over.
    They are separated by commas, semicolons or tabs; lines without a person say nothing. root: where relative paths
    begin, by default the file's folder. Raises UsageError, with the numbers of the lines, where one cannot be read.
    """
    rows = _read(file, _beginning(file) if root is None else root)
    with library.snapshot():
        naming = _Naming(library)
        naming.take(rows)
    change = None
    if naming.names and not dry_run:
        with library.changing():
            names = {face_id: row.person for face_id, row in naming.names.items()}
            change = name_after_source(library, names, naming.bearers, SOURCE)
    passed = tuple(sorted(naming.passed_over, key=lambda each: each.line))
    new = sum(bearer is None for bearer in naming.bearers.values())
    return ListSummary(len(rows), len(naming.names), naming.same, new, passed, change, dry_run)


@dataclass(eq=False)
class _Naming:
    """Decides which face each row is of, and whether it gets the name."""

    library: Library
    names: dict[int, _Row] = field(default_factory=dict)  # by face id, with the row
    bearers: dict[str, int | None] = field(default_factory=dict)  # of the names that are given
    same: int = 0
    passed_over: list[PassedOver] = field(default_factory=list)

    def take(self, rows: Sequence[_Row]) -> None:
        by_path: defaultdict[Path, list[_Row]] = defaultdict(list)
        for row in rows:
            by_path[row.path].append(row)
        known_as = {path: photo_at(self.library, path) for path in by_path}
        photos = {path: photo_id for path, photo_id in known_as.items() if photo_id is not None}
        faces: defaultdict[int, list[StoredFace]] = defaultdict(list)
        for face in self.library.catalog.faces_in(photos.values()):
            faces[face.photo_id].append(face)
        on_photo = {face.face_id for face in self.library.catalog.faces_on(photos.values())}
        known = {person: self.library.people.bearer(person) for person in {row.person for row in rows}}
        rejections = self.library.people.rejections()
        for path, claims in by_path.items():
            if path not in photos:
                self._pass_over(claims, "is not in the library; index it first")
                continue
            for row, found in _matched(claims, faces[photos[path]], on_photo):
                if isinstance(found, str):
                    self._pass_over([row], found)
                else:
                    self._judge(row, found, known[row.person], rejections)
        self.bearers = {row.person: known[row.person] for row in self.names.values()}

    def _judge(self, row: _Row, face: StoredFace, bearer: int | None, rejections: set[tuple[int, int]]) -> None:
        said = self.names.get(face.face_id, row)
        if face.person_id is not None and face.person_id == bearer:
            self.same += 1
        elif face.name is not None:
            self._pass_over([row], f"face #{face.face_id} is {face.name} already")
        elif said.person != row.person:
            self._pass_over([row], f"face #{face.face_id} is {said.person}, by line {said.line}")
        elif bearer is not None and (face.face_id, bearer) in rejections:
            who = shown_person(self.library, bearer)
            self._pass_over([row], f"face #{face.face_id} was rejected: it is not {who}")
        else:
            self.names[face.face_id] = said

    def _pass_over(self, rows: Iterable[_Row], reason: str) -> None:
        self.passed_over += [PassedOver(row.line, str(row.path), row.person, reason) for row in rows]


def _matched(
    rows: Sequence[_Row], faces: Sequence[StoredFace], on_photo: set[int]
) -> list[tuple[_Row, StoredFace | str]]:
    """Each row of a photo with its face, or why it has none. Of boxes those that overlap a face most come first.
    on_photo: the ids of faces that are not in the film of a motion photo, which have no box on the photo."""
    found: dict[int, StoredFace | str] = {}
    by_id = {face.face_id: face for face in faces}
    counted, still = as_counted(faces), [face for face in faces if face.face_id in on_photo]
    boxed = [number for number, row in enumerate(rows) if row.box is not None]
    for number, row in enumerate(rows):
        if row.face_id is not None:
            found[number] = by_id.get(row.face_id, f"has no face #{row.face_id}")
        elif row.box is None and len(counted) == 1:
            found[number] = counted[0]
        elif row.box is None:
            found[number] = f"has {len(counted)} faces; give a box" if faces else "shows no face"
    boxes = [np.array(rows[number].box, np.float32) for number in boxed]
    for row_at, face_at in pair_up(boxes, [face.box for face in still], MEANT):
        found[boxed[row_at]] = still[face_at]
    return [(row, found.get(number, "has no face at this box")) for number, row in enumerate(rows)]


def _read(file: Path, root: Path) -> list[_Row]:
    """The rows with a person. Raises UsageError that names the lines which cannot be read."""
    try:
        table = read_table(file.read_bytes(), file)  # once: a pipe is read only once
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    path_at, person_at = (_column(file, table.columns, names) for names in (_PATH, _PERSON))
    rows, errors = [], []
    for line, cells in table.lines:
        try:
            if cells[person_at].strip():
                rows.append(_row(line, cells, path_at, person_at, root))
        except UsageError as error:
            errors.append(f"line {line}: {error}")
    if errors:
        more = f"; and {len(errors) - _ERRORS_SHOWN} more" if len(errors) > _ERRORS_SHOWN else ""
        raise UsageError(f"{file}: {'; '.join(errors[:_ERRORS_SHOWN])}{more}; nothing was changed")
    return rows


def _beginning(file: Path) -> Path:
    """Where relative paths begin: the file's folder; of a pipe the working directory, since /dev holds no photos."""
    return file.parent if file.is_file() else Path()


def _column(file: Path, columns: Sequence[str], names: Sequence[str]) -> str:
    for name in names:
        if name in columns:
            return name
    raise UsageError(f"{file} has no column {names[0]}; its first line names the columns: path, person, x1, y1, x2, y2")


def _row(line: int, cells: Cells, path_at: str, person_at: str, root: Path) -> _Row:
    path, person, face = (cells.get(column, "").strip() for column in (path_at, person_at, "face"))
    if not path:
        raise UsageError("the path is missing")
    refuse_other_encodings(person)
    sides = [cells.get(side, "").strip() for side in _BOX]
    box = None
    if any(sides):
        try:
            box = tuple(box_sides(sides))
        except ValueError:
            raise UsageError(f"{','.join(sides)} is not a box of four numbers") from None
        if not (np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]):
            raise UsageError(f"{','.join(sides)} is not a box: x1 is less than x2, and y1 less than y2")
    if face and not face.removeprefix("face:").isdecimal():
        raise UsageError(f"{face} is not the number of a face")
    face_id = int(face.removeprefix("face:")) if face and box is None else None
    where = _whole(root, path)
    return _Row(line, where, person_name(person), box, face_id)


def _whole(root: Path, path: str) -> Path:
    named = _expanded(path)
    return whole_path(named if is_in_bucket(named) else root / named)


def _expanded(path: str) -> Path:
    """`~/` is the user's home, where there is one; any other name that begins with a tilde is a name like any other."""
    try:
        return Path(path).expanduser() if path.startswith("~/") else Path(path)
    except RuntimeError:  # no such user
        return Path(path)
