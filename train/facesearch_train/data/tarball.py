"""Photos in a tar file, plain or gzipped: where each one lies, and their bytes, without unpacking to a folder.

The archive is read forwards once, header by header, and only names and offsets are kept. A file that is cut off or
damaged gives the photos before the fault and says so. Source of the format: POSIX.1-2017, pax interchange format.
"""

from __future__ import annotations

import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, NamedTuple, Protocol

from facesearch.errors import TrainingDataError

_BLOCK = 512
_AT_ONCE = 16 << 10  # gzipped bytes that are inflated at once: so many before a fault may be lost
_CHUNK = 256 << 10
_GZIP_WINDOW = 16 + 15  # zlib's word for: with gzip's header and checksum
_MAX_HEADER_BYTES = 1 << 20  # of a long name or a pax header; a real one has some hundred bytes
_GZIP_MAGIC = b"\x1f\x8b"
_PAX_HEADERS = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
# Types without data after their header, whatever their size field says.
_BARE = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
# What a cut-off or damaged archive raises: gzip's end is missing, its data or a header is wrong.
_DAMAGE = (EOFError, zlib.error, OSError, tarfile.HeaderError, ValueError)

Span = tuple[int, int]  # offset and length in bytes
ReadSpan = Callable[[Span], bytes]


class TarEntry(NamedTuple):
    """A file in the archive. parts: its name, without `.`, `..` and a leading `/`. span: of its bytes, in the tar that
    remains when the gzip layer is taken off."""

    parts: tuple[str, ...]
    span: Span


@dataclass(frozen=True)
class Tarball:
    """A tar file, plain or gzipped."""

    path: Path

    def entries(self) -> tuple[list[TarEntry], str]:
        """All whole files in it, in their order, and what is wrong with the archive ("" where nothing is).

        Of two files with one name the later one counts, as when a tar is unpacked.
        Raises TrainingDataError where it cannot be opened or is not a tar.
        """
        found: dict[tuple[str, ...], TarEntry] = {}
        damage = ""
        try:
            with self._forwards() as stream:
                for entry in _walk(stream):
                    found.pop(entry.parts, None)
                    found[entry.parts] = entry
        except _DAMAGE as error:
            if not found:
                raise TrainingDataError(_no_tar(self.path, error)) from error
            damage = str(error) or type(error).__name__
        return list(found.values()), damage

    @contextmanager
    def opened(self, scratch: Path | None = None) -> Iterator[ReadSpan]:
        """A function that reads a span's bytes, for any thread; it raises OSError where they cannot be read. Raises
        TrainingDataError where the disk has no room for an inflated copy.

        A gzipped tar has no places to jump to: it is inflated into a nameless file in `scratch` (by default where the
        system keeps temporary files), which goes when the context ends.
        """
        lock = threading.Lock()
        with self._seekable(scratch) as stream:

            def read(span: Span) -> bytes:
                offset, size = span
                with lock:
                    stream.seek(offset)
                    content = stream.read(size)
                if len(content) < size:
                    raise OSError(f"only {len(content):,} of its {size:,} bytes are there")
                return content

            yield read

    @contextmanager
    def _seekable(self, scratch: Path | None) -> Iterator[IO[bytes]]:
        if not self._is_gzipped():
            with self.path.open("rb") as plain:
                yield plain
            return
        with self._scratch_file(scratch) as inflated:
            # What lies after a fault is then missing, and reading it raises an error.
            with self.path.open("rb") as packed, suppress(EOFError, zlib.error):
                for piece in _inflated(packed):
                    self._write(inflated, piece)
            yield inflated

    @contextmanager
    def _scratch_file(self, scratch: Path | None) -> Iterator[IO[bytes]]:
        try:
            inflated = tempfile.TemporaryFile(dir=scratch, buffering=0)  # noqa: SIM115 - closed below
        except OSError as error:
            raise self._no_room(error) from error
        with inflated:
            yield inflated

    def _write(self, inflated: IO[bytes], piece: bytes) -> None:
        try:
            while piece:
                piece = piece[inflated.write(piece) :]
        except OSError as error:  # a fault of the disk, not of a photo
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> TrainingDataError:
        return TrainingDataError(
            f"{self.path} cannot be unpacked: {error.strerror}. Free as much disk space as the photos in it take, or "
            "unpack it to a folder on another disk and give that."
        )

    def _is_gzipped(self) -> bool:
        with self.path.open("rb") as stream:
            return stream.read(2) == _GZIP_MAGIC

    @contextmanager
    def _forwards(self) -> Iterator[_Forwards]:
        with self.path.open("rb") as stream:
            yield _Inflating(stream) if self._is_gzipped() else stream


