"""A training photo, and its bytes and pixels wherever it lies: in a file of its own, or packed with others into one.

A packed photo has a path below the packed file, as if that were a folder; nothing is unpacked there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, overload

from facesearch.photos import decode_photo
from facesearch.photos.files import photo_error, read_file
from facesearch.records import Pixels
from facesearch_train.data.recordio import RecordFile, Records
from facesearch_train.data.tarball import Span, Tarball

ReadSpan = Callable[[Span], bytes]


class Pack(Protocol):
    """A file that holds many photos."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files whose size and time tell whether the photos changed."""
        ...

    def opened(self, scratch: Path | None = None) -> AbstractContextManager[ReadSpan]:
        """A function from a photo's span to its bytes, for any thread; it raises OSError where they are damaged.

        scratch: a folder for a temporary copy, where photos cannot be read in any order without one.
        """
        ...


@dataclass(frozen=True, slots=True)
class TrainingPhoto:
    """A photo and the person that it shows."""

    path: Path  # its file; of a packed photo, the packed file's path with the photo's name below it
    identity: str
    pack: Pack | None = None
    span: Span = (0, 0)  # in its pack: where it begins, and its size in bytes


@dataclass(frozen=True)
class TarPack:
    """A tar file of photos, plain or gzipped."""

    tarball: Tarball

    @property
    def files(self) -> tuple[Path, ...]:
        """The archive."""
        return (self.tarball.path,)

    def opened(self, scratch: Path | None = None) -> AbstractContextManager[ReadSpan]:
        """See Pack."""
        return self.tarball.opened(scratch)


@dataclass(frozen=True)
class RecordPack:
    """A record file of photos."""

    records: RecordFile

    @property
    def files(self) -> tuple[Path, ...]:
        """The records and their index."""
        return (self.records.path, self.records.index)

    @contextmanager
    def opened(self, scratch: Path | None = None) -> Iterator[ReadSpan]:
        """See Pack. Records can be read in any order, without a copy."""
        with self.records.opened() as read:
            yield lambda span: read(span[0])


class RecordPhotos(Sequence[TrainingPhoto]):
    """The photos of a record file, each created on access: holds 32 bytes per photo, since there are millions.

    Their paths are `label/key` below the record file.
    """

    def __init__(self, file: RecordFile, records: Records) -> None:
        self._pack = RecordPack(file)
        self._records = records

    def __len__(self) -> int:
        return len(self._records.keys)

    @overload
    def __getitem__(self, place: int) -> TrainingPhoto: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[TrainingPhoto, ...]: ...
    def __getitem__(self, place: int | slice) -> TrainingPhoto | tuple[TrainingPhoto, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        known = self._records
        label, key = str(known.labels[place]), str(known.keys[place])
        span = (int(known.offsets[place]), int(known.sizes[place]))
        return TrainingPhoto(self._pack.records.path / label / key, label, self._pack, span)


class PhotoReader:
    """Reads photos in any order and from any thread; a context, in which packed files stay open.

    scratch: where a gzipped archive is inflated to meanwhile, by default the system's folder for temporary files.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._readers: dict[Pack, ReadSpan] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def content(self, photo: TrainingPhoto) -> bytes:
        """A photo's bytes, as the file would hold them. Raises PhotoError."""
        if photo.pack is None:
            return read_file(photo.path)[1]
        try:
            return self._reader_of(photo.pack)(photo.span)
        except OSError as error:
            raise photo_error(photo.path, f"cannot be read ({error}): copy the packed set again") from error

    def pixels(self, photo: TrainingPhoto) -> Pixels:
        """A photo's upright pixels, uint8 (H, W, 3) RGB. Raises PhotoError, also where a part of it is missing."""
        return decode_photo(self.content(photo), photo.path)

    def _reader_of(self, pack: Pack) -> ReadSpan:
        with self._lock:
            if pack not in self._readers:
                self._readers[pack] = self._open.enter_context(pack.opened(self._scratch))
            return self._readers[pack]
