"""What is seen in a video: its faces, followed from frame to frame, and of each track the best few with its time span.

A track is one face without a break, by where it is (IoU of the boxes) and what it looks like (its crop). Once its faces
are embedded, tracks of one person with a short break between them become one (`joined`), so that an hour makes dozens
of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from facesearch.evaluation.distance import pair_distances, row_distances
from facesearch.photos.decoding.video import Frame, VideoFacts, hashed, opened
from facesearch.photos.files import faceless_damage
from facesearch.records import (
    AlignedFace,
    DetectedFace,
    EmbeddedFace,
    FaceDetector,
    Floats,
    PhotoFile,
    Pixels,
    Span,
    Taken,
)
from facesearch.vision.alignment import align_faces
from facesearch.vision.boxes import overlap, pair_up
from facesearch.vision.detector.detector import Detector
from facesearch.vision.faces.faces_of_photo import SeenPhoto
from facesearch.vision.faces.worker import SeeingWorker
from facesearch.vision.quality import quality_of

FACES_A_TRACK = 3
"""Faces that are kept of a track, the best ones."""

_SAME_PLACE = 0.2  # of the union of two boxes, a second apart
_ALIKE = 0.7  # correlation of two crops of a face, a second apart; a track that ends too early is joined again later
_PART, _CELL_PX = slice(16, 96), 8  # of a crop: its middle, in cells, is enough for that
_SAME_FRAME_S = 0.002
_APART_S = 1.0  # between two faces kept of a track
_POOR = 0.35  # a face of less quality, seen in a single frame, is none or of no use
_MOST_TRACKS, _KEPT_TRACKS = 1500, 1000  # of a crowd, those with the best faces
_GONE_S, _GONE_SHARE = (
    5.0,
    1 / 120,
)  # for which somebody may be out of the picture within one span: half a minute of an hour
_SURELY_SAME = 0.8  # of the tower's threshold: the mean distance up to which two tracks are one person


def see_video(file: PhotoFile, detector: FaceDetector, alive: Callable[[], None] = lambda: None) -> SeenPhoto:
    """The tracks of a video, each with its best faces. alive: called again and again. Raises PhotoError.

    Faces that are nearly the same as in the frame before are not looked for again.
    """
    current, sha256 = hashed(file)
    alive()
    following = _Following()
    with opened(file.path) as video:
        for frame in video.frames(alive):
            following.look(frame, _faces(frame, video.facts, detector))
        facts = video.facts
    faces = following.faces()
    if facts.damage is not None and not faces:
        raise faceless_damage(file.path, facts.damage)
    return SeenPhoto(current, sha256, facts.size_px, faces, facts.damage, _taken(file, facts), facts.duration_s)


def see_video_apart(file: PhotoFile, detector: FaceDetector) -> SeenPhoto:
    """The same in a process of its own, which a bad video cannot harm beyond that; here for detectors of other kinds
    than the one that is shipped."""
    if not isinstance(detector, Detector):
        return see_video(file, detector)
    with SeeingWorker(detector) as worker:
        return worker.see(file)


def _taken(file: PhotoFile, facts: VideoFacts) -> Taken:
    from facesearch.photos.dates import when_taken

    return when_taken(file, facts.taken)


def _faces(frame: Frame, facts: VideoFacts, detector: FaceDetector) -> list[AlignedFace] | None:
    """The faces of a frame, in px of the video; None where it shows what the one before it showed."""
    if frame.pixels is None:
        return None
    found = [face for face in detector.detect(frame.pixels) if face.score > 0]
    try:
        aligned = align_faces(frame.pixels, found)
    except ValueError:  # landmarks without extent
        return []
    factor = max(facts.size_px) / max(frame.pixels.shape[:2])
    return [AlignedFace(each.face.enlarged(factor), each.crop, quality_of(each.face, each.crop)) for each in aligned]


@dataclass(eq=False)
class _Track:
    start_s: float
    end_s: float
    box: Floats
    pattern: Floats  # of the last crop
    looks: int = 1
    best: list[tuple[float, AlignedFace]] = field(default_factory=list)  # time and face, the best first

    @property
    def quality(self) -> float:
        return self.best[0][1].quality or 0.0

    def keep(self, at_s: float, face: AlignedFace) -> None:
        """Keep a face if it is one of the best, and better than those seen at about the same time."""
        near = [each for each in self.best if abs(each[0] - at_s) < _APART_S]
        if any((each.quality or 0.0) >= (face.quality or 0.0) for _, each in near):
            return
        others = [each for each in self.best if abs(each[0] - at_s) >= _APART_S]
        others.append((at_s, face))
        self.best = sorted(others, key=lambda each: (-(each[1].quality or 0.0), each[0]))[:FACES_A_TRACK]


@dataclass(eq=False)
class _Following:
    """The tracks of a video, as far as it was looked at."""

    scene: int = 0
    open: list[_Track] = field(default_factory=list)
    ended: list[_Track] = field(default_factory=list)

    def look(self, frame: Frame, faces: Sequence[AlignedFace] | None) -> None:
        """Go on with the faces of one more frame. None: the same as before."""
        if faces is None:
            for track in self.open:
                track.end_s = frame.at_s
                track.looks += 1
            return
        if frame.scene != self.scene:
            self.scene = frame.scene
            self._end(self.open)
            self.open = []
        pairs = pair_up([face.face.box for face in faces], [track.box for track in self.open], _SAME_PLACE)
        patterns = [_pattern(face.crop) for face in faces]
        track_of = {
            new: self.open[old] for new, old in pairs if float(patterns[new] @ self.open[old].pattern) >= _ALIKE
        }
        for number, face in enumerate(faces):
            if number in track_of:
                track = track_of[number]
                track.end_s, track.box, track.pattern = frame.at_s, face.face.box, patterns[number]
                track.looks += 1
            else:
                track = _Track(frame.at_s, frame.at_s, face.face.box, patterns[number])
                self.open.append(track)
            track.keep(frame.at_s, face)
        self._end([track for track in self.open if track.end_s < frame.at_s])
        self.open = [track for track in self.open if track.end_s == frame.at_s]

    def _end(self, tracks: Sequence[_Track]) -> None:
        self.ended += [track for track in tracks if track.looks > 1 or track.quality >= _POOR]
        if len(self.ended) > _MOST_TRACKS:
            self.ended = sorted(self.ended, key=lambda track: -track.quality)[:_KEPT_TRACKS]

    def faces(self) -> list[AlignedFace]:
        """The faces that are kept, track by track."""
        self._end(self.open)
        self.open = []
        tracks = sorted(self.ended, key=lambda track: (track.start_s, *track.box.tolist()))
        return [
            replace(face, span=Span(track.start_s, track.end_s, at_s, number))
            for number, track in enumerate(tracks)
            for at_s, face in sorted(track.best, key=lambda each: each[0])
        ]


def _pattern(crop: Pixels) -> Floats:
    """What a crop looks like, coarsely: a vector of length 1, whose products are correlations."""
    grey = crop[_PART, _PART].astype(np.float32).mean(axis=2)
    count = grey.shape[0] // _CELL_PX
    cells = grey.reshape(count, _CELL_PX, count, _CELL_PX).mean(axis=(1, 3)).ravel()
    cells -= cells.mean()
    return np.asarray(cells / max(float(np.linalg.norm(cells)), 1e-6), np.float32)


def joined(faces: Sequence[EmbeddedFace], threshold: float, duration_s: float) -> list[EmbeddedFace]:
    """The faces of a video once they are embedded: tracks of one person with a short break between them are one, and of
    each the best faces are kept. A track that shows two people is two. threshold: the tower's, a plain distance."""
    by_track: dict[int, list[EmbeddedFace]] = {}
    for face in faces:
        by_track.setdefault(_span(face).track, []).append(face)
    tracks: list[list[EmbeddedFace]] = []
    gone_s = max(_GONE_S, _GONE_SHARE * duration_s)
    for own in (piece for whole in by_track.values() for piece in _parted(whole, threshold)):
        before = _same_person(own, tracks, _SURELY_SAME * threshold, gone_s)
        if before is None:
            tracks.append(list(own))
        else:
            before += own
    return [face for number, own in enumerate(tracks) for face in _best(own, number)]


