"""`facesearch calibrate`: a library's own calibration, fitted and put in force, looked at, taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from facesearch.evaluation.calibration import Calibration
from facesearch.library import Library
from facesearch.records import Embedder
from facesearch.tuning.calibration.fitting import FAR, Fit, InForce, fit_library
from facesearch.tuning.calibration.kept import KeptCalibration, keep_calibration, kept_calibration, reset_calibration


def calibrate(path: Path, tower: Embedder, far: float = FAR, *, dry_run: bool = False) -> Fit:
    """Fit a library's calibration to its named people, and put it in force. tower: the library's own.

    Raises LibraryError where there is no library, too few have names (then nothing is changed), or it cannot be
    written; TowerError where it was built with another tower; UsageError for a far that is not a share.
    """
    with Library.open(path, writable=not dry_run) as library:
        library.use_tower(tower)
        usual = library.space.calibration_or(Calibration.from_card(tower.card.calibration))
        fit = fit_library(library, InForce(library.threshold, usual), far)
        if not dry_run:
            keep_calibration(library, fit.kept(datetime.now(UTC).isoformat(timespec="seconds")))
        return fit


def shown_calibration(path: Path) -> KeptCalibration | None:
    """The calibration that a library has in force of its own. Raises LibraryError."""
    with Library.open(path) as library:
        return kept_calibration(library)


def reset(path: Path) -> bool:
    """Take a library's own calibration back; whether there was one. Raises LibraryError."""
    with Library.open(path, writable=True) as library:
        return reset_calibration(library)
