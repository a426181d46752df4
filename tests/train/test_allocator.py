"""Freed memory stays with the process, as the kernel counts it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from facesearch_train.allocator import keep_freed_memory

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def resident_kib():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

def left_mib(size=256 << 20):
    before, block = resident_kib(), library.malloc(size)
    ctypes.memset(block, 1, size)
    library.free(block)
    return (resident_kib() - before) >> 10

print(left_mib())
assert keep_freed_memory()
print(left_mib())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives freed memory back at once")
def test_a_freed_block_stays_resident_only_once_it_is_to_be_kept() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, stdout=subprocess.PIPE, text=True)
    returned, kept = map(int, done.stdout.splitlines()[-2:])
    assert (returned > 200, kept > 200) == (False, True)
