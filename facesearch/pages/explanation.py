"""An explanation as one private page: the two faces, the nearest, the pairs around the distance, and the heat maps."""

from __future__ import annotations

import numpy as np

from facesearch.library import Library
from facesearch.pages import jpeg, picture, render_page, text
from facesearch.pages.face_pictures import Cut, cut_face, cut_faces, framed_photo
from facesearch.pages.pictures import where, who
from facesearch.pages.plots import PLOT_STYLE, Axes, Bars, Mark, curve, histograms
from facesearch.query import SET_APART
from facesearch.query.why.explanation import Candidate, Explanation
from facesearch.query.why.heat import AWAY, NEARER, draw_heat
from facesearch.query.why.words import SAME_PHOTO, asked_about, called, hanging, rivalry, standing, verdict

_STYLE = (
    PLOT_STYLE
    + """
.faces { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.faces figure { width: 10rem; } .faces img, .faces .missing { width: 10rem; height: 10rem; border-radius: .4rem; }
.faces .photo { width: auto; max-width: min(22rem, 100%); }
.faces .photo img { width: auto; max-width: 100%; height: auto; max-height: 10rem; }
.strip figure { width: 6.5rem; } .strip img, .strip .missing { width: 6.5rem; height: 6.5rem; }
.maps figure { width: 15rem; } .maps img { width: 15rem; height: 15rem; } .same b { color: var(--yes); }
.scale { height: .8rem; border-radius: .4rem; max-width: 30rem; }
.ends { display: flex; justify-content: space-between; max-width: 30rem; }
@media (max-width: 40rem) { .faces figure, .faces .photo { width: calc(50% - .5rem); } .faces img, .faces .missing {
  width: 100%; height: auto; aspect-ratio: 1; } .faces .photo img { aspect-ratio: auto; }
  .strip figure { width: calc(33.3% - .7rem); } .maps figure { width: 100%; } }
"""
)
_CAN = (
    "Orange: when this part is covered, the face moves away, so the part speaks for the same person. Blue: it moves "
    "nearer, so the part speaks against. Grey: little changes. The map covers one part at a time: two parts that say "
    "the same, such as both eyes, can both look grey. It shows what the distance depends on, not why; and the tower "
    "was never trained on a face with a patch on it."
)


def render_explanation(found: Explanation, library: Library) -> str:
    """The page. Reads photos of the library again, and names those that it cannot read."""
    wanted = [face.face_id for face in found.nearest]
    framed = [each.face_id for each in (found.person, found.runner_up) if each is not None]
    cuts = cut_faces(library, wanted, with_photos=framed)
    paths = _captions(library, framed)
    body = [
        f"<p><b>{text(verdict(found))}</b></p>",
        f"<p>{text(SET_APART)}</p>" if found.found.set_apart else "",
        f"<p>{text(asked_about(found))} {text(rivalry(found))}</p>",
        f"<p>{text(SAME_PHOTO)}</p>" if found.same_photo else "",
        '<p class="quiet">This page shows faces and names. It loads nothing and sends nothing; keep it private.</p>',
        "<h2>The faces</h2>",
        _faces(found, cuts, paths),
        "<h2>The nearest faces in the library</h2>",
        _strip(found, cuts),
        "<h2>Where the distance lies</h2>",
        f"<p>{text(standing(found))}</p>{_plot(found)}",
        "<h2>What the distance depends on</h2>",
        _maps(found),
    ]
    return render_page(f"Why {called(found.person)}?", "\n".join(body), style=_STYLE)


def _faces(found: Explanation, cuts: dict[int, Cut], paths: dict[int, str]) -> str:
    shown = found.probe.picture_of(found.asked)
    pixels, box = shown.pixels, found.asked.face.box * np.float32(shown.scale)
    which = f"face {found.face} of {len(found.probe.faces)}"
    pieces = [
        _figure(picture(cut_face(pixels, box), which), f"<b>asked about</b><br>{which}"),
        _figure(
            picture(framed_photo(pixels, [box]), f"the photo {found.probe.path.name}, the face framed"),
            where(found.probe.path, found.asked.span),
            "photo",
        ),
    ]
    asked = "nearest" if found.person.rank == 1 else "asked for"
    other = "runner-up" if found.margin is None or found.margin >= 0 or found.is_first else "nearer"
    for role, person in ((asked, found.person), (other, found.runner_up)):
        if person is not None:
            pieces += _of_library(role, person, cuts[person.face_id], paths[person.face_id])
    return f'<div class="faces">{"".join(pieces[:2])}</div><div class="faces">{"".join(pieces[2:])}</div>'


def _of_library(role: str, person: Candidate, cut: Cut, path: str) -> list[str]:
    name = text(called(person))
    face = _figure(
        picture(cut.face, f"face {person.face_id}", cut.reason),
        f"<b>{name}</b> ({role})<br>face {person.face_id} at {person.distance:.3f}",
    )
    photo = _figure(picture(cut.photo, f"the photo of face {person.face_id}, framed", cut.reason), path, "photo")
    return [face, photo]


