"""What a library learns from its names, and how well its tower judges them. `library.tuning` of a FaceLibrary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facesearch.api.session import Session

if TYPE_CHECKING:
    from facesearch.evaluation.evidence import Evidence
    from facesearch.tuning.calibration import KeptCalibration
    from facesearch.tuning.calibration.fitting import Fit
    from facesearch.tuning.judging import LibraryJudged
    from facesearch.tuning.teaching import TeachSummary, UntaughtSummary


@dataclass(frozen=True)
class NamesMissing:
    """What a library has too few of to learn from its names, in words."""

    teach: str | None  # None: there is enough
    calibrate: str | None


class Tuning:
    """Threshold and probabilities, a taught head, and the figures of both. All methods raise LibraryError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def calibrate(self, far: float = 0.01, *, dry_run: bool = False) -> Fit:
        """Fit threshold and probabilities to the people named here, and judge by them from now on.

        far: the share of pairs of different people to pass the threshold. dry_run: only say what they would be. Raises
        LibraryError, which says what is missing, where too few people have names, and TowerError.
        """
        from facesearch.tuning.calibration.calibrate import calibrate

        self._session.close()
        return calibrate(self._session.path, self._session.tower, far, dry_run=dry_run)

    def missing(self, far: float = 0.01) -> NamesMissing:
        """What is missing for `teach`, and for `calibrate` at that share of false matches. Changes nothing."""
        from facesearch.tuning.calibration import fitting
        from facesearch.tuning.teaching import missing_names

        with self._session.reading() as library:
            return NamesMissing(missing_names(library), fitting.missing_names(library, far))

    def own_calibration(self) -> KeptCalibration | None:
        """What `calibrate` has put in force; None where the tower's calibration, or what was taught, is."""
        from facesearch.tuning.calibration.calibrate import shown_calibration

        return shown_calibration(self._session.path)

    def reset_calibration(self) -> bool:
        """Drop it; whether there was one. Raises LibraryError."""
        from facesearch.tuning.calibration.calibrate import reset

        self._session.close()
        return reset(self._session.path)

    def evaluate(self, threshold: float | None = None) -> LibraryJudged:
        """How well the tower tells the named people of this library apart, by all pairs of their faces.

        threshold: a distance, by default the one in force. Raises LibraryError where the named people give too few
        pairs, and TowerError.
        """
        from facesearch.evaluation.calibration import Calibration
        from facesearch.tuning.judging import judge_library

        with self._session.opened() as library:
            card = self._session.tower.card
            library.use_tower(self._session.tower)
            return judge_library(library, threshold, Calibration.from_card(card.calibration))

    def evidence(self, judged: LibraryJudged) -> Evidence:
        """The pairs most wrongly judged, with their crops cut from the photos again, for a report."""
        from facesearch.tuning.judging import gather_evidence

        with self._session.opened() as library:
            return gather_evidence(library, judged, self._session.detector)

    def teach(
        self, *, seed: int = 0, dry_run: bool = False, on_run: Callable[[int, int], None] | None = None
    ) -> TeachSummary:
        """Learn from the names and corrections, and keep what was learned where faces that were left out show that it
        helps.

        dry_run: only learn and measure. on_run: is called with the number of heads learned, and of all. Queries and
        changes go on meanwhile; where these concern what it learned from, it learns again. Raises LibraryError where
        there is too little to learn from, LibraryLockedError while another process is writing, and TowerError.
        """
        from facesearch.tuning.teaching import teach

        if not dry_run:
            with self._session.opened(writable=True):
                pass  # whether anybody is writing is better known beforehand
        with self._session.opened() as library:
            card = self._session.tower.card
            library.use_tower(self._session.tower)
            return teach(library, card.margin, seed=seed, dry_run=dry_run, on_run=on_run)

    def unteach(self, *, everything: bool = False) -> UntaughtSummary:
        """Take back what the library was taught last, or everything that it ever was. Raises LibraryError."""
        from facesearch.tuning.teaching import unteach

        with self._session.opened(writable=True) as library:
            return unteach(library, everything=everything)
