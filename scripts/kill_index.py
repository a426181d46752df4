"""Kill index runs at random moments, hundreds of times; check after each that nothing is lost.

python scripts/kill_index.py --kills 300

A collection changes in phases: photos, motion photos and videos are added, edited, moved, copied, deleted and replaced
by damaged ones, and get a comment as other programs write it. In each phase an index run is started and killed
(SIGKILL) at a moment drawn over its whole length, start-up and last write included, until one run comes to its end.
Checked after every kill: the library opens, SQLite finds it sound, its rows fit together, every photo that was
committed before is there once, with all of its faces, and a search answers as brute force over the rows does. Checked
after every phase: the library equals one that was never killed, with the names that folders gave and the groups that
were found at the end of the run. Between phases, faces that the detector missed are added to both libraries, with an
embedding and without, and a person is hidden and gets a cover.

Each run is a process of its own, forked from one that has imported everything, so that a kill costs no start-up. It is
the whole pipeline but for the networks, which write nothing: colours stand in for faces. --real runs the command
itself instead, `facesearch index` with its detector and tower, on portraits.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
from changing_photos import Collection, ColourTower, TileDetector

from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import DATABASE_NAME, AddedFace, Library
from facesearch.library.care.checks import embedding_problems, integrity, row_problems
from facesearch.library.rows import schema
from facesearch.library.rows.database import Database
from facesearch.people import hide_people, photo_at, set_cover
from facesearch.photos import fingerprint
from facesearch.records import DetectedFace, EmbeddedFace, Models
from facesearch.vision.alignment import TEMPLATE_112

PRELOADED = [
    "facesearch.cli",
    "facesearch.api.library",
    "facesearch.indexing",
    "facesearch.query",
    "faiss",
    "PIL.Image",
]
Content = dict[str, tuple[bool, str | None, tuple[tuple[bytes, bytes, str, str | None], ...]]]


def index(album: str, library: str, real: bool) -> None:
    """A run, in this process: of the command as the console script runs it, or of what it calls."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    if real:
        from facesearch.cli import main

        main(["index", album, "--people-from-folders", "--library", library, "--device", "cpu"])
    detector, tower = TileDetector(), ColourTower()
    with Library.open_or_create(Path(library), Models.of(detector, tower)) as opened:
        options = IndexOptions(people_from_folders=True, batch_faces=8, save_every_s=0.05, group=True)
        index_photos(opened, [Path(album)], detector, tower, options)


class Trial:
    """A library that is killed again and again, and what was found."""

    def __init__(self, context: ForkServerContext, folder: Path, real: bool, rng: random.Random) -> None:
        self.context, self.real, self.rng = context, real, rng
        self.collection = Collection(folder / "album", rng, real)
        self.killed, self.reference = folder / "killed", folder / "reference"
        self.kills = self.whole_runs = self.added = self.chosen = 0
        self.committed = Counter[int]()
        self.run_s = 0.0

    def start(self, library: Path) -> multiprocessing.process.BaseProcess:
        arguments = (str(self.collection.folder), str(library), self.real)
        process = self.context.Process(target=index, args=arguments)
        process.start()
        return process

    def phase(self, kills: int) -> None:
        """Kill runs over the collection as it is, until one ends or there were enough; then compare."""
        started = time.monotonic()
        process = self.start(self.reference)
        process.join()
        self.run_s = time.monotonic() - started
        assert process.exitcode == 0, f"an index that nobody killed ended with {process.exitcode}"
        there = {fingerprint(photo) for photo in self.collection.photos}
        before: set[str] = set()
        for _ in range(kills):
            process = self.start(self.killed)
            process.join(self.rng.uniform(0, 1.1 * self.run_s))
            if process.exitcode is not None:
                assert process.exitcode == 0, f"index ended with {process.exitcode} after {self.kills} kills"
                self.whole_runs += 1
                break
            process.kill()
            process.join()
            self.kills += 1
            before = self.check(before) & there
        process = self.start(self.killed)
        process.join()
        assert process.exitcode == 0, f"index ended with {process.exitcode} after {self.kills} kills"
        self.check(before)
        one, other = content(self.killed), content(self.reference)
        unlike = {path: (one.get(path), other.get(path)) for path in one | other if one.get(path) != other.get(path)}
        assert not unlike, f"another library after {self.kills} kills: {unlike}"
        assert choices(self.killed) == choices(self.reference), f"other choices after {self.kills} kills"
        if not self.real:
            self.add_faces(2)
            self.choose()

    def add_faces(self, count: int) -> None:
        """Add the same faces to both libraries, of each kind so many, on photos drawn at random."""
        photos = [photo for photo in self.collection.photos if photo.suffix == ".jpg"]
        drawn = [
            (photo, self.rng.randrange(20), kind) for kind in (False, True) for photo in self.rng.sample(photos, count)
        ]
        for path in (self.killed, self.reference):
            with Library.open(path, writable=True) as library:
                for number, (photo, place, is_seen) in enumerate(drawn, start=self.added):
                    add_face(library, photo, place, f"added {number}", is_seen=is_seen)
                library.save_vectors()
        self.added += len(drawn)

    def choose(self) -> None:
        """Hide the same person in both libraries, with one of their faces as the cover."""
        people = {face[3] for _, _, faces in content(self.reference).values() for face in faces}
        name = self.rng.choice(sorted(name for name in people if name and not name.startswith("#")))
        for path in (self.killed, self.reference):
            with Library.open(path, writable=True) as library:
                person_id = library.people.find(name)
                assert person_id is not None, f"{name} is in one library alone"
                hide_people(library, [person_id])
                faces = library.catalog.faces([face_id for face_id, _ in library.people.faces_of([person_id])])
                set_cover(library, person_id, min(faces, key=lambda face_id: faces[face_id].box.tobytes()))
        self.chosen += 1

    def check(self, before: set[str]) -> set[str]:
        """Everything that must hold after a kill; returns the photos that are committed."""
        if not (self.killed / DATABASE_NAME).exists():
            assert not before
            return set()
        with closing(Database(schema.connect(self.killed / DATABASE_NAME, writable=False))) as database:
            assert integrity(database) == []
            problems = [*row_problems(database), *embedding_problems(database)]
            # Content that no file shows any more waits, unseen, for the end of the run: it may have been moved.
            assert [one.problem for one in problems if "shown by no file" not in one.problem] == []
            rows = database.rows("SELECT sha256 FROM photos")
            photos = {row[0] for row in rows}
            assert len(photos) == len(rows)
            paths = [row[0] for row in database.rows("SELECT path FROM files")]
            assert len(set(paths)) == len(paths)
        assert before <= photos, "a committed photo is gone"
        with Library.open(self.killed) as library:
            ids, embeddings = library.catalog.embeddings()
            vectors = library.vectors()
            assert len(vectors) == len(ids)
            for probe in np.random.default_rng(self.kills).normal(size=(3, 32)).astype(np.float32):
                distances = np.sqrt(((embeddings - probe) ** 2).sum(axis=1))
                found = vectors.search(probe, len(ids))
                assert sorted(one.face_id for one in found) == ids.tolist()
                np.testing.assert_allclose([one.distance for one in found], np.sort(distances), rtol=1e-5)
        self.committed[len(photos)] += 1
        return photos


