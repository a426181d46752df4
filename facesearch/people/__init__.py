"""Who is who in a library: names, from its user, from folders and from lists, and corrections that stay.

Every change is one transaction and one line of the journal, and can be taken back. Refuses to move a face from one
person to another by itself: only what a user says does that.
"""

from facesearch.library import find_person, known_person
from facesearch.people.added import FaceAdded, FaceReader, add_face
from facesearch.people.addressing import face_in_photo, faces_meant, find_faces, is_face, photo_at
from facesearch.people.corrections import (
    CoverSet,
    PeopleChanged,
    PeopleHidden,
    confirm_faces,
    hide_people,
    merge_people,
    name_faces,
    name_person,
    reject_faces,
    set_born,
    set_cover,
    split_faces,
)
from facesearch.people.edited import keep_people
from facesearch.people.folder_names import FolderNames, most_prominent, name_by_folder
from facesearch.people.grouping import GroupedPerson, GroupSummary, group_people
from facesearch.people.history import LoggedChange, Undone, change_log, undo_change, undo_since
from facesearch.people.one_photo import FaceOnPhoto, PhotoShown, show_photo
from facesearch.people.overview import FaceEntry, PeopleList, PersonEntry, PersonShown, list_people, show_person
from facesearch.people.photo_list import (
    Pair,
    PhotoEntry,
    PhotoList,
    PhotoPerson,
    PhotoWish,
    list_photos,
    number_photos,
    seen_together,
    some_photos,
)
from facesearch.people.review import SuspectList, find_suspects
from facesearch.people.sources import name_after_source
from facesearch.people.suspect import KINDS, Suspect

__all__ = [
    "KINDS",
    "CoverSet",
    "FaceAdded",
    "FaceEntry",
    "FaceOnPhoto",
    "FaceReader",
    "FolderNames",
    "GroupSummary",
    "GroupedPerson",
    "LoggedChange",
    "Pair",
    "PeopleChanged",
    "PeopleHidden",
    "PeopleList",
    "PersonEntry",
    "PersonShown",
    "PhotoEntry",
    "PhotoList",
    "PhotoPerson",
    "PhotoShown",
    "PhotoWish",
    "Suspect",
    "SuspectList",
    "Undone",
    "add_face",
    "change_log",
    "confirm_faces",
    "face_in_photo",
    "faces_meant",
    "find_faces",
    "find_person",
    "find_suspects",
    "group_people",
    "hide_people",
    "is_face",
    "keep_people",
    "known_person",
    "list_people",
    "list_photos",
    "merge_people",
    "most_prominent",
    "name_after_source",
    "name_by_folder",
    "name_faces",
    "name_person",
    "number_photos",
    "photo_at",
    "reject_faces",
    "seen_together",
    "set_born",
    "set_cover",
    "show_person",
    "show_photo",
    "some_photos",
    "split_faces",
    "undo_change",
    "undo_since",
]
