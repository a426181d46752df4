"""Which software reads photos: what failed with one may succeed with another."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from facesearch.records import FaceDetector

_READERS = ("facesearch", "pillow", "pillow-heif", "rawpy")


def software_of(detector: FaceDetector) -> str:
    """The versions of what decodes and of what detects, as one text that changes with any of them."""
    versions = []
    for package in _READERS:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # an extra
            continue
    return ", ".join([*versions, detector.identity])
