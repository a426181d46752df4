"""Forgets a person, a photo or everything: deletes them from the rows and from every file, and proves it by a search of
all bytes.

Face embeddings are biometric data: a row that is only marked as free, a log, a copy or a file of vectors would keep
them. Never touches the photos themselves, and never calls something forgotten that the search still finds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facesearch.errors import LibraryError, UsageError
from facesearch.library.care.purge import ended
from facesearch.library.care.traces import Encode, Traces, search_files
from facesearch.library.folder import DATABASE_NAME, LOCK_NAME
from facesearch.library.known_people import known_person, spelled_alike
from facesearch.library.lock import WriterLock
from facesearch.library.opened import Library
from facesearch.library.rows import schema
from facesearch.library.rows.database import Database
from facesearch.library.rows.embedding_rows import stored_embeddings
from facesearch.library.rows.lineage import bearers, kin
from facesearch.library.space import Space, head_from_bytes
from facesearch.names import name_key
from facesearch.paths import whole_path
from facesearch.records import EMBEDDING_SIZE, Floats

# A shorter name can occur in any file by chance, so only the rows are searched for it.
_SHORTEST_TEXT_BYTES = 6
# Every text that a library keeps, and how often: those with an index stand in the file twice.
_TEXTS = (
    ("files", "path", 2),
    ("files", "reason", 1),
    ("roots", "path", 2),
    ("drives", "path", 2),
    ("people", "name", 2),
    ("journal", "details", 1),
    ("settings", "value", 1),  # the tower's card: words such as "groups", which a person may be called
)


@dataclass(frozen=True)
class ForgetSummary:
    """What was forgotten. Plain values only, ready for JSON."""

    what: str  # "person", "photo" or "all"
    photos: int  # deleted as a whole
    faces: int
    people: int  # deleted as a whole
    journal: int  # lines deleted or shortened
    copies: tuple[str, ...]  # former databases that were deleted too
    in_paths: int  # paths of photos that still contain a forgotten name
    searched_bytes: int  # how much was searched for what was forgotten, and not found
    heads: int = 0  # how many heads were deleted, with what they were taught
    calibration: bool = False  # whether the library's own calibration was dropped
    # where the library's faces were published, and stay until they are published there again
    published: tuple[str, ...] = ()


@dataclass(eq=False)
class _Target:
    """Who and what is to be forgotten, and what must not be found any more."""

    what: str
    photos: set[int] = field(default_factory=set)
    faces: set[int] = field(default_factory=set)
    people: dict[int, str | None] = field(default_factory=dict)
    former: frozenset[int] = frozenset()  # people who were merged into these
    files: set[int] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    embeddings: Floats = field(default_factory=lambda: np.empty((0, EMBEDDING_SIZE), np.float32))

    @property
    def names(self) -> set[str]:
        return {name for name in self.people.values() if name is not None}


def forget(path: Path, wanted: str | None) -> ForgetSummary:
    """Forget a person (by name, or `#12`) or a photo (by path), or everything where `wanted` is None.

    A person goes with all their faces; a photo with all its copies and with people who are on no other photo. Raises
    UsageError if no person or photo has that name, or if both have. Raises LibraryError if there is no library, it
    cannot be written, another process keeps reading it, or traces are left.
    """
    with Library.open(path, writable=True) as library:
        target = _everything(library) if wanted is None else _target(library, wanted)
        _look_up(library, target)
        # What no search can find has to go with every page of the database.
        rewrite = target.what == "all" or library.purge.needs_rewriting() or any(map(_is_short, target.texts))
        copies, published = library.purge.kept_copies(), library.published.places()
        with library.changing():
            journal = _delete(library, target)
            heads = library.heads.clear()  # whoever is forgotten may have taught it
            calibration = bool(target.faces) and library.own_calibration.drop()  # or be among those it was fitted to
            library.purge.begin()
        if not library.purge.run(rewrite=rewrite):
            raise LibraryError(
                f"forgotten, but another process is reading the library in {path}, so that deleted bytes are still in "
                "its log; stop that process, and run facesearch verify --repair"
            )
    in_paths, traces = _searched(path, target, rewritten=rewrite)
    if traces.pieces or traces.texts:
        files = ", ".join(sorted({*traces.pieces, *traces.texts}))
        raise LibraryError(
            f"deleted from the database, but traces remain in {path}, in {files}; delete the files that are not "
            "the library's (facesearch verify lists them), and run facesearch forget again"
        )
    return ForgetSummary(
        what=target.what,
        photos=len(target.photos),
        faces=len(target.faces),
        people=len(target.people),
        journal=journal,
        copies=copies,
        in_paths=in_paths,
        searched_bytes=traces.size_bytes,
        heads=heads,
        calibration=calibration,
        published=published,
    )


def _everything(library: Library) -> _Target:
    photos = library.catalog.photo_ids()
    return _Target("all", set(photos.values()), people=library.people.names(), texts=set(photos))


def _target(library: Library, wanted: str) -> _Target:
    person = known_person(library, wanted)
    path = whole_path(wanted)
    file = library.files.at(path)
    if person is not None and file is not None:
        raise UsageError(f"{wanted} is a person and a photo: write ./{wanted} for the photo, #{person} for the person")
    if person is not None:
        return _Target("person", people={person: library.people.names()[person]})
    if file is None and (former := _former(library, wanted)):
        return _Target("person", people=former)
    if file is None:
        alike = spelled_alike(library, wanted)
        hint = f"; {alike}" if alike else ""
        raise UsageError(f"the library in {library.path} has no person or photo called {wanted}{hint}")
    target = _Target("photo", files={file.file_id})
    if file.photo_id is not None:
        target.photos = {file.photo_id}
        target.texts = set(library.catalog.photo_contents(target.photos).values())
    return target


def _former(library: Library, name: str) -> dict[int, str | None]:
    """People who once had this name and are left only in the journal. Raises UsageError if they were merged into
    another person, or have another name today."""
    lines, names = library.journal.lines(), library.people.names()
    people = bearers(lines, name_key(name))
    for person in sorted(set(names)):
        if people & kin(lines, [person], names).person_ids:
            raise UsageError(f"{name} is {names[person] or 'unnamed'} (#{person}) today: forget #{person}")
    return dict.fromkeys(people, name)


def _look_up(library: Library, target: _Target) -> None:
    """Add the faces of the target, the people who will be left without any, and those merged into them."""
    here = library.catalog.faces_in(target.photos)
    target.faces = {face.face_id for face in here} | {face for face, _ in library.people.faces_of(target.people)}
    if target.what == "photo":
        shown = {face.person_id for face in here if face.person_id is not None}
        elsewhere = {person for face, person in library.people.faces_of(shown) if face not in target.faces}
        names = library.people.names()
        target.people = {person: names[person] for person in shown - elsewhere}
    relatives = kin(library.journal.lines(), target.people, library.people.names())
    target.former = relatives.person_ids - set(target.people)
    theirs = library.catalog.embeddings_of(target.faces, target.photos)
    # Whose the removed faces were only the journal knows: all of them go.
    target.embeddings = _with_heads(library, np.concatenate([theirs, library.added.removed_embeddings()]))
    target.texts |= target.names | relatives.names


def _with_heads(library: Library, embeddings: Floats) -> Floats:
    """Some embeddings, where the library's heads put them, and the rows of the heads themselves: float32 (M, 32)."""
    found = [embeddings]
    for stored in library.heads.all():
        with suppress(ValueError):  # damaged: it put nothing anywhere
            head = head_from_bytes(stored.weights)
            found += [Space(head).map(embeddings), head]
    return np.concatenate(found)


