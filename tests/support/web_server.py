"""`facesearch serve` as a process of its own, over a library of drawn people."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from facesearch.api.library import open_library
from facesearch.demo import write_album

pytest.importorskip("fastapi", reason="the extra web is not installed")
import httpx

PEOPLE, PHOTOS, GROUPS = 4, 6, 2


@dataclass(frozen=True)
class Serving:
    """A server at work."""

    address: str  # without the token
    token: str
    library: Path
    temporary: Path  # where it keeps what it keeps for a moment
    process: subprocess.Popen[str]

    def kept(self) -> list[Path]:
        """The files that it keeps for a moment."""
        return [path for path in self.temporary.rglob("*") if path.is_file()]

    def client(self, **options: object) -> httpx.Client:
        """What a program sends: with the token as a bearer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False, **options)  # type: ignore[arg-type]


@contextmanager
def serving(
    library: Path, temporary: Path, *options: str, program: Sequence[str] = ("-m", "facesearch"), **environment: str
) -> Iterator[Serving]:
    """Start it on a port that is free, and end it as Ctrl-C does. program: what Python is to run."""
    temporary.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, *program, "serve", "--port", "0", "--no-open", "--library", str(library), *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), **environment},
    )
    try:
        assert process.stdout is not None
        parts = urlsplit(process.stdout.readline().strip())
        yield Serving(f"http://{parts.netloc}", parse_qs(parts.query)["token"][0], library, temporary, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def make_library(folder: Path) -> tuple[Path, Path]:
    """An album of drawn people, and a library of it in which the folders have named them: album and library."""
    album = write_album(folder / "album", PEOPLE, PHOTOS, seed=11, groups=GROUPS).directory
    with open_library(folder / "library", device="cpu") as library:
        library.index(album / "people", people_from_folders=True, workers=1, group=False)
        library.index(album / "groups", workers=1, group=False)
    return album, folder / "library"
