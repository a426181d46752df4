"""A library's faces on a real Milvus Lite: the same answers as here, and nothing there that is gone here."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from support.clustered_vectors import people
from support.command_line import CommandLine
from support.documents import documented_keys
from support.milvus_lite import guarded, milvus_lite
from support.people_library import ANN, BOB, STRANGER, index
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.api.library import open_library
from facesearch.errors import ClusterError, LibraryError, TowerError, UsageError
from facesearch.library import DATABASE_NAME, Library, forget
from facesearch.library.library_vectors import NearestFaces
from facesearch.library.rows.published import FACES_A_BLOCK
from facesearch.query import QueryAnswer, QueryOptions, ask, probe_photo
from facesearch.records import Floats, Ints

pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install '.[milvus]'")
from facesearch.milvus import MilvusPlace, MilvusSearch, publish, withdraw
from facesearch.milvus.collection import Collection
from facesearch.milvus.connection import CA_VARIABLE, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, Connection, _said, _token

SECRET = "reader:s3cret-word"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its files."""
    return tmp_path_factory.mktemp("milvus")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[str]:
    with milvus_lite(data) as uri:
        yield uri


numbers = count(1)


@pytest.fixture
def place(server: str) -> MilvusPlace:
    """A collection of a test's own."""
    return MilvusPlace(server, f"faces_{next(numbers)}")


def asked(library: Library, photo: Path, *, faces: bool = False) -> QueryAnswer:
    return ask(library, probe_photo(photo, TileDetector(), ColourTower()), QueryOptions(5, faces=faces))


def said(answer: QueryAnswer) -> list[object]:
    """What an answer says, with distances rounded: FAISS sums in another order."""
    matches = [match for face in answer.faces for match in (*face.people, *face.photos)]
    return [(match.face_id, match.person_id, match.name, match.rank, round(match.distance, 5)) for match in matches]


def asked_there(path: Path, place: MilvusPlace, photo: Path, *, faces: bool = False) -> QueryAnswer:
    with Library.open(path, MODELS) as library:
        library.search_in(MilvusSearch(library, place))
        return asked(library, photo, faces=faces)


def synthetic(path: Path, embeddings: Floats, ids: Ints) -> Path:
    """A library of faces with these embeddings and ids, each on a photo of its own."""
    Library.create(path, MODELS).close()
    with closing(sqlite3.connect(path / DATABASE_NAME)) as rows, rows:
        box, landmarks = np.zeros(4, "<f4").tobytes(), np.zeros(10, "<f4").tobytes()
        rows.executemany(
            "INSERT INTO photos (id, sha256, width_px, height_px, added_at, face_count) VALUES (?, ?, 8, 8, '', 1)",
            [(number, f"{number:064}") for number in ids.tolist()],
        )
        rows.executemany(
            "INSERT INTO faces (id, photo_id, box, landmarks, score, embedding) VALUES (?, ?, ?, ?, 0.9, ?)",
            [
                (number, number, box, landmarks, embedding.astype("<f4").tobytes())
                for number, embedding in zip(ids.tolist(), embeddings, strict=True)
            ],
        )
        rows.execute("UPDATE settings SET value = value + 1 WHERE key = 'generation'")
    return path


def nearest_ids(search: NearestFaces, probe: Floats) -> list[int]:
    return [each.face_id for each in search.search(probe, 30)]


def ids_in(blocks: int, each: int) -> Ints:
    """Face ids in several blocks."""
    return np.concatenate([block * FACES_A_BLOCK + np.arange(1, each + 1) for block in range(blocks)])


@pytest.mark.parametrize("faces", [False, True])
def test_answers_are_those_of_the_librarys_own_search(library: Library, place: MilvusPlace, faces: bool) -> None:
    summary = publish(library, place, "flat")
    assert (summary.faces, summary.added, summary.index, summary.recall) == (13, 13, "FLAT", 1.0)
    photo = draw(library.path.parent / "probe.png", ANN, BOB, STRANGER)
    here = asked(library, photo, faces=faces)
    library.close()
    assert said(here)
    assert said(asked_there(library.path, place, photo, faces=faces)) == said(here)


