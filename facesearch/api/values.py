"""Options that the API takes and values that it returns, each imported at its first use.

The command line and the pages of a service find here what they print, so that they know no room but this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facesearch.evaluation.evidence import Evidence
    from facesearch.evaluation.group_figures import group_lines
    from facesearch.evaluation.report import Report, report_lines
    from facesearch.exchange import (
        AlbumSummary,
        ImportSummary,
        ListingSummary,
        ListSummary,
        SidecarOptions,
        SidecarSummary,
        make_album,
        photos_csv,
        refuse_taken,
        write_listing,
    )
    from facesearch.indexing import (
        AbsentFolder,
        IndexInterrupted,
        IndexProgress,
        IndexSummary,
        ReindexInterrupted,
        ReindexSummary,
    )
    from facesearch.library import AREAS, ForgetSummary, LibraryStatus, VerifyReport
    from facesearch.milvus import PublishSummary
    from facesearch.pages import check_page_file, write_page
    from facesearch.pages.person_faces import PersonFaces
    from facesearch.pages.query_sheet import QuerySheet
    from facesearch.pages.terminal import Protocol, shown_as, spoken_by
    from facesearch.people import (
        CoverSet,
        FaceAdded,
        FaceEntry,
        FaceOnPhoto,
        GroupedPerson,
        GroupSummary,
        LoggedChange,
        Pair,
        PeopleChanged,
        PeopleHidden,
        PeopleList,
        PersonEntry,
        PersonShown,
        PhotoEntry,
        PhotoList,
        PhotoShown,
        PhotoWish,
        Suspect,
        SuspectList,
        Undone,
    )
    from facesearch.photos.watch import watch
    from facesearch.query import (
        SET_APART,
        Comparison,
        FaceMatch,
        FailedProbe,
        PersonMatch,
        Probe,
        ProbeFace,
        QueryAnswer,
        QueryOptions,
        footer,
        is_one_photo,
    )
    from facesearch.query.why import (
        SAME_PHOTO,
        Explanation,
        Patches,
        WhyOptions,
        asked_about,
        hanging,
        rivalry,
        standing,
        verdict,
    )
    from facesearch.records import SkippedFile
    from facesearch.tuning.teaching import RULE, Measured, TeachSummary, UntaughtSummary
    from facesearch.vision.tower.card import TowerCard
    from facesearch.vision.tower.tower import Tower

# Where each is defined.
_ROOMS = {
    "facesearch.evaluation.evidence": ("Evidence",),
    "facesearch.evaluation.group_figures": ("group_lines",),
    "facesearch.evaluation.report": (
        "Report",
        "report_lines",
    ),
    "facesearch.exchange": (
        "AlbumSummary",
        "make_album",
        "ImportSummary",
        "ListSummary",
        "ListingSummary",
        "SidecarOptions",
        "SidecarSummary",
        "photos_csv",
        "refuse_taken",
        "write_listing",
    ),
    "facesearch.indexing": (
        "AbsentFolder",
        "IndexInterrupted",
        "IndexProgress",
        "IndexSummary",
        "ReindexInterrupted",
        "ReindexSummary",
    ),
    "facesearch.library": (
        "AREAS",
        "ForgetSummary",
        "LibraryStatus",
        "VerifyReport",
    ),
    "facesearch.milvus": ("PublishSummary",),
    "facesearch.pages": (
        "check_page_file",
        "write_page",
    ),
    "facesearch.pages.person_faces": ("PersonFaces",),
    "facesearch.pages.query_sheet": ("QuerySheet",),
    "facesearch.pages.terminal": ("Protocol", "shown_as", "spoken_by"),
    "facesearch.people": (
        "FaceAdded",
        "FaceEntry",
        "FaceOnPhoto",
        "GroupSummary",
        "GroupedPerson",
        "CoverSet",
        "LoggedChange",
        "Pair",
        "PeopleChanged",
        "PeopleHidden",
        "PeopleList",
        "PersonEntry",
        "PersonShown",
        "PhotoEntry",
        "PhotoList",
        "PhotoShown",
        "PhotoWish",
        "Suspect",
        "SuspectList",
        "Undone",
    ),
    "facesearch.photos.watch": ("watch",),
    "facesearch.query": (
        "Comparison",
        "FaceMatch",
        "FailedProbe",
        "PersonMatch",
        "Probe",
        "ProbeFace",
        "QueryAnswer",
        "QueryOptions",
        "SET_APART",
        "footer",
        "is_one_photo",
    ),
    "facesearch.query.why": (
        "Explanation",
        "Patches",
        "SAME_PHOTO",
        "WhyOptions",
        "asked_about",
        "hanging",
        "rivalry",
        "standing",
        "verdict",
    ),
    "facesearch.records": ("SkippedFile",),
    "facesearch.tuning.teaching": (
        "Measured",
        "RULE",
        "TeachSummary",
        "UntaughtSummary",
    ),
    "facesearch.vision.tower.card": ("TowerCard",),
    "facesearch.vision.tower.tower": ("Tower",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AREAS",
    "RULE",
    "SAME_PHOTO",
    "SET_APART",
    "AbsentFolder",
    "AlbumSummary",
    "Comparison",
    "CoverSet",
    "Evidence",
    "Explanation",
    "FaceAdded",
    "FaceEntry",
    "FaceMatch",
    "FaceOnPhoto",
    "FailedProbe",
    "ForgetSummary",
    "GroupSummary",
    "GroupedPerson",
    "ImportSummary",
    "IndexInterrupted",
    "IndexProgress",
    "IndexSummary",
    "LibraryStatus",
    "ListSummary",
    "ListingSummary",
    "LoggedChange",
    "Measured",
    "Pair",
    "Patches",
    "PeopleChanged",
    "PeopleHidden",
    "PeopleList",
    "PersonEntry",
    "PersonFaces",
    "PersonMatch",
    "PersonShown",
    "PhotoEntry",
    "PhotoList",
    "PhotoShown",
    "PhotoWish",
    "Probe",
    "ProbeFace",
    "Protocol",
    "PublishSummary",
    "QueryAnswer",
    "QueryOptions",
    "QuerySheet",
    "ReindexInterrupted",
    "ReindexSummary",
    "Report",
    "SidecarOptions",
    "SidecarSummary",
    "SkippedFile",
    "Suspect",
    "SuspectList",
    "TeachSummary",
    "Tower",
    "TowerCard",
    "Undone",
    "UntaughtSummary",
    "VerifyReport",
    "WhyOptions",
    "asked_about",
    "check_page_file",
    "footer",
    "group_lines",
    "hanging",
    "is_one_photo",
    "make_album",
    "photos_csv",
    "refuse_taken",
    "report_lines",
    "rivalry",
    "shown_as",
    "spoken_by",
    "standing",
    "verdict",
    "watch",
    "write_listing",
    "write_page",
]


def __getattr__(name: str) -> Any:
    """Import a name at its first use (PEP 562)."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ROOM_OF[name]), name)
