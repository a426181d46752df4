"""For every test: the real photos beside the repository, where there are any, and the order of the files."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

# Where several processes share the tests each has a core of its own. A matrix product in more threads than there are
# free cores waits for them by spinning.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

# The tests start hundreds of processes of this program. Each would compile all that it imports where an environment
# forbids Python to keep what it compiled.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = ["support.fixtures"]

PHOTOS_DIR = Path(os.environ.get("FACESEARCH_PHOTOS", Path(__file__).parents[2] / "shared" / "data"))
LONGEST_FILES = (
    "train/test_recipe.py",
    "web/test_page.py",
    "web/test_page_people.py",
    "web/test_page_for_everybody.py",
    "web/test_page_photos.py",
    "train/test_loop.py",
    "test_readme.py",
    "cluster/test_ray_workers.py",
    "cli/test_cli_train.py",
    "train/model/test_network.py",
    "train/test_backends.py",
    "test_import_path.py",
    "test_startup.py",
    "photos/test_buckets.py",
    "photos/test_watching.py",
)


def pytest_configure() -> None:
    """Hear Ctrl-C where the tests run in the background too: a shell has it ignored there, and children inherit it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, begin with the longest files, or one process would work on them alone at
    the end. Skip what is marked `photos`, and say why, where the real photos are missing."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)
    if PHOTOS_DIR.is_dir():
        return
    skip = pytest.mark.skip(
        reason=f"no real face photos in {PHOTOS_DIR}: set FACESEARCH_PHOTOS to a folder with lfw/ and album/"
    )
    for item in items:
        if "photos" in item.keywords:
            item.add_marker(skip)


def _turn(item: pytest.Item) -> int:
    name = item.path.relative_to(Path(__file__).parent).as_posix()
    return LONGEST_FILES.index(name) if name in LONGEST_FILES else len(LONGEST_FILES)


@pytest.fixture(scope="session")
def photos_dir() -> Path:
    """The folder of real face photos (album/, lfw/, celeba/ and others). Only for tests marked `photos`."""
    return PHOTOS_DIR
