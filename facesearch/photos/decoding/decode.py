"""A photo's bytes to upright RGB pixels: JPEG, PNG, WebP, GIF, TIFF, BMP, PPM, JPEG 2000, HEIC, AVIF, RAW's previews.

The kind of file is known by its first bytes, not its name. Of an animation or a file with several pictures the first
one is taken (in HEIC the one it calls primary). The size in the header is checked before any pixel is decoded.
Refuses whatever else Pillow can open (PostScript, Windows metafiles, video): those run programs or are not photos.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

from facesearch.photos.decoding.colour import eight_bit, to_srgb
from facesearch.photos.decoding.formats import FORMATS, candidate_formats, opener, what_else
from facesearch.photos.decoding.large_photo_lock import one_at_a_time
from facesearch.photos.decoding.pillow_warnings import pillow_silenced
from facesearch.photos.decoding.png import SIGNATURE, has_wrong_pixels, readable_png
from facesearch.photos.decoding.raw import is_raw, preview_of
from facesearch.photos.decoding.rescue import DECODER_ERRORS, missing_bytes, rescued, with_plain_end
from facesearch.photos.file_names import is_named_as_video
from facesearch.photos.files import DRAFT_SIDE_PX, MAX_SIDE_PX, is_long, kept_side_px, photo_error, read_file
from facesearch.records import Photo, PhotoFile, Pixels

MEGAPIXEL_LIMITS = {"JPEG": 250, "HEIF": 200, "AVIF": 150, "WEBP": 100, "JPEG2000": 100}
"""Most megapixels in a file, by format: at its limit no photo needs more than some 2 GB while it is decoded. JPEG is
scaled while it is decoded; HEIF has room for the 200 megapixels of some phones."""

OTHER_MEGAPIXEL_LIMIT = 150

ALONE_OVER_MEGAPIXELS = {"JPEG": 64, "HEIF": 64}
"""Photos over this size are decoded one at a time, whatever the number of threads and processes: up to it none needs
more than some 600 MB."""

OTHER_ALONE_OVER_MEGAPIXELS = 24
ALONE_OVER_BYTES = 32 << 20
"""So are those in larger files."""

# What is left to go wrong once the pixels are there: a transparency or palette that does not fit them, or no memory.
CONVERSION_ERRORS = (OSError, ValueError, MemoryError)

_BITS_PER_SAMPLE, _PLANAR, _IN_PLANES = 258, 284, 2  # TIFF 6.0
_WRONG_PIXELS = "the checksum of its pixels is wrong: some may have changed"
_READABLE_TIFF = "export it with 8 or 16 bits a sample, side by side, or as PNG"
_ORIENTATION_TAG = 0x0112
# EXIF orientation to what makes the photo upright. Source: Exif 3.0 (CIPA DC-008), tag Orientation.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# AVIF's and HEIC's boxes irot and imir, TIFF's tag, WebP's EXIF chunk.
_SAYS_ITS_TURN = frozenset({"AVIF", "HEIF", "TIFF", "WEBP"})
_SWAPS_SIDES = {UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo's pixels as bare bytes, row after row, three a pixel; the rest as in Photo."""

    file: PhotoFile
    sha256: str
    content: bytes
    shape: tuple[int, int, int]  # (H, W, 3)
    original_size_px: tuple[int, int] | None
    damage: str | None = None


def read_photo(
    file: PhotoFile, max_side_px: int = MAX_SIDE_PX, *, draft: bool = False, at_s: float | None = None
) -> Photo:
    """Read a file once, for its fingerprint and its pixels.

    Returns a Photo with uint8 (H, W, 3) sRGB pixels, upright, read-only, no larger than `kept_side_px` says; `file` in
    it is the file as it was when read, which can be newer than the one asked for. Of a damaged photo it gives what can
    be seen still, and says so in `damage`. draft: of a JPEG the smallest of its decoder's sizes will do whose longer
    side is DRAFT_SIDE_PX or more, unless it is long. at_s: of a video the frame at this time, in seconds; its sha256 is
    left empty.
    Raises PhotoError, which names the file and says what to do, where the photo cannot be read. Safe in threads.
    """
    import numpy as np

    picture = read_picture(file, max_side_px, draft, at_s)
    pixels = np.frombuffer(picture.content, np.uint8).reshape(picture.shape)
    return Photo(picture.file, picture.sha256, pixels, picture.original_size_px, picture.damage)


def decode_photo(content: bytes, path: Path, max_side_px: int = MAX_SIDE_PX) -> Pixels:
    """The pixels of a sound photo whose bytes are at hand, as read_photo gives them. path: names it in a PhotoError,
    which a damaged photo is too."""
    import numpy as np

    with pillow_silenced:
        decoded = _decoded(content, path, max_side_px, draft=False)
    if decoded.damage is not None:
        raise photo_error(path, f"is damaged ({decoded.damage}): copy it again from the original")
    return np.frombuffer(decoded.content, np.uint8).reshape(decoded.shape)


