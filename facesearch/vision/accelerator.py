"""A GPU that runs networks by Keras, on whichever backend of it sees one: TensorFlow, PyTorch or JAX.

One process owns the GPU: callers from all threads are answered in batches of inputs of one shape. A batch that does not
fit in its memory is halved. Once the GPU fails in another way, the CPU does the work. The backends are imported here
and in the networks' builders, and only where there may be a GPU.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module, util
from typing import Any, Literal

import numpy as np

from facesearch import gpu_driver
from facesearch.errors import FacesearchError
from facesearch.first_use import imported_quietly
from facesearch.records import Device, Floats, Pixels
from facesearch.vision.network_cache import cache_dir

log = logging.getLogger(__name__)

Backend = Literal["tensorflow", "torch", "jax"]
Network = Callable[[Pixels], Floats]
"""uint8 (N, H, W, 3) -> float32 (N, ...)."""

NO_GPU = (
    "no GPU that TensorFlow, PyTorch or JAX can use: install NVIDIA's driver and facesearch's extra `cuda`, or run "
    "with `--device cpu`"
)
NAMES: dict[Backend, str] = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}
"""The backends, the first that sees a GPU is taken. JAX is the last because it compiles for each shape of its input."""

# What NVIDIA's driver may have answered for the backends to be asked.
_ASKED_FURTHER: dict[Device, tuple[gpu_driver.Answer, ...]] = {"auto": ("seen",), "gpu": ("seen", "none")}
_BACKEND_VARIABLE = "KERAS_BACKEND"
# Frameworks take most of a GPU's memory at once, unless they are told not to: FAISS needs some of it in this process.
_ENVIRONMENT = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
_MOST_PX = 256 * 112 * 112  # of a batch: 256 crops, or 10 photos of 640 x 480 px
_OUT_OF_MEMORY = ("resource_exhausted", "resourceexhausted", "out of memory", "outofmemory", "failed to allocate")


class Accelerator:
    """The GPU of this process, driven by one backend of Keras.

    backend: its name. is_lost: whether it failed, and everything goes on on the CPU.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.is_lost = False
        self._owner = ThreadPoolExecutor(1, thread_name_prefix="gpu")

    @property
    def description(self) -> str:
        """What runs there, in words."""
        return "cpu, after the GPU was lost" if self.is_lost else f"gpu ({NAMES[self.backend]})"

    def network(self, build: Callable[[], Any], on_cpu: Callable[[], Network]) -> AcceleratedNetwork:
        """A network on the GPU. build: makes the keras.Model, once it is needed. on_cpu: the same network on the CPU,
        for when the GPU is lost."""
        return AcceleratedNetwork(self, build, on_cpu)

    def compiled(self, model: Any) -> Network:
        """A keras.Model, ready to run. By XLA only where the backend knows nothing else: it compiles for each shape."""
        model.jit_compile = self.backend == "jax"

        def run(batch: Pixels) -> Floats:
            return np.asarray(model.predict_on_batch(batch), dtype=np.float32)

        return run

    def owned(self, work: Callable[[], None]) -> Future[None]:
        """Begin work in the one thread that uses the GPU."""
        return self._owner.submit(work)

    def lose(self, error: BaseException) -> None:
        """Go on without the GPU, and say so once."""
        if not self.is_lost:
            self.is_lost = True
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            log.warning("the GPU failed (%s): going on with the CPU", reason[:200])


