"""Names out of photos' metadata into a library: from sidecars, from photos, and from listings of facesearch's own.

A region names the face that it overlaps; one that overlaps none becomes a face. Never renames a face that has a name,
and never gives a face to a person it was rejected for: reports both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from pathlib import Path

from facesearch.errors import TowerError
from facesearch.exchange.areas import pair_up
from facesearch.exchange.claims import Claim, ClaimReader, Claims
from facesearch.exchange.import_summary import ImportConflict, ImportSummary, NotThisPerson, Unmatched
from facesearch.exchange.new_faces import LoneRegion, NewFace, look_at, usable
from facesearch.exchange.structures import as_name
from facesearch.library import AddedFace, Library
from facesearch.people import FaceReader, name_after_source
from facesearch.records import StoredFace
from facesearch.vision.boxes import pair_up_in_time

SOURCE = "xmp"
Progress = Callable[[int, int], None]


def import_names(
    library: Library,
    paths: Iterable[Path],
    *,
    dry_run: bool = False,
    reader: Callable[[], FaceReader] | None = None,
    on_progress: Progress | None = None,
) -> ImportSummary:
    """Name faces after what the metadata of photos says.

    paths: photos, folders of photos, sidecars, and JSON or CSV files that `export` wrote. A sidecar outweighs metadata
    inside the photo, as in other programs. reader: looks at regions where the detector found no face, and is loaded if
    there are any; None: only report them. Raises PhotoError for a missing path, UsageError for a file that is not a
    listing, and LibraryError.
    """
    summary = ImportSummary(dry_run=dry_run)
    bearers = _Bearers(library)
    verdicts = _Verdicts(library, summary, bearers)
    work = ClaimReader(library, summary).work(list(paths))
    for done, read in enumerate(work, 1):
        for claims in read():
            verdicts.take(claims)
        if on_progress is not None:
            on_progress(done, len(work))
    added = [] if reader is None else _new_faces(library, verdicts.lone, reader, summary)
    taken = {id(new.region) for new in added}
    summary.unmatched += [Unmatched(lone.path, lone.name) for lone in verdicts.lone if id(lone) not in taken]
    summary.faces_named = len(verdicts.names)
    named = sorted({*verdicts.names.values(), *(new.region.name for new in added)})
    summary.people_new = sum(bearers.of(name) is None for name in named)
    if named and not dry_run:
        with library.changing():
            names = dict(sorted(verdicts.names.items(), key=itemgetter(1)))
            known = {name: bearers.of(name) for name in named}
            new_faces = [(new.region.photo_id, new.face, new.region.name) for new in added]
            name_after_source(library, names, known, SOURCE, new_faces)
    return summary


def _new_faces(
    library: Library, lone: Sequence[LoneRegion], reader: Callable[[], FaceReader], summary: ImportSummary
) -> list[NewFace]:
    """The regions that become faces; in a dry run as far as that can be told without a look at the photos."""
    by_photo = usable(library, lone)
    if summary.dry_run:
        found = [NewFace(each, AddedFace(each.box, "import", None)) for some in by_photo.values() for each in some]
    else:
        found = _looked_at(library, by_photo, reader, summary)
        summary.faces_unseen = sum(new.face.embedded is None for new in found)
    summary.faces_added = len(found)
    return found


def _looked_at(
    library: Library, by_photo: dict[int, list[LoneRegion]], reader: Callable[[], FaceReader], summary: ImportSummary
) -> list[NewFace]:
    """None where the tower is not the library's: names of known faces are imported all the same."""
    if not by_photo:
        return []
    try:
        looking = reader()
        library.use_tower(looking.tower)
        return [new for some in by_photo.values() for new in look_at(library, some, looking)]
    except TowerError as error:
        summary.not_added = str(error)
        return []


