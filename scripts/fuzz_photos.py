"""Damage photos of every format in thousands of ways, and hold decoding to it: each ends as a photo or with a reason.

python scripts/fuzz_photos.py --files 20000

Headers and bodies are overwritten, cut, doubled, exchanged; half of the PNGs get right checksums again, so that
the damage is looked at. The files go through the process that `facesearch index` decodes in, with its limits. Exit
code 1 where anything else comes out than a photo or a PhotoError, a file takes longer than --slowest seconds, or the
process has held more than --memory MB. A decoder that is brought down is counted: the process is replaced.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pillow_heif import from_pillow

from facesearch.errors import PhotoError
from facesearch.photos import DecodingWorker, WorkerLimits, photo_file

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.raw_photos import RED_LEFT, dng, jpeg

PICTURE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (20, 28, 3), dtype=np.uint8)).resize((112, 80))
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [PICTURE.rotate(90)]}
# name: mode, format, options of Pillow
PILLOW: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JPEG": ("RGB", "JPEG", {}),
    "JPEG progressive": ("RGB", "JPEG", {"progressive": True}),
    "JPEG CMYK": ("CMYK", "JPEG", {}),
    "JPEG grey": ("L", "JPEG", {"restart_marker_blocks": 4}),
    "PNG": ("RGB", "PNG", {}),
    "PNG palette": ("P", "PNG", {}),
    "PNG alpha": ("RGBA", "PNG", {}),
    "PNG 16 bits": ("I;16", "PNG", {}),
    "PNG animated": ("RGB", "PNG", FRAMES),
    "WebP": ("RGB", "WEBP", {}),
    "WebP lossless": ("RGBA", "WEBP", {"lossless": True}),
    "WebP animated": ("RGB", "WEBP", FRAMES),
    "AVIF": ("RGB", "AVIF", {"speed": 10}),
    "AVIF alpha": ("RGBA", "AVIF", {"speed": 10}),
    "GIF": ("P", "GIF", {}),
    "GIF animated": ("RGB", "GIF", FRAMES),
    "TIFF": ("RGB", "TIFF", {}),
    "TIFF LZW": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "TIFF deflated": ("RGBA", "TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF packbits": ("L", "TIFF", {"compression": "packbits"}),
    "TIFF JPEG": ("RGB", "TIFF", {"compression": "jpeg"}),
    "TIFF fax": ("1", "TIFF", {"compression": "group4"}),
    "TIFF float": ("F", "TIFF", {}),
    "JPEG 2000": ("RGB", "JPEG2000", {}),
    "BMP": ("RGB", "BMP", {}),
    "PPM": ("RGB", "PPM", {}),
}


def intact() -> dict[str, bytes]:
    """A small photo of every kind, with a colour profile and an Exif orientation where the kind has them."""
    from PIL import ImageCms

    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = {}
    for name, (mode, kind, options) in PILLOW.items():
        picture = PICTURE.convert("L").convert("I;16") if mode == "I;16" else PICTURE.convert(mode)
        content = io.BytesIO()
        beside = {} if kind in ("GIF", "BMP", "PPM") or mode in ("CMYK", "F", "1", "I;16") else {"icc_profile": profile}
        picture.save(content, kind, exif=exif, **beside, **options)
        found[name] = content.getvalue()
    for name, mode in (("HEIC", "RGB"), ("HEIC alpha", "RGBA")):
        content = io.BytesIO()
        from_pillow(PICTURE.convert(mode)).save(content, exif=exif.tobytes())
        found[name] = content.getvalue()
    return found | {"RAW (DNG)": dng(jpeg(RED_LEFT), 6)}


def damaged(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes, half of them within the first 300 bytes. other: another photo, for pieces of it."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        reach = max(1, len(changed) if rng.random() < 0.5 else min(len(changed), 300))
        start, length = int(rng.integers(reach)), int(rng.choice([1, 2, 4, 8, 64, 1000]))
        piece = changed[start : start + length]
        match rng.integers(8):
            case 0:
                del changed[start + 1 :]
            case 1:
                del changed[start : start + length]
            case 2:
                changed[start:start] = piece
            case 3:  # a number, as sizes and offsets are written
                number = int(rng.choice([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF]))
                changed[start : start + 4] = struct.pack(rng.choice([">I", "<I"]), number)
            case 4:
                changed[start : start + length] = rng.integers(0, 256, len(piece), dtype=np.uint8).tobytes()
            case 5:
                changed[start : start + length] = bytes([int(rng.choice([0, 255]))]) * len(piece)
            case 6:
                place = int(rng.integers(len(other)))
                changed[start : start + length] = other[place : place + length]
            case _:
                for place in rng.integers(reach, size=int(rng.integers(1, 8))):
                    if place < len(changed):
                        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def with_right_checksums(png: bytes) -> bytes:
    """The chunks of a PNG, as far as they can be made out, with the checksums of what is in them now."""
    parts, place = [png[:8]], 8
    while place + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, place)
        body = png[place + 4 : place + 8 + length]
        parts.append(struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + length
    return b"".join(parts) + png[place:]


@dataclass
class Report:
    """What came out. photos and refused: files by kind. reasons: the first words of the reasons, with their numbers."""

    photos: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    brought_down: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest_kind: str = ""
    memory_mb: float = 0.0

    @property
    def files(self) -> int:
        return self.photos.total() + self.refused.total()


def held_mb(process_id: int | None) -> float:
    """The most memory that a process has held so far (Linux)."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0) / 1000


