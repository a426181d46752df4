"""Names and faces to and from other programs: XMP sidecars with face regions, JSON, CSV.

Albums of links and copies, too. Writes beside photos, never into them; merges into a sidecar that is there, byte by
byte, and leaves alone what it cannot read. Refuses to overwrite what another program, or a user, has named.
"""

from facesearch.exchange.exporting import (
    ExportConflict,
    SidecarOptions,
    SidecarSummary,
    export_listing,
    export_sidecars,
)
from facesearch.exchange.faces_file import ListingSummary, refuse_taken, write_listing
from facesearch.exchange.import_summary import ImportConflict, ImportSummary, NotThisPerson, Unmatched, UnusableName
from facesearch.exchange.importing import import_names
from facesearch.exchange.listed_photos import AlbumSummary, make_album, photos_csv
from facesearch.exchange.name_list import ListSummary, PassedOver, name_by_list

__all__ = [
    "AlbumSummary",
    "ExportConflict",
    "ImportConflict",
    "ImportSummary",
    "ListSummary",
    "ListingSummary",
    "NotThisPerson",
    "PassedOver",
    "SidecarOptions",
    "SidecarSummary",
    "Unmatched",
    "UnusableName",
    "export_listing",
    "export_sidecars",
    "import_names",
    "make_album",
    "name_by_list",
    "photos_csv",
    "refuse_taken",
    "write_listing",
]