def read_picture(
    file: PhotoFile, max_side_px: int = MAX_SIDE_PX, draft: bool = False, at_s: float | None = None
) -> Picture:
    """The same without NumPy, but for a frame of a video."""
    if max_side_px < 1:
        raise ValueError(f"max_side_px is {max_side_px}; it must be 1 or more")
    if at_s is not None:
        return _frame(file, max_side_px, at_s)
    with one_at_a_time if file.size_bytes > ALONE_OVER_BYTES else nullcontext():
        current, content = read_file(file.path)
        if not content:
            raise photo_error(file.path, "is empty (0 bytes): copy it again from the original")
        with pillow_silenced:
            decoded = _decoded(content, file.path, max_side_px, draft=draft)
        sha256 = hashlib.sha256(content).hexdigest()
        del content
    reduced = decoded.original_size_px != (decoded.shape[1], decoded.shape[0])
    original_size_px = decoded.original_size_px if reduced else None
    return Picture(current, sha256, decoded.content, decoded.shape, original_size_px, decoded.damage)


def _frame(file: PhotoFile, max_side_px: int, at_s: float) -> Picture:
    from facesearch.photos.decoding.video import opened

    with opened(file.path, max_side_px) as video:
        pixels = video.frame_at(at_s)
        height, width = pixels.shape[:2]
        is_reduced = (width, height) != video.facts.size_px
        return Picture(file, "", pixels.tobytes(), (height, width, 3), video.facts.size_px if is_reduced else None)


@dataclass(frozen=True, eq=False)
class _Decoded:
    """An upright picture."""

    content: bytes  # as in Picture
    shape: tuple[int, int, int]
    original_size_px: tuple[int, int]  # upright, in the file
    damage: str | None


def _decoded(content: bytes, path: Path, max_side_px: int, *, draft: bool) -> _Decoded:
    preview = preview_of(content, path) if is_raw(content, path) else None
    encoded = with_plain_end(content if preview is None else preview.content)
    is_short = encoded.startswith(b"RIFF") and missing_bytes(encoded) > 0  # libwebp does not even read the header then
    image = _opened(encoded + bytes(missing_bytes(encoded)) if is_short else encoded, path)
    damage = _WRONG_PIXELS if image.format == "PNG" and has_wrong_pixels(encoded) else None
    name = image.format or "photo"
    megapixels = checked_megapixels(image, path)
    is_large = megapixels > ALONE_OVER_MEGAPIXELS.get(name, OTHER_ALONE_OVER_MEGAPIXELS)
    limit_px = kept_side_px(image.size, max_side_px)
    enough_px = min(limit_px, DRAFT_SIDE_PX) if draft and not is_long(image.size) else limit_px
    with one_at_a_time if is_large else nullcontext():
        forget_xmp_turn(image)
        if is_garbled_tiff(image):
            raise photo_error(path, f"is a TIFF with more than 8 bits a sample in separate planes; {_READABLE_TIFF}")
        load = partial(_load, enough_px=enough_px)
        try:
            if is_short:
                raise EOFError("truncated")
            original_size_px = load(image)
        except DECODER_ERRORS as error:
            found = None if isinstance(error, MemoryError) else rescued(image, encoded, load)
            if found is None:
                raise photo_error(path, _what_is_wrong(error, name)) from error
            image, original_size_px, damage = found.image, found.original_size_px, found.damage
        orientation = exif_orientation(image)
        if orientation is None and preview is not None:
            orientation = preview.orientation_of(original_size_px)
        transpose = None if orientation is None else UPRIGHT.get(orientation)
        try:
            picture = _upright(image, limit_px, transpose)
            pixels, shape = picture.tobytes(), (picture.height, picture.width, 3)
        except CONVERSION_ERRORS as error:
            raise photo_error(path, _what_is_wrong(error, name)) from error
    upright_px = original_size_px[::-1] if transpose in _SWAPS_SIDES else original_size_px
    return _Decoded(pixels, shape, upright_px, damage)


def _opened(content: bytes, path: Path) -> ImageFile.ImageFile:
    """Parse the header, without Image.open: its limit on megapixels is one global for the whole process."""
    if content.startswith(SIGNATURE):
        content = readable_png(content)
    formats = candidate_formats(content)
    if not formats:
        named = "MP4, MOV, MKV, AVI, WEBM" if is_named_as_video(path.name) else ", ".join(FORMATS)
        kinds = f"is not in a format that facesearch reads ({named}): convert it"
        raise photo_error(path, what_else(content) or kinds)
    for name in formats[:-1]:
        try:
            return opener(name)(io.BytesIO(content))
        except DECODER_ERRORS:
            continue
    try:
        return opener(formats[-1])(io.BytesIO(content))
    except DECODER_ERRORS as error:
        raise photo_error(path, _what_is_wrong(error, formats[-1])) from error