def _parted(track: list[EmbeddedFace], threshold: float) -> list[list[EmbeddedFace]]:
    """A track, cut where somebody else took the place of the first."""
    track.sort(key=lambda face: _span(face).at_s)
    apart = [float(row_distances(one.embedding, two.embedding)) for one, two in pairwise(track)]
    cuts = [place for place, distance in enumerate(apart, start=1) if distance > threshold]
    pieces = []
    for start, end in pairwise([0, *cuts, len(track)]):
        piece = track[start:end]
        start_s = _span(piece[0]).at_s if start else _span(piece[0]).start_s
        end_s = _span(piece[-1]).at_s if end < len(track) else _span(piece[-1]).end_s
        pieces.append([replace(face, span=replace(_span(face), start_s=start_s, end_s=end_s)) for face in piece])
    return pieces


def _same_person(
    own: Sequence[EmbeddedFace], tracks: Sequence[list[EmbeddedFace]], within: float, gone_s: float
) -> list[EmbeddedFace] | None:
    """The track that one goes on with: of those that ended shortly before it began the nearest, if that is near."""
    start_s, nearest, found = _span(own[0]).start_s, within, None
    points = np.stack([face.embedding for face in own])
    for track in tracks:
        end_s = max(_span(face).end_s for face in track)
        if not 0 < start_s - end_s <= gone_s:
            continue
        distance = float(pair_distances(points, np.stack([face.embedding for face in track])).mean())
        if distance <= nearest:
            nearest, found = distance, track
    return found