def _delete(library: Library, target: _Target) -> int:
    """Delete the rows; returns how many lines of the journal it concerned."""
    library.added.forget_removed()
    if target.what == "person":
        library.catalog.forget_faces(target.faces)
    library.catalog.drop_photos(target.photos)
    library.files.forget(target.files)
    library.people.delete(target.people)
    if target.what == "all":
        library.files.forget_all()
        return library.journal.clear()
    return library.journal.forget({*target.people, *target.former}, target.faces, target.names)


def _searched(path: Path, target: _Target, *, rewritten: bool) -> tuple[int, Traces]:
    """Like `_search`; if it finds something in a database that was not rewritten, rewrites it and searches again."""
    with WriterLock(path / LOCK_NAME, wait=True):
        in_paths, traces = _search(path, target)
        if rewritten:
            return in_paths, traces
        if not (traces.pieces or traces.texts):
            ended(path)
            return in_paths, traces
    Library.open(path, writable=True).close()  # ends the purge
    return _searched(path, target, rewritten=True)


def _is_short(text: str) -> bool:
    return len(text.encode()) < _SHORTEST_TEXT_BYTES


def _search(path: Path, target: _Target) -> tuple[int, Traces]:
    """How many paths still hold a forgotten name, and what a search of all files finds that no row accounts for.

    No connection of this process may be open: closing the file after the search would take SQLite's locks away.
    """
    texts = [text for text in sorted(target.texts) if not _is_short(text)]
    with closing(Database(schema.connect(path / DATABASE_NAME, writable=False))) as database:
        in_paths = sum(_count(database, "files", "path", name) for name in target.names)
        allowed = {
            text: sum(_count(database, table, column, text) * n for table, column, n in _TEXTS) for text in texts
        }
    files = sorted(entry for entry in path.iterdir() if entry.is_file() and entry.name != LOCK_NAME)
    unexplained = [text for text in texts if not allowed[text]]
    forms = {form for text in unexplained for form in _forms(text)}
    traces = search_files(files, target.embeddings, _kept(path), sorted(forms), _encode(path))
    for text in set(texts) - set(unexplained):
        found = search_files(files, target.embeddings[:0], (), [text.encode()]).texts
        if sum(found.values()) > allowed[text]:
            traces.texts.update(found)
    return in_paths, traces


def _encode(path: Path) -> Encode | None:
    """What makes codes of embeddings, where the file of vectors has codes that no other form is the same as."""
    with Library.open(path) as library:
        return library.vectors().encode


def _forms(text: str) -> set[bytes]:
    """A text as files may hold it."""
    return {unicodedata.normalize(form, text).encode("utf-8", "surrogateescape") for form in ("NFC", "NFD")}


def _count(database: Database, table: str, column: str, text: str) -> int:
    """How many times the rows of a column hold a text."""
    wanted = text.encode()
    rows = database.rows(f"SELECT {column} FROM {table} WHERE instr(CAST({column} AS BLOB), ?)", (wanted,))
    return sum((row[0] if isinstance(row[0], bytes) else row[0].encode()).count(wanted) for row in rows)


def _kept(path: Path) -> Iterator[Floats]:
    with stored_embeddings(path / DATABASE_NAME) as chunks:
        for _, embeddings in chunks():
            yield embeddings
