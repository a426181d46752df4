"""What a library holds, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from facesearch.library.folder import LOCK_NAME, size_bytes
from facesearch.library.lock import run_at_work
from facesearch.library.rows.database import COHORT_SETTING
from facesearch.library.search_codes import AUTOMATIC
from facesearch.records import WriterAtWork

if TYPE_CHECKING:
    from facesearch.library.opened import Library


@dataclass(frozen=True)
class LibraryStatus:
    """What a library holds. Plain values only, ready for JSON."""

    path: str
    library_id: str
    created_at: str
    photos: int
    files: int
    files_missing: int
    files_failed: int
    faces: int
    people: int
    people_named: int
    detector: str
    tower: str
    tower_name: str
    threshold: float
    precision: str
    generation: int
    vectors: str  # "current", or why the file of vectors would be rebuilt
    search: str  # how, and on what it runs
    size_bytes: int  # everything in the folder, but for what SQLite keeps there only while it is open
    taught_at: str | None = None  # None where distances are the tower's own
    calibrated_at: str | None = None  # when threshold and probabilities were fitted to its named people
    own_threshold: float | None = None  # None where the tower's holds
    photos_damaged: int = 0  # of which only a part can be seen
    distances: str = "plain"  # "judged" where they are divided by local scales of a cohort of strangers
    cohort: str | None = None  # its identity in the library's space; None where distances are plain
    faces_added: int = 0  # that the detector missed: somebody drew them, or another program named them
    videos: int = 0  # of the photos
    groups_by_itself: bool = True  # whether `index` groups new faces at the end of a run
    search_codes: str = "auto"  # how precisely search is to keep a million faces and more: one of CODES, or what fits
    published: tuple[str, ...] = ()  # where the faces were published to, in words
    writer: WriterAtWork | None = None  # another command that writes to the library now, and how far it is


def status_of(library: Library, generation: int, vectors: str, search: str) -> LibraryStatus:
    """What a library holds, within a snapshot of it."""
    space = library.space
    models = asdict(library.models) | {"threshold": library.threshold}
    del models[COHORT_SETTING]
    taught = library.heads.last() if space.is_taught else None
    own = library.own_calibration.read(library.models.tower, space.measure) or {}
    return LibraryStatus(
        path=str(library.path),
        library_id=library.library_id,
        created_at=library.created_at,
        **asdict(library.catalog.counts()),
        **models,
        generation=generation,
        vectors=vectors,
        search=search,
        size_bytes=size_bytes(library.path),
        taught_at=None if taught is None else taught.created_at,
        calibrated_at=own.get("fitted_at"),
        own_threshold=own.get("threshold"),
        distances=space.distances,
        cohort=None if space.cohort is None else space.cohort.identity,
        faces_added=library.added.count(),
        videos=library.catalog.video_count(),
        groups_by_itself=library.grouped.by_itself,
        search_codes=library.search_codes.wanted or AUTOMATIC,
        published=library.published.places(),
        writer=run_at_work(library.path / LOCK_NAME),
    )
