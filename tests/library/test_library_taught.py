"""A library with a head: its vectors are the rows mapped by the head, for every reader and after any interruption."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.errors import LibraryError
from facesearch.evaluation.distance import row_distances
from facesearch.indexing import IndexOptions, index_photos, reindex
from facesearch.library import Library, forget, verify
from facesearch.library.index import partitions
from facesearch.library.index.vectors import DESCRIPTION_NAME, INDEX_NAME
from facesearch.library.space import Space, head_bytes
from facesearch.query import QueryOptions, ask, probe_photo
from facesearch.records import Floats

HEAD = (np.eye(32) + np.random.default_rng(5).normal(size=(32, 32)) / 8).astype(np.float32)
OTHER_HEAD = (HEAD + np.random.default_rng(6).normal(size=(32, 32)) / 8).astype(np.float32)
DETAILS = {"calibration": None}


class OtherTower(ColourTower):
    identity = "d1" * 32


@pytest.fixture
def taught_album(tmp_path: Path) -> Path:
    for number in range(12):
        draw(tmp_path / "album" / "Annemarie" / f"{number:02}.png", (10 * number, 20, 200), (9, 7 * number, 30))
        draw(tmp_path / "album" / "Beatrice" / f"{number:02}.png", (200, 10 * number, 30))
    return tmp_path / "album"


@pytest.fixture
def untaught_library(tmp_path: Path, taught_album: Path) -> Path:
    """36 faces, 24 of them of two named people; nothing is taught."""
    with Library.create(tmp_path / "library", MODELS) as library:
        _index(library, taught_album)
    return tmp_path / "library"


def _index(library: Library, album: Path) -> None:
    index_photos(library, [album], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True))


def _teach(path: Path, head: Floats = HEAD, *, save: bool = True) -> None:
    with Library.open(path, MODELS, writable=True) as library:
        with library.changing():
            library.heads.add(MODELS.tower, head_bytes(head), DETAILS)
        if save:
            library.save_vectors()


def _nearest(library: Library, probe: Floats, k: int = 100) -> list[tuple[int, float]]:
    return [(one.face_id, one.distance) for one in library.vectors().search(library.space.map(probe), k)]


def _assert_equals_brute_force(library: Library, head: Floats | None) -> None:
    """The answer of the vectors is that of the rows, mapped by a plain product of matrices."""
    ids, rows = library.catalog.embeddings()
    probe = rows[3] + np.float32(0.01)
    weights = np.eye(32) if head is None else head.astype(np.float64)
    expected = row_distances(rows @ weights.T, probe @ weights.T)
    found = _nearest(library, probe)
    assert sorted(face_id for face_id, _ in found) == ids.tolist()
    by_id = dict(zip(ids.tolist(), expected.tolist(), strict=True))
    np.testing.assert_allclose([distance for _, distance in found], sorted(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose([distance for _, distance in found], [by_id[i] for i, _ in found], rtol=1e-4, atol=1e-5)


def test_vectors_and_probes_lie_where_the_head_puts_them(untaught_library: Path, tmp_path: Path) -> None:
    probe = draw(tmp_path / "probe.png", (11, 22, 198))
    with Library.open(untaught_library) as library:
        before = ask(library, probe_photo(probe, TileDetector(), ColourTower()), QueryOptions(threshold=1.0))
    _teach(untaught_library)
    with Library.open(untaught_library) as library:
        assert library.status().vectors == "current"
        _assert_equals_brute_force(library, HEAD)
        after = ask(library, probe_photo(probe, TileDetector(), ColourTower()), QueryOptions(threshold=1.0))
        embedding = ColourTower().embed(np.tile(np.array((11, 22, 198), np.uint8), (1, 112, 112, 1)))
        _, rows = library.catalog.embeddings()
        near = after.faces[0].people[0]
        expected = row_distances(rows[near.face_id - 1] @ HEAD.T, embedding[0] @ HEAD.T)
        assert near.distance == pytest.approx(float(expected), rel=1e-4)
    assert before.faces[0].people[0].distance != near.distance


def test_undo_restores_the_answers_to_the_bit(untaught_library: Path) -> None:
    with Library.open(untaught_library) as library:
        _, rows = library.catalog.embeddings()
        before = [_nearest(library, row) for row in rows]
    _teach(untaught_library)
    _teach(untaught_library, OTHER_HEAD)
    with Library.open(untaught_library, writable=True) as library:
        other = [_nearest(library, row) for row in rows]
        last = library.heads.last()
        assert last is not None
        with library.changing():
            library.heads.drop(last.head_id)
        _assert_equals_brute_force(library, HEAD)
        with library.changing():
            assert library.heads.clear() == 1
        library.save_vectors()
    with Library.open(
        untaught_library
    ) as library:  # from the file, as before: what is searched in memory is rounded otherwise
        assert library.status().vectors == "current"
        assert [_nearest(library, row) for row in rows] == before != other


def test_faces_that_come_and_go_are_mapped_too(untaught_library: Path, taught_album: Path) -> None:
    _teach(untaught_library)
    with Library.open(untaught_library, MODELS, writable=True) as library:
        _assert_equals_brute_force(library, HEAD)  # in memory now, to be followed
        draw(taught_album / "Beatrice" / "new.png", (120, 60, 31), (7, 7, 7))
        draw(taught_album / "Annemarie" / "03.png", (31, 20, 99))
        _index(library, taught_album)
        _assert_equals_brute_force(library, HEAD)
        in_memory = _nearest(library, np.ones(32, np.float32))
    assert verify(untaught_library, MODELS).sound
    (untaught_library / INDEX_NAME).unlink()
    with Library.open(untaught_library) as library:
        assert _nearest(library, np.ones(32, np.float32)) == in_memory


def test_partitions_are_trained_where_the_head_puts_the_faces(
    untaught_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "PARTITIONS_FROM_FACES", 20)
    _teach(untaught_library, save=False)
    with Library.open(untaught_library, MODELS, writable=True) as library:
        library.train_vectors()
        library.save_vectors(finish_training=True)
        assert library.vectors().training is not None
        _assert_equals_brute_force(library, HEAD)
        library.train_vectors()
        with library.changing():  # while a training may be at work: it is of no use any more
            library.heads.add(MODELS.tower, head_bytes(OTHER_HEAD), DETAILS)
        library.save_vectors(finish_training=True)
        _assert_equals_brute_force(library, OTHER_HEAD)
    assert verify(untaught_library, MODELS).sound


def test_a_reader_sees_one_space_for_a_whole_answer(untaught_library: Path) -> None:
    with Library.open(untaught_library) as reader:
        with reader.snapshot():
            assert not reader.space.is_taught
            _teach(untaught_library)
            assert not reader.space.is_taught
            _assert_equals_brute_force(reader, None)
        assert reader.space.digest == Space(HEAD).digest
        _assert_equals_brute_force(reader, HEAD)


@pytest.mark.parametrize("taught_before", [False, True])
def test_killed_between_the_rows_and_the_file_answers_are_right(untaught_library: Path, taught_before: bool) -> None:
    if taught_before:
        _teach(untaught_library, OTHER_HEAD)
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from test_library_taught import HEAD, _teach\n"
        "_teach(Path(sys.argv[1]), HEAD, save=False)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    ended = subprocess.run([sys.executable, "-c", program, str(untaught_library)], env=here, check=False)
    assert ended.returncode == -signal.SIGKILL
    with Library.open(untaught_library) as library:
        assert library.status().vectors.startswith("to be rebuilt")
        _assert_equals_brute_force(library, HEAD)
    with Library.open(untaught_library, writable=True) as library:
        library.save_vectors()
    assert verify(untaught_library, MODELS).sound


def test_a_file_of_another_head_is_not_believed_whatever_its_generation(untaught_library: Path) -> None:
    _teach(untaught_library)
    description = json.loads((untaught_library / DESCRIPTION_NAME).read_bytes())
    assert description["head"] == Space(HEAD).digest
    with closing(sqlite3.connect(untaught_library / "library.db")) as connection, connection:
        connection.execute("UPDATE heads SET weights = ?", (head_bytes(OTHER_HEAD),))
    with Library.open(untaught_library) as library:
        assert library.status().vectors.startswith("to be rebuilt")
        _assert_equals_brute_force(library, OTHER_HEAD)
    (finding,) = verify(untaught_library, MODELS, repair=True).findings
    assert (finding.area, finding.mended) == ("vectors", True)
    with Library.open(untaught_library) as library:
        assert library.status().vectors == "current"
        _assert_equals_brute_force(library, OTHER_HEAD)


def test_a_file_from_before_there_were_heads_is_still_believed(untaught_library: Path) -> None:
    description = json.loads((untaught_library / DESCRIPTION_NAME).read_bytes())
    assert description.pop("head") == ""
    (untaught_library / DESCRIPTION_NAME).write_text(json.dumps(description))
    with Library.open(untaught_library) as library:
        assert library.status().vectors == "current"


def test_vectors_in_the_towers_own_space_are_not_those_of_a_taught_library(untaught_library: Path) -> None:
    """A file with the right description, size and checksum, that holds the rows as they are."""
    _teach(untaught_library)
    with Library.open(untaught_library, writable=True) as library:
        from facesearch.library.index.vectors import Vectors

        Vectors.build(*library.catalog.embeddings()).save(untaught_library, library._vectors.stamp())
    (finding,) = verify(untaught_library, MODELS).findings
    assert "other vectors than the rows" in finding.problem
    assert verify(untaught_library, MODELS, repair=True).sound
    with Library.open(untaught_library) as library:
        _assert_equals_brute_force(library, HEAD)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("weights", head_bytes(np.full((32, 32), np.inf, np.float32)), "is damaged"),
        ("details", "{", "is damaged"),
        ("details", '{"calibration": {"method": "isotonic", "distances": [2, 1], "log_odds": [1, 0]}}', "is damaged"),
        ("tower", "e" * 64, "belongs to another tower"),
    ],
)
def test_a_head_that_cannot_be_used_is_found_and_dropped(
    untaught_library: Path, column: str, value: object, problem: str
) -> None:
    _teach(untaught_library)
    with closing(sqlite3.connect(untaught_library / "library.db")) as connection, connection:
        connection.execute(f"UPDATE heads SET {column} = ?", (value,))
    if column != "tower":
        with Library.open(untaught_library) as library, pytest.raises(LibraryError, match="verify --repair"):
            library.vectors()
    found = [finding for finding in verify(untaught_library, MODELS).findings if finding.area == "models"]
    assert problem in found[0].problem
    assert verify(untaught_library, MODELS, repair=True).sound
    assert verify(untaught_library, MODELS).sound
    with Library.open(untaught_library) as library:
        assert library.status().vectors == "current"
        _assert_equals_brute_force(library, None)


@pytest.mark.parametrize("wanted", ["Annemarie", "photo", None])
def test_what_was_taught_is_forgotten_with_whoever_may_have_taught_it(
    untaught_library: Path, taught_album: Path, wanted: str | None
) -> None:
    _teach(untaught_library, OTHER_HEAD)
    _teach(untaught_library)
    with Library.open(untaught_library) as library:
        _, rows = library.catalog.embeddings()
        annes = Space(HEAD).map(rows[:2])
    everything = b"".join(entry.read_bytes() for entry in untaught_library.iterdir())
    assert annes[0].tobytes() in everything
    assert HEAD[7].tobytes() in everything
    summary = forget(untaught_library, str(taught_album / "Annemarie" / "00.png") if wanted == "photo" else wanted)
    assert summary.heads == 2
    everything = b"".join(entry.read_bytes() for entry in untaught_library.iterdir())
    assert not any(row.tobytes() in everything for row in (*annes, *HEAD, *OTHER_HEAD))
    with Library.open(untaught_library) as library:
        assert library.status().taught_at is None
    assert verify(untaught_library, MODELS).sound


def test_another_tower_drops_what_was_taught_over_the_former(untaught_library: Path) -> None:
    _teach(untaught_library)
    with Library.open(untaught_library, writable=True) as library:
        assert library.status().taught_at is not None
        assert reindex(library, TileDetector(), ColourTower()).heads_dropped == 0
        assert library.space.is_taught
        assert reindex(library, TileDetector(), OtherTower()).heads_dropped == 1
        assert library.status().taught_at is None
        _assert_equals_brute_force(library, None)
