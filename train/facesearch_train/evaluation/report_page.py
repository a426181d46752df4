"""The page that shows how well a tower does: `report.html`, one file with all pictures inside, for its owner only.

It holds faces from the user's own photos: the folder and the file are private whatever the umask, and the page loads
nothing from anywhere. Refuses a folder that holds anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.evaluation.evidence import Evidence, Pairs
from facesearch.evaluation.group_figures import GroupReport, group_lines
from facesearch.evaluation.report import report_lines
from facesearch.pages import beside, data_uri, jpeg, picture, render_page, text, write_page
from facesearch.records import Pixels
from facesearch_train.evaluation.report_plots import (
    plot_calibration,
    plot_distances,
    plot_groups,
    plot_movements,
    plot_roc,
)
from facesearch_train.evaluation.sensitivity import Embed, Movement, measure_sensitivity

PAGE = "report.html"
_JPEG_QUALITY = 92
_STYLE = """
.pairs { display: flex; flex-wrap: wrap; gap: 1rem; } .pairs figure { width: 186px; }
figure b { display: block; font-size: 1rem; } .pairs img, .pairs .missing { width: 90px; height: 90px; }
.pairs img, .pairs .missing, .strip img { display: inline-block; vertical-align: top; } .strip img { width: 84px; }
.plotted { background: #fff; }
"""


def write_report(folder: Path, evidence: Evidence, title: str, embed: Embed | None = None) -> Path:
    """Write `report.html` into a folder that is new, empty, or holds an earlier report; returns its path.

    title: the tower and what it was judged on. embed: the tower, to move the evidence's samples with; None leaves that
    section out. Raises UsageError for any other folder, and where it cannot be written.
    """
    make_report_folder(folder)
    movements = []
    if embed is not None and evidence.samples is not None:
        movements = measure_sensitivity(evidence.samples, embed)
    return write_page(folder / PAGE, render(evidence, title, movements), "--report")


def write_groups_report(folder: Path, judged: GroupReport | None, plain: GroupReport, title: str) -> Path:
    """The same, with the figures by group; shows no photos of these."""
    make_report_folder(folder)
    lines = group_lines(plain) if judged is None else group_lines(judged, plain)
    plot = _picture(plot_groups(judged, plain), "share of strangers that passes, by group")
    page = render_page(title, f"<pre>{chr(10).join(map(text, lines))}</pre>\n{plot}", style=_STYLE)
    return write_page(folder / PAGE, page, "--report")


def render(evidence: Evidence, title: str, movements: list[Movement]) -> str:
    """The page."""
    report = evidence.report
    known = [text(line) for line in report_lines(report)]
    shown = evidence.pairs
    sections = [
        ("Figures", f"<pre>{chr(10).join(known)}</pre>{_notes(evidence)}"),
        ("ROC", _picture(plot_roc(evidence.roc, report), "ROC with a logarithmic axis")),
        ("Distances", _picture(plot_distances(evidence.roc, report), "histograms of distances")),
        ("Calibration", _picture(plot_calibration(evidence.roc, evidence.calibration), "calibration curve")),
        ("Pairs of one person", _pairs(shown.genuine, evidence, "No pair has a distance.")),
        ("Pairs of two people", _pairs(shown.impostor, evidence, "No pair has a distance.")),
        (
            "One person, judged as two: the farthest",
            _pairs(shown.rejected, evidence, "No pair of one person lies beyond the best threshold."),
        ),
        (
            "Two people, judged as one: the nearest",
            _pairs(shown.accepted, evidence, "No pair of two people lies within the best threshold."),
        ),
        ("How far a face moves from itself", _movements(movements, report.balanced.distance)),
    ]
    body = "\n".join(f"<h2>{head}</h2>\n{content}" for head, content in sections)
    lead = "<p>This page shows faces from the photos that were judged. It loads and sends nothing; keep it private.</p>"
    return render_page(title, f"{lead}\n{body}", style=_STYLE)


def _notes(evidence: Evidence) -> str:
    return "".join(f"<p>{text(note)}</p>" for note in evidence.notes)


def _pairs(pairs: Pairs, evidence: Evidence, none: str) -> str:
    """A grid of pairs, each under its distance."""
    if not pairs:
        return f"<p>{none}</p>"
    cells = []
    for pair in pairs:
        faces = "".join(_face(evidence.crops, row) for row in (pair.first, pair.second))
        names = " · ".join(text(evidence.captions.get(row, "")) for row in (pair.first, pair.second))
        cells.append(f"<figure><b>{pair.distance:.3f}</b>{faces}<figcaption>{names}</figcaption></figure>")
    return f'<div class="pairs">{"".join(cells)}</div>'


def _face(crops: Mapping[int, Pixels], row: int) -> str:
    content = jpeg(crops[row], _JPEG_QUALITY) if row in crops else None
    return picture(content, "a face", "the photo is gone")


def _movements(movements: list[Movement], threshold: float) -> str:
    if not movements:
        return "<p>Not measured: that needs the tower and photos that are still there.</p>"
    strips = []
    for movement in movements:
        faces = "".join(
            f'<img alt="a face, {movement.change.name} {strength:g}" src="{data_uri(jpeg(face, _JPEG_QUALITY))}">'
            for strength, face in zip(movement.change.strengths, movement.example, strict=True)
        )
        levels = ", ".join(f"{strength:g}" for strength in movement.change.strengths)
        strips.append(f'<p class="strip">{movement.change.name} ({movement.change.unit}): {levels}<br>{faces}</p>')
    return _picture(plot_movements(movements, threshold), "distance from itself by change") + "".join(strips)


def _picture(png: bytes, description: str) -> str:
    return f'<img class="plotted" alt="{text(description)}" src="{data_uri(png, "png")}">'


def make_report_folder(folder: Path) -> None:
    """Make the folder, for its owner only. Leaves a folder with other content, and its mode, as they are.

    Raises UsageError as write_report does, and ModuleNotFoundError if Matplotlib is not installed. Call it before
    hours of work whose result could not be written.
    """
    import matplotlib  # noqa: F401

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        others = [entry.name for entry in folder.iterdir() if entry.name not in (PAGE, beside(folder / PAGE).name)]
        if not others:
            folder.chmod(0o700)
    except OSError as error:
        raise UsageError(f"cannot write a report into {folder}: {error.strerror}; choose another --report") from error
    if others:
        raise UsageError(f"{folder} holds other files ({others[0]}); choose a new or an empty folder for --report")