class AcceleratedNetwork:
    """A network on the GPU, called from any thread; on the CPU, once the GPU is lost."""

    def __init__(self, accelerator: Accelerator, build: Callable[[], Any], on_cpu: Callable[[], Network]) -> None:
        self._accelerator, self._build, self._load_on_cpu = accelerator, build, on_cpu
        self._most_px = _MOST_PX
        self._waiting: list[tuple[Pixels, Future[Floats]]] = []
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._on_gpu: Network | None = None
        self._on_cpu: Network | None = None

    @property
    def device(self) -> str:
        """Where it runs, in words."""
        return self._accelerator.description

    def prepare(self) -> None:
        """Build the network before the first call. Raises what `build` raises."""
        if not self._accelerator.is_lost:
            self._accelerator.owned(self._load).result()

    def __call__(self, inputs: Pixels) -> Floats:
        """uint8 (N, H, W, 3) -> float32 (N, ...). Raises what `build` raises."""
        answered: Future[Floats] = Future()
        if self._accelerator.is_lost:
            return self._by_cpu(inputs)
        with self._lock:
            self._waiting.append((inputs, answered))
        self._accelerator.owned(self._answer)
        return answered.result()

    def _answer(self) -> None:
        """Answer the caller who waits longest, and with it those whose inputs have the same shape."""
        with self._lock:
            if not self._waiting:
                return
            shape = self._waiting[0][0].shape[1:]
            together = [each for each in self._waiting if each[0].shape[1:] == shape]
            self._waiting = [each for each in self._waiting if each[0].shape[1:] != shape]
        inputs, answers = zip(*together, strict=True)
        try:
            outputs = self._run(np.concatenate(inputs) if len(inputs) > 1 else inputs[0])
        except BaseException as error:  # noqa: BLE001 - raised again by those who wait
            for answer in answers:
                answer.set_exception(error)
            return
        ends = np.cumsum([len(each) for each in inputs])
        for end, each, answer in zip(ends, inputs, answers, strict=True):
            answer.set_result(outputs[end - len(each) : end])

    def _run(self, inputs: Pixels) -> Floats:
        parts: list[Floats] = []
        done = 0
        self._load()
        while done < len(inputs) and not self._accelerator.is_lost:
            batch = inputs[done : done + self._batch_size(inputs)]
            try:
                parts.append(self._on_gpu_in_full(batch))
                done += len(batch)
            except Exception as error:  # noqa: BLE001 - each backend has classes of its own
                if len(batch) > 1 and is_out_of_memory(error):
                    half = _filled(len(batch)) // 2
                    self._most_px = half * batch.shape[1] * batch.shape[2]
                    log.info("the GPU's memory does not hold %d inputs at once: going on with %d", 2 * half, half)
                else:
                    self._accelerator.lose(error)
        if done < len(inputs):
            parts.append(self._by_cpu(inputs[done:]))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _batch_size(self, inputs: Pixels) -> int:
        """A power of two, so that backends meet few shapes."""
        most: int = max(self._most_px // (inputs.shape[1] * inputs.shape[2]), 1)
        return 1 << (most.bit_length() - 1)

    def _on_gpu_in_full(self, batch: Pixels) -> Floats:
        """A batch whose size is filled up to a power of two."""
        assert self._on_gpu is not None
        lacking = _filled(len(batch)) - len(batch)
        full = np.concatenate([batch, np.repeat(batch[-1:], lacking, axis=0)]) if lacking else batch
        return self._on_gpu(full)[: len(batch)]

    def _load(self) -> None:
        if self._on_gpu is None and not self._accelerator.is_lost:
            try:
                self._on_gpu = self._accelerator.compiled(self._build())
            except FacesearchError:
                raise
            except Exception as error:  # noqa: BLE001 - as in `_run`
                self._accelerator.lose(error)

    def _by_cpu(self, inputs: Pixels) -> Floats:
        with self._loading:
            if self._on_cpu is None:
                self._on_cpu = self._load_on_cpu()
        return self._on_cpu(inputs)


def _filled(count: int) -> int:
    """The least power of two that is not smaller."""
    return 1 << (count - 1).bit_length()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a backend says that the GPU's memory does not suffice. They have no class of errors in common."""
    said = f"{type(error).__name__} {error}".lower()
    return any(words in said for words in _OUT_OF_MEMORY)


def find_accelerator(device: Device) -> Accelerator | None:
    """The GPU for a device; None where that is the CPU or an NPU, or there is no GPU that a backend can use.

    "auto" asks the backends only where NVIDIA's driver sees a GPU; "gpu" asks them all, for those of other makers too.
    Where that driver is stuck they are not asked, for they would never answer.
    The environment's KERAS_BACKEND chooses the backend.
    """
    if device in ("cpu", "npu") or gpu_driver.asked() not in _ASKED_FURTHER[device]:
        return None
    return _accelerator()


def why_none() -> str:
    """Why there is no GPU, and what to do."""
    return gpu_driver.STUCK if gpu_driver.asked() == "stuck" else NO_GPU


@cache
def _accelerator() -> Accelerator | None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    folder = cache_dir()
    if folder is not None:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder / "jax"))
    for backend in _candidates():
        if util.find_spec(backend) is not None and _sees_gpu(backend):
            os.environ[_BACKEND_VARIABLE] = backend
            return Accelerator(backend)
    return None


def _candidates() -> list[Backend]:
    """The backends that Keras may use: one that is loaded already, or that the user has chosen, is the only one."""
    chosen = os.environ.get(_BACKEND_VARIABLE)
    if "keras" in sys.modules:
        chosen = import_module("keras").backend.backend()
    return [backend for backend in NAMES if chosen in (None, "", backend)]


def _sees_gpu(backend: Backend) -> bool:
    """Whether a backend that is installed can use a GPU. Imports it."""
    try:
        framework = imported_quietly(backend)
        if backend == "tensorflow":
            return bool(framework.config.list_physical_devices("GPU"))
        if backend == "jax":
            return any(device.platform != "cpu" for device in framework.devices())
        return bool(framework.cuda.is_available() or framework.backends.mps.is_available())
    except (ImportError, OSError, RuntimeError) as error:  # a library of CUDA is missing, or too old
        log.info("%s cannot be asked for a GPU: %s", NAMES[backend], error)
        return False
