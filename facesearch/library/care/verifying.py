"""Checks everything in a library's folder, and repairs what can be repaired.

The database by SQLite's own check, every row against the others, every embedding, the file of vectors against the rows,
the tower and the detector against the installed ones, and the files in the folder. Never touches a library of a newer
version. Without `repair`, changes nothing, except that it brings an older library up to date, as every command does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facesearch.errors import LibraryError, LibraryLockedError
from facesearch.library import recent_changes
from facesearch.library.care.checks import Problem, embedding_problems, integrity, journal_problems, row_problems
from facesearch.library.care.purge import PURGE_SETTING
from facesearch.library.care.salvage import fill_up, salvage
from facesearch.library.care.settings_check import models_problems, settings_problems
from facesearch.library.care.strays import stray_problems
from facesearch.library.folder import DATABASE_NAME, LOCK_NAME, is_library
from facesearch.library.index.codes import as_stored
from facesearch.library.index.vector_digest import digest, indexed, without
from facesearch.library.index.vector_file import find_index, parse_index
from facesearch.library.index.vectors import INDEX_NAME, Stamp, Vectors, VectorsUnusableError
from facesearch.library.lock import WriterLock, writer_at_work
from facesearch.library.opened import Library
from facesearch.library.private import rename_over, sync_folder
from facesearch.library.recent_changes import RecentChanges, net
from facesearch.library.rows import schema
from facesearch.library.rows.catalog import Catalog
from facesearch.library.rows.database import Database
from facesearch.library.rows.embedding_rows import embedding_pieces, stored_embeddings
from facesearch.library.rows.failures import is_damage
from facesearch.library.scales import scale_problems
from facesearch.library.search_codes import SearchCodes
from facesearch.library.space import Space
from facesearch.library.spaces import Spaces, head_problems, mapped
from facesearch.records import Models

AREAS = ("database", "rows", "embeddings", "vectors", "models", "files")
_ROUNDS = 3
_PURGE = "what was forgotten may still be in some file, because a purge was cut short"
DAMAGED_SUFFIX = ".damaged"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or worth knowing."""

    area: str  # one of AREAS
    problem: str
    mended: bool
    outcome: str  # what was done about it if `mended`, else what to do
    harmless: bool = False  # only worth knowing: the library is sound with it


@dataclass(frozen=True)
class VerifyReport:
    """What was checked, and what was wrong."""

    path: str
    photos: int
    faces: int
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]  # areas not looked into, because another process is writing or of what was found
    sound: bool  # whether nothing that was checked is wrong any more


def verify(path: Path, installed: Models | str, *, repair: bool = False) -> VerifyReport:
    """Check a library. installed: the detector and tower at hand, or why there are none.

    repair: repair what can be repaired, as the only writer. Raises LibraryError if there is no library, the file is not
    a library's or of a newer version, or nothing in it can be read; with `repair`, LibraryLockedError.
    """
    if not is_library(path):
        raise LibraryError(f"there is no library in {path}; choose another --library")
    purged = _end_purge(path) if repair else False
    with ExitStack() as stack:
        if repair:
            stack.callback(WriterLock(path / LOCK_NAME).release)
        outdated = _version(path / DATABASE_NAME, repair=repair) < schema.current_version()
        if outdated and not repair:
            stack.callback(WriterLock(path / LOCK_NAME).release)
        if outdated:
            _bring_up_to_date(path, repair=repair)
        verification = _Verification(path, installed, repair)
        if purged:
            verification.note(Finding("files", _PURGE, True, "ended it"))
        return verification.run(stack)


def _end_purge(path: Path) -> bool:
    """End a purge that was cut short, as any writer does; returns whether there was one, and it has ended."""
    try:
        with Library.open(path) as library:
            pending = library.purge.is_pending
        if pending:
            with Library.open(path, writable=True) as library:
                return not library.purge.is_pending
    except LibraryLockedError:
        raise
    except LibraryError as error:  # damaged: that is for the check to say
        log.debug("deleted bytes were not overwritten: %s", error)
    return False