@pytest.mark.parametrize("index", ["flat", "hnsw", "sq8"])
def test_the_nearest_faces_are_those_of_faiss(index: str, place: MilvusPlace, tmp_path: Path) -> None:
    embeddings = people(3000, seed=2)
    embeddings[1000:1010] = embeddings[0]  # as near as one another
    path = synthetic(tmp_path / "library", embeddings, ids_in(3, 1000))
    with Library.open(path) as library:
        summary = publish(library, place, index)
        assert summary.added == summary.faces == 3000
        assert summary.recall is not None
        assert summary.recall >= (1.0 if index == "flat" else 0.99)
        with MilvusSearch(library, place) as there:
            assert len(there) == 3000
            shares = []
            for row in range(0, 60):
                expected = library.vectors().search(embeddings[row], 10)
                found = there.search(embeddings[row], 10)
                shares.append(len({each.face_id for each in expected} & {each.face_id for each in found}) / 10)
                if index == "flat":
                    assert [each.face_id for each in found] == [each.face_id for each in expected]
                    np.testing.assert_allclose(
                        [each.distance for each in found], [each.distance for each in expected], atol=1e-6
                    )
            assert np.mean(shares) >= 0.99
            assert len(there.search(embeddings[0], 100_000)) == 3000


def test_only_what_changed_is_sent_and_what_is_gone_is_deleted(
    library: Library, place: MilvusPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as first:
        first.setattr(Collection, "faces_of", lambda *_: pytest.fail("nothing is there yet"))
        publish(library, place, "flat")
    again = publish(library, place)
    assert (again.added, again.changed, again.removed, again.faces) == (0, 0, 0, 13)
    album = library.path.parent / "album"
    draw(album / "new.png", (10, 200, 200))
    (album / "Ann" / "0.png").unlink()
    index(library, album)
    with library.changing():
        library.people.label(2, [10], "user")
        library.catalog.drop_photos([library.catalog.faces([1])[1].photo_id])
    later = publish(library, place)
    assert (later.added, later.changed, later.removed, later.faces) == (1, 1, 1, 13)
    assert later.generation > again.generation
    photo = draw(library.path.parent / "probe.png", ANN)
    found = {match.face_id for match in asked_there(library.path, place, photo, faces=True).faces[0].photos}
    assert 1 not in found
    assert found


def test_what_is_forgotten_is_gone_there_too(library: Library, place: MilvusPlace, data: Path) -> None:
    path = library.path
    library.close()
    with open_library(path) as opened:
        opened.milvus.publish(place.uri, place.collection, index="flat")
        assert opened.status().published == (str(place),)
    with Library.open(path) as reading:
        (embedding,) = reading.catalog.embeddings_by_id([1]).values()
    assert holds(data, embedding)
    summary = forget(path, "Ann")
    assert summary.published == (str(place),)
    with Library.open(path) as reading:
        assert publish(reading, place).removed == summary.faces == 3
        connection = Connection(place)
        there = Collection(connection, reading.library_id)
        assert sorted(there.faces_of(0)) == list(range(4, 14))
        assert there.count() == 10
        assert not {1, 2, 3} & set(there.nearest(embedding.tolist(), 13, "FLAT"))
        connection.close()


def holds(folder: Path, embedding: Floats) -> bool:
    """Whether a file in a folder has the bytes of an embedding."""
    wanted = embedding.astype("<f4").tobytes()
    return any(wanted in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_libraries_in_one_collection_do_not_mix(place: MilvusPlace, tmp_path: Path) -> None:
    first = synthetic(tmp_path / "first", people(50, seed=1), ids_in(1, 50))
    second = synthetic(tmp_path / "second", people(30, seed=2), ids_in(1, 30))
    probe = people(50, seed=1)[7]
    for path, faces in ((first, 50), (second, 30)):
        with Library.open(path) as library:
            assert publish(library, place, "flat").faces == faces
    with Library.open(second) as library, MilvusSearch(library, place) as there:
        assert nearest_ids(there, probe) == nearest_ids(library.vectors(), probe)
        assert withdraw(library, place) == 30
        with pytest.raises(ClusterError, match="holds no faces of the library"):
            MilvusSearch(library, place)
    with Library.open(first) as library, MilvusSearch(library, place) as there:
        assert there.search(probe, 1)[0].face_id == 8
        assert len(there) == 50


def test_what_one_library_loses_another_with_the_same_ids_keeps(
    library: Library, place: MilvusPlace, tmp_path: Path
) -> None:
    """First a person who is forgotten, then all faces, then the library, with its partition."""
    path = library.path
    (embedding,) = library.catalog.embeddings_by_id([1]).values()
    photos = {face.photo_id for face in library.catalog.faces(range(1, 14)).values()}
    library.close()
    other = synthetic(tmp_path / "other", people(13, seed=4), np.arange(1, 14))  # face for face the same ids
    probe = people(13, seed=4)[0]
    for each in (path, other):
        with Library.open(each) as opened:
            assert publish(opened, place, "flat").faces == 13

    def assert_other_is_whole() -> None:
        with Library.open(other) as opened, MilvusSearch(opened, place) as there:
            assert len(there) == 13
            assert nearest_ids(there, probe) == nearest_ids(opened.vectors(), probe)

    forget(path, "Ann")
    with Library.open(path, MODELS, writable=True) as opened:
        assert publish(opened, place).removed == 3
        assert_other_is_whole()
        with opened.changing():
            opened.catalog.drop_photos(photos & set(opened.catalog.photo_contents(photos)))
        emptied = publish(opened, place)
        assert (emptied.faces, emptied.removed, emptied.recall) == (0, 10, None)
        with MilvusSearch(opened, place) as there:
            assert there.search(embedding, 13) == []
        assert_other_is_whole()
        connection = Connection(place)
        partition = Collection(connection, opened.library_id).partition
        assert partition in connection.client.list_partitions(place.collection)
        assert withdraw(opened, place) == 0
        assert partition not in connection.client.list_partitions(place.collection)
        connection.close()
        assert publish(opened, place).faces == 0  # a partition can come back
    assert_other_is_whole()


KILLED = """
import os, signal, sys
from pathlib import Path
from facesearch.library import Library
from facesearch.milvus import MilvusPlace, publish
from facesearch.milvus.collection import Collection
finish = Collection.finish_block
def finish_or_die(self, block, digest):
    if block == 1:  # its faces are there, and nobody knows
        os.kill(os.getpid(), signal.SIGKILL)
    finish(self, block, digest)
Collection.finish_block = finish_or_die
with Library.open(Path(sys.argv[1])) as library:
    publish(library, MilvusPlace(sys.argv[2], sys.argv[3]), "flat")
"""


def test_a_publication_that_was_killed_goes_on(
    place: MilvusPlace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = synthetic(tmp_path / "library", people(300, seed=3), ids_in(3, 100))
    command = [sys.executable, "-c", KILLED, str(path), place.uri, place.collection]
    assert subprocess.run(command, check=False).returncode == -9
    with Library.open(path) as library:
        with MilvusSearch(library, place) as there:
            assert len(there) == 200
        assert "was not finished" in caplog.text
        rest = publish(library, place)
        assert (rest.added, rest.changed, rest.removed, rest.faces) == (100, 0, 0, 300)
        with MilvusSearch(library, place) as there:
            probe = people(300, seed=3)[250]
            assert nearest_ids(there, probe) == nearest_ids(library.vectors(), probe)


def test_a_publication_whose_server_went_away_goes_on_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, data = synthetic(tmp_path / "library", people(300, seed=3), ids_in(3, 100)), tmp_path / "data"
    data.mkdir()
    finish = Collection.finish_block

    def finish_or_lose(collection: Collection, block: int, digest: str | None) -> None:
        if block == 1:  # its faces are there, and the server does not know that they are all
            server.close()
        finish(collection, block, digest)

    with Library.open(path) as library:
        with ExitStack() as server, monkeypatch.context() as patched:
            uri = server.enter_context(milvus_lite(data))
            patched.setattr(Collection, "finish_block", finish_or_lose)
            with pytest.raises(
                ClusterError, match=rf"the collection lost at {uri} cannot be written: .* again when"
            ) as lost:
                publish(library, MilvusPlace(uri, "lost"), "flat")
            assert "Traceback" not in str(lost.value)
            assert "\n" not in str(lost.value)
        with milvus_lite(data) as uri:
            place = MilvusPlace(uri, "lost")
            with MilvusSearch(library, place) as there:
                assert len(there) == 200
            assert "was not finished" in caplog.text
            rest = publish(library, place)
            assert (rest.added, rest.changed, rest.removed, rest.faces) == (100, 0, 0, 300)


def test_a_library_that_was_taught_or_reindexed_is_published_anew(
    library: Library, place: MilvusPlace, caplog: pytest.LogCaptureFixture
) -> None:
    publish(library, place, "flat")
    with library.changing():
        library.catalog.drop_photos([library.catalog.faces([1])[1].photo_id])
    MilvusSearch(library, place).close()
    assert "has changed since it was published" in caplog.text
    with library.changing():
        library._database.set_settings({"tower": "f" * 64})
    with pytest.raises(LibraryError, match="another tower since: run facesearch publish again"):
        MilvusSearch(library, place)
    assert publish(library, place).added == 12
    assert len(MilvusSearch(library, place)) == 12


def test_a_collection_of_another_tower_is_refused(library: Library, place: MilvusPlace, tmp_path: Path) -> None:
    publish(library, place, "flat")
    other = synthetic(tmp_path / "other", people(5), ids_in(1, 5))
    with Library.open(other, writable=True) as opened:
        with opened.changing():
            opened._database.set_settings({"tower": "f" * 64})
        with pytest.raises(TowerError, match="--collection"):
            publish(opened, place)


def test_a_foreign_collection_is_refused(library: Library, place: MilvusPlace) -> None:
    connection = Connection(place)
    connection.client.create_collection(place.collection, dimension=8, vector_field_name="embedding")
    connection.close()
    with pytest.raises(ClusterError, match=r"vectors of 8 numbers, and a face has 32.*--collection"):
        publish(library, place)
    with pytest.raises(ClusterError, match="vectors of 8 numbers"):
        MilvusSearch(library, place)


def test_nobody_at_an_address_is_said(run: CommandLine, library: Library) -> None:
    library.close()
    refused = run("publish", "--milvus", "http://127.0.0.1:1", "--library", library.path)
    assert (refused.code, refused.out) == (8, "")
    assert "no Milvus answers at http://127.0.0.1:1" in refused.err
    with Library.open(library.path) as opened:  # what was sent nowhere need not be taken back
        assert opened.published.places() == ()


@pytest.mark.parametrize("uri", ["faces.db", "ftp://host", "http://", "http://host:port", "http://host?x=1"])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="not an address of Milvus"):
        MilvusPlace(uri)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match=TOKEN_VARIABLE) as refused:
        MilvusPlace("https://reader:s3cret-word@host")
    assert "s3cret-word" not in str(refused.value)


def test_a_file_with_a_password_must_be_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("reader:s3cret-word\n")
    file.chmod(0o644)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setenv(TOKEN_FILE_VARIABLE, str(file))
    with pytest.raises(ClusterError, match="chmod 600") as refused:
        _token()
    assert "s3cret-word" not in str(refused.value)
    file.chmod(0o600)
    assert _token() == "reader:s3cret-word"


def test_a_server_that_takes_too_long_may_be_asked_again(place: MilvusPlace) -> None:
    from pymilvus.exceptions import MilvusException

    again = "again when the server answers"
    with (
        closing(Connection(place)) as connection,
        pytest.raises(ClusterError, match=again),
        connection.errors_named("cannot be read"),
    ):
        raise MilvusException(message="Deadline Exceeded")


def test_an_error_that_is_its_own_cause_is_read_once() -> None:
    error = ValueError("no such user")
    error.__cause__ = error
    assert _said(error) == "no such user"


@pytest.fixture
def protected(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], MilvusPlace]]:
    """A server behind TLS and a password."""
    with guarded(server, SECRET, tmp_path) as (uri, certificate):
        monkeypatch.setenv(CA_VARIABLE, str(certificate))
        yield lambda name: MilvusPlace(uri, name)


