"""A server of the page as a process of its own, over a large library of drawn people: parts of bench_page.py."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from facesearch.api.library import open_library
from facesearch.demo import write_album
from facesearch.library import DATABASE_NAME


def make_library(folder: Path, people: int, photos: int) -> Path:
    """A library of so many people, photos shared out evenly among them."""
    album = write_album(folder / "album", 6, 4, seed=2).directory / "people"
    with open_library(folder / "library", device="cpu") as library:
        library.index(album, people_from_folders=True)
    originals = {path.name + path.parent.name: path.read_bytes() for path in sorted(album.rglob("*.jpg"))}
    copies = folder / "photos"
    copies.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "library" / DATABASE_NAME)) as rows, rows:
        patterns = rows.execute(
            "SELECT files.path, width_px, height_px, box, landmarks, score, quality, embedding FROM faces "
            "JOIN photos ON photos.id = faces.photo_id JOIN files ON files.photo_id = photos.id"
        ).fetchall()
        (first,) = rows.execute("SELECT max(id) + 1 FROM people").fetchone()
        (photo,) = rows.execute("SELECT max(id) + 1 FROM photos").fetchone()
        rows.executemany(
            "INSERT INTO people (id, name, created_at) VALUES (?, ?, '2026-01-01T00:00:00+00:00')",
            [(first + number, f"Person {number:06d}" if number % 4 else None) for number in range(people)],
        )
        for number, pattern in zip(range(photos), itertools.cycle(patterns), strict=False):
            path, width, height, *face = pattern
            original = Path(os.fsdecode(path))
            content = originals[original.name + original.parent.name] + number.to_bytes(8, "big")
            copy = copies / f"{number // 1000:04d}" / f"{number:07d}.jpg"
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(content)
            sha256, stat = hashlib.sha256(content).hexdigest(), copy.stat()
            rows.execute(
                "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count, taken_at, taken_source) "
                "VALUES (?, ?, ?, ?, '', 1, ?, 'exif')",
                (photo + number, sha256, width, height, f"{2000 + number % 25}-{1 + number % 12:02}-01T12:00:00"),
            )
            rows.execute(
                "INSERT INTO files (path, size_bytes, mtime_ns, photo_id) VALUES (?, ?, ?, ?)",
                (os.fsencode(copy), stat.st_size, stat.st_mtime_ns, photo + number),
            )
            rows.execute(
                "INSERT INTO faces (photo_id, box, landmarks, score, quality, embedding, person_id, person_source) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'user')",
                (photo + number, *face, first + number % people),
            )
        rows.execute("UPDATE settings SET value = value + 1 WHERE key = 'generation'")
    return folder / "library"


@dataclass(frozen=True)
class Server:
    """A server at work, as a process of its own."""

    host: str
    port: int
    token: str
    pid: int
    connections: threading.local  # each thread keeps one

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(self, path: str, body: object = None) -> Any:
        """The answer of a route, from JSON; raises for any but 200."""
        connection = getattr(self.connections, "kept", None)
        if connection is None:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=300)
            self.connections.kept = connection
        content = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, content, headers)
        answer = connection.getresponse()
        read = answer.read()
        assert answer.status == 200, (path, answer.status, read[:200])
        return json.loads(read) if answer.headers["Content-Type"] == "application/json" else read

    def ran_s(self) -> tuple[float, float]:
        """For how long it ran on a core, and waited for one that other programs used, in seconds."""
        each = [path.read_text(encoding="ascii").split() for path in Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        ran, waited = (sum(int(times[place]) for times in each) / 1e9 for place in (0, 1))
        return ran, waited


@contextlib.contextmanager
def serving(library: Path) -> Iterator[Server]:
    """Start it, and end it as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facesearch", "serve", "--port", "0", "--no-open", "--library", str(library)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    parts = urlsplit(process.stdout.readline().strip())
    assert parts.hostname is not None
    assert parts.port is not None
    try:
        token = parse_qs(parts.query)["token"][0]
        yield Server(parts.hostname, parts.port, token, process.pid, threading.local())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Of a process, by Linux."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))