def _version(path: Path, *, repair: bool) -> int:
    """That of a database; one that was cut off is filled up first, where it may be repaired."""
    try:
        return schema.version(path)
    except LibraryError:
        if not (repair and fill_up(path)):
            raise
    return schema.version(path)


def _bring_up_to_date(path: Path, *, repair: bool) -> None:
    """Migrate an older library. What is too damaged for that is saved as it is, where it may be repaired."""
    try:
        backup = schema.migrate(path / DATABASE_NAME)
    except LibraryError as error:
        if not (repair and is_damage(error.__cause__)):
            raise
    else:
        log.warning("brought the library in %s up to date; a copy of the former one is in %s", path, backup)


class _Verification:
    """One check of a library, and what it has found so far."""

    def __init__(self, path: Path, installed: Models | str, repair: bool) -> None:
        self._path = path
        self._installed = installed
        self._repair = repair
        self._findings: list[Finding] = []
        self._checked: set[str] = {"database"}

    def note(self, finding: Finding) -> None:
        self._findings.append(finding)

    def run(self, stack: ExitStack) -> VerifyReport:
        database, errors = self._opened(stack)
        if errors and not self._repair:
            self._found(Problem("database", _few(errors), "run with --repair to save what can be read"))
            return self._report(None)
        if database is None or errors:
            self._rebuild(errors)
            database, errors = self._opened(stack)
        if database is None:
            raise LibraryError(f"{self._path / DATABASE_NAME} is damaged again ({errors[0]}): check the disk")
        self._check_settings(database)
        for check in (row_problems, journal_problems, embedding_problems):
            self._check_rows(check, database)
        self._check_models(database)
        for problem in head_problems(database):
            self._found(problem, database)
        if not any(finding.area == "embeddings" and not finding.mended for finding in self._findings):
            for problem in scale_problems(database):
                self._found(problem, database)
        self._checked |= {"rows", "embeddings", "models"}
        if not self._is_being_written():
            before = list(self._findings)
            self._check_vectors(database)
            for problem in stray_problems(self._path):
                self._found(problem)
            self._checked.add("files")
            if self._findings != before and self._is_being_written():  # a writer that has only just begun
                self._findings = before
                self._checked -= {"vectors", "files"}
        return self._report(database)

    def _is_being_written(self) -> bool:
        """Whether another process is at work, so that the files are of another moment than the rows."""
        writer = None if self._repair else writer_at_work(self._path / LOCK_NAME)
        if writer is not None:
            log.warning("%s is writing to the library: check vectors and files when it is done", writer)
        return writer is not None

    def _opened(self, stack: ExitStack) -> tuple[Database | None, list[str]]:
        """The database, and what SQLite finds wrong with it; where that is much, it cannot even be opened."""
        try:
            database = Database(schema.connect(self._path / DATABASE_NAME, writable=self._repair))
        except LibraryError as error:
            if not is_damage(error.__cause__):
                raise
            return None, [str(error.__cause__)]
        stack.callback(database.close)
        errors = integrity(database)
        if errors:
            database.close()
        return database, errors

    def _found(self, problem: Problem, database: Database | None = None) -> None:
        """Note a problem, mended if that is wanted and possible. database: where it is mended in a transaction."""
        mended = self._repair and problem.mend is not None
        if mended and problem.mend is not None:
            if database is None:
                problem.mend()
            else:
                with database.transaction():
                    problem.mend()
        outcome = problem.outcome if mended or problem.mend is None else "run with --repair to mend it"
        self._findings.append(Finding(problem.area, problem.problem, mended, outcome, problem.harmless))

    def _check_rows(self, check: Callable[[Database], list[Problem]], database: Database) -> None:
        for _ in range(_ROUNDS if self._repair else 1):  # what was dropped can leave others without their kin
            for problem in check(database):
                self._found(problem, database)

    def _rebuild(self, errors: list[str]) -> None:
        """Put what can be read of a damaged database in its place, and the damaged one aside."""
        path = self._path / DATABASE_NAME
        beside, aside = path.with_name(path.name + ".salvaged"), path.with_name(path.name + DAMAGED_SUFFIX)
        saved = salvage(path, beside)
        for suffix in ("", "-wal", "-shm"):  # of the damaged one: they must not be replayed into the new one
            file = path.with_name(path.name + suffix)
            if file.exists():
                rename_over(file, aside.with_name(aside.name + suffix))
        rename_over(beside, path)
        sync_folder(self._path)
        rows = ", ".join(f"{count} {table}" for table, count in saved.items() if count)
        outcome = f"saved what can be read ({rows}); the damaged file is kept as {aside.name}"
        self._findings.append(Finding("database", _few(errors), True, outcome))

    def _check_settings(self, database: Database) -> None:
        for problem in settings_problems(database):
            self._found(problem)  # outside of a transaction, which would count on a generation
        if PURGE_SETTING in database.settings():
            self._found(Problem("files", _PURGE, "stop what is reading the library, and run with --repair"))

    def _check_vectors(self, database: Database) -> None:
        if any(finding.area in {"database", "embeddings"} and not finding.mended for finding in self._findings):
            return  # there is nothing to hold the vectors against
        try:
            space = Spaces(database).current()
        except LibraryError:  # a damaged head, which was found already
            return
        self._checked.add("vectors")
        with database.snapshot():
            library_id = database.settings()["library_id"]
            recent, faces = database.recent_changes(), database.counted_embeddings()
            mark = "" if recent is None else recent.mark
            stamp = Stamp(library_id, database.generation(), faces, space.digest, mark)
            problem = self._vectors_differ(stamp, space, recent)
            if recent is not None and recent.faces != faces:
                problem = f"the list of recent changes counts {recent.faces} faces, and the library has {faces}"
        if problem is None or (not stamp.faces and not (self._path / INDEX_NAME).exists()):
            return

        def rebuild() -> None:
            database.execute("DELETE FROM settings WHERE key = ?", (recent_changes.SETTING,))
            chunks, codes = lambda: mapped(space, embedding_pieces(database)), SearchCodes(database).of(stamp.faces)
            vectors = Vectors.gathered(chunks, stamp.faces, codes)
            vectors.save(self._path, replace(stamp, mark=""))

        self._found(Problem("vectors", f"the file of vectors is unusable: {problem}", "rebuilt it", rebuild))

    def _vectors_differ(self, stamp: Stamp, space: Space, recent: RecentChanges | None) -> str | None:
        """Why the file of vectors, with what was changed since, is not that of the rows; None where it is."""
        try:
            found = find_index(self._path, stamp, recent, thorough=True)
            gone, new = (np.array(sorted(ids), np.int64) for ids in net(found.later))
            index = parse_index(found.mapped, in_place=True)
            in_file = digest(without(indexed(index), gone))
        except VectorsUnusableError as error:
            return str(error)
        with stored_embeddings(self._path / DATABASE_NAME) as chunks:
            in_rows = digest(without(as_stored(index, lambda: mapped(space, chunks())), new))
        return None if in_file == in_rows else "it holds other vectors than the rows"

    def _check_models(self, database: Database) -> None:
        for problem in models_problems(database, self._installed):
            self._found(problem, database if problem.mend else None)

    def _report(self, database: Database | None) -> VerifyReport:
        counts = None if database is None else Catalog(database).counts()
        return VerifyReport(
            path=str(self._path),
            photos=0 if counts is None else counts.photos,
            faces=0 if counts is None else counts.faces,
            findings=tuple(self._findings),
            unchecked=tuple(area for area in AREAS if area not in self._checked),
            sound=all(finding.mended or finding.harmless for finding in self._findings),
        )


def _few(errors: list[str]) -> str:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"SQLite finds it damaged: {errors[0]}{more}"
