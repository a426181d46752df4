"""Photos on a real Ray cluster: the same rows as without, whatever dies on the way."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.command_line import CommandLine

from facesearch.api.library import open_library
from facesearch.cluster.node import NodeWorker, Refused
from facesearch.cluster.tally import Tally
from facesearch.cluster.workers import ClusterWorkers, RemoteSeer
from facesearch.demo import write_album
from facesearch.errors import ClusterError, LibraryError, PhotoError
from facesearch.library import Library
from facesearch.photos import photo_file
from facesearch.vision.faces import DrawnFace, KnownPhoto

pytest.importorskip("ray", reason="Ray has no wheel for this Python, or is not installed: pip install '.[cluster]'")

Rows = tuple[list[tuple[Any, ...]], np.ndarray]


@pytest.fixture(scope="module")
def cluster_album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of drawn people, one of them copied, and one that is no photo."""
    folder = write_album(tmp_path_factory.mktemp("ray"), 4, 4, groups=4, seed=5).directory
    first = min((folder / "people").rglob("*.jpg"))
    (folder / "copy.jpg").write_bytes(first.read_bytes())
    (folder / "broken.jpg").write_bytes(first.read_bytes()[:300])
    return folder


@pytest.fixture(scope="module")
def alone(cluster_album: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The rows of the album indexed without a cluster."""
    path = tmp_path_factory.mktemp("alone") / "library"
    with open_library(path) as library:
        library.index(cluster_album)
    return rows(path)


def rows(path: Path) -> Rows:
    """What the library says of every file and face, but for the time, and the embeddings."""
    with Library.open(path) as library:
        said = library.catalog._database.rows(
            "SELECT files.path, reason, sha256, width_px, height_px, faces.id, box, landmarks, score, person_id "
            "FROM files LEFT JOIN photos ON photos.id = files.photo_id LEFT JOIN faces ON faces.photo_id = photos.id "
            "ORDER BY files.id, faces.id"
        )
        return [tuple(row) for row in said], library.catalog.embeddings()[1]


def assert_same_rows(found: Rows, expected: Rows) -> None:
    """Everything equal; embeddings to within rounding, since a crop is embedded in another company."""
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], atol=2e-3)


def test_a_local_cluster_gives_the_rows_of_a_run_without_one(
    cluster_album: Path, alone: Rows, run: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "library"
    indexed = run("index", cluster_album, "--library", path, "--ray", "local", "--workers", "2")
    assert indexed.code == 0, indexed.err
    assert "broken.jpg" in indexed.err
    assert "\nnodes    " in indexed.out
    assert_same_rows(rows(path), alone)
    again = run("index", cluster_album, "--library", path, "--ray", "local", "--json")
    assert '"photos_new": 0' in again.out


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of three nodes on this machine, with one processor each; the head has none."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's 15 would wait for the other tests
    cluster = Cluster()
    started(lambda: cluster.add_node(num_cpus=0, include_dashboard=False))
    for _ in range(3):
        started(lambda: cluster.add_node(num_cpus=1))
    yield cluster
    cluster.shutdown()


def started(start: Callable[[], Any]) -> None:
    """Start a node; once more where a process that Ray forked from this one, full of threads, hung before it began."""
    try:
        start()
    except Exception:  # noqa: BLE001 - a plain one is what Ray raises
        start()


def test_a_reindex_on_a_cluster_gives_the_rows_of_one_without(
    cluster_album: Path, run: CommandLine, tmp_path: Path
) -> None:
    """To a detector of larger faces; a face that somebody drew is looked at again, too."""
    here, there = tmp_path / "here", tmp_path / "there"
    photos = sorted((cluster_album / "people").rglob("*.jpg"))[:5]
    with open_library(here) as library:
        library.index(*photos)
        library.people.add_face(photos[0], (2, 2, 40, 40), "Dora")
    shutil.copytree(here, there)
    with open_library(here) as library:
        assert library.reindex(workers=1, smallest_face="30").switched
    moved = run("reindex", "--smallest-face", "30", "--library", there, "--ray", "local", "--workers", "2")
    assert moved.code == 0, moved.err
    assert re.search(r"^nodes +\S+ 5$", moved.out, re.MULTILINE)
    found = rows(there)
    assert len(found[0]) > len(photos)
    assert_same_rows(found, rows(here))


def test_a_node_and_a_worker_that_are_killed_cost_no_photo(
    cluster_album: Path, alone: Rows, nodes: Any, tmp_path: Path
) -> None:
    path, lost = tmp_path / "library", []

    def lose(done: int) -> None:
        if done == 3 and not lost:
            lost.append(nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False))
        if done == 8 and len(lost) == 1:
            lost.append(kill_a_worker())

    with open_library(path) as library:
        summary = library.index(cluster_album, ray=nodes.address, on_progress=lambda now: lose(now.done))
    assert len(lost) == 2
    assert sum(summary.nodes.values()) >= summary.photos_new
    assert_same_rows(rows(path), alone)


def kill_a_worker() -> int:
    """End one of the processes in which photos are seen."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(b"ray::NodeWorker"):
                os.kill(int(process.name), signal.SIGKILL)
                return int(process.name)
    raise AssertionError("there is no worker to kill")


DRIVER = """
import functools, os, signal, sqlite3, sys
from pathlib import Path
from facesearch import indexing
from facesearch.api.library import open_library
indexing.IndexOptions = functools.partial(indexing.IndexOptions, batch_faces=8)
album, path, address = sys.argv[1:]
def tell(now):
    if now.done == 3:
        print("three", flush=True)
        sys.stdin.readline()  # until a node is gone
    rows = sqlite3.connect(Path(path) / "library.db")
    if now.done > 3 and rows.execute("SELECT count(*) FROM files").fetchone()[0]:
        os.kill(os.getpid(), signal.SIGKILL)
with open_library(path) as library:
    library.index(album, ray=address, on_progress=tell)
"""


def test_a_killed_node_and_then_a_killed_driver_cost_no_photo(
    cluster_album: Path, alone: Rows, nodes: Any, run: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "library"
    command = [sys.executable, "-c", DRIVER, str(cluster_album), str(path), nodes.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        assert driver.stdout.readline() == "three\n"
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
        driver.stdin.write("\n")
        driver.stdin.close()
    assert driver.returncode == -signal.SIGKILL
    begun = len(rows(path)[0])
    assert 0 < begun < len(alone[0])
    again = run("index", cluster_album, "--library", path, "--ray", nodes.address, "--json")
    assert again.code == 0, again.err
    summary = json.loads(again.out)
    photos = {row[2] for row in alone[0] if row[2]}
    assert 0 < summary["photos_new"] < len(photos)
    assert_same_rows(rows(path), alone)


def test_a_full_disk_where_the_library_is_ends_the_run_and_the_next_goes_on(
    cluster_album: Path, alone: Rows, tmp_path: Path
) -> None:
    """The kernel refuses to let any file of this process grow; the workers began before."""
    path = tmp_path / "library"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done: int) -> None:
        if done == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))

    with open_library(path) as library:
        try:
            with pytest.raises(LibraryError, match="free disk space"):
                library.index(cluster_album, ray="local", workers=1, on_progress=lambda now: fill(now.done))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with open_library(path) as library:
        library.index(cluster_album, workers=1)
    assert_same_rows(rows(path), alone)


