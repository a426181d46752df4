"""Photos that are asked about, looked at once: their pixels, their faces, the crops, and the embeddings.

Stores nothing and compares nothing. A query, a contact sheet, an explanation and a comparison all begin with a Probe,
so that all of them see the same faces in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facesearch.errors import NoFaceError, PhotoError
from facesearch.evaluation.calibration import Calibration
from facesearch.photos import has_film, is_folder, is_video, photo_file, read_photo_apart, shown_path
from facesearch.records import (
    AlignedFace,
    DetectedFace,
    EmbeddedFace,
    Embedder,
    FaceDetector,
    Models,
    Photo,
    PhotoFile,
    Pixels,
    SkippedFile,
)
from facesearch.vision.faces import cut_out, embed_faces, find_faces
from facesearch.vision.faces.tracks import best_of_tracks, joined, with_others_in_film

_REMEDY = "turn it upright, leave more room around the face, or use a larger photo"


@dataclass(frozen=True, eq=False)
class Probe:
    """A photo and its faces, the largest first, then those that only the film of a motion photo shows; or a video. Of a
    film the best face of each track, in the order of the tracks."""

    path: Path
    photo: Photo
    faces: tuple[EmbeddedFace, ...]
    """Boxes and landmarks in px of the photo in the file, which times photo.scale lie on photo.pixels; of those with a
    span in px of the film."""
    crops: Pixels  # uint8 (F, 112, 112, 3), what was embedded
    models: Models  # what found and embedded the faces
    calibration: Calibration | None  # the tower's; None where its card has none
    duration_s: float | None = None  # of a video, whose `photo` is the frame that shows its first face
    others: int = 0  # faces that are seen there and were left out

    def picture_of(self, face: EmbeddedFace) -> Photo:
        """What shows a face: the photo, or a frame of the film, which is read again. Raises PhotoError."""
        if face.span is None or (self.duration_s is not None and face is self.faces[0]):
            return self.photo
        return read_photo_apart(photo_file(self.path), at_s=face.span.at_s)


@dataclass(frozen=True)
class FailedProbe:
    """A photo that is no probe."""

    photo: Path
    reason: str  # why, in words for the user
    is_named: bool  # given by itself, not found in a folder


def probe_photo(path: Path, detector: FaceDetector, tower: Embedder) -> Probe:
    """A photo or a video with all its faces; of a motion photo also with those that only its film shows, as `index`
    keeps them. Raises PhotoError where it cannot be read, NoFaceError, and TowerError."""
    if is_video(path):
        return _probe_video(path, detector, tower)
    photo, faces = _found(path, detector)
    film = _film(photo.file, detector)
    if not faces and not film:
        raise _faceless(path, _REMEDY)
    faces.sort(key=lambda face: (-face.size_px, *face.box.tolist()))
    return _embedded(path, photo, [*cut_out(photo, faces).faces, *film], detector, tower)


def probe_prominent_face(path: Path, detector: FaceDetector, tower: Embedder) -> Probe:
    """The same with only the most prominent face, large and near the middle; the others are not embedded. Of a video,
    and of a motion photo without a face but in its film, the largest."""
    from facesearch.people import most_prominent

    if is_video(path):
        return _with_largest(_probe_video(path, detector, tower))
    photo, faces = _found(path, detector)
    if not faces:
        film = _film(photo.file, detector)
        if not film:
            raise _faceless(path, _REMEDY)
        return _with_largest(_embedded(path, photo, film, detector, tower))
    boxes = np.stack([face.box for face in faces])
    prominent = faces[most_prominent(boxes, (photo.width_px, photo.height_px))]
    probe = _embedded(path, photo, cut_out(photo, [prominent]).faces, detector, tower)
    return replace(probe, others=len(faces) - 1)


def _with_largest(film: Probe) -> Probe:
    """What is seen in a film, with its largest face alone."""
    sizes = [face.face.size_px for face in film.faces]
    first = sizes.index(max(sizes))
    return replace(
        film,
        photo=film.picture_of(film.faces[first]),
        faces=film.faces[first : first + 1],
        crops=film.crops[first : first + 1],
        others=len(film.faces) - 1,
    )


def probe_each(paths: Iterable[Path], detector: FaceDetector, tower: Embedder) -> Iterator[Probe | FailedProbe]:
    """Each photo, and each photo in the folders at any depth, in order, as soon as it is looked at.

    A photo that cannot be read or shows no face is a FailedProbe, and the next one follows. Raises TowerError.
    """
    for path in paths:
        if not is_folder(path):
            yield _tried(path, detector, tower, is_named=True)
            continue
        from facesearch.photos import walk

        for found in walk([path]):
            if isinstance(found, SkippedFile):
                yield FailedProbe(found.path, found.reason, is_named=False)
            else:
                yield _tried(found.path, detector, tower, is_named=False)


def is_one_photo(paths: Sequence[Path]) -> bool:
    """Whether there is a single photo, whose failure is an error; a folder counts as many, whatever it holds."""
    return len(paths) == 1 and not is_folder(paths[0])


def _tried(path: Path, detector: FaceDetector, tower: Embedder, *, is_named: bool) -> Probe | FailedProbe:
    try:
        return probe_photo(path, detector, tower)
    except PhotoError as error:
        return FailedProbe(path, error.reason, is_named)


def _found(path: Path, detector: FaceDetector) -> tuple[Photo, list[DetectedFace]]:
    file = photo_file(path)
    return find_faces(lambda draft: read_photo_apart(file, draft=draft), detector)


def _film(file: PhotoFile, detector: FaceDetector) -> list[AlignedFace]:
    """The faces in the film of a motion photo; what sees videos is imported only for one that has a film."""
    if not has_film(file.path):
        return []
    from facesearch.vision.faces.faces_of_video import see_film_apart

    return see_film_apart(file, detector)


def _faceless(path: Path, remedy: str) -> NoFaceError:
    reason = f"no face was found: {remedy}"
    return NoFaceError(f"{shown_path(path)}: {reason}", reason)


def _probe_video(path: Path, detector: FaceDetector, tower: Embedder) -> Probe:
    """A video with the best face of each track."""
    from facesearch.vision.faces.faces_of_video import see_video_apart

    seen = see_video_apart(photo_file(path), detector)
    if not seen.faces:
        raise _faceless(path, "facesearch looked at one frame a second; try a photo, or a part where faces are larger")
    found = embed_faces(tower, seen.faces)
    faces = best_of_tracks(joined(found, tower.card.threshold, seen.duration_s or 0.0))
    assert faces[0].span is not None
    photo = replace(
        read_photo_apart(seen.file, at_s=faces[0].span.at_s), file=seen.file, sha256=seen.sha256, damage=seen.damage
    )
    return Probe(
        path,
        photo,
        tuple(faces),
        _crops(faces, found, seen.faces),
        Models.of(detector, tower),
        Calibration.from_card(tower.card.calibration),
        seen.duration_s,
    )


def _embedded(path: Path, photo: Photo, seen: Sequence[AlignedFace], detector: FaceDetector, tower: Embedder) -> Probe:
    """A photo with its faces, and with everybody in its film who is none of them."""
    found = embed_faces(tower, seen)
    kept = with_others_in_film(found, tower.card.threshold)
    calibration = Calibration.from_card(tower.card.calibration)
    return Probe(path, photo, tuple(kept), _crops(kept, found, seen), Models.of(detector, tower), calibration)


def _crops(kept: Sequence[EmbeddedFace], found: Sequence[EmbeddedFace], seen: Sequence[AlignedFace]) -> Pixels:
    """The crops of some of the faces that were found: uint8 (F, 112, 112, 3). seen: those that `found` were, in its
    order. A face is known by its embedding, because its span is that of the track that it became part of."""
    crops = {id(face.embedding): aligned.crop for face, aligned in zip(found, seen, strict=True)}
    return np.stack([crops[id(face.embedding)] for face in kept])
