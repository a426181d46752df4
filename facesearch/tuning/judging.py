"""How well a tower tells the people of a library apart: all pairs of the faces that its owner has named.

Distances come from the stored embeddings, so no photo has to be there. Photos are read again only for the evidence, and
only those that are shown. Refuses to judge by unnamed groups: a tower finds the faces alike that it grouped itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facesearch.errors import LibraryError, PhotoError
from facesearch.evaluation.all_pairs import NamedFaces, report_all_pairs
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.evidence import Evidence, choose_of_all
from facesearch.evaluation.metrics import RocCurve
from facesearch.evaluation.report import Report
from facesearch.library import Library
from facesearch.photos import fingerprint, photo_file, read_photo_apart
from facesearch.records import FaceDetector, PhotoPath, Pixels, StoredFace
from facesearch.tuning.calibration import judge_in
from facesearch.vision.alignment import align
from facesearch.vision.boxes import FOUND_AGAIN, pair_up
from facesearch.vision.faces import find_faces

_MOST_SAMPLES = 60  # faces to move about; each is a photo to read


@dataclass(frozen=True, eq=False)
class LibraryJudged:
    """The figures of a library's named people, and what they come from."""

    report: Report
    roc: RocCurve
    calibration: Calibration | None
    faces: NamedFaces
    face_ids: Sequence[int]  # (N,), in the order of the faces


def judge_library(
    library: Library, threshold: float | None = None, calibration: Calibration | None = None
) -> LibraryJudged:
    """Figures on all pairs of the named faces, in the library's space.

    threshold: a distance, by default the library's own, or that of its tower. calibration: the tower's, which gives way
    to the library's own or to that of what it was taught. Raises LibraryError where the named people give no pairs of
    both kinds.
    """
    with library.snapshot():
        judge = judge_in(library, library.space, library.models.threshold, calibration)
        ids, places = library.places.all()
        stored = library.catalog.faces(ids.tolist())
    named = [(row, face) for row, face_id in enumerate(ids.tolist()) if (face := stored[face_id]).name is not None]
    rows = [row for row, _ in named]
    faces = NamedFaces(
        protocol="library",
        dataset=library.path.name,
        embeddings=places.points[rows].astype(np.float64),
        names=[str(face.name) for _, face in named],
        scales=places.scales[rows] if library.space.cohort is not None else None,
    )
    if not faces.has_pairs:
        raise LibraryError(
            f"the library in {library.path} has no pairs to judge: name two people or more, some of them on two photos "
            "(facesearch index --people-from-folders names them after their folders)"
        )
    report, roc = report_all_pairs(faces, judge.threshold if threshold is None else threshold, judge.calibration)
    report = replace(report, calibrated_by=judge.calibrated_by)
    return LibraryJudged(report, roc, judge.calibration, faces, [face.face_id for _, face in named])


def gather_evidence(library: Library, judged: LibraryJudged, detector: FaceDetector) -> Evidence:
    """The pairs to show with their crops, cut from the photos again; notes say which photos could not be used."""
    faces = judged.faces
    pairs = choose_of_all(faces.embeddings, faces.numbers, judged.report.balanced.distance, faces.scales)
    drawn = np.random.default_rng(1).permutation(len(faces.names))[:_MOST_SAMPLES].tolist()
    rows = sorted({*pairs.rows, *drawn})
    crops, captions, lost = _crops_again(library, [judged.face_ids[row] for row in rows], detector)
    at_row = dict(zip(rows, crops, strict=True))
    samples = [crop for row in drawn if (crop := at_row[row]) is not None]
    notes = []
    if lost:
        notes.append(
            f"{lost:,} of {len(rows):,} faces are shown as empty squares or left out, because their photos are gone, "
            "have changed, or show them no more. The figures do not depend on photos."
        )
    return Evidence(
        report=judged.report,
        roc=judged.roc,
        calibration=judged.calibration,
        pairs=pairs,
        crops={row: crop for row, crop in at_row.items() if crop is not None},
        captions=dict(zip(rows, captions, strict=True)),
        samples=np.stack(samples) if samples else None,
        notes=notes,
    )


def _crops_again(
    library: Library, face_ids: Sequence[int], detector: FaceDetector
) -> tuple[list[Pixels | None], list[str], int]:
    """Each face's crop (None: its photo is of no use any more) and caption, and how many are None."""
    with library.snapshot():
        stored = library.catalog.faces(face_ids)
        photos = {face.photo_id for face in stored.values()}
        paths, contents = library.catalog.photo_paths(photos), library.catalog.photo_contents(photos)
    crops: list[Pixels | None] = []
    captions = []
    for face_id in face_ids:
        face = stored[face_id]
        where = paths.get(face.photo_id)
        captions.append(f"{face.name}, {where.path.name}" if where else str(face.name))
        crops.append(_crop_again(face, where, contents.get(face.photo_id), detector))
    return crops, captions, sum(crop is None for crop in crops)


def _crop_again(face: StoredFace, where: PhotoPath | None, sha256: str | None, detector: FaceDetector) -> Pixels | None:
    """The face found in its photo once more and cut as it was when it was indexed."""
    if where is None:
        return None
    try:
        file = photo_file(where.path)
        at_s = None if face.span is None else face.span.at_s
        photo, found = find_faces(lambda draft: read_photo_apart(file, draft=draft, at_s=at_s), detector)
        current = photo.sha256 or fingerprint(file.path)  # of a frame there is none
    except PhotoError:
        return None
    if current != sha256:
        return None
    pairs = pair_up([each.box for each in found], [face.box * np.float32(photo.scale)], FOUND_AGAIN)
    return align(photo.pixels, found[pairs[0][0]].landmarks) if pairs else None
