"""Names that an import reads, and those that it gave."""

from __future__ import annotations

from pathlib import Path

from facesearch.library import Library
from support import sidecar_samples as samples


def named(path: Path) -> dict[str, str]:
    """Who is where in the library: names by photo and column of tiles."""
    with Library.open(path) as library:
        files = {photo: Path(name.decode()).name for name, _, photo, _ in library.files.of(range(100))}
        return {
            f"{files[face.photo_id]} {int(face.box[0]) // 40}": face.name
            for face in library.catalog.faces_in(library.catalog.photo_ids().values())
            if face.name is not None
        }


def journal(path: Path) -> list[str]:
    with Library.open(path) as library:
        return [row[0] for row in library._database.rows("SELECT action FROM journal ORDER BY id")]


def sidecar(photo: Path, *names: str | None, kind: str = "Face") -> Path:
    """Lightroom's sidecar of a photo of tiles, with a region for each tile."""
    share = 1 / len(names)
    regions = [
        samples.lightroom_region(name, (place + 0.5) * share, 0.5, share * 0.9, 0.9, kind=kind)
        for place, name in enumerate(names)
        if name is not None
    ]
    path = photo.with_name(f"{photo.name}.xmp")
    path.write_text(samples.lightroom(*regions, size=(len(names), 1)), encoding="utf-8")
    return path
