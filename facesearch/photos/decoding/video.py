"""A video to the frames that are worth a look, by the `video` extra (PyAV, whose wheels bring FFmpeg).

Looks at one frame a second, at key frames and where the scene changes; of a long video at fewer, so that ten hours cost
little more than one. Frames are decoded one after another and let go: memory does not grow with length. The container
is known by its first bytes and opened as nothing else, from an open file: FFmpeg opens no other file and no address.
Refuses to decode sound, subtitles and pictures that are attached to a film.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from facesearch.import_path import how_to_add
from facesearch.photos.decoding.formats import HEAD_BYTES, video_container
from facesearch.photos.decoding.frame_choice import EVERY_S, MOST_LOOKS, FrameChoice
from facesearch.photos.decoding.motion import FilePart, film_in
from facesearch.photos.files import file_as_opened, open_file, photo_error, why
from facesearch.records import PhotoFile, Pixels, Taken

MAX_FRAME_PX = 1920
"""Longer side of the frames that faces are looked for in: 4K frames are halved."""

_MOST_DECODED_PX = 2.4e11  # an hour of 1080p at 30 frames a second; a video of more is decoded at key frames only
_MOST_SIDE_PX = 16384
_MOST_CPU_S = 3 * 3600.0
_SKIPS_OVER_PX = 1280 * 720  # larger frames that no other frame needs are not decoded
_ENDS_EARLY = 0.02  # of the length that the header says
_EARLIEST_YEAR = 1990  # cameras without a clock say 1904 or 1970
_PQ = 16  # SMPTE ST 2084, as ITU-T H.273 numbers transfer functions
_SEARCHED_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame that was looked at."""

    at_s: float
    pixels: Pixels | None  # uint8 (H, W, 3) RGB, upright; None where it shows what the one before it showed
    scene: int  # counts on where the scene changes


@dataclass(eq=False)
class VideoFacts:
    """What is known of a video. duration_s and damage are final when its frames have been read."""

    size_px: tuple[int, int]  # upright
    duration_s: float
    taken: Taken | None = None
    damage: str | None = None
    errors: int = 0


def reads_videos() -> bool:
    """Whether videos can be read here."""
    try:
        return importlib.util.find_spec("av") is not None
    except ValueError:  # somebody has hidden the module
        return False


def hashed(file: PhotoFile) -> tuple[PhotoFile, str]:
    """The file as it is, and the SHA-256 of its bytes, read in pieces. Raises PhotoError, also where it changes."""
    try:
        with open_file(file.path) as stream:
            before = file_as_opened(file.path, stream)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            after = file_as_opened(file.path, stream)
    except OSError as error:
        raise photo_error(file.path, why(error)) from error
    if before != after:
        raise photo_error(file.path, "changed while it was read: try again when no other program is writing to it")
    return before, sha256


