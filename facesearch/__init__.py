"""facesearch: find people in a photo collection, on your own machine.

`open_library`, `load_tower` and `compare` are all that most programs need; see facesearch.api. Importing this package
loads nothing else, not even `__future__` (see facesearch.import_path): each name is fetched when it is first used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from facesearch.api.library import FaceLibrary, open_library
    from facesearch.api.standalone import compare, load_tower
    from facesearch.errors import FacesearchError

__all__ = ["FaceLibrary", "FacesearchError", "compare", "load_tower", "open_library"]


def __getattr__(name: str) -> "Any":
    """Import a public name at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "FacesearchError":
        from facesearch.errors import FacesearchError

        return FacesearchError
    from facesearch.api import library, standalone

    return getattr(library if name in {"FaceLibrary", "open_library"} else standalone, name)


def __dir__() -> list[str]:
    return sorted(__all__)
