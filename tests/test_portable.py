"""No module of the package needs a Unix to be imported, and none calls what only a Unix has without asking first.

Read from the source: nothing here was run on Windows or macOS.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.documents import ROOT

UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
UNIX_NAMES = {
    "os": {
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NOCTTY", "O_NONBLOCK", "chown", "fchmod", "fchown", "fork"),
        *("forkpty", "getegid", "geteuid", "getgid", "getloadavg", "getuid", "killpg", "lchown", "memfd_create"),
        *("mkfifo", "nice", "posix_fadvise", "posix_spawn", "pread", "pwrite", "register_at_fork", "sched_getaffinity"),
        *("setsid", "statvfs", "sync", "sysconf", "uname", "wait3", "wait4"),
        *("O_SYNC", "WNOHANG", "fchdir", "fdatasync", "getpgid", "lockf", "openpty", "pipe2", "posix_fallocate"),
        *("sched_setaffinity", "sched_yield", "sendfile", "setpgid", "ttyname"),
    },
    "signal": {
        *("ITIMER_PROF", "ITIMER_REAL", "SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGPROF", "SIGUSR1", "SIGUSR2"),
        *("SIGCHLD", "SIGCONT", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGWINCH"),
        *("alarm", "pthread_sigmask", "setitimer", "sigwait"),
    },
    "mmap": {"MAP_PRIVATE", "MAP_SHARED", "PROT_READ", "PROT_WRITE"},
    "select": {"epoll", "kqueue", "poll"},
    "socket": {"AF_UNIX", "socketpair"},
    "time": {"tzset"},
}
UNIX_ARGUMENTS = {"pass_fds", "preexec_fn", "start_new_session"}  # of subprocess.Popen
FOLDERS = (ROOT / "facesearch", ROOT / "train")


def unguarded(source: str) -> Iterator[str]:
    """Line and name of each use of a Unix in a module that is not guarded."""
    tree = ast.parse(source)
    parents = {id(child): parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        for name in _unix_names(node):
            if not _is_guarded(node, parents):
                yield f"{getattr(node, 'lineno', '?')}: {name}"


def _unix_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in UNIX_MODULES]
    if isinstance(node, ast.ImportFrom):
        taken = UNIX_NAMES.get(node.module or "", set())
        return [node.module or ""] if node.module in UNIX_MODULES else [a.name for a in node.names if a.name in taken]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return [f"{node.value.id}.{node.attr}"] if node.attr in UNIX_NAMES.get(node.value.id, ()) else []
    if isinstance(node, ast.keyword) and node.arg in UNIX_ARGUMENTS:
        return [node.arg]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.kill" and ast.unparse(node.args[1]) == "0":
        return ["os.kill(pid, 0)"]  # on Windows this ends the process
    return []


def _is_guarded(node: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """Whether a branch asks for the system around it, or before it in its function, or a missing module is caught."""
    while (parent := parents.get(id(node))) is not None:
        if isinstance(parent, ast.If | ast.IfExp) and _asks(parent.test):
            return True
        if isinstance(parent, ast.Try) and node in parent.body and any(map(_catches_import, parent.handlers)):
            return True
        body = getattr(parent, "body", [])
        if isinstance(parent, ast.FunctionDef) and node in body:
            return any(
                isinstance(before, ast.If)
                and _asks(before.test)
                and isinstance(before.body[-1], ast.Return | ast.Raise)
                for before in body[: body.index(node)]
            )
        node = parent
    return False


def _asks(test: ast.expr) -> bool:
    words = ast.unparse(test)
    return any(word in words for word in ("sys.platform", "os.name", "hasattr(os,", "hasattr(signal,"))


def _catches_import(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and "ImportError" in ast.unparse(handler.type)


def _modules() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_asks_before_it_uses_what_only_a_unix_has(path: Path) -> None:
    assert list(unguarded(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "def f():\n    import resource",
        "from os import fork",
        "def f():\n    import os\n    return os.pread(0, 1, 0)",
        "import os\nif True:\n    os.kill(1, 0)",
        "import subprocess\nsubprocess.Popen([], pass_fds=[3])",
        "try:\n    import fcntl\nexcept OSError:\n    pass",
        "import signal\nfor number in (signal.SIGTERM, signal.SIGHUP):\n    pass",
    ],
)
def test_what_only_a_unix_has_would_be_seen(source: str) -> None:
    assert len(list(unguarded(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import fcntl\nexcept ImportError:\n    fcntl = None",
        "import os, sys\nif sys.platform != 'win32':\n    os.pread(0, 1, 0)",
        "import sys\ndef f():\n    if sys.platform == 'win32':\n        return None\n    import fcntl",
        "import os\ncores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1",
    ],
)
def test_a_guard_is_known(source: str) -> None:
    assert list(unguarded(source)) == []
