"""Contact sheets of people: all faces of one, or one face of each."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from facesearch.library import Library
from facesearch.library.place import is_default_library
from facesearch.pages import picture, render_page, text
from facesearch.pages.face_pictures import Cut, cut_faces
from facesearch.pages.person_faces import Everybody, PersonFaces, SheetFace, SheetPerson
from facesearch.pages.pictures import where, who
from facesearch.pages.plots import yearly
from facesearch.people import show_person
from facesearch.text import addressed, called, counted

_STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 1rem .8rem;
  margin: 1.5rem 0; }
.sheet img, .sheet .missing { width: 100%; aspect-ratio: 1; border-radius: .4rem; }
.sheet figcaption { margin-top: .25rem; }
.far img, .far .missing { outline: 3px solid var(--no); outline-offset: -3px; }
.tick { display: none; } .scripted .tick { display: inline; vertical-align: -.1em; margin: 0 .3rem 0 0; }
.scripted label { cursor: pointer; display: block; }
#chosen { position: sticky; bottom: 0; background: var(--panel); border: 1px solid var(--line); border-radius: .5rem;
  padding: .6rem .9rem; font-size: .875rem; } #chosen code { display: block; user-select: all; margin-top: .2rem; }
@media (max-width: 40rem) { .sheet { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .8rem .6rem; } }
@media print { .sheet { grid-template-columns: repeat(6, 1fr); } .scripted .tick, #chosen { display: none; } }
"""
# Writes down the commands for the faces that are ticked; the page is whole without it.
_SCRIPT = """
const bar = document.getElementById("chosen"); document.body.classList.add("scripted");
function tell() { const ids = [...document.querySelectorAll(".tick:checked")].map(tick => "face:" + tick.value);
  bar.hidden = !ids.length; for (const line of bar.querySelectorAll("code"))
    line.textContent = line.dataset.start + " " + ids.join(" ") + line.dataset.end; }
document.addEventListener("change", tell); tell();
"""
_ORDERS = {
    "doubtful": "the farthest from the person's centre first",
    "typical": "the best typical faces first",
    "date": "by the date of the photo, the oldest first",
}
OnPhoto = Callable[[int, int], None]


def render_person(library: Library, shown: PersonFaces, on_photo: OnPhoto | None = None) -> str:
    """A person's page. Reads photos again, and names those that it cannot read."""
    cuts = cut_faces(library, (face.face_id for face in shown.faces), on_photo=on_photo)
    name = who(shown.name, shown.person_id)
    rest = shown.total - len(shown.faces)
    lead = [
        f"<p>{counted(shown.total, 'face')} of {name} (number {shown.person_id}), {_ORDERS[shown.order]}. "
        f"Framed: farther away than the threshold of {shown.is_far:.3f}.</p>"
    ]
    if rest:
        lead.append(f"<p><b>{counted(rest, 'more face')}</b> would make this page too large: --limit shows more.</p>")
    person = show_person(library, shown.person_id)
    if person.first_taken is not None and person.last_taken is not None:
        lead.append(
            f"<p>Photos a year, from {person.first_taken[:10]} to {person.last_taken[:10]}:</p>"
            + yearly([(each.year, each.photos) for each in person.photos_by_year])
        )
    lead.append('<p class="quiet">This page shows faces. It loads nothing and sends nothing; keep it private.</p>')
    figures = "".join(_face(face, cuts[face.face_id], shown.is_far) for face in shown.faces)
    body = f'{"".join(lead)}<div class="sheet">{figures}</div>{_chosen(library, shown)}'
    title = called(shown.name, shown.person_id)
    return render_page(title, body, style=_STYLE, script=_SCRIPT)


def render_everybody(library: Library, shown: Everybody, on_photo: OnPhoto | None = None) -> str:
    """The page of all people."""
    face_ids = [person.face_id for person in shown.people if person.face_id is not None]
    cuts = cut_faces(library, face_ids, on_photo=on_photo)
    rest = shown.total - len(shown.people)
    more = f" <b>{rest:,} more</b> would make this page too large: --limit shows more." if rest else ""
    lead = (
        f"<p>{counted(shown.total, 'person or group', 'people and groups')} in the library "
        f"<code>{text(library.path)}</code>, each with the best of their typical faces; "
        f"those with a name first.{more}</p>"
        '<p class="quiet">This page shows faces and names. It loads nothing and sends nothing; keep it private.</p>'
    )
    figures = "".join(_person(person, cuts) for person in shown.people)
    return render_page("People", f'{lead}<div class="sheet">{figures}</div>', style=_STYLE)


def _face(face: SheetFace, cut: Cut, beyond: float) -> str:
    """beyond: a face farther from the middle is marked as far."""
    date = "" if face.taken is None else f"{face.taken[:10]}<br>"
    shown = picture(cut.face, f"face {face.face_id}", cut.reason)
    tick = f'<input class="tick" type="checkbox" value="{face.face_id}">'
    is_far = face.distance is not None and face.distance > beyond
    at = "" if face.distance is None else f" at <span{' class=no' if is_far else ''}>{face.distance:.3f}</span>"
    return (
        f"<figure{' class=far' if is_far else ''}><label>{shown}<figcaption>{tick}<b>face {face.face_id}</b>{at}"
        f"<br>{date}{where(face.photo, face.span)}</figcaption></label></figure>"
    )


def _person(person: SheetPerson, cuts: dict[int, Cut]) -> str:
    name = who(person.name, person.person_id)
    cut = Cut(reason="no face") if person.face_id is None else cuts[person.face_id]
    plain = addressed(person.name, person.person_id)
    return (
        f"<figure>{picture(cut.face, plain, cut.reason)}<figcaption><b>{name}</b><br>number {person.person_id}<br>"
        f"{counted(person.faces, 'face')}, {counted(person.photos, 'photo')}</figcaption></figure>"
    )


def _chosen(library: Library, shown: PersonFaces) -> str:
    """The commands for the faces that are ticked, to be copied into a shell."""
    person = shlex.quote(addressed(shown.name, shown.person_id))
    ending = "" if is_default_library(library.path) else f" --library {shlex.quote(str(library.path.absolute()))}"
    lines = "".join(
        f'<code data-start="{text(f"facesearch people {verb} {person}")}" data-end="{text(ending)}"></code>'
        for verb in ("reject", "split")
    )
    return f'<div id="chosen" hidden>Not this person? Reject them, or move them to another person:{lines}</div>'