class OpenVideo:
    """A video, from `opened`: its frames in order, or one of them."""

    def __init__(self, path: Path, container: Any, stream: Any, max_side_px: int) -> None:
        self._path, self._container, self._stream, self._max_side_px = path, container, stream, max_side_px
        context = stream.codec_context
        width, height = int(context.width or 0), int(context.height or 0)
        if not 0 < max(width, height) <= _MOST_SIDE_PX:
            raise photo_error(path, f"says that its frames are {width} x {height} px: export it again")
        ratio = float(stream.sample_aspect_ratio or 1) or 1.0
        self._square_px = (max(1, round(width * ratio)) if 0.2 < ratio < 5 else width, height)
        self._start_s = float((stream.start_time or 0) * stream.time_base)
        self._rate = float(stream.average_rate or stream.guessed_rate or 25) or 25.0
        self.facts = VideoFacts(self._square_px, self._length_s(), _taken(container, stream))

    def frames(self, alive: Callable[[], None] = lambda: None) -> Iterator[Frame]:
        """The frames that are worth a look, in order. alive: called for each decoded frame.

        Raises PhotoError where no frame can be decoded.
        """
        choice = FrameChoice(max(EVERY_S, self.facts.duration_s / MOST_LOOKS))
        context, size_px = self._stream.codec_context, math.prod(self._square_px)
        only_keys = size_px * self._rate * self.facts.duration_s > _MOST_DECODED_PX
        context.skip_frame = "NONKEY" if only_keys else "NONREF" if size_px > _SKIPS_OVER_PX else "DEFAULT"
        began_s, decoded, at_s = time.process_time(), 0, 0.0
        for frame in self._decoded():
            alive()
            decoded += 1
            at_s = self._time(frame, at_s)
            if decoded * size_px > _MOST_DECODED_PX:
                context.skip_frame = "NONKEY"
            if decoded == 1:
                self.facts.size_px = self._upright_px(frame)
            if time.process_time() - began_s > _MOST_CPU_S:
                raise photo_error(self._path, "takes hours to look through: export a smaller copy")
            if choice.takes(frame, at_s):
                yield Frame(at_s, None if choice.is_still(frame) else self._pixels(frame), choice.scene)
        if not decoded:
            raise photo_error(self._path, self._why_nothing())
        self._note_end(at_s)

    def frame_at(self, at_s: float) -> Pixels:
        """The frame shown at a time: uint8 (H, W, 3) RGB, upright. Raises PhotoError."""
        with suppress(Exception):  # without an index the video is decoded from its beginning
            self._container.seek(int((at_s + self._start_s) / self._stream.time_base), stream=self._stream)
        last, time_s = None, 0.0
        for frame in self._decoded():
            time_s = self._time(frame, 0.0)
            last = frame
            if time_s >= at_s - 0.0015:  # times are kept in milliseconds
                break
        if last is None:
            raise photo_error(self._path, self._why_nothing())
        self.facts.size_px = self._upright_px(last)
        return self._pixels(last)

    def _decoded(self) -> Iterator[Any]:
        """Every frame that can be decoded; what is damaged is counted and passed over."""
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError, ValueError):
                self.facts.errors += 1
                return
            try:
                frames = packet.decode()
            except MemoryError as error:
                raise photo_error(self._path, "does not fit into memory: export a smaller copy") from error
            except (av.FFmpegError, ValueError):
                self.facts.errors += 1
                continue
            yield from frames

    def _time(self, frame: Any, before_s: float) -> float:
        """When a frame is shown, in seconds from the beginning, to the millisecond; never before the one before it."""
        if frame.time is None:
            return round(before_s + 1 / self._rate, 3)
        return round(max(float(frame.time) - self._start_s, before_s), 3)

    def _pixels(self, frame: Any) -> Pixels:
        import numpy as np

        width, height = self._square_px
        factor = min(1.0, self._max_side_px / max(width, height))
        size = max(2, round(width * factor)), max(2, round(height * factor))
        rgb = frame.reformat(*size, format="rgb24", interpolation="AREA" if factor < 1 else "BILINEAR").to_ndarray()
        if int(frame.color_trc) == _PQ:
            from facesearch.photos.decoding.colour import pq_to_srgb

            rgb = pq_to_srgb()[rgb]
        return np.ascontiguousarray(np.rot90(rgb, _quarters(frame)))

    def _upright_px(self, frame: Any) -> tuple[int, int]:
        width, height = self._square_px
        return (height, width) if _quarters(frame) % 2 else (width, height)

    def _length_s(self) -> float:
        stream, container = self._stream, self._container
        if stream.duration:
            return max(0.0, float(stream.duration * stream.time_base))
        return max(0.0, (container.duration or 0) / 1e6)

    def _note_end(self, last_s: float) -> None:
        said, ended = self.facts.duration_s, round(last_s + 1 / self._rate, 3)
        if said - ended > max(2.0, _ENDS_EARLY * said) and self._stream.codec_context.skip_frame != "NONKEY":
            self.facts.damage = f"it ends after {ended:.0f} of {said:.0f} seconds"
        elif self.facts.errors:
            self.facts.damage = "some of its frames cannot be decoded"
        self.facts.duration_s = max(said, ended)

    def _why_nothing(self) -> str:
        name = self._stream.codec_context.name
        return f"holds no frame that can be decoded ({name}): it is damaged, or encrypted: copy it again"


