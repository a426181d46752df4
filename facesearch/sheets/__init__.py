"""Contact sheets: faces and photos of a library to look at, on one private page or in a terminal.

Photos are read again for it, and only read. Refuses to change anything, and to decide who somebody is.
"""

from facesearch.sheets.cutting import Cut, cut_face, cut_faces, framed_photo
from facesearch.sheets.labels import where, who
from facesearch.sheets.query_sheet import QuerySheet

__all__ = ["Cut", "QuerySheet", "cut_face", "cut_faces", "framed_photo", "where", "who"]
