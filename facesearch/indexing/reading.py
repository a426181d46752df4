"""Files decoded ahead of the detector, in a process that a bad one cannot harm, and handed on in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from facesearch.errors import PhotoError
from facesearch.photos import DecodingWorker, fingerprint
from facesearch.records import Photo, PhotoFile


@dataclass(frozen=True)
class Known:
    """Content that need not be decoded: sizes in bytes that a copy could have, and the sha256 of what is known."""

    sizes_bytes: set[int]
    hashes: set[str]


def read_ahead(
    files: Sequence[PhotoFile], known: Known, ahead: int
) -> Generator[tuple[PhotoFile, Photo | str | PhotoError]]:
    """Each file with its photo, with the sha256 alone where that is known, or with what is wrong with it.

    Holds `ahead` photos more than the one handed out.
    """
    with DecodingWorker() as worker, ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        waiting: deque[tuple[PhotoFile, Future[Photo | str | PhotoError]]] = deque()
        try:
            for file in files:
                waiting.append((file, pool.submit(_read, file, known, worker)))
                if len(waiting) > ahead:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read(file: PhotoFile, known: Known, worker: DecodingWorker) -> Photo | str | PhotoError:
    try:
        # Only a file as long as another one can be a copy: its hash is worth a first look.
        if file.size_bytes in known.sizes_bytes and (sha256 := fingerprint(file.path)) in known.hashes:
            return sha256
        return worker.read_photo(file)
    except PhotoError as error:
        return error