def add_face(library: Library, photo: Path, place: int, name: str, *, is_seen: bool) -> None:
    """A small face of somebody on a photo; with the embedding of the tile that it lies on if it is seen."""
    photo_id = photo_at(library, photo)
    if photo_id is None:  # a damaged photo
        return
    box = np.array([place, place, place + 12, place + 14], np.float32)
    seen = None
    if is_seen:
        around = [face for face in library.catalog.faces_in([photo_id]) if face.found_by == "detector"]
        if not around:
            return
        embedding = library.catalog.embeddings_by_id([around[0].face_id])[around[0].face_id]
        landmarks = (TEMPLATE_112 * (12 / 112) + place).astype(np.float32)
        seen = EmbeddedFace(DetectedFace(box, landmarks, 0.6), embedding, 0.5)
    with library.changing(), library.people.change("add-face") as change:
        face_id = change.add_face(photo_id, AddedFace(box, "user", seen))
        change.move([face_id], change.create(name))


def content(path: Path) -> Content:
    """What a library knows: by path whether it is missing, why it failed or where its date comes from, and the faces
    with their time spans and people. A group is known by the lowest embedding and box in it, because its number depends
    on when it was found."""
    with closing(Database(schema.connect(path / DATABASE_NAME, writable=False))) as database:
        faces: dict[int, list[tuple[bytes, bytes, str, str | None]]] = {}
        for photo, *face in database.rows(
            "SELECT photo_id, CAST(box || printf('%.3f %.3f %.3f', start_s, end_s, at_s) AS BLOB), "
            "coalesce(embedding, x''), found_by, "
            "coalesce(name, CASE WHEN person_id IS NOT NULL THEN '#' || min(hex(embedding) || hex(box)) "
            "OVER (PARTITION BY person_id) END) "
            "FROM faces LEFT JOIN people ON people.id = person_id"
        ):
            faces.setdefault(photo, []).append((face[0], face[1], face[2], face[3]))
        rows = database.rows(
            "SELECT path, missing, reason, photo_id, taken_source FROM files LEFT JOIN photos ON photos.id = photo_id"
        )
    return {
        os.fsdecode(name): (
            bool(missing),
            reason or taken,
            tuple(sorted(faces.get(photo, []), key=lambda face: face[:2])),
        )
        for name, missing, reason, photo, taken in rows
    }


def choices(path: Path) -> dict[str, tuple[bool, bytes | None]]:
    """Who is hidden, by name, and the box of the chosen cover."""
    with closing(Database(schema.connect(path / DATABASE_NAME, writable=False))) as database:
        rows = database.rows(
            "SELECT name, hidden, box FROM people LEFT JOIN faces ON faces.id = cover_face_id WHERE name IS NOT NULL"
        )
    return {name: (bool(hidden), box) for name, hidden, box in rows}


def main() -> int:
    """Parse, kill, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="how many in all")
    parser.add_argument("--a-phase", type=int, default=12, help="at most so many before the collection changes")
    parser.add_argument("--photos", type=int, default=100, help="in the first phase")
    parser.add_argument("--seed", type=int, default=0, help="another number kills at other moments")
    parser.add_argument("--real", action="store_true", help="run the command itself, with its networks")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(context, Path(folder), arguments.real, random.Random(arguments.seed))
        trial.collection.add(arguments.photos)
        while True:
            trial.phase(min(arguments.a_phase, arguments.kills - trial.kills))
            if trial.kills >= arguments.kills:
                break
            trial.collection.change(max(4, arguments.photos // 4))
    partly = len(trial.committed)
    print(
        f"{trial.kills} kills survived, at {partly} different numbers of committed photos, and {trial.whole_runs} runs "
        f"that came to their end in between; {trial.added} faces were added and "
        f"{trial.chosen} people hidden; {time.monotonic() - started:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
