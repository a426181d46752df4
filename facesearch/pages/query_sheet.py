"""The contact sheet of a query: each face asked about, beside the faces and photos of the people nearest to it.

Filled answer by answer, so that only the page itself is held in memory. Its size has a bound; the page says how much
did not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facesearch.errors import PhotoError
from facesearch.library import Library
from facesearch.pages import picture, render_page, text
from facesearch.pages.face_pictures import Cut, cut_face, cut_faces, framed_photo
from facesearch.pages.pictures import where, who
from facesearch.query import SET_APART, FaceMatch, PersonMatch, ProbeFace, QueryAnswer, footer
from facesearch.query.candidates import near_faces
from facesearch.query.probe import Probe
from facesearch.records import EmbeddedFace, Floats
from facesearch.text import clock, counted, percent, time_span

MOST_PICTURES = 1500
"""On one page: some 30 MB."""

NEAR_FACES = 3
"""Of each person at most, the nearest to the probe."""

_PROBE_PX = 960  # longer side of the photo asked about
_REACH = 256  # neighbours among which a person's other near faces are looked for

STYLE = """
.probe img { max-height: 18rem; width: auto; border-radius: .4rem; }
.asked { display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); gap: 1rem; margin: 1.25rem 0;
  padding-top: 1.25rem; border-top: 1px solid var(--line); }
.asked > figure img { width: 7.5rem; border-radius: .4rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: .9rem; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; }
.card.first { border-color: var(--yes); }
.card h3 { margin: 0; font-size: 1rem; } .card h3 small { color: var(--quiet); font-weight: 400; }
.card p { margin: .1rem 0 .6rem; font-size: .875rem; }
.near { display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: .5rem; margin-top: .6rem; }
.near img, .near .missing { border-radius: .3rem; } .near > :first-child { width: 5.5rem; height: 5.5rem; }
.near > :nth-child(2) { height: 5.5rem; } .near > img:nth-child(2) { width: auto; max-width: 100%; }
.near img:nth-child(2) { object-fit: contain; object-position: left; }
.near figcaption { grid-column: 1 / -1; }
@media (max-width: 40rem) { .asked { grid-template-columns: minmax(0, 1fr); } .asked > figure { display: flex;
  gap: .75rem; align-items: end; } .asked > figure img { width: 5.5rem; } }
