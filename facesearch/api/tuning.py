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
    """Which names a library still lacks to learn from them, in words."""

    teach: str | None  # None: there is enough
    calibrate: str | None


class Tuning:
    """A library's own threshold and probabilities, and what it is taught. All methods raise LibraryError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def calibrate(self, far: float = 0.01, *, dry_run: bool = False) -> Fit:
        """Fit threshold and probabilities to the library's named people, and use them from now on.

        far: the share of false matches to allow, of all pairs of different people. dry_run: change nothing. Raises
        TowerError, and LibraryError if too few people have names, with what is missing.
        """
        from facesearch.tuning.calibration.calibrate import calibrate

        self._session.close()
        return calibrate(self._session.path, self._session.tower, far, dry_run=dry_run)

    def missing(self, far: float = 0.01) -> NamesMissing:
        """What is missing for `teach`, and for `calibrate` with this share of false matches. Changes nothing."""
        from facesearch.tuning.calibration import fitting
        from facesearch.tuning.teaching import missing_names

        with self._session.reading() as library:
            return NamesMissing(missing_names(library), fitting.missing_names(library, far))

    def own_calibration(self) -> KeptCalibration | None:
        """The library's own calibration, from `calibrate`; None if it uses the tower's or a head's."""
        from facesearch.tuning.calibration.calibrate import shown_calibration

        return shown_calibration(self._session.path)

    def reset_calibration(self) -> bool:
        """Drop the library's own calibration; returns whether there was one."""
        from facesearch.tuning.calibration.calibrate import reset

        self._session.close()
        return reset(self._session.path)

    def evaluate(self, threshold: float | None = None) -> LibraryJudged:
        """How well the tower tells the named people of this library apart, by all pairs of their faces.

        threshold: a distance, by default the one in use. Raises TowerError, and LibraryError if the named people have
        too few pairs of faces.
        """
        from facesearch.evaluation.calibration import Calibration
        from facesearch.tuning.judging import judge_library

        with self._session.opened() as library:
            card = self._session.tower.card
            library.use_tower(self._session.tower)
            return judge_library(library, threshold, Calibration.from_card(card.calibration))

    def evidence(self, judged: LibraryJudged) -> Evidence:
        """The pairs judged most wrongly, with crops from their photos, for a report."""
        from facesearch.tuning.judging import gather_evidence

        with self._session.opened() as library:
            return gather_evidence(library, judged, self._session.detector)

    def teach(
        self, *, seed: int = 0, dry_run: bool = False, on_run: Callable[[int, int], None] | None = None
    ) -> TeachSummary:
        """Learn from names and corrections, and keep what was learned if it helps with faces that were left out.

        dry_run: learn and measure, but change nothing. on_run: called with the number of heads learned, and of all.
        Other processes can query and change the library meanwhile; if names change, it learns again. Raises TowerError,
        LibraryLockedError while another process is writing, and LibraryError if there is too little to learn from.
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
        """Undo the last lesson, or all of them."""
        from facesearch.tuning.teaching import unteach

        with self._session.opened(writable=True) as library:
            return unteach(library, everything=everything)