def test_credentials_come_from_a_private_file_and_stand_nowhere_else(
    protected: Callable[[str], MilvusPlace],
    library: Library,
    run: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, path = protected("protected"), library.path
    library.close()
    command = ("publish", "--milvus", there.uri, "--collection", there.collection, "--library", path)
    monkeypatch.setenv(TOKEN_VARIABLE, "reader:wrong-w0rd")
    refused = run("--debug", *command)
    assert refused.code == 8
    assert "refuses the user and password" in refused.err
    assert "wrong-w0rd" not in refused.err + refused.out
    monkeypatch.delenv(TOKEN_VARIABLE)
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o644)
    monkeypatch.setenv(TOKEN_FILE_VARIABLE, str(file))
    assert "chmod 600" in run(*command).err
    file.chmod(0o600)
    published = run("--debug", *command, "--index", "flat")
    assert published.code == 0, published.err
    assert published.out.startswith("faces    13: 13 added, 0 changed, 0 removed\nindex    FLAT, recall@10 1.000\n")
    assert "s3cret-word" not in published.err + published.out
    assert not [one for one in path.iterdir() if b"s3cret-word" in one.read_bytes()]
    removed = run(*command, "--remove", "--json")
    assert removed.out == '{\n  "removed": 13\n}\n'


def test_a_certificate_that_nobody_vouches_for_is_refused(
    protected: Callable[[str], MilvusPlace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CA_VARIABLE)
    monkeypatch.setattr("facesearch.milvus.connection._CONNECT_S", 3.0)
    with pytest.raises(ClusterError, match="cannot be opened"):
        Connection(protected("protected"))


def test_the_keys_of_json_are_documented(run: CommandLine, library: Library, place: MilvusPlace) -> None:
    library.close()
    told = run("publish", "--milvus", place.uri, "--collection", place.collection, "--library", library.path, "--json")
    assert set(json.loads(told.out)) == documented_keys("publish")
