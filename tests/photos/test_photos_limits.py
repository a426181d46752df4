"""The largest photos: within bounded memory, and with the limits that docs/reference/formats.md states."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from facesearch.photos import MAX_SIDE_PX, MEGAPIXEL_LIMITS, WorkerLimits
from facesearch.photos.decoding.decode import (
    ALONE_OVER_BYTES,
    ALONE_OVER_MEGAPIXELS,
    OTHER_ALONE_OVER_MEGAPIXELS,
    OTHER_MEGAPIXEL_LIMIT,
)
from facesearch.photos.decoding.formats import FORMATS
from facesearch.photos.files import MAX_FILE_BYTES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"

READ_WITHIN = """
import resource, sys
import numpy  # before the limit is set
from pathlib import Path
from facesearch.photos import photo_file, read_photo
from PIL import JpegImagePlugin
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (int(sys.argv[2]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
photo = read_photo(photo_file(Path(sys.argv[1])))
print(photo.original_size_px, photo.width_px, photo.height_px)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_a_jpeg_of_200_megapixels_is_decoded_smaller_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("L", (16_384, 12_288), 90).save(path)
    command = [sys.executable, "-c", READ_WITHIN, str(path)]
    done = subprocess.run([*command, "250"], capture_output=True, text=True, check=False)
    assert done.stdout == "(16384, 12288) 4096 3072\n", done.stderr  # whole it would be 200 MB, and as RGB 800
    too_little = subprocess.run([*command, "40"], capture_output=True, text=True, check=False)
    assert "does not fit into memory as JPEG" in too_little.stderr  # the limit is one


def test_the_page_states_the_limits_that_are_in_force() -> None:
    page = PAGE.read_text(encoding="utf-8")
    stated = {
        name.strip(): int(limit)
        for names, limit in re.findall(r"^\| ([A-Z][A-Z0-9, ]+) \| (\d+) \|", page, re.MULTILINE)
        for name in names.split(",")
    }
    assert stated == {name: MEGAPIXEL_LIMITS.get(name, OTHER_MEGAPIXEL_LIMIT) for name in FORMATS}
    limits = WorkerLimits()
    assert f"longer side of at most {MAX_SIDE_PX} px" in page
    (most,) = set(ALONE_OVER_MEGAPIXELS.values())
    alone = f"{' and '.join(ALONE_OVER_MEGAPIXELS)} over {most} megapixels, other formats over"
    flat = " ".join(page.split())
    assert f"{alone} {OTHER_ALONE_OVER_MEGAPIXELS}, and files over {ALONE_OVER_BYTES >> 20} MB" in flat
    assert f"{limits.seconds:.0f} seconds of processor time" in page
    assert f"{limits.memory_bytes >> 30} GB" in page
    assert MAX_FILE_BYTES == 1 << 30
    assert "larger than 1 GiB" in page
