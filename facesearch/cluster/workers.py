"""Workers on the nodes of a Ray cluster, each asked for one photo at a time by a lane of its own.

Ray starts them, moves the answers, and says when a worker or a node is gone. A worker that dies is replaced and its
photo tried once more; a photo that costs two workers is given up. Nodes that would find or embed faces in another way
are refused before they get work. Writes nothing: the library has one writer, and that is the caller.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from facesearch.cluster.node import NodeWorker, Refused, identity_of
from facesearch.cluster.tally import Tally
from facesearch.errors import ClusterError
from facesearch.import_path import how_to_add
from facesearch.photos.files import photo_error
from facesearch.records import Device, PhotoFile
from facesearch.vision.detector.detector import Detector
from facesearch.vision.faces import SeenPhoto
from facesearch.vision.tower.tower import Tower

log = logging.getLogger(__name__)

LOCAL = "local"
_TRIES = 2  # workers that one photo may cost
_KNOCK_S = 5.0  # until a cluster's head must have answered
_LOCAL_TRIES = 3  # to start a local cluster, each of which Ray gives 30 s
_STARTS = 3  # of a worker, before the cluster counts as unusable
# Errors of Ray's that a worker, or its node, can end with; the last where a large answer lay there still.
_GONE = ("RayActorError", "WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError")
_TOKEN = Path("~/.ray/auth_token")  # Ray's; who has it can run programs on the cluster
_START_S = 600.0  # until a worker has loaded its networks; the first on a machine compiles them
_LOOK_S = 10.0  # between looks at whether the cluster still has the processor that a worker waits for


class ClusterWorkers:
    """A connection to a Ray cluster. `seer` gives what a lane works with (see `indexing.reading.work_ahead`).

    address: of the cluster's head ("10.0.0.1:6379", or "auto" on one of its nodes), or "local" for one that is started
    here and ends with the context. detector, tower: the library's, which every node must have too. folder: of a tower
    that is not the shipped one, under the same path on every node. workers: how many; 0 is one for each processor (or
    GPU) of the cluster. Raises ClusterError where Ray is missing or cannot be reached.
    """

    def __init__(
        self,
        address: str,
        detector: Detector,
        tower: Tower,
        *,
        folder: Path | None = None,
        device: Device = "auto",
        workers: int = 0,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise ClusterError(f"--ray needs Ray ({error}): {how_to_add('cluster')}") from error
        self._ray: Any = ray
        self._address = address
        self._expected = identity_of(detector, tower)
        on_gpu = device == "gpu"
        self._resource = "GPU" if on_gpu else "CPU"
        resources: dict[str, float] = {"num_gpus": 0.9, "num_cpus": 0} if on_gpu else {"num_cpus": 1}
        # A worker that dies is replaced here, so that it can be said which photo it died of; where its node is gone,
        # the others are full, and the replacement must fit on them all the same.
        self._worker = self._ray.remote(**resources, max_restarts=0, max_task_retries=0)(NodeWorker)
        lacking: dict[str, float] = {"num_gpus": 0.1} if on_gpu else {"num_cpus": 0}
        self._replacement = self._worker.options(**lacking, scheduling_strategy="SPREAD")
        there = None if folder is None else folder.absolute()
        self._arguments = (detector.settings, there, device if device in ("gpu", "npu") else "cpu", tower.precision)
        self._wanted = workers
        self._failure: ClusterError | None = None
        self._said = ExitStack()
        self.count = 0
        """How many workers there are, each for a lane; known inside the context."""
        self.tally = Tally()
        """What each node has done and is doing."""

    def __enter__(self) -> Self:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address == LOCAL:
            options |= {"include_dashboard": False, "num_cpus": self._wanted or None}
            os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would wait for all other programs
            with suppress(OSError):
                _TOKEN.expanduser().parent.mkdir(mode=0o700, exist_ok=True)
        try:
            _knock(self._address)
            _keep_token_private()
            self._connect(options)
            _keep_token_private()
            there = self._processors()
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise ClusterError(
                f"no Ray cluster answers at {self._address} ({error}): start one with `ray start --head`; if it asks "
                "for a token, set RAY_AUTH_MODE=token and put it into ~/.ray/auth_token; or give --ray local"
            ) from error
        self._said.enter_context(_rays_words_logged(self._ray))
        self.count = min(self._wanted or there, there)
        if not self.count:
            self.__exit__(None, None, None)
            raise ClusterError(f"the Ray cluster at {self._address} has no {self._resource} to work on")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()
        self._said.close()

    def _connect(self, options: dict[str, Any]) -> None:
        """Connect to the cluster, or start the local one. Ray forks its processes from this one: where a thread holds
        a lock at that moment, the child hangs before it begins, and Ray gives up. Then it is tried again."""
        for tries_left in reversed(range(_LOCAL_TRIES if self._address == LOCAL else 1)):
            try:
                self._ray.init(address=self._address, **options)
            except Exception as error:  # Ray raises a plain one for a process that does not begin
                self._ray.shutdown()
                if not tries_left:
                    raise ConnectionError(str(error)) from error
                log.debug("Ray did not start: %s", error)
            else:
                return

    def seer(self) -> RemoteSeer:
        """What one lane works with."""
        return RemoteSeer(self)

    def start(self, *, replaces: bool = False) -> tuple[Any, str]:
        """A worker that is ready, and the name of its node. replaces: another that is gone. Raises ClusterError where
        its node is another version, or cannot start one."""
        if self._failure is not None:
            raise self._failure
        for tries_left in reversed(range(_STARTS)):  # the node that it was to run on may just have gone
            worker = (self._replacement if replaces else self._worker).remote(*self._arguments)
            try:
                found, node = self._introduced(worker, replaces=replaces)
                break
            except self._ray.exceptions.GetTimeoutError as error:
                if not replaces and tries_left and self._processors() < self.count:
                    self._ray.kill(worker)
                    replaces = True
                    continue
                message = (
                    f"the Ray cluster had no room for a worker within {_START_S / 60:.0f} minutes: give fewer "
                    "--workers, or stop other jobs there"
                )
                raise self._failed(worker, message) from error
            except self._ray.exceptions.RayError as error:
                is_gone = isinstance(error, self._ray.exceptions.RayActorError) and error.__cause__ is None
                message = f"a node of the Ray cluster cannot start a worker: {_cause(error)}"
                if not (is_gone and tries_left):
                    raise self._failed(worker, message) from error
                replaces = True
        expected = self._expected
        if wrong := [name for name in expected if found[name] != expected[name]]:
            name = wrong[0]
            raise self._failed(
                worker,
                f"the node {node} has another {name} ({found[name]}, not {expected[name]}): install the same version "
                "and tower on every node",
            )
        self.tally.ready(node)
        return worker, node

    def _processors(self) -> int:
        """How many processors, or GPUs, the cluster has; those of a node that died count until Ray has noticed."""
        return int(self._ray.cluster_resources().get(self._resource, 0))

    def _introduced(self, worker: Any, *, replaces: bool) -> tuple[dict[str, str], str]:
        """Who a new worker is, and the name of its node. replaces: it needs no processor of its own. Raises Ray's
        errors; GetTimeoutError where it is not ready in time, or waits for a processor that is gone with its node."""
        answers = [worker.identity.remote(), worker.node.remote()]
        deadline_s = time.monotonic() + _START_S
        while len(self._ray.wait(answers, num_returns=2, timeout=_LOOK_S)[0]) < 2:
            if time.monotonic() > deadline_s or (not replaces and self._processors() < self.count):
                break
        found, node = self._ray.get(answers, timeout=0)
        return found, node

    def _failed(self, worker: Any, message: str) -> ClusterError:
        """The error that ends the run, for this lane and all others; the worker is ended."""
        self._ray.kill(worker)
        self._failure = ClusterError(message)
        return self._failure

    def answer(self, worker: Any, file: PhotoFile) -> SeenPhoto | Refused | None:
        """What a worker says of a photo; None where it died of it, or its node is gone with it."""
        gone = tuple(getattr(self._ray.exceptions, name) for name in _GONE)
        try:
            answer: SeenPhoto | Refused = self._ray.get(worker.see.remote(file))
        except gone as error:
            log.warning("a worker of the Ray cluster is gone: %s", _cause(error))
            return None
        except self._ray.exceptions.RayError as error:
            message = f"a worker of the Ray cluster failed on {file.path}: {_cause(error)}"
            raise self._failed(worker, message) from error
        return answer

    def stop(self, worker: Any) -> None:
        """End a worker that is not needed any more."""
        self._ray.kill(worker)


class RemoteSeer:
    """A lane's worker on some node: started with the first photo, and again when it dies."""

    def __init__(self, cluster: ClusterWorkers) -> None:
        self._cluster = cluster
        self._worker: Any = None
        self._node = ""
        self._has_lost = False
        self._gave_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            self._cluster.stop(self._worker)

    def see(self, file: PhotoFile) -> SeenPhoto:
        """The faces of a photo, embedded. Raises PhotoError, also where two workers died of it; ClusterError."""
        for _ in range(_TRIES):
            if self._worker is None:
                self._worker, self._node = self._cluster.start(replaces=self._has_lost)
            with self._cluster.tally.working(self._node):
                answer = self._cluster.answer(self._worker, file)
            if answer is None:
                self._worker, self._has_lost = None, True
                if self._gave_up:
                    break
                continue
            self._cluster.tally.answered(self._node)
            if isinstance(answer, Refused):
                raise answer.error()
            return answer
        if self._gave_up:
            raise photo_error(file.path, "was not finished")
        # Photos are decoded in processes apart, which a bad one cannot leave: memory or machines have failed, most
        # likely. An error with a number is tried again, and drops nothing that the library knows of the photo.
        lost = photo_error(file.path, f"brought {_TRIES} workers of the cluster down: run the command again to retry")
        lost.__cause__ = OSError(errno.EHOSTDOWN, os.strerror(errno.EHOSTDOWN))
        raise lost

    def give_up(self) -> None:
        """End the worker, and what it is doing; called from another thread."""
        self._gave_up = True
        if self._worker is not None:
            self._cluster.stop(self._worker)


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at "host:port": Ray itself would end this process."""
    host, separator, port = address.rpartition(":")
    if separator and port.isdigit():
        socket.create_connection((host, int(port)), _KNOCK_S).close()


@contextmanager
def _rays_words_logged(ray: Any) -> Iterator[None]:
    """Inside, what Ray says of nodes that are gone goes to the log: it prints that to stdout, which is for results, and
    has no setting for it."""
    its_own = vars(ray._private.worker)
    printing = {name: its_own[name] for name in ("print_to_stdstream",) if name in its_own}
    its_own.update({name: lambda data, **_: log.info("Ray: %s", " ".join(data["lines"])) for name in printing})
    try:
        yield
    finally:
        its_own.update(printing)


def _keep_token_private() -> None:
    """Ray writes its token for everybody to read."""
    token = _TOKEN.expanduser()
    for path, mode in ((token.parent, 0o700), (token, 0o600)):
        with suppress(OSError):
            if path.stat().st_mode & 0o077:
                path.chmod(mode)


def _cause(error: BaseException) -> str:
    """The last line of what Ray says, which names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
