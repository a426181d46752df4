"""Measure how much memory the largest photos of each format take while they are decoded.

python scripts/bench_photo_memory.py --kind "JPEG" "PNG alpha"

Each photo is made in one process, as large as its format's limit, and decoded in another one, whose peak above
that of an idle process is printed. Without --kind all are measured, which takes half an hour and 4 GB, most of it for
making them. HEIC is made of 37 megapixels: a single picture of 48 is not decoded, and tiles cannot be written here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facesearch.photos import MEGAPIXEL_LIMITS, photo_file, read_photo
from facesearch.photos.decoding.decode import OTHER_MEGAPIXEL_LIMIT

# name: mode, format, options of Pillow
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JPEG": ("RGB", "JPEG", {}),
    "JPEG progressive": ("RGB", "JPEG", {"progressive": True}),
    "JPEG CMYK": ("CMYK", "JPEG", {}),
    "PNG": ("RGB", "PNG", {"compress_level": 1}),
    "PNG alpha": ("RGBA", "PNG", {"compress_level": 1}),
    "PNG 16 bits": ("I;16", "PNG", {"compress_level": 1}),
    "TIFF": ("RGB", "TIFF", {}),
    "TIFF alpha, deflated": ("RGBA", "TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF floating point": ("F", "TIFF", {}),
    "WEBP": ("RGB", "WEBP", {"quality": 20, "method": 0}),
    "AVIF": ("RGB", "AVIF", {"quality": 20, "speed": 10}),
    "HEIF": ("RGB", "HEIF", {"quality": 20, "enc_params": {"preset": "ultrafast"}}),
    "GIF": ("P", "GIF", {}),
    "BMP": ("RGB", "BMP", {}),
    "PPM": ("RGB", "PPM", {}),
    "JPEG2000": ("RGB", "JPEG2000", {}),
}
HEIF_SINGLE_LIMIT = 37


def megapixels_of(kind: str) -> int:
    """The limit of a kind's format."""
    file_format = KINDS[kind][1]
    limit = MEGAPIXEL_LIMITS.get(file_format, OTHER_MEGAPIXEL_LIMIT)
    return min(limit, HEIF_SINGLE_LIMIT) if file_format == "HEIF" else limit


def make(kind: str, path: Path, megapixels: float) -> None:
    """A photo of 4:3 with noise in rows that come back."""
    mode, file_format, options = KINDS[kind]
    width = int((megapixels * 1e6 * 4 / 3) ** 0.5) // 2 * 2
    height = int(megapixels * 1e6 / width) // 2 * 2
    rows = np.random.default_rng(0).integers(0, 256, (64, width, 3), dtype=np.uint8) // 8 * 8
    if mode in ("I;16", "F"):
        one = rows[:, :, 0].astype(np.uint16) * 257 if mode == "I;16" else rows[:, :, 0].astype(np.float32) / 255
        picture = Image.fromarray(np.tile(one, (height // 64 + 1, 1))[:height])
    else:
        picture = Image.fromarray(np.tile(rows, (height // 64 + 1, 1, 1))[:height]).convert(mode)
    if file_format == "HEIF":
        from pillow_heif import from_pillow

        from_pillow(picture).save(path, **options)
    else:
        picture.save(path, file_format, **options)


def decode(path: Path) -> str:
    """Decode a photo in this process; a line of what that took."""
    import resource  # not on Windows

    idle_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    started_s = time.process_time()
    photo = read_photo(photo_file(path))
    took_s = time.process_time() - started_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000 - idle_mb
    file_mb = path.stat().st_size / 1e6
    return f"{peak_mb:6.0f} MB, {took_s:5.1f} s of a core, {photo.width_px} x {photo.height_px} of {file_mb:.0f} MB"


def main() -> None:
    """Measure each kind in two processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", default=list(KINDS), choices=list(KINDS), help="what to measure (all)")
    parser.add_argument("--megapixels", type=float, help="of each photo (the limit of its format)")
    parser.add_argument("--step", nargs=2, metavar=("make|decode", "FILE"), help="one step, in this process")
    options = parser.parse_args()
    if options.step:
        step, path = options.step[0], Path(options.step[1])
        if step == "make":
            make(options.kind[0], path, options.megapixels)
        else:
            print(decode(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo"
        for kind in options.kind:
            megapixels = options.megapixels or megapixels_of(kind)
            command = [sys.executable, __file__, "--kind", kind, "--megapixels", str(megapixels), "--step"]
            subprocess.run([*command, "make", str(path)], check=True)
            ran = subprocess.run([*command, "decode", str(path)], check=True, capture_output=True, text=True)
            print(f"{kind:22} {megapixels:4.0f} megapixels: {ran.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
