"""Freed memory stays with the process, as the kernel counts it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from facesearch_train.allocator import KeepFreedMemory, keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def resident_kib():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

before, size = resident_kib(), 256 << 20
block = library.malloc(size)
ctypes.memset(block, 1, size)
library.free(block)
print((resident_kib() - before) >> 10)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives freed memory back at once")
@pytest.mark.parametrize(("variant", "is_kept"), [("returned", False), ("kept", True)])
def test_a_freed_block_stays_resident_only_when_kept(variant: str, is_kept: bool) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, variant], check=True, stdout=subprocess.PIPE, text=True)
    assert (int(done.stdout.splitlines()[-1]) > 200) == is_kept