class Dying(ClusterWorkers):
    """A cluster whose workers die of a photo called bad, and answer for others."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.started = 0

    def start(self, *, replaces: bool = False) -> tuple[Any, str]:
        assert replaces == (self.started > 0)
        self.started += 1
        self.tally.ready("node")
        return self.started, "node"

    def answer(self, worker: Any, file: Any) -> Any:
        if file.path.name == "bad.jpg" or (file.path.name == "unlucky.jpg" and worker == 1):
            return None
        assert [node.in_flight for node in self.tally.nodes()] == [1]
        return Refused("cannot be read: no such host", "cannot be read", 112)

    def stop(self, worker: Any) -> None:
        self.stopped = worker


def test_a_photo_that_costs_two_workers_is_given_up(tmp_path: Path) -> None:
    files = {}
    for name in ("unlucky.jpg", "bad.jpg", "good.jpg"):
        (tmp_path / name).write_bytes(b"x")
        files[name] = photo_file(tmp_path / name)
    cluster = Dying()
    with RemoteSeer(cluster) as seer:
        with pytest.raises(PhotoError, match="no such host") as refused:  # answered by the second worker
            seer.see(files["unlucky.jpg"])
        assert isinstance(refused.value.__cause__, OSError)
        assert refused.value.__cause__.errno == 112
        assert cluster.started == 2
        with pytest.raises(PhotoError, match=r"bad\.jpg: brought 2 workers of the cluster down") as lost:
            seer.see(files["bad.jpg"])
        assert isinstance(lost.value.__cause__, OSError)  # machines have failed: the next run tries it again
        assert lost.value.__cause__.errno
        with pytest.raises(PhotoError, match="no such host"):
            seer.see(files["good.jpg"])
    assert cluster.stopped == cluster.started == 4
    assert [(node.name, node.photos, node.in_flight) for node in cluster.tally.nodes()] == [("node", 2, 0)]


@pytest.mark.parametrize(
    ("error", "is_gone"),
    [
        ("ActorDiedError", True),
        ("ActorUnavailableError", True),
        ("NodeDiedError", True),
        ("OutOfMemoryError", True),
        ("ObjectLostError", True),  # a large answer, and the node that held it died before it was fetched
        ("RayTaskError", False),  # a fault of ours, which every worker has
        ("RaySystemError", False),
    ],
)
def test_what_is_gone_is_told_from_what_is_wrong(error: str, is_gone: bool, tmp_path: Path) -> None:
    from ray import exceptions

    def get(_: object) -> None:
        raise type(error, (getattr(exceptions, error),), {"__init__": lambda _: None, "__str__": lambda _: error})()

    killed: list[object] = []
    cluster = Dying()
    cluster._ray = SimpleNamespace(get=get, exceptions=exceptions, kill=killed.append)
    worker = SimpleNamespace(see=SimpleNamespace(remote=lambda file: file))
    (tmp_path / "photo.jpg").write_bytes(b"x")
    file = photo_file(tmp_path / "photo.jpg")
    if is_gone:
        assert ClusterWorkers.answer(cluster, worker, file) is None
        assert killed == []
    else:
        with pytest.raises(ClusterError, match=r"failed on .*photo\.jpg"):
            ClusterWorkers.answer(cluster, worker, file)
        assert killed == [worker]


@pytest.mark.parametrize("processors", [2, 3])
def test_a_worker_does_not_wait_for_a_processor_that_is_gone(
    processors: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of three processors has died with its node since they were counted, or another program keeps it."""
    from ray import exceptions

    from facesearch.cluster import workers

    def worker(*, has_room: bool) -> SimpleNamespace:
        asked = SimpleNamespace(remote=lambda: has_room)
        return SimpleNamespace(identity=asked, node=asked)

    def get(answers: list[bool], timeout: float) -> tuple[dict[str, str], str]:
        if not all(answers):
            raise exceptions.GetTimeoutError
        return cluster._expected, "beta"

    monkeypatch.setattr(workers, "_START_S", 0)
    killed: list[object] = []
    waiting, replacement = worker(has_room=False), worker(has_room=True)
    with open_library(tmp_path / "library") as library:
        session = library._session
        cluster = session.cluster("local", session.load_detector_for("16"))
    cluster.count = 3
    cluster._worker = SimpleNamespace(remote=lambda *_: waiting)
    cluster._replacement = SimpleNamespace(remote=lambda *_: replacement)
    cluster._ray = SimpleNamespace(
        exceptions=exceptions,
        get=get,
        wait=lambda answers, **_: ([answer for answer in answers if answer], []),
        kill=killed.append,
        cluster_resources=lambda: {"CPU": float(processors)},
    )
    if processors == 2:
        assert cluster.start() == (replacement, "beta")
    else:
        with pytest.raises(ClusterError, match="had no room for a worker"):
            cluster.start()
    assert killed == [waiting]


