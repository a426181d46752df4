"""The tracks of a video, or of the film in a motion photo, once their faces are embedded: those of one person with a
short break between them become one, so that an hour makes dozens of rows, and each keeps its best faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from facesearch.evaluation.distance import pair_distances, row_distances
from facesearch.records import DetectedFace, EmbeddedFace, Span
from facesearch.vision.boxes import pair_up_in_time

FACES_A_TRACK = 3
"""Faces that are kept of a track, the best ones."""

_GONE_S, _GONE_SHARE = 5.0, 1 / 120  # how long somebody may be away within one span: half a minute of an hour
_SURELY_SAME = 0.8  # of the tower's threshold: the mean distance up to which two tracks are one person


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
    """A track, cut where another person took the place of the one before."""
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
    """Which known face each face of a video is, if any (`pair_up_in_time`). known: by id."""
    former: list[int | None] = [None] * len(faces)
    left = [(face_id, face.box, span) for face_id, face, span in known if span is not None]
    seen = [(face.face.box, _span(face)) for face in faces]
    for new, old in pair_up_in_time(seen, [(box, span) for _, box, span in left]):
        former[new] = left[old][0]
    return former


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


def with_others_in_film(faces: Sequence[EmbeddedFace], threshold: float) -> list[EmbeddedFace]:
    """The faces of a photo once they are embedded: those on the photo, and from its film the best of everybody who is
    not on it. threshold: the tower's, a plain distance."""
    still = [face for face in faces if face.span is None]
    film = joined([face for face in faces if face.span is not None], threshold, 0.0)
    points = np.stack([face.embedding for face in still]) if still else np.empty((0, 0), np.float32)
    on_photo = set()
    for face in film if still else ():
        if float(row_distances(points, face.embedding[None]).min()) <= threshold:
            on_photo.add(_span(face).track)
    return [*still, *(face for face in best_of_tracks(film) if _span(face).track not in on_photo)]