class _Bearers:
    """Who bears a name in the library, or bore it before they were renamed or merged."""

    def __init__(self, library: Library) -> None:
        self._library = library
        people = library.people.names().items()
        self._known: dict[str, int | None] = {
            name: person for person, name in people if name is not None and as_name(name) == name
        }

    def of(self, name: str) -> int | None:
        """The person's id, None where it would be somebody new. name: as `as_name` gives it."""
        if name not in self._known:
            self._known[name] = self._library.people.bearer(name)
        return self._known[name]


class _Verdicts:
    """Decides which face each claim is of, and whether it may have the name. names: the outcome, by face id. lone: the
    claims that are of none."""

    def __init__(self, library: Library, summary: ImportSummary, bearers: _Bearers) -> None:
        self.names: dict[int, str] = {}
        self.lone: list[LoneRegion] = []
        self._library = library
        self._summary = summary
        self._bearers = bearers
        self._rejections = library.people.rejections()

    def take(self, claims: Claims) -> None:
        """Decide about a photo. Where two sources speak of one face the first counts."""
        faces = self._library.catalog.faces_in([claims.photo_id])
        on_photo = {face.face_id for face in self._library.catalog.faces_on([claims.photo_id])}
        taken: dict[int, str] = {}
        said: list[Claim] = []
        self._summary.photos += 1
        for source in claims.sources:
            fresh: list[Claim] = []
            for claim in source:
                if not _is_said(claim, [*said, *fresh]):
                    fresh.append(claim)
            free = [face for face in faces if face.face_id not in taken]
            pairs = dict(_paired(fresh, free, on_photo))
            for row, claim in enumerate(fresh):
                if row in pairs:
                    taken[free[pairs[row]].face_id] = claim.name
                    self._judge(claims.path, free[pairs[row]], claim.name)
                elif claim.span is not None:
                    self._summary.unmatched.append(Unmatched(claims.path, claim.name))
                elif not pair_up([claim.box], [other.box for other in said if other.span is None]):
                    self.lone.append(LoneRegion(claims.path, claims.photo_id, claim.name, claim.box))
            self._summary.regions += len(fresh)
            said += fresh

    def _judge(self, path: Path, face: StoredFace, name: str) -> None:
        """One face and the name that the metadata gives it. A copy of the photo may have said another before."""
        bearer = self._bearers.of(name)
        said = self.names.get(face.face_id, name)
        if face.name is not None and bearer == face.person_id:
            self._summary.faces_same += 1
        elif face.name is not None or said != name:
            self._summary.conflicts.append(ImportConflict(path, face.face_id, face.name or said, name))
        elif bearer is not None and (face.face_id, bearer) in self._rejections:
            self._summary.rejected.append(NotThisPerson(path, face.face_id, name))
        else:
            self.names[face.face_id] = name


def _paired(claims: Sequence[Claim], faces: Sequence[StoredFace], on_photo: set[int]) -> list[tuple[int, int]]:
    """Which claim is of which face: positions in both lists. Those with a time span by time and place; those without
    by place alone, and not in the film of a motion photo. on_photo: the ids of faces that are not in one."""
    plain = [row for row, claim in enumerate(claims) if claim.span is None]
    still = [place for place, face in enumerate(faces) if face.face_id in on_photo]
    pairs = pair_up([claims[row].box for row in plain], [faces[place].box for place in still])
    timed = [(row, (claim.box, claim.span)) for row, claim in enumerate(claims) if claim.span is not None]
    seen = [(place, (face.box, face.span)) for place, face in enumerate(faces) if face.span is not None]
    in_film = pair_up_in_time([each for _, each in timed], [each for _, each in seen])
    return [
        *((plain[row], still[place]) for row, place in pairs),
        *((timed[row][0], seen[place][0]) for row, place in in_film),
    ]


def _is_said(claim: Claim, said: Sequence[Claim]) -> bool:
    """Whether a region says again what an earlier one says, as programs write them in two forms."""
    same = [each for each in said if each.name == claim.name]
    if claim.span is not None:
        return any(each.span == claim.span for each in same)
    return bool(pair_up([claim.box], [each.box for each in same if each.span is None]))
