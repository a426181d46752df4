"""Train partitions in the background, while the library goes on changing, and hand over vectors that have followed.

The thread reads one snapshot of the rows through a connection of its own; what is changed meanwhile is noted and done
to the result. Refuses to touch the vectors that are in use, which answer until the new ones take their place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

from facesearch.library.index.codes import Codes, ExactOf
from facesearch.library.index.partitions import TrainingCancelledError, partitioned
from facesearch.library.index.vector_file import Training
from facesearch.library.index.vectors import Vectors
from facesearch.records import Chunks, Floats

Changes = tuple[Sequence[int], Sequence[tuple[int, Floats]]]  # removed ids; added ids with embeddings


class BackgroundTraining:
    """A thread at work on partitioned vectors; half of the cores are left to others.

    source: gives all the vectors of one moment, until it is closed; it is opened and read in the thread. When
    the constructor returns, that moment is past: hand every later change to `follow`. codes: in which the vectors are
    to be kept; exact_of: where the faces of codes lie, for searches of the result.
    """

    def __init__(
        self,
        source: Callable[[], AbstractContextManager[Chunks]],
        faces: int,
        codes: Codes = "float32",
        exact_of: ExactOf | None = None,
    ) -> None:
        self._source = source
        self._faces = faces
        self._codes: Codes = codes
        self._exact_of = exact_of
        self._later: list[Changes] = []
        self._cancelled = threading.Event()
        self._opened = threading.Event()
        self._future: Future[tuple[Any, Training]] = Future()
        self._thread = threading.Thread(target=self._run, name="train-partitions", daemon=True)
        self._thread.start()
        self._opened.wait()

    def _run(self) -> None:
        import faiss

        faiss.omp_set_num_threads(max(1, faiss.omp_get_max_threads() // 2))  # of this thread alone
        try:
            with self._source() as chunks:
                self._opened.set()
                self._future.set_result(
                    partitioned(chunks, self._faces, lambda: not self._cancelled.is_set(), self._codes)
                )
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            self._future.set_exception(error)
        finally:
            self._opened.set()

    @property
    def is_done(self) -> bool:
        return self._future.done()

    def follow(self, removed: Sequence[int], added: Sequence[tuple[int, Floats]]) -> None:
        """Note what a transaction did after the snapshot."""
        self._later.append((list(removed), list(added)))

    def result(self) -> Vectors:
        """Wait until it is done; the trained vectors, with all that was noted. Raises what went wrong in the thread."""
        vectors = Vectors(*self._future.result(), exact_of=self._exact_of)
        for removed, added in self._later:
            vectors.follow(removed, added)
        return vectors

    def cancel(self) -> None:
        """Stop soon, and wait for that; a second call does nothing."""
        self._cancelled.set()
        self._thread.join()


__all__ = ["BackgroundTraining", "TrainingCancelledError"]
