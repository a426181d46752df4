"""What is said of a library when somebody asks what it holds: plain values, read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LibraryStatus:
    """What a library holds. Plain values only, ready for JSON.

    vectors: "current", or why the file of vectors would be rebuilt. search: how, and on what it runs. size_bytes:
    everything in the folder, but for what SQLite keeps there only while it is open. taught_at: when the library was
    taught what it knows of its people, None where distances are the tower's own. calibrated_at: when threshold and
    probabilities were fitted to its named people; own_threshold: that threshold; None where the tower's hold.
    """

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
    vectors: str
    search: str
    size_bytes: int
    taught_at: str | None = None
    calibrated_at: str | None = None
    own_threshold: float | None = None
