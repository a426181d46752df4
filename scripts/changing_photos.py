"""Photos and videos in a folder that change at random, and a detector and a tower to which colours are faces."""

from __future__ import annotations

import io
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from PIL import Image

from facesearch.demo import Person, draw_portrait, random_people
from facesearch.records import DetectedFace, Floats, Pixels
from facesearch.vision.alignment import TEMPLATE_112

PORTRAIT_PX = 128
TILE_PX = 40
STRANGERS = 12


class TileDetector:
    """Every square tile of a photo is a face."""

    identity = "tiles"

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        time.sleep(0.002)
        faces = []
        for left in range(0, pixels.shape[1], TILE_PX):
            landmarks = (TEMPLATE_112 * (TILE_PX / 112) + (left, 0)).astype(np.float32)
            faces.append(DetectedFace(np.array([left, 0, left + TILE_PX, TILE_PX], np.float32), landmarks, 0.9))
        return faces


@dataclass(frozen=True)
class ColourCard:
    name: str = "colours"
    threshold: float = 0.1
    calibration = None
    cohort = None


class ColourTower:
    """The embedding of a face is its colour, turned into 32 dimensions."""

    identity = "c0" * 32
    precision = "f32"
    card = ColourCard()

    def embed(self, crops: Pixels) -> Floats:
        basis = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 3)))[0].T.astype(np.float32)
        return np.stack([(crop[56, 56].astype(np.float32) / 255) @ basis for crop in crops])


@dataclass
class Collection:
    """Photos in a folder, which change at random. Names of folders are names of people."""

    folder: Path
    rng: random.Random
    real: bool
    drawn: int = 0
    people: list[Person] = field(default_factory=lambda: list(random_people(12, 0)))

    @property
    def photos(self) -> list[Path]:
        """All photos and videos, by path."""
        return sorted(path for path in self.folder.rglob("*") if path.suffix in (".jpg", ".avi"))

    def draw(self, path: Path) -> None:
        """A new photo: a portrait of somebody, or two coloured tiles; of eight one is a video of them, and one a motion
        photo with others in its film."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.drawn += 1
        rng = np.random.default_rng(self.drawn)
        if self.real:
            pixels = draw_portrait(self.people[self.drawn % len(self.people)], rng, PORTRAIT_PX).pixels
        else:
            colours = np.random.default_rng(rng.integers(STRANGERS)).integers(8, 248, (1, 2, 3))  # of a few, so that
            colours += rng.integers(-2, 3, (1, 2, 3))  # there are people to be found
            pixels = np.kron(colours, np.ones((TILE_PX, TILE_PX, 1))).astype(np.uint8)
        if path.suffix == ".avi":
            path.write_bytes(film(pixels, "ffv1", "bgr0", "avi"))
        elif not self.real and self.drawn % 8 == 4:
            write_motion_photo(path, pixels)
        else:
            Image.fromarray(pixels).save(path, quality=90)

    def add(self, count: int) -> None:
        for _ in range(count):
            self.draw(self.place(f"{self.drawn:05}", ".jpg" if self.real or self.drawn % 8 else ".avi"))

    def place(self, stem: str, suffix: str) -> Path:
        """A path in the folder of somebody."""
        return self.folder / f"person {self.rng.randrange(12):02}" / f"{stem}{suffix}"

    def change(self, count: int) -> None:
        """Add, edit, move, copy, delete and damage photos."""
        self.add(count)
        for _ in range(count):
            photo, other = self.rng.sample(self.photos, 2)
            place = self.place(f"{photo.stem[:5]}-{self.rng.randrange(10**6)}", photo.suffix)
            place.parent.mkdir(exist_ok=True)
            match self.rng.randrange(7):
                case 0:
                    self.draw(photo)
                case 1:
                    photo.rename(place)
                case 2:
                    shutil.copy(photo, place)
                case 3:
                    photo.unlink()
                case 4:
                    photo.write_bytes(photo.read_bytes()[:300])
                case 5 if photo.suffix == ".jpg":
                    start, rest = photo.read_bytes()[:2], photo.read_bytes()[2:]
                    photo.write_bytes(start + b"\xff\xfe\x00\x06" + self.rng.randbytes(4) + rest)
                case _:
                    photo.replace(place)
                    other.replace(photo)  # takes a name that another photo had


def film(tiles: Pixels, codec: str, pixel_format: str, container_format: str) -> bytes:
    """A video of 3 seconds whose tiles grow darker, so that each frame shows something new."""
    content = io.BytesIO()
    with av.open(content, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=1)
        stream.height, stream.width = tiles.shape[:2]
        stream.pix_fmt = pixel_format
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(tiles - np.uint8(2 * number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return content.getvalue()


def write_motion_photo(path: Path, tiles: Pixels) -> None:
    """A photo with a film of the same two tiles turned into other people behind it, as a phone writes it."""
    behind = film(np.ascontiguousarray(255 - tiles[..., [1, 2, 0]]), "png", "rgb24", "mov")
    offset = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a MicroVideoOffset="{len(behind)}"/></x:xmpmeta>'
    still = io.BytesIO()
    Image.fromarray(tiles).save(still, "JPEG", quality=90, xmp=offset.encode())
    path.write_bytes(still.getvalue() + behind)