def _span(face: EmbeddedFace) -> Span:
    assert face.span is not None
    return face.span


def matched_in_time(
    faces: Sequence[EmbeddedFace], known: Sequence[tuple[int, DetectedFace, Span | None]]
) -> list[int | None]:
    """Which known face each face of a video is, if any: those in the same frame first, then those in tracks that have
    most of their time in common; each by where it is. known: by id."""
    former: list[int | None] = [None] * len(faces)
    left = {face_id: (face, span) for face_id, face, span in known if span is not None}
    pairs = []
    for number, face in enumerate(faces):
        for face_id, (other, span) in left.items():
            place = float(overlap(face.face.box[None], other.box[None])[0, 0])
            time = _time_overlap(_span(face), span)
            if place >= _SAME_PLACE and time > 0:
                pairs.append((-(abs(_span(face).at_s - span.at_s) < _SAME_FRAME_S), -time * place, number, face_id))
    for *_, number, face_id in sorted(pairs):
        if former[number] is None and face_id in left:
            former[number] = face_id
            del left[face_id]
    return former


def _time_overlap(one: Span, other: Span) -> float:
    """Share of the time that two spans cover together; a moment counts as a second."""
    shared = min(one.end_s, other.end_s) - max(one.start_s, other.start_s) + 1
    return max(0.0, shared / (max(one.end_s, other.end_s) - min(one.start_s, other.start_s) + 1))


def best_of_tracks(faces: Sequence[EmbeddedFace]) -> list[EmbeddedFace]:
    """Of each track the best face, in the order in which they begin."""
    best: dict[int, EmbeddedFace] = {}
    for face in faces:
        track = _span(face).track
        if track not in best or (face.quality or 0.0) > (best[track].quality or 0.0):
            best[track] = face
    return sorted(best.values(), key=lambda face: (_span(face).start_s, _span(face).track))


def _best(own: Sequence[EmbeddedFace], number: int) -> list[EmbeddedFace]:
    start_s = min(_span(face).start_s for face in own)
    end_s = max(_span(face).end_s for face in own)
    best = sorted(own, key=lambda face: (-(face.quality or 0.0), _span(face).at_s))[:FACES_A_TRACK]
    best.sort(key=lambda face: _span(face).at_s)
    return [replace(face, span=Span(start_s, end_s, _span(face).at_s, number)) for face in best]