def fuzz(options: argparse.Namespace, folder: Path) -> Report:
    """Damage, decode and count, until there were as many files or the time is up."""
    rng = np.random.default_rng(options.seed)
    kinds = intact()
    names = list(kinds)
    report = Report()
    path = folder / "photo"
    ends_s = time.monotonic() + options.seconds
    with DecodingWorker(WorkerLimits(seconds=options.slowest)) as worker:
        while report.files < options.files and time.monotonic() < ends_s:
            name = names[report.files % len(names)]
            content = damaged(kinds[name], kinds[str(rng.choice(names))], rng)
            if name.startswith("PNG") and rng.random() < 0.5:
                content = with_right_checksums(content)
            named = path.with_suffix(".dng" if name.startswith("RAW") else ".jpg")
            named.write_bytes(content)
            started_s = time.monotonic()
            try:
                photo = worker.read_photo(photo_file(named))
            except PhotoError as error:
                report.refused[name] += 1
                if worker.process_id is None:
                    report.brought_down[name] += 1
                    keep(named, options.keep, f"{name} {report.files}: {error.reason}")
            else:
                assert photo.pixels.shape == (photo.height_px, photo.width_px, 3)
                report.photos[name] += 1
            took_s = time.monotonic() - started_s
            if took_s > report.slowest_s:
                report.slowest_s, report.slowest_kind = took_s, name
            report.memory_mb = max(report.memory_mb, held_mb(worker.process_id))
    return report


def keep(path: Path, folder: Path | None, why: str) -> None:
    """Say which file brought its decoder down, and keep it if asked to."""
    print(why, file=sys.stderr)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / why.partition(":")[0].replace(" ", "-"))


def main() -> None:
    """Parse, damage, print; exit with 1 when a limit was passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="how many damaged files (20000)")
    parser.add_argument("--seconds", type=float, default=1800, help="stop after this time (1800)")
    parser.add_argument("--seed", type=int, default=0, help="another number damages otherwise (0)")
    parser.add_argument("--slowest", type=float, default=30, help="seconds that one file may take (30)")
    parser.add_argument("--memory", type=float, default=2000, help="MB that the decoding process may hold (2000)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files that bring a decoder down")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = fuzz(options, Path(folder))
    figures = {
        "files": report.files,
        "photos": report.photos.total(),
        "refused": report.refused.total(),
        "brought_down": dict(report.brought_down),
        "slowest_s": round(report.slowest_s, 2),
        "slowest_kind": report.slowest_kind,
        "memory_mb": round(report.memory_mb),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):14} {value}")
    sys.exit(int(report.slowest_s > options.slowest or report.memory_mb > options.memory))


if __name__ == "__main__":
    main()
