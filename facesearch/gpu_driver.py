"""What NVIDIA's driver says of GPUs. It is asked once, in a process of its own and for a limited time: a driver that is
stuck never answers, and whoever asks it by a framework waits forever.
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import Literal

log = logging.getLogger(__name__)

Answer = Literal["none", "seen", "stuck"]

LIMIT_S = 30.0
"""How long the driver may take; with eight GPUs that sleep it takes some 10 s."""

STUCK = "NVIDIA's driver does not answer: restart the machine, or run with `--device cpu`"

_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")
# Its exit code says it: _SEEN where the driver sees a GPU.
_SEEN = 10
_PROGRAM = """
import ctypes, sys
driver, count = ctypes.CDLL(sys.argv[1]), ctypes.c_int(0)
is_seen = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
sys.exit(int(sys.argv[2]) if is_seen else 0)
"""


@cache
def asked() -> Answer:
    """Whether NVIDIA's driver sees a GPU, or gives no answer within LIMIT_S. Logs, once, that it is stuck, or that no
    process could be started to ask it, which counts as "none"."""
    library = next(filter(_is_there, _LIBRARIES), None)
    if library is None or not sys.executable:
        return "none"
    import subprocess

    nothing = subprocess.DEVNULL
    program = [sys.executable, "-I", "-S", "-c", _PROGRAM, library, str(_SEEN)]
    try:
        process = subprocess.Popen(program, stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError as error:  # no memory or no descriptor is left, or Python's own file is gone
        log.warning("NVIDIA's driver was not asked (%s): going on without a GPU", error.strerror)
        return "none"
    try:
        return "seen" if process.wait(timeout=LIMIT_S) == _SEEN else "none"
    except subprocess.TimeoutExpired:
        process.kill()  # nobody waits for it: inside the driver a process cannot even be killed
        log.warning("NVIDIA's driver gave no answer within %.0f s: going on without a GPU", LIMIT_S)
        return "stuck"


def _is_there(library: str) -> bool:
    """Whether it can be loaded, which does not call the driver yet."""
    import ctypes

    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