def _strip(found: Explanation, cuts: dict[int, Cut]) -> str:
    pieces = []
    for near in found.nearest:
        cut = cuts[near.face_id]
        whose = "nobody yet" if near.person_id is None else who(near.name, near.person_id)
        caption = f"<b>{near.distance:.3f}</b><br>{whose}<br>face {near.face_id}"
        mark = "same" if near.person_id is not None and near.person_id == found.person.person_id else ""
        pieces.append(_figure(picture(cut.face, f"face {near.face_id}", cut.reason), caption, mark))
    return f'<div class="faces strip">{"".join(pieces)}</div>'


def _plot(found: Explanation) -> str:
    marks = [
        Mark(found.person.distance, f"{called(found.person)} {found.person.distance:.3f}"),
        Mark(found.threshold, f"threshold {found.threshold:.3f}", dashed=True),
    ]
    if found.runner_up is not None:
        marks.append(Mark(found.runner_up.distance, f"{called(found.runner_up)} {found.runner_up.distance:.3f}"))
    pairs = found.pairs
    if pairs is None:
        return _curve(found, marks)
    series, top = [], 0.0
    for name, colour, counts in (
        (f"one person: {pairs.genuine_pairs:,} pairs", "var(--genuine)", pairs.genuine),
        (f"two people: {pairs.impostor_pairs:,} pairs", "var(--impostor)", pairs.impostor),
    ):
        heights = [count / sum(counts) for count in counts]
        top = max(top, *heights)
        series.append(Bars(name, colour, pairs.edges, heights))
    kinds = f"{pairs.genuine_pairs:,} pairs of one person and {pairs.impostor_pairs:,} of two"
    said = f"Histograms of the distances in {kinds}"
    axes = Axes(pairs.edges[-1], top * 1.1, "distance", "Height: share of the pairs of a kind.", said, percent=True)
    return histograms(axes, series, marks)


def _curve(found: Explanation, marks: list[Mark]) -> str:
    if found.calibration is None:
        return ""
    right = 1.1 * max(found.calibration.distances[-1], *(mark.x for mark in marks))
    points = [(x, found.calibration.probability(x)) for x in np.linspace(0, right, 120).tolist()]
    said = "The probability that two faces are one person, falling with their distance"
    axes = Axes(right, 1.0, "distance", "Height: probability of one person, by the calibration.", said, percent=True)
    return curve(axes, points, "var(--genuine)", marks)


def _maps(found: Explanation) -> str:
    crop = found.probe.crops[found.face - 1]
    people = [each for each in (found.person, found.runner_up) if each is not None]
    heats = [found.occlusion.by_pixel(place) for place in range(len(people))]
    largest = max(float(np.abs(heat).max()) for heat in heats)
    pieces = [_figure(picture(jpeg(crop, 92), "the face as the tower sees it"), "as the tower sees it")]
    for person, heat in zip(people, heats, strict=True):
        drawn = jpeg(draw_heat(crop, heat, largest), 90)
        name = text(called(person))
        pieces.append(
            _figure(picture(drawn, f"heat map of the distance to {called(person)}"), f"distance to <b>{name}</b>")
        )
    patches = found.occlusion.patches
    how = (
        f"{len(patches.starts_px) ** 2} patches of {patches.side_px} px, {patches.stride_px} px apart, on a crop of "
        f"112 px, covered with {'its mean colour' if patches.fill == 'mean' else 'its own blur'}."
    )
    return (
        f'<p>{text(hanging(found))}</p><div class="faces maps">{"".join(pieces)}</div>{_scale(largest)}'
        f'<p>{text(_CAN)}</p><p class="quiet">{text(how)}</p>'
    )


def _scale(largest: float) -> str:
    colours = ", ".join(f"rgb{colour}" for colour in (NEARER, (128, 128, 128), AWAY))
    return (
        f'<div class="scale" role="img" aria-label="blue: {largest:.3f} nearer; orange: {largest:.3f} farther away" '
        f'style="background: linear-gradient(90deg, {colours})"></div>'
        f'<div class="ends quiet"><span>{largest:.3f} nearer</span><span>{largest:.3f} away</span></div>'
    )


def _figure(shown: str, caption: str, kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f"<figure{mark}>{shown}<figcaption>{caption}</figcaption></figure>"


def _captions(library: Library, face_ids: list[int]) -> dict[int, str]:
    with library.snapshot():
        faces = library.catalog.faces(face_ids)
        places = library.catalog.photo_paths(face.photo_id for face in faces.values())
    found = {face_id: (places.get(face.photo_id), face.span) for face_id, face in faces.items()}
    return {face_id: where(None if place is None else place.path, span) for face_id, (place, span) in found.items()}