"""


@dataclass(frozen=True)
class ShownFace:
    """A face of the library beside a face of the probe."""

    face_id: int
    distance: float


@dataclass
class QuerySheet:
    """Add the answers, then render."""

    most_pictures: int = MOST_PICTURES  # photos beyond it are named at the top, without pictures
    _sections: list[str] = field(default_factory=list)
    _left_out: list[Path] = field(default_factory=list)
    _unanswered: list[str] = field(default_factory=list)
    _pictures: int = 0
    _faces: int = 0
    _footers: dict[str, None] = field(default_factory=dict)  # in the order in which they came

    def add(self, library: Library, probe: Probe, answer: QueryAnswer) -> None:
        """One photo with its answer. Reads photos of the library again, and names those that it cannot read."""
        near = [
            faces_beside(library, face, matches_of(found))
            for face, found in zip(probe.faces, answer.faces, strict=True)
        ]
        wanted = {each.face_id for matches in near for faces in matches for each in faces}
        count = 1 + len(probe.faces) + 2 * sum(len(faces) for matches in near for faces in matches)
        if self._left_out or self._pictures + count > self.most_pictures:
            self._left_out.append(answer.photo)
            return
        if (said := footer(answer)) is not None:
            self._footers[said] = None
        self._pictures += count
        self._faces += len(probe.faces)
        self._sections.append(_section(library, probe, answer, near, cut_faces(library, wanted, with_photos=wanted)))

    def fail(self, photo: Path, reason: str) -> None:
        """A photo without an answer."""
        self._unanswered.append(f"{text(photo)} {text(reason)}")

    def render(self, library: Path) -> str:
        """The page. library: its folder."""
        shown = counted(len(self._sections), "photo")
        rules = "".join(f"<br>{text(said)}" for said in self._footers)
        lead = (
            f"<p>{counted(self._faces, 'face')} in {shown}, and who is nearest to each in the library "
            f"<code>{text(library)}</code>.{rules}</p>"
            '<p class="quiet">This page shows faces and names. It loads nothing and sends nothing; keep it private.</p>'
        )
        rest = ""
        if self._left_out:
            rest = (
                f"<p><b>{counted(len(self._left_out), 'more photo')}</b> would make this page too large, from "
                f"{where(self._left_out[0])} on: ask about fewer at a time.</p>"
            )
        failed = "".join(f"<li>{line}</li>" for line in self._unanswered)
        ending = f"<h2>Without an answer</h2><ul>{failed}</ul>" if failed else ""
        return render_page("Who is on these photos", "\n".join([lead, rest, *self._sections, ending]), style=STYLE)


def matches_of(face: ProbeFace) -> Sequence[PersonMatch | FaceMatch]:
    """Whoever, or whatever, was asked for."""
    return face.people or face.photos


def faces_beside(
    library: Library, probe: EmbeddedFace, matches: Sequence[PersonMatch | FaceMatch]
) -> list[list[ShownFace]]:
    """For each match its face, and then the nearest other faces of the same person, up to NEAR_FACES in all.

    The others are looked for among the nearest faces of the library: a person far away has no others.
    """
    found = [[ShownFace(match.face_id, match.distance)] for match in matches]
    people = {
        match.person_id: place
        for place, match in enumerate(matches)
        if isinstance(match, PersonMatch) and match.person_id is not None
    }
    if not people:
        return found
    with library.snapshot():
        near = near_faces(library, library.space.place(probe.embedding), _REACH)
    for each in near:
        place = None if each.face.person_id is None else people.get(each.face.person_id)
        if place is None or len(found[place]) >= NEAR_FACES:
            continue
        if each.face.face_id != found[place][0].face_id:
            found[place].append(ShownFace(each.face.face_id, each.distance))
    return found


def _section(
    library: Library, probe: Probe, answer: QueryAnswer, near: list[list[list[ShownFace]]], cuts: dict[int, Cut]
) -> str:
    paths, photo, count = _captions(library, cuts), "", len(probe.faces)
    if probe.duration_s is None:
        boxes = [on_photo(probe, face) for face in probe.faces if face.span is None]
        photo = picture(
            framed_photo(probe.photo.pixels, boxes, longest_px=_PROBE_PX, numbered=count > 1),
            f"the photo {answer.photo.name} with {counted(len(boxes), 'face')} framed",
        )
    asked = []
    for number, (face, found, faces) in enumerate(zip(probe.faces, answer.faces, near, strict=True), start=1):
        crop = _asked(probe, face, f"face {number} of {answer.photo.name}")
        pairs = zip(matches_of(found), faces, strict=True)
        first = None if found.verdict is None or found.verdict.first is None else found.verdict.first.face_id
        cards = "".join(_card(match, own, cuts, paths, match.face_id == first) for match, own in pairs)
        time = "" if found.span is None else f"<br>{time_span(found.span)}"
        caption = f"<figcaption><b>face {number}</b> of {count}{time}<br>{_size(found.box)}</figcaption>"
        asked.append(
            f'<section class="asked"><figure>{crop}{caption}</figure>'
            f'<div>{_verdict(found, number)}<div class="cards">{cards}</div></div></section>'
        )
    return f'<h2>{where(answer.photo)}</h2><div class="probe">{photo}</div>{"".join(asked)}'


def _asked(probe: Probe, face: EmbeddedFace, alt: str) -> str:
    """A face that is asked about; in a video with the frame that shows it."""
    try:
        shown = probe.picture_of(face)
    except PhotoError as error:  # the video was changed or taken away meanwhile
        return picture(None, alt, error.reason)
    box = face.face.box * np.float32(shown.scale)
    crop = picture(cut_face(shown.pixels, box), alt)
    if face.span is None:
        return crop
    return crop + picture(framed_photo(shown.pixels, [box]), f"the frame at {clock(face.span.at_s)}, the face framed")


def _verdict(face: ProbeFace, number: int) -> str:
    """The one answer for a face, as a query prints it."""
    if face.verdict is None:
        return "" if face.photos else "<p>the library holds no faces</p>"
    note = f'<br><span class="quiet">{text(SET_APART)}</span>' if face.set_apart else ""
    return f'<p class="verdict"><b>face {number}: {text(face.verdict.text)}</b>{note}</p>'


def _card(
    match: PersonMatch | FaceMatch,
    faces: list[ShownFace],
    cuts: dict[int, Cut],
    paths: dict[int, str],
    is_first: bool,
) -> str:
    name = who(match.name, match.person_id, match.face_id)
    likely = match.posterior if isinstance(match, PersonMatch) else match.probability
    probability = "" if likely is None else f", probability {percent(likely, 1)}"
    photos = f" · {counted(match.photo_count, 'photo')}" if isinstance(match, PersonMatch) else ""
    rows = "".join(_near(face, name, cuts[face.face_id], paths.get(face.face_id)) for face in faces)
    return (
        f'<article class="card{" first" if is_first else ""}">'
        f"<h3>{match.rank}. {name} <small>{photos}</small></h3>"
        f"<p>distance {match.distance:.3f}{probability}</p>{rows}</article>"
    )


def _near(face: ShownFace, name: str, cut: Cut, caption: str | None) -> str:
    crop = picture(cut.face, f"face {face.face_id}", cut.reason)
    photo = picture(cut.photo, f"the photo of face {face.face_id}, which is framed", cut.reason)
    return (
        f'<figure class="near">{crop}{photo}'
        f"<figcaption><b>face {face.face_id}</b> at {face.distance:.3f} · {caption or where(None)}</figcaption>"
        "</figure>"
    )


def on_photo(probe: Probe, face: EmbeddedFace) -> Floats:
    """A face's box in px of the probe's pixels."""
    return face.face.box * np.float32(probe.photo.scale)


def _captions(library: Library, face_ids: dict[int, Cut]) -> dict[int, str]:
    """Where the photo of each face lies, and when it is seen in a video, by face id; as HTML."""
    with library.snapshot():
        faces = library.catalog.faces(face_ids)
        places = library.catalog.photo_paths(face.photo_id for face in faces.values())
    return {
        face_id: where(places[face.photo_id].path, face.span)
        for face_id, face in faces.items()
        if face.photo_id in places
    }


def _size(box: tuple[float, float, float, float]) -> str:
    return f"{box[2] - box[0]:.0f}×{box[3] - box[1]:.0f} px"
