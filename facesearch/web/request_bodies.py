"""The checked bodies and parameters of REST requests: changes, and which photos to show."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from facesearch.api.library import FaceLibrary
from facesearch.api.values import FaceAdded, PhotoWish
from facesearch.errors import UsageError

_MOST_FACES = 10_000  # in one request
_MOST_PHOTOS = 100_000
_LARGEST = (1 << 63) - 1  # that SQLite has
Number = Annotated[int, Path(ge=1, le=_LARGEST)]
Numbers = Annotated[list[Annotated[int, Field(ge=1, le=_LARGEST)]], Field(min_length=1, max_length=_MOST_FACES)]
PersonName = Annotated[str, Field(min_length=1, max_length=1000)]


class NameWish(BaseModel):
    """A name for a person or a group."""

    name: PersonName
    born: str | None = Field(None, description="date of birth, as 1984-05-17")


class BornWish(BaseModel):
    """A date of birth."""

    born: str | None = Field(None, max_length=10, description="as 1984-05-17; null if it is not known")


class FacesWish(BaseModel):
    """Some faces, by number."""

    faces: Numbers


class NameFacesWish(FacesWish):
    """A name for faces without a person."""

    name: PersonName


class MoveWish(FacesWish):
    """Faces of a person, and the person who gets them."""

    to: str | int | None = Field(None, description="a name, which may be new, or a number; null for a new group")


class CoverWish(BaseModel):
    """A face of a person."""

    face: int | None = Field(None, ge=1, le=_LARGEST, description="its number; null lets facesearch choose")


class FaceWish(BaseModel):
    """A face that was missed."""

    box: Annotated[list[float], Field(min_length=4, max_length=4, description="x1 y1 x2 y2 px of the upright photo")]
    name: PersonName | None = Field(None, description="name of the person, who may be new; null for nobody")

    def add(self, library: FaceLibrary, photo_id: int) -> FaceAdded:
        """Add it to a photo. Raises UsageError for one that no file shows any more, and what `add_face` raises."""
        path = library.views.photo(photo_id).photo
        if path is None:
            raise UsageError(f"photo #{photo_id} is no longer in any file")
        return library.people.add_face(path, self.box, self.name)


class MergeWish(BaseModel):
    """People to merge into another."""

    others: Numbers


class PeopleWish(BaseModel):
    """Some people, by number."""

    people: Numbers


class UndoWish(BaseModel):
    """Which change to undo."""

    change: int | None = Field(None, ge=1, le=_LARGEST, description="its number; null for the latest that still holds")


class IndexWish(BaseModel):
    """Folders to index, each within one that the library knows or that the server was started with (--root)."""

    folders: Annotated[list[str], Field(min_length=1, max_length=100)]


class CalibrateWish(BaseModel):
    """How many false matches to allow."""

    far: float = Field(
        0.01, gt=0, lt=1, description="the share of false matches to allow, of all pairs of different people"
    )


_People = Annotated[list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=50)]


class PhotosWish(BaseModel):
    """Which photos: those that meet all conditions, as with the options of `facesearch photos`."""

    model_config = ConfigDict(populate_by_name=True)

    person: _People = Field([], description="photos of all these people together: names, or #12 for a person by number")
    any_of: bool = Field(False, alias="any", description="one of the people is enough")
    without: _People = Field([], description="leave out photos of these people")
    only: bool = Field(False, description="nobody else is on the photo; hidden people do not count")
    since: str = Field("", max_length=10, description="taken on this day or later: 2019-07-04, 2019-07 or 2019")
    until: str = Field("", max_length=10, description="taken on this day or earlier: 2019-07-04, 2019-07 or 2019")
    unknown: bool = Field(False, description="with a face that has no person")
    sort: Literal["date", "latest", "path", "quality"] = Field(
        "date", description="date: the oldest first; latest: the newest first; quality: the best faces first"
    )

    @property
    def wish(self) -> PhotoWish:
        """The same, as a library takes it."""
        return PhotoWish(
            people=tuple(self.person),
            any_of=self.any_of,
            without=tuple(self.without),
            only=self.only,
            since=self.since or None,
            until=self.until or None,
            unknown=self.unknown,
            sort=self.sort,
        )

    def plain(self) -> dict[str, Any]:
        """The parameters of the request, without those that have their default, but with the order."""
        fields = set(PhotosWish.model_fields)
        said = self.model_dump(include=fields, by_alias=True, exclude_defaults=True)
        return {**said, "sort": self.sort}

    def query(self) -> str:
        """The same as the query of an address."""
        said = {key: "true" if value is True else value for key, value in self.plain().items()}
        return urlencode(said, doseq=True)

    @property
    def words(self) -> str:
        """The conditions in words: `Anna and Bob, 2015 to 2019`."""
        who = (" or " if self.any_of else " and ").join(self.person)
        dates = " to ".join(filter(None, (self.since, self.until)))
        if self.since == self.until:
            dates = self.since
        elif not (self.since and self.until):
            dates = ("since " if self.since else "until ") + dates
        parts = [
            f"only {who}" if self.only and who else who,
            f"without {' and '.join(self.without)}" if self.without else "",
            "with a face that has no person" if self.unknown else "",
            dates,
        ]
        return ", ".join(filter(None, parts)) or "All photos"


class PhotosPage(PhotosWish):
    """A part of the photos that somebody wants to see."""

    start: int = Field(0, ge=0)
    count: int = Field(100, ge=1, le=1000)


class PhotosShown(PhotosPage):
    """The photos that a page shows, the newest first. at: the place of one photo among them, where one is shown."""

    sort: Literal["date", "latest", "path", "quality"] = "latest"
    at: int | None = Field(None, ge=0)


class SomePhotosWish(PhotosWish):
    """Photos of a list, all or some."""

    photos: Annotated[list[Annotated[int, Field(ge=1, le=_LARGEST)]], Field(max_length=_MOST_PHOTOS)] | None = Field(
        None, description="the numbers of some of these photos; null for all"
    )


class AlbumWish(SomePhotosWish):
    """A new folder for some photos."""

    folder: str = Field(min_length=1, max_length=4096, description="new or empty, within a --root of the server")
    copies: bool = Field(False, description="copies instead of symbolic links")
