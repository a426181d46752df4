"""Short videos of drawn people, and of tiles, written with PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from PIL import Image

from facesearch.demo import Person, draw_portrait, random_people
from facesearch.records import Pixels
from support.tiles import TILE_PX, WHITE, Colour
from support.tiles import draw as draw_tiles

_FOUND = (0, 3, 4, 8, 2, 5)


@dataclass(frozen=True)
class Appearance:
    """Somebody who is seen from one second to another, slowly moving to the right."""

    person: int  # of `crowd`
    start_s: float
    end_s: float
    left: float = 0.1  # share of the width
    speed: float = 0.01  # share of the width a second


def crowd() -> list[Person]:
    """The people in all these films: some whose drawn faces the detector finds."""
    people = random_people(10, 1)
    return [people[number] for number in _FOUND]


def portrait(person: int, side_px: int) -> Pixels:
    """The picture of somebody of `crowd`, always the same: uint8 (side_px, side_px, 3)."""
    picture = draw_portrait(crowd()[person], np.random.default_rng([7, _FOUND[person]]), 240).pixels
    return np.asarray(Image.fromarray(picture).resize((side_px, side_px)))


def drawn(appearances: Sequence[Appearance], seconds: float, size: tuple[int, int], rate: int) -> Iterator[Pixels]:
    """The frames, uint8 (H, W, 3)."""
    width, height = size
    side = round(min(size) * 2 / 3)
    portraits = [portrait(each.person, side) for each in appearances]
    slope = np.linspace(60, 160, width, dtype=np.float32)
    ground = np.repeat(np.broadcast_to(slope, (height, width))[..., None], 3, axis=2).astype(np.uint8)
    for number in range(round(seconds * rate)):
        at_s, frame = number / rate, ground.copy()
        for each, picture in zip(appearances, portraits, strict=True):
            if each.start_s <= at_s < each.end_s:
                left = min(round(width * (each.left + each.speed * (at_s - each.start_s))), width - side)
                frame[height // 8 : height // 8 + side, left : left + side] = picture
        yield frame


def write_film(
    path: Path,
    appearances: Sequence[Appearance],
    seconds: float,
    *,
    size: tuple[int, int] = (640, 360),
    rate: int = 10,
    codec: str = "libx264",
    quarters: int = 0,
    times_s: Sequence[float] | None = None,
    sample_aspect_ratio: tuple[int, int] = (1, 1),
    pixel_format: str = "yuv420p",
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a film. quarters: by how many quarters to the left a player turns it. times_s: when each frame is shown,
    for a variable rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.sample_aspect_ratio = Fraction(*sample_aspect_ratio)
        turned = size if quarters % 2 == 0 else size[::-1]
        if quarters:
            stream.set_display_rotation(90 * quarters)
        for number, pixels in enumerate(drawn(appearances, seconds, turned, rate)):
            lying = np.ascontiguousarray(np.rot90(pixels, -quarters))
            frame = av.VideoFrame.from_ndarray(lying, format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (number / rate if times_s is None else times_s[number]))
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def write_tiles(path: Path, *seconds: Sequence[Colour], codec: str = "png", pixel_format: str = "rgb24") -> Path:
    """A film of tiles (see `support.tiles`) without losses, two frames a second: who is seen in each second."""
    most = max(map(len, seconds))
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=2)
        stream.width, stream.height, stream.pix_fmt = most * TILE_PX, TILE_PX, pixel_format
        for number, colours in enumerate(seconds):
            row = (*colours, *[WHITE] * (most - len(colours)))
            pixels = np.asarray(Image.open(draw_tiles(Path(folder) / f"{number}.png", *row)))
            for _ in range(2):
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def write_motion_photo(path: Path, still: Pixels, film: Path, keyword: str = "") -> Path:
    """A JPEG with a film behind it, as a phone writes it. keyword: something in its XMP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    offset = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a MicroVideoOffset="{film.stat().st_size}" k="{keyword}"/></x:xmpmeta>'
    )
    content = BytesIO()
    Image.fromarray(still).save(content, "JPEG", quality=100, subsampling=0, xmp=offset.encode())
    path.write_bytes(content.getvalue() + film.read_bytes())
    return path