def test_a_node_of_another_version_gets_no_work(
    cluster_album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClusterWorkers, "start", started_on_an_old_node)
    with open_library(tmp_path / "library") as library, pytest.raises(ClusterError, match="has another facesearch"):
        library.index(cluster_album, ray="local", workers=1)


real_start = ClusterWorkers.start


def started_on_an_old_node(cluster: ClusterWorkers, *, replaces: bool = False) -> tuple[Any, str]:
    cluster._expected["facesearch"] = "0.0.1"
    return real_start(cluster, replaces=replaces)


@pytest.mark.parametrize("failures", [2, 3])
def test_a_local_cluster_that_does_not_start_is_tried_again(
    failures: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    starts = iter([Exception("The current node timed out during startup.")] * failures + [None])

    def start(**_: Any) -> None:
        if (error := next(starts)) is not None:
            raise error

    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    with open_library(tmp_path / "library") as library:
        session = library._session
        cluster = session.cluster("local", session.load_detector_for("16"))
    if failures == 3:
        with pytest.raises(ClusterError, match="timed out during startup"):
            cluster.__enter__()
    else:
        with cluster:
            assert cluster.count == 2


@pytest.mark.parametrize("is_there", [False, True])
def test_rays_token_is_private(is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray makes one for a local cluster, and lets everybody read it."""
    import ray

    token = tmp_path / ".ray" / "auth_token"
    monkeypatch.setenv("HOME", str(tmp_path))
    modes = []

    def write(**_: Any) -> None:
        token.parent.mkdir(mode=0o755, exist_ok=True)
        modes.append(token.parent.stat().st_mode & 0o777)
        token.write_text("token")
        modes.append(token.stat().st_mode & 0o777)

    if is_there:
        write()
        token.parent.chmod(0o755)
        token.chmod(0o644)
    monkeypatch.setattr(ray, "init", write)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    with open_library(tmp_path / "library") as library:
        session = library._session
        with session.cluster("local", session.load_detector_for("16")):
            assert token.stat().st_mode & 0o777 == 0o600
    assert modes[-2:] == [0o700, 0o600 if is_there else 0o644]  # in a folder that nobody else can open


def test_no_cluster_at_an_address_says_how_to_start_one(cluster_album: Path, run: CommandLine, tmp_path: Path) -> None:
    refused = run("index", cluster_album, "--library", tmp_path / "library", "--ray", "127.0.0.1:1")
    assert (refused.code, refused.out) == (8, "")
    assert "ray start --head" in refused.err
    assert "RAY_AUTH_MODE=token" in refused.err


def test_a_worker_answers_with_embeddings_and_without_crops(cluster_album: Path) -> None:
    from facesearch.vision.detector.detector import DEFAULT_SETTINGS

    worker = NodeWorker(DEFAULT_SETTINGS, None, "cpu", "f32")
    photo = photo_file(min((cluster_album / "people").rglob("*.jpg")))
    seen = worker.see(photo)
    assert not isinstance(seen, Refused)
    assert seen.faces
    assert [face.crop.size for face in seen.faces] == [0] * len(seen.faces)
    assert all(face.embedding is not None and face.embedding.shape == (32,) for face in seen.faces)
    known = [face.face for face in seen.faces]
    drawn = [DrawnFace(known[0].box), DrawnFace(np.array([0, 0, 9, 9], np.float32))]
    again = worker.see(KnownPhoto(photo.path, photo.size_bytes, photo.mtime_ns, known, drawn))
    assert not isinstance(again, Refused)
    assert [face.embedding is not None and face.crop.size for face in again.faces] == [0] * len(known)
    assert [face is not None and face.embedding is not None for face in again.drawn] == [True, False]
    refused = worker.see(photo_file(cluster_album / "broken.jpg"))
    assert isinstance(refused, Refused)
    assert refused.errno is None
    assert set(worker.identity()) == {"facesearch", "detector", "tower", "precision"}
