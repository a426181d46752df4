"""Every error that facesearch raises on purpose, each with its exit code. Imports nothing.

A message says what happened, to which file, and what to do next. Only the command line prints it and exits.
"""


class FacesearchError(Exception):
    """Base of all: catch this to catch whatever facesearch raises on purpose."""

    exit_code = 1


class UsageError(FacesearchError):
    """The arguments do not make sense together."""

    exit_code = 2


class PersonMergedError(UsageError):
    """There is no such person any more: `merged_id` was merged into `person_id`."""

    def __init__(self, message: str, person_id: int, merged_id: int) -> None:
        super().__init__(message)
        self.person_id, self.merged_id = person_id, merged_id


class PhotoError(FacesearchError):
    """A photo cannot be read or is not a photo. `reason` is the message without the file's name, for lists of files."""

    exit_code = 3

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = message if reason is None else reason


class NoFaceError(PhotoError):
    """A photo that had to show a face shows none."""


class LibraryError(FacesearchError):
    """The library is missing, damaged, of another version, or cannot be written."""

    exit_code = 4


class LibraryExistsError(LibraryError):
    """There is a library already where one was to be made."""


class LibraryLockedError(LibraryError):
    """Another process is writing to the library."""


class TowerError(FacesearchError):
    """The tower or its card is missing, damaged, or another than the library's."""

    exit_code = 5


class TrainingDataError(FacesearchError):
    """The training data cannot be used."""

    exit_code = 6


class OutputError(FacesearchError):
    """The results cannot be written to standard output."""

    exit_code = 7


class ClusterError(FacesearchError):
    """A cluster cannot be reached, lacks what it takes, or has nodes that do not fit."""

    exit_code = 8


class TrainingCollapsedError(TrainingDataError):
    """All embeddings became alike: the training run cannot recover."""
