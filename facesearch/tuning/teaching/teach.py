"""Teach a library, and take it back: read, learn, measure, decide, and put in force in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from facesearch.errors import LibraryError
from facesearch.evaluation.calibration import fit_calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.evaluation.places import Places
from facesearch.library import Library, Space, tower_space
from facesearch.library.space import head_bytes
from facesearch.records import Floats, Models
from facesearch.tuning.teaching.deciding import decide
from facesearch.tuning.teaching.held_out import RUNS, ask_held_out, scale_of
from facesearch.tuning.teaching.learning import learn_head
from facesearch.tuning.teaching.lessons import Lessons, read_lessons
from facesearch.tuning.teaching.summing_up import Measured, measured, roc_of

LEAST_PEOPLE = 5
LEAST_FACES = 5
_HEADS = RUNS + 1


@dataclass(frozen=True)
class TeachSummary:
    """What was learned, and whether it is kept."""

    # people, faces: that taught
    people: int
    faces: int
    apart: int  # pairs of faces known to be of two people without their names
    seed: int
    threshold: float
    known: Measured  # photos that were left out, of named people, against all others
    left_out: Measured  # people who were left out, among each other
    kept: bool  # whether it helps, by the rule
    taught: bool  # whether it is in force now; never after a dry run
    was_taught: bool  # whether something was before, which stays in force where nothing takes its place
    dry_run: bool
    elapsed_s: float  # seconds
    learned_anew: bool = False  # names changed while it learned, and the figures are of what was learned after that


@dataclass(frozen=True)
class UntaughtSummary:
    """What was taken back."""

    dropped: int  # how many heads
    taught_at: str | None  # of the head in force now; None in the tower's space


def teach(
    library: Library,
    margin: float,
    *,
    seed: int = 0,
    dry_run: bool = False,
    on_run: Callable[[int, int], None] | None = None,
) -> TeachSummary:
    """Learn from the names and corrections of a library, and keep what was learned where it helps.

    library: open for reading; others may write to it while it learns. Only to keep the head it is opened for writing.
    Where the names are others by then it is learned again from what they are, so that nothing is kept that somebody has
    corrected, or forgotten. margin: of the tower's contrastive loss, as its card says. dry_run: only measure. on_run:
    is called with the number of heads learned, and of all. The same library and seed give the same head. Raises
    LibraryError where there is too little to learn from, and LibraryLockedError where somebody else is writing at the
    end.
    """
    start = time.monotonic()
    on_run = on_run or (lambda done, total: None)
    learned = _learn(library, margin, seed, on_run)
    was_taught, learned_anew = library.space.is_taught, False
    if learned.kept and not dry_run:
        with Library.open(library.path, writable=True) as writer:
            learned_anew = not learned.holds_in(writer)
            if learned_anew:
                learned = _learn(writer, margin, seed, on_run)
            if learned.kept:
                with writer.changing():
                    writer.heads.add(learned.models.tower, head_bytes(learned.head), learned.details)
                _save_vectors(writer)
    return TeachSummary(
        people=len(learned.lessons.names),
        faces=int(learned.lessons.faces_a_person.sum()),
        apart=len(learned.lessons.apart),
        seed=seed,
        threshold=learned.threshold,
        known=learned.known,
        left_out=learned.left_out,
        kept=learned.kept,
        taught=learned.kept and not dry_run,
        was_taught=was_taught,
        dry_run=dry_run,
        elapsed_s=time.monotonic() - start,
        learned_anew=learned_anew,
    )


@dataclass(frozen=True, eq=False)
class _Learned:
    """A head, float32 (32, 32), what it was learned from, what is known of it, and whether it helps, by the rule."""

    head: Floats
    lessons: Lessons
    models: Models
    threshold: float
    known: Measured
    left_out: Measured
    details: Mapping[str, object]
    kept: bool

    def holds_in(self, library: Library) -> bool:
        """Whether it would be learned from a library as it is now."""
        with library.snapshot():
            return self.models == library.models and self.lessons.teach_the_same(read_lessons(library))


def _learn(library: Library, margin: float, seed: int, on_run: Callable[[int, int], None]) -> _Learned:
    with library.snapshot():
        lessons, models = read_lessons(library), library.models
        cohort = tower_space(models).cohort
        threshold = models.threshold if cohort is None else cohort.threshold
    _refuse_too_few(lessons)
    runs = _Runs(lessons, margin, cohort, on_run)
    held_out = ask_held_out(lessons, runs.learn, threshold, seed, tower_space(models).place)
    verdict = decide(held_out, seed)
    head, unit = runs.final(models.threshold, threshold, held_out.stretch, seed)
    known = measured(held_out.known, threshold, verdict.known, held_out.rank_1)
    left_out = measured(held_out.left_out, threshold, verdict.left_out)
    calibration = fit_calibration(roc_of(held_out.known.after, held_out.known.genuine))
    details = {
        "calibration": None if calibration is None else calibration.to_card(),
        "threshold": threshold,
        "cohort": None if cohort is None else cohort.identity,
        "unit": unit,
        "margin": margin,
        "seed": seed,
        "people": len(lessons.names),
        "faces": int(lessons.faces_a_person.sum()),
        "known": asdict(known),
        "left_out": asdict(left_out),
    }
    return _Learned(head, lessons, models, threshold, known, left_out, details, verdict.kept)


def unteach(library: Library, *, everything: bool = False) -> UntaughtSummary:
    """Take back what the library was taught last: the head before it is in force again, or the tower's own space.

    everything: all of it. Answers are then, to the bit, what they were before.
    """
    last = library.heads.last()
    dropped = 0
    if last is not None:
        with library.changing():
            if everything:
                dropped = library.heads.clear()
            else:
                library.heads.drop(last.head_id)
                dropped = 1
        _save_vectors(library)
    return UntaughtSummary(dropped, library.status().taught_at)


def _save_vectors(library: Library) -> None:
    library.train_vectors()
    library.save_vectors(finish_training=True)


def missing_names(library: Library) -> str | None:
    """What a library has too few of to learn from, in words; None where there is enough."""
    with library.snapshot():
        return _missing(read_lessons(library))


def _refuse_too_few(lessons: Lessons) -> None:
    missing = _missing(lessons)
    if missing is not None:
        raise LibraryError(
            f"there is too little to learn from: {missing}. Name more: facesearch people name, folders, or a list"
        )


def _missing(lessons: Lessons) -> str | None:
    counts = lessons.faces_a_person
    enough = int((counts >= LEAST_FACES).sum())
    if enough >= LEAST_PEOPLE:
        return None
    return (
        f"{LEAST_PEOPLE} named people with {LEAST_FACES} faces each are needed, and there "
        f"{'is' if enough == 1 else 'are'} {enough} (of {len(counts)} with a name; faces that only grouping added to "
        "a named person do not count)"
    )


class _Runs:
    """Learns from parts of the lessons, and from all."""

    def __init__(
        self, lessons: Lessons, margin: float, cohort: Cohort | None, on_run: Callable[[int, int], None]
    ) -> None:
        self._lessons = lessons
        self._margin = margin
        self._cohort = cohort
        self._on_run = on_run
        self._done = 0

    def learn(self, teaches: NDArray[np.bool_], seed: int) -> Callable[[Floats], Places]:
        return self._space(self._head(teaches, seed)).place

    def final(self, plain_threshold: float, threshold: float, stretch: float, seed: int) -> tuple[Floats, float | None]:
        """The head that all faces teach, and the unit of its judged distances, None for plain ones; scaled so that the
        threshold keeps its meaning: as many pairs of two people pass as in the tower's own space, on faces that were
        not learned from. Plain distances keep theirs too, as far as the lessons themselves say."""
        head = self._head(np.ones(len(self._lessons.people), bool), seed)
        if self._cohort is None:
            return np.asarray(head * (self._inside(Space(), Space(head), threshold) * stretch), np.float32), None
        head = np.asarray(head * self._inside(Space(), Space(head), plain_threshold), np.float32)
        inside = self._inside(Space(cohort=self._cohort), self._space(head), threshold)
        return head, self._cohort.times(inside * stretch).unit

    def _inside(self, before: Space, after: Space, threshold: float) -> float:
        """What distances after are to be multiplied by, by the named faces of the lessons."""
        named = self._lessons.people >= 0
        spaces = [space.place(self._lessons.embeddings[named]) for space in (before, after)]
        people = self._lessons.people[named]
        impostor = np.triu(people[:, None] != people[None, :])
        far_before, far_after = (places.distances_to(places)[impostor] for places in spaces)
        return scale_of(far_before, far_after, threshold)

    def _space(self, head: Floats) -> Space:
        return Space(head, cohort=None if self._cohort is None else self._cohort.mapped(Space(head).map))

    def _head(self, teaches: NDArray[np.bool_], seed: int) -> Floats:
        head = learn_head(self._lessons, teaches, self._margin, seed).astype(np.float32)
        self._done += 1
        self._on_run(self._done, _HEADS)
        return head
