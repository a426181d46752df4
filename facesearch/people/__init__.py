"""Who is who in a library: names, from its user and from folders, and corrections that stay.

Every change is one transaction and one line of the journal, and can be taken back. Refuses to move a face from one
person to another by itself: only what a user says does that.
"""

from facesearch.people.folders import most_prominent, name_by_folder, name_by_folder_at_once

__all__ = ["most_prominent", "name_by_folder", "name_by_folder_at_once"]