def checked_megapixels(image: Image.Image, path: Path) -> float:
    """The size that a header says, in megapixels. Raises PhotoError where it is over the limit of its format."""
    width, height = image.size
    megapixels = width * height / 1e6
    name = image.format or "photo"
    limit = MEGAPIXEL_LIMITS.get(name, OTHER_MEGAPIXEL_LIMIT)
    if megapixels > limit:
        size = f"is {megapixels:.0f} megapixels ({width} x {height})"
        raise photo_error(path, f"{size}; the limit for {name} is {limit}: export a smaller copy")
    return megapixels


def _load(image: ImageFile.ImageFile, enough_px: int) -> tuple[int, int]:
    """Decode the pixels, of JPEG as few as leave a longer side of `enough_px`. Returns (width, height) in the file."""
    original_size_px = image.size
    shrink = max(image.size) // enough_px
    drafted = None
    if image.format == "JPEG" and shrink > 1:
        # libjpeg decodes at 1/2, 1/4 or 1/8, to the least size that is not below the one asked for. Rounded up, an odd
        # side would ask for more than its half, and get all of it.
        step = max(each for each in (2, 4, 8) if each <= shrink)
        drafted = image.draft(None, (max(image.width // step, 1), max(image.height // step, 1)))
    image.load()
    return original_size_px if drafted else image.size  # libheif and libtiff can correct the header's size


def _upright(image: Image.Image, max_side_px: int, transpose: Image.Transpose | None) -> Image.Image:
    profile = image.info.get("icc_profile")
    known_profile = profile if isinstance(profile, bytes) else None  # a damaged TIFF holds other types there
    picture = to_srgb(_reduced(eight_bit(image), max_side_px), known_profile)
    return picture if transpose is None else picture.transpose(transpose)


def _reduced(image: Image.Image, max_side_px: int) -> Image.Image:
    factor = max_side_px / max(image.size)
    if factor >= 1:
        return image
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)


def forget_xmp_turn(image: Image.Image) -> None:
    """Take the XMP off a picture whose container says itself how it is turned: that alone counts, as in other programs.

    Pillow would fall back on tiff:Orientation in the XMP, which editors leave behind once they have turned the pixels.
    To be called before the pixels are loaded: TIFF is turned meanwhile.
    """
    if image.format in _SAYS_ITS_TURN:
        for key in ("xmp", "XML:com.adobe.xmp", "Raw profile type xmp"):
            image.info.pop(key, None)


def exif_orientation(image: Image.Image) -> int | None:
    """EXIF orientation, if any; for JPEG and PNG without EXIF that of the XMP.

    After `forget_xmp_turn` and loading it is 1 for TIFF and HEIC: their decoders turned the picture already.

    Damaged EXIF makes a photo lie on its side at worst, so it is no reason to refuse the photo.
    """
    try:
        value = image.getexif().get(_ORIENTATION_TAG)
    except DECODER_ERRORS:
        return None
    return value if isinstance(value, int) else None


def is_garbled_tiff(image: Image.Image) -> bool:
    """Whether it is a TIFF that Pillow decodes into garbage without an error: samples of more than 8 bits, each in a
    plane of its own."""
    tags: Any = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    bits = tags.get(_BITS_PER_SAMPLE) or (1,)
    return tags.get(_PLANAR) == _IN_PLANES and len(bits) > 1 and max(bits) > 8


def _what_is_wrong(error: BaseException, name: str) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    if name == "TIFF" and said in {"unknown pixel mode", "unknown data organization"}:
        return (
            f"is a TIFF with samples of a kind that facesearch does not read, as floating point RGB; {_READABLE_TIFF}"
        )
    if name == "JPEG" and "12-bit" in said:
        return "is a JPEG with 12 bits a sample, which facesearch does not read: export it with 8"
    if isinstance(error, MemoryError):
        return f"does not fit into memory as {name}: close other programs, or export a smaller copy"
    if isinstance(error, Image.DecompressionBombError):
        return f"is too large for {name} ({said}): export a smaller copy"
    if isinstance(error, EOFError) or "truncated" in said.lower() or "end of file" in said.lower():
        return f"is cut off: its {name} data ends too early ({said}): copy it again from the original"
    return f"is damaged or cut off: its {name} data cannot be decoded ({said}): copy it again from the original"