class _Forwards(Protocol):
    """A stream that is only read forwards."""

    def seek(self, position: int, /) -> int: ...
    def read(self, size: int, /) -> bytes: ...


class _Inflating:
    """Gzipped bytes as a stream that is read forwards; up to a fault it gives what is there. Python's own `gzip` reads
    ahead, and loses what lies before the fault."""

    def __init__(self, packed: BinaryIO) -> None:
        self._chunks = _inflated(packed)
        self._chunk = b""
        self._place = 0  # in the chunk
        self._passed = 0  # bytes in all chunks before it

    def seek(self, position: int, /) -> int:
        """Go on to a position; at most to the end."""
        while position - self._passed > len(self._chunk) and self._next():
            pass
        self._place = min(position - self._passed, len(self._chunk))
        return self._passed + self._place

    def read(self, size: int, /) -> bytes:
        """The next bytes, fewer only at the end."""
        content = self._taken(size)
        while len(content) < size and self._next():
            content += self._taken(size - len(content))
        return content

    def _taken(self, size: int) -> bytes:
        content = self._chunk[self._place : self._place + size]
        self._place += len(content)
        return content

    def _next(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._passed += len(self._chunk)
        self._chunk, self._place = chunk, 0
        return True


def _inflated(packed: BinaryIO) -> Iterator[bytes]:
    """The bytes of a gzip file of one member or several, in pieces of up to _CHUNK."""
    inflating = zlib.decompressobj(_GZIP_WINDOW)
    pending = b""
    while pending := pending or packed.read(_AT_ONCE):
        if inflating.eof:
            if not pending.strip(b"\0"):  # padding, as tape drives leave it
                pending = b""
                continue
            inflating = zlib.decompressobj(_GZIP_WINDOW)
        chunk = inflating.decompress(pending, _CHUNK)
        pending = inflating.unconsumed_tail or inflating.unused_data
        yield chunk
    if not inflating.eof:
        raise EOFError("its gzipped data end too early")


def _walk(stream: _Forwards) -> Iterator[TarEntry]:
    """Every file whose bytes are all there. Raises one of _DAMAGE at the first fault, and where the end mark lacks."""
    position = 0
    special: dict[str, str] = {}  # what an extended header says of the file after it
    while True:
        stream.seek(position)
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise EOFError("it lacks the end mark of a tar file")
        if not block.strip(b"\0"):
            return
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        size = int(special.get("size", header.size))
        size = 0 if header.type in _BARE else size
        data = position + _BLOCK
        position = data + -(-size // _BLOCK) * _BLOCK
        if header.type in _PAX_HEADERS:
            special |= _pax_records(_header_data(stream, size))
            continue
        if header.type == tarfile.GNUTYPE_LONGNAME:
            special["path"] = _header_data(stream, size).partition(b"\0")[0].decode("utf-8", "surrogateescape")
            continue
        if header.type in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
            continue
        name, special = special.get("path", header.name), {}
        if header.type in _FILES:
            _require_data(stream, data, size)
            yield TarEntry(_parts(name), (data, size))


def _header_data(stream: _Forwards, size: int) -> bytes:
    if size > _MAX_HEADER_BYTES:
        raise ValueError(f"a header of {size:,} bytes")
    content = stream.read(size)
    if len(content) < size:
        raise EOFError("it ends within a header")
    return content


def _pax_records(content: bytes) -> dict[str, str]:
    """`path` and `size` of a pax header, whose records are `length key=value\\n`."""
    records: dict[str, str] = {}
    while content.strip(b"\0"):
        length = int(content.partition(b" ")[0])
        if not 0 < length <= len(content):
            raise ValueError("a pax header whose record has no length")
        key, _, value = content[:length].partition(b" ")[2].removesuffix(b"\n").partition(b"=")
        if key in (b"path", b"size"):
            records[key.decode()] = value.decode("utf-8", "surrogateescape")
        content = content[length:]
    return records


def _require_data(stream: _Forwards, offset: int, size: int) -> None:
    if size:
        stream.seek(offset + size - 1)
        if not stream.read(1):
            raise EOFError("it ends within a file")


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(name).parts if part not in ("/", "//", ".", ".."))


def _no_tar(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return f"{path} cannot be opened ({error.strerror}). Check the name, and whether you may read it."
    return (
        f"{path} is not a tar file, plain or gzipped, or is damaged at its beginning ({error}). Give a folder, a .tar "
        "or .tar.gz of person/photo.jpg, or copy the file again."
    )
