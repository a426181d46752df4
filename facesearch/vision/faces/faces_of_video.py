"""What is seen in a video: its faces, followed from frame to frame, and of each track the best few with its time span.

A track is one face without a break, by where it is (IoU of the boxes) and what it looks like (its crop). What becomes
of tracks once their faces are embedded is in `tracks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from facesearch.errors import PhotoError
from facesearch.photos.decoding.motion import has_film
from facesearch.photos.decoding.video import Frame, VideoFacts, hashed, opened, reads_videos
from facesearch.photos.files import faceless_damage
from facesearch.records import (
    AlignedFace,
    FaceDetector,
    Floats,
    Photo,
    PhotoFile,
    Pixels,
    Span,
    Taken,
)
from facesearch.vision.alignment import align_faces
from facesearch.vision.boxes import IN_MOTION, pair_up
from facesearch.vision.detector.detector import Detector
from facesearch.vision.faces.face_worker import SeeingWorker
from facesearch.vision.faces.faces_of_photo import KnownPhoto, SeenPhoto, see_photo
from facesearch.vision.faces.tracks import FACES_A_TRACK
from facesearch.vision.quality import quality_of

_ALIKE = 0.7  # correlation of two crops of a face, a second apart; a track that ends too early is joined again later
_PART, _CELL_PX = slice(16, 96), 8  # of a crop: its middle, in cells, is enough for that
_APART_S = 1.0  # between two faces kept of a track
_POOR = 0.35  # a face of less quality, seen in a single frame, is none or of no use
_MOST_TRACKS, _KEPT_TRACKS = 1500, 1000  # of a crowd, those with the best faces


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


def with_film(seen: SeenPhoto, detector: FaceDetector, alive: Callable[[], None] = lambda: None) -> SeenPhoto:
    """A photo with the faces in its film too, if it is a motion photo; they have time spans, in px of the film. What is
    wrong with the film does not damage the photo."""
    if not (reads_videos() and has_film(seen.file.path)):
        return seen
    following = _Following()
    try:
        with opened(seen.file.path) as film:
            for frame in film.frames(alive):
                following.look(frame, _faces(frame, film.facts, detector))
    except (PhotoError, OSError):
        return seen
    return replace(seen, faces=[*seen.faces, *following.faces()])


def look_whole(file: PhotoFile, photo: Photo, detector: FaceDetector) -> SeenPhoto:
    """The faces of a photo at hand as `see_photo` gives them, and of its film. Raises PhotoError as that."""
    return with_film(see_photo(file, lambda _: photo, detector), detector)


def see_video_apart(file: PhotoFile, detector: FaceDetector) -> SeenPhoto:
    """What `see_video` gives, from a process of its own, which a bad video cannot harm beyond that; here for detectors
    of other kinds than the one that is shipped."""
    if not isinstance(detector, Detector):
        return see_video(file, detector)
    with SeeingWorker(detector) as worker:
        return worker.see(file)


def see_film_apart(file: PhotoFile, detector: FaceDetector) -> list[AlignedFace]:
    """The faces in the film of a motion photo alone, with their time spans, from a process as `see_video_apart`; none
    where there is no film, or none that can be read."""
    if not (reads_videos() and has_film(file.path)):
        return []
    if not isinstance(detector, Detector):
        return list(with_film(SeenPhoto(file, "", (0, 0), ()), detector).faces)
    nothing_known = KnownPhoto(file.path, file.size_bytes, file.mtime_ns, faces=())  # so that the photo costs nothing
    try:
        with SeeingWorker(detector) as worker:
            return [face for face in worker.see(nothing_known).faces if face.span is not None]
    except PhotoError:
        return []


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
        pairs = pair_up([face.face.box for face in faces], [track.box for track in self.open], IN_MOTION)
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
