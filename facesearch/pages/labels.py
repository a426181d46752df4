"""How people, faces and photos are called under their pictures."""

from __future__ import annotations

from pathlib import Path

from facesearch.pages import text
from facesearch.records import Span
from facesearch.text import called, time_span


def who(name: str | None, person_id: int | None, face_id: int | None = None) -> str:
    """A name, `unnamed #12` for a group without one, `face #3` for a face in no group; as HTML."""
    return text(called(name, person_id, face_id))


def where(path: Path | None, span: Span | None = None) -> str:
    """A photo's file and folder, the whole path for who points at it, and for a face in a video when it is seen; as
    HTML."""
    if path is None:
        return "in no file any more"
    return f'<span title="{text(path)}">{text(Path(path.parent.name) / path.name)}</span>' + (
        f" {time_span(span)}" if span else ""
    )
