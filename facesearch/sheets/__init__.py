"""Contact sheets: faces and photos of a library to look at, on one private page or in a terminal.

Photos are read again for it, and only read. Refuses to change anything, and to decide who somebody is.
"""

from facesearch.sheets.query_sheet import QuerySheet

__all__ = ["QuerySheet"]
