"""Holds every import of both packages against the table in docs/architecture.md."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
TRAIN = "facesearch_train"
FOR_ALL_ROOMS = {"records", "errors"}
FOR_ALL_LIBRARIES = {"numpy"}
HEAVY = {"faiss", "h5py", "keras", "matplotlib", "openvino", "pillow_heif", "sklearn", "sqlite_utils", "tensorflow"}


@dataclass(frozen=True)
class Import:
    """One import: the module that does it, the dotted name imported, and where."""

    module: str
    target: str
    line: int
    at_top: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


@dataclass(frozen=True)
class Room:
    """A row of the table."""

    rooms: frozenset[str]
    libraries: frozenset[str]


def read_table() -> dict[str, Room]:
    """The rooms of docs/architecture.md."""
    rows = re.findall(r"^\| `([\w.]+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: Room(frozenset(_words(rooms)), frozenset(_words(libraries))) for name, rooms, libraries in rows}


def _words(cell: str) -> list[str]:
    return [word.strip() for word in cell.split(",") if word.strip()]


def read_floors() -> list[set[str]]:
    """The floors of docs/architecture.md, the ground floor first."""
    block = re.search(r"^```\n(errors [^`]*)```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert block is not None
    return [set(floor.split()) for floor in block[1].split("<")]


def room_of(module: str) -> str | None:
    """`facesearch.library.rows.catalog` -> `library.rows`, `facesearch.library.folder` -> `library`.

    `facesearch_train.data.crops` -> `facesearch_train.data`, any module outside its packages -> `facesearch_train`;
    the package `facesearch` itself is none.
    """
    package, _, rest = module.partition(".")
    parts = rest.split(".")
    if package == TRAIN:
        return (
            f"{TRAIN}.{parts[0]}" if (ROOT / "train" / TRAIN / parts[0] / "__init__.py").is_file() and rest else TRAIN
        )
    inner = len(parts) > 1 and (ROOT / package / parts[0] / parts[1] / "__init__.py").is_file()
    return ".".join(parts[: 2 if inner else 1]) or None


@cache
def sources() -> dict[str, str]:
    """Every module of both packages by dotted name, with its text."""
    found = {}
    for package in (ROOT / "facesearch", ROOT / "train" / TRAIN):
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(package.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def imports_of(module: str, text: str, known: set[str]) -> Iterator[Import]:
    """All imports of a module, wherever they stand. `from package import module` counts as the module."""
    tree = ast.parse(text)
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute here"
            assert node.module is not None
            targets = [
                f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from (Import(module, target, node.lineno, id(node) in top) for target in targets)


@cache
def all_imports() -> list[Import]:
    texts = sources()
    return [found for module, text in texts.items() for found in imports_of(module, text, set(texts))]


def top_name(target: str) -> str:
    return target.partition(".")[0]


def is_ours(target: str) -> bool:
    return top_name(target) in {"facesearch", TRAIN}


def forbidden(found: Import, table: dict[str, Room]) -> bool:
    """Whether the table has no arrow for an import."""
    room, target = room_of(found.module), room_of(found.target)
    if room is not None and room not in table:
        return True
    if is_ours(found.target):
        if room is None:
            return target not in {None, "api", *FOR_ALL_ROOMS}
        return target not in {room, *FOR_ALL_ROOMS, *table[room].rooms}
    allowed = table[room].libraries if room else frozenset()
    return top_name(found.target) not in {*sys.stdlib_module_names, *FOR_ALL_LIBRARIES, *allowed}


def test_every_room_has_a_row_and_every_row_a_room() -> None:
    rooms = {room for module in sources() if (room := room_of(module)) is not None}
    assert rooms == set(read_table())


def test_arrows_lead_to_rooms() -> None:
    table = read_table()
    assert {target for room in table.values() for target in room.rooms} <= set(table)


def test_only_the_arrows_of_the_table_are_imported() -> None:
    table = read_table()
    assert [str(found) for found in all_imports() if forbidden(found, table)] == []


def test_every_arrow_of_the_table_is_imported() -> None:
    imported = {(room_of(found.module), room_of(found.target)) for found in all_imports() if is_ours(found.target)}
    arrows = {(name, target) for name, room in read_table().items() for target in room.rooms}
    assert arrows - imported == set()


def test_every_import_leads_to_a_lower_floor_or_stays_in_its_package() -> None:
    floors = {room: number for number, floor in enumerate(read_floors()) for room in floor}
    assert set(floors) == {room.partition(".")[0] for room in read_table()}
    upwards = []
    for found in all_imports():
        rooms = room_of(found.module), room_of(found.target) if is_ours(found.target) else None
        source, target = (room and room.partition(".")[0] for room in rooms)
        if source and target and source != target and floors[target] >= floors[source] and target != TRAIN:
            upwards.append(str(found))
    assert upwards == []


def test_only_the_command_line_knows_of_training() -> None:
    importers = {top_name(room_of(found.module) or "") for found in all_imports() if top_name(found.target) == TRAIN}
    assert importers == {TRAIN, "cli"}
    of_training = {target for name, room in read_table().items() if top_name(name) == TRAIN for target in room.rooms}
    assert not {top_name(target) for target in of_training} & {"library", "indexing", "query", "api", "cli", "web"}


def test_training_data_knows_neither_networks_nor_figures() -> None:
    own = {target for target in read_table()[f"{TRAIN}.data"].rooms if top_name(target) == TRAIN}
    assert own == set()


def test_heavy_libraries_are_imported_inside_functions() -> None:
    at_top = [found for found in all_imports() if found.at_top and top_name(found.target) in HEAVY]
    assert [str(found) for found in at_top if top_name(found.module) != TRAIN] == []


def test_the_command_line_imports_only_what_is_light() -> None:
    at_top = [found for found in all_imports() if found.at_top and room_of(found.module) == "cli"]
    ours = {room_of(found.target) for found in at_top if is_ours(found.target)}
    libraries = {top_name(found.target) for found in at_top} - set(sys.stdlib_module_names)
    assert ours <= {"cli", "errors", "text"}
    assert libraries <= {"facesearch", "typer"}


def test_modules_do_not_import_one_another_in_a_circle() -> None:
    texts = sources()
    graph: dict[str, set[str]] = {module: set() for module in texts}
    for found in all_imports():
        if found.at_top and found.target in graph and found.target != found.module:
            graph[found.module].add(found.target)
    while leaves := {module for module, targets in graph.items() if not targets}:
        graph = {module: targets - leaves for module, targets in graph.items() if module not in leaves}
    assert graph == {}


def test_the_table_of_changes_names_files_that_are_there() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Everyday changes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!change|---)([^|]+)\|([^|]+)\|([^|]+)\|$", section, re.MULTILINE)
    assert len(rows) == 20
    for change, begins, goes_with in rows:
        paths = re.findall(r"`([\w.-]+/[\w./-]+)`", begins + goes_with)
        assert len(paths) >= 2, change
        assert [path for path in paths if not (ROOT / path).is_file()] == [], change


@pytest.mark.parametrize(
    "text",
    [
        "import facesearch.library",
        "from facesearch import library",
        "from facesearch.library.rows.catalog import Catalog",
        "def f():\n    from facesearch.cli import main",
        "import typing\nif typing.TYPE_CHECKING:\n    import facesearch_train.loop",
        "import tensorflow as tf",
        "from keras import ops",
    ],
)
def test_a_forbidden_import_would_be_seen(text: str) -> None:
    known = set(sources())
    found = list(imports_of("facesearch.photos.walking", text, known))
    assert any(forbidden(one, read_table()) for one in found)


def test_an_import_along_an_arrow_is_allowed() -> None:
    lines = (
        "import os",
        "from PIL import Image",
        "from facesearch.records import Photo",
        "from facesearch import errors",
    )
    found = list(imports_of("facesearch.photos.walking", "\n".join(lines), set(sources())))
    assert len(found) == len(lines)
    assert not any(forbidden(one, read_table()) for one in found)