@contextmanager
def opened(path: Path, max_side_px: int = MAX_FRAME_PX) -> Iterator[OpenVideo]:
    """A video, or the film in a motion photo, for its frames. Raises PhotoError where it cannot be opened, shows
    nothing, or PyAV is not installed."""
    if not reads_videos():
        raise photo_error(path, f"is a video, and reading videos is an extra: {how_to_add('video')}")
    import av

    try:
        with open_file(path) as file:
            container_name = video_container(file.read(HEAD_BYTES))
            part = film_in(file) if container_name is None else None
            source: IO[bytes] | FilePart = file
            if part is not None:
                source, container_name = FilePart(file, *part), "mov"
            source.seek(0)
            # What a decoder makes of noise can look like frames.
            if container_name == "mov" and _says_encrypted(source):
                raise photo_error(path, "is encrypted, as films that are bought or rented are: it cannot be read")
            if container_name is None:
                raise photo_error(path, "is not a kind of video that facesearch reads: convert it to MP4")
            try:
                source.seek(0)
                container = av.open(source, format=container_name, metadata_errors="replace", buffer_size=1 << 18)
            except (av.FFmpegError, ValueError) as error:
                raise photo_error(path, _why_not_opened(error)) from error
            with container:
                streams = [each for each in container.streams.video if not _is_attached(each)]
                if not streams:
                    what = "only sound" if container.streams.audio else "neither picture nor sound"
                    raise photo_error(path, f"is a video file that holds {what}: there is nothing to look at")
                stream = streams[0]
                if stream.codec_context is None:
                    raise photo_error(
                        path, "is a video in an unknown coding: copy it again if it was cut off, or convert it to MP4"
                    )
                stream.thread_type = "NONE"
                yield OpenVideo(path, container, stream, max_side_px)
    except OSError as error:
        raise photo_error(path, why(error)) from error


def _quarters(frame: Any) -> int:
    """By how many quarters to the left a frame is turned to stand upright."""
    return round((frame.rotation or 0) / 90) % 4


def _is_attached(stream: Any) -> bool:
    return bool(getattr(stream.disposition, "value", 0) & 0x0400)  # AV_DISPOSITION_ATTACHED_PIC


def _why_not_opened(error: BaseException) -> str:
    # Without the name of what was opened: here a file's number, which differs from run to run.
    said = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    return f"is cut off or damaged: its index cannot be read ({said}): copy it again from the original"


def _says_encrypted(film: IO[bytes] | FilePart) -> bool:
    """Whether an MP4 says that its samples are encrypted: a sample entry `encv` (ISO/IEC 23001-7)."""
    head = film.read(_SEARCHED_BYTES)
    film.seek(max(0, film.seek(0, os.SEEK_END) - _SEARCHED_BYTES))
    tail = film.read(_SEARCHED_BYTES)
    return any(all(box in part for box in (b"encv", b"sinf", b"schm")) for part in (head, tail))


def _taken(container: Any, stream: Any) -> Taken | None:
    """What Apple's cameras say, with the time zone, or what the container says in UTC."""
    for said in (container.metadata, stream.metadata):
        for key in ("com.apple.quicktime.creationdate", "creation_time", "date"):
            with suppress(ValueError, KeyError):
                at = datetime.fromisoformat(str(said[key]).strip())
                if at.year < _EARLIEST_YEAR or len(str(said[key])) < len("2019-07-04"):
                    continue
                offset = at.utcoffset()
                zone_min = None if offset is None else int(offset.total_seconds() // 60)
                return Taken(at.replace(tzinfo=None).isoformat(timespec="seconds"), zone_min, "video")
    return None
