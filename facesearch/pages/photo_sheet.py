"""A contact sheet of photos: each one small, with its date and the people on it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from facesearch.library import Library
from facesearch.pages import picture, render_page, text
from facesearch.pages.face_pictures import Place, places_of, small_photo
from facesearch.pages.pictures import where, who
from facesearch.people import PhotoEntry, PhotoList, PhotoPerson
from facesearch.text import clock, counted, time_span
from facesearch.vision.runtime import available_cores

_MOST_THREADS = 8
_STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem .9rem;
  margin: 1.5rem 0; align-items: start; }
.sheet img { width: 100%; border-radius: .4rem; } .sheet .missing { aspect-ratio: 3 / 2; border-radius: .4rem; }
.sheet figcaption { margin-top: .25rem; }
@media (max-width: 40rem) { .sheet { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media print { .sheet { grid-template-columns: repeat(4, 1fr); } }
"""


def render_photos(
    library: Library,
    found: PhotoList,
    title: str,
    limit: int,
    on_photo: Callable[[int, int], None] | None = None,
) -> str:
    """A page of the first `limit` photos. Photos are read again; one that cannot be leaves an empty frame."""
    shown = found.photos[:limit]
    with library.snapshot():
        places = places_of(library, [photo.photo_id for photo in shown])
    figures = []
    with ThreadPoolExecutor(min(available_cores(), _MOST_THREADS), thread_name_prefix="sheet") as pool:
        pictures = pool.map(lambda photo: _small(places.get(photo.photo_id)), shown)
        for done, (photo, (image, reason)) in enumerate(zip(shown, pictures, strict=True), start=1):
            figures.append(_figure(photo, image, reason))
            if on_photo is not None:
                on_photo(done, len(shown))
    rest = len(found.photos) - len(shown)
    more = f" <b>{rest:,} more</b> would make this page too large: --limit shows more." if rest else ""
    lead = (
        f"<p>{counted(len(found.photos), 'photo')} of {found.total:,} in the library "
        f"<code>{text(library.path)}</code>.{more}</p>"
        '<p class="quiet">This page shows photos and names. It loads nothing and sends nothing; keep it private.</p>'
    )
    return render_page(title, f'{lead}<div class="sheet">{"".join(figures)}</div>', style=_STYLE)


def _small(place: Place | None) -> tuple[bytes | None, str]:
    return (None, "the photo is gone from the library") if place is None else small_photo(place)


def _figure(photo: PhotoEntry, image: bytes | None, reason: str) -> str:
    names = ", ".join(_named(person) for person in photo.people)
    people = f"<b>{names}</b><br>" if names else ""
    return (
        f"<figure>{picture(image, photo.photo.name, reason)}"
        f"<figcaption>{_date(photo)}{people}{where(photo.photo)}{_length(photo)}</figcaption></figure>"
    )


def _named(person: PhotoPerson) -> str:
    spans = ", ".join(map(time_span, person.spans))
    return who(person.name, person.person_id) + (f" <small>{spans}</small>" if spans else "")


def _length(photo: PhotoEntry) -> str:
    return "" if photo.duration_s is None else f" ({clock(photo.duration_s)})"


def _date(photo: PhotoEntry) -> str:
    if photo.taken is None:
        return ""
    by = {"name": " (by its name)", "file": " (by its file's time)"}.get(photo.taken_source or "", "")
    return f"{photo.taken[:10]}{by}<br>"
