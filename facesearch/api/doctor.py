"""What is installed, what runs where, what is missing and how to get it: the first thing to ask for in a bug report.

Every value is a version, a number, a name of hardware or a word of this file: never a path, a file's or a person's
name, a tower's own name or the text of an error, which can hold all of these. TensorFlow is not imported.
"""

from __future__ import annotations

import locale
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facesearch import gpu_driver
from facesearch.api.installed import PACKAGES, is_importable, lacking_for_gpu, version_of
from facesearch.errors import FacesearchError, LibraryError, TowerError
from facesearch.import_path import how_to_add, how_to_install

if TYPE_CHECKING:
    from facesearch.library.health import LibraryHealth

LOW_DISK_BYTES = 1 << 30
_MISSING_PACKAGE = 1
_VARIABLES = ("CACHE", "DEBUG", "LIBRARY", "TOWER", "TRUST_PYTHONPATH")
_LOCALE = re.compile(r"C|POSIX|[a-z]{2,3}_[A-Z]{2}")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    area: str
    """system, packages, photos, devices, tower or library."""
    name: str
    """What was looked at."""
    state: Literal["ok", "note", "broken"]
    """ "note": it works without. "broken": `index` or `query` fails."""
    value: str
    """What was found."""
    advice: str | None = None
    """What to do about it."""
    exit_code: int = 0
    """That of the failing command, where something is broken."""


def examine(library: Path | None = None, tower: Path | None = None) -> list[Finding]:
    """Everything worth knowing about this installation. library, tower: folders; None for the usual ones.

    Raises nothing on purpose: what cannot be looked at is a finding.
    """
    areas: tuple[Callable[[], Iterator[Finding]], ...] = (
        _system,
        _packages,
        _photos,
        _devices,
        lambda: _tower(tower),
        lambda: _library(library, tower),
    )
    findings: list[Finding] = []
    for area in areas:
        try:
            findings.extend(area())
        except ImportError as error:  # a package is missing, which _packages says, or does not load
            name = error.name.partition(".")[0] if error.name else "a package"
            findings.append(_broken("packages", name, "cannot be loaded", "reinstall facesearch", _MISSING_PACKAGE))
    return list(dict.fromkeys(findings))


def exit_code_of(findings: list[Finding]) -> int:
    """That of the first thing that is broken; 0 where `index` and `query` should work."""
    return next((finding.exit_code for finding in findings if finding.state == "broken"), 0)


def _system() -> Iterator[Finding]:
    yield Finding("system", "facesearch", "ok", version_of("facesearch") or "not installed as a package")
    yield Finding("system", "Python", "ok", f"{platform.python_version()} ({platform.python_implementation()})")
    libc = " ".join(platform.libc_ver()) if sys.platform == "linux" else ""
    yield Finding("system", "system", "ok", f"{platform.system()} {platform.machine()} {libc}".rstrip())
    yield _locale()
    named = [f"FACESEARCH_{name}" for name in _VARIABLES if os.environ.get(f"FACESEARCH_{name}")]
    yield Finding("system", "environment", "ok", ", ".join([*named, "set"]) if named else "no FACESEARCH_ variable set")


def _locale() -> Finding:
    """Of a locale only language and country: the rest can be anything."""
    language = _LOCALE.match(locale.setlocale(locale.LC_CTYPE))
    spoken = language[0] if language else "another"
    text, names = locale.getpreferredencoding(False).lower(), sys.getfilesystemencoding().lower()
    value = f"{spoken}; text in {text}, file names in {names}"
    if text.replace("-", "") == names.replace("-", "") == "utf8":
        return Finding("system", "locale", "ok", value)
    return Finding(
        "system", "locale", "note", value, "choose a UTF-8 locale, such as LANG=C.UTF-8: names can look wrong"
    )


def _packages() -> Iterator[Finding]:
    for package in PACKAGES:
        version = next(filter(None, map(version_of, package.distributions)), None)
        name = next((name for name in package.distributions if version_of(name)), package.distributions[0])
        if is_importable(package.module):
            yield Finding("packages", name, "ok", version or "of an unknown version")
            continue
        how = how_to_add(package.extra) if package.extra else how_to_install(package.install or name)
        advice = f"for {package.used_for}: {how}"
        if package.is_needed:
            yield _broken("packages", name, "missing", advice, _MISSING_PACKAGE)
        elif package.is_seldom_missed:
            yield Finding("packages", name, "ok", "not installed", advice)
        else:
            yield Finding("packages", name, "note", "missing", advice)


def _photos() -> Iterator[Finding]:
    from facesearch.photos.decoding.available import RAW, VIDEO, decoders

    found = decoders()
    yield Finding("photos", "decoders", "ok", ", ".join(kind for kind, missing in found.items() if missing is None))
    for kind, missing in found.items():
        if missing is not None and kind not in (RAW, VIDEO):  # whose packages are listed above
            advice = f"{how_to_install(missing, again=True)}, or export such photos as JPEG"
            yield Finding("photos", kind, "note", "not read", advice)


def _devices() -> Iterator[Finding]:
    from facesearch.library.index.codes import memory_bytes
    from facesearch.vision import network_cache, runtime
    from facesearch.vision.tower.tower import usable_precision

    try:
        seen = runtime.openvino_devices()
    except (ImportError, OSError, RuntimeError):
        advice = how_to_install("openvino", again=True)
        yield _broken("devices", "OpenVINO", "cannot be loaded", advice, _MISSING_PACKAGE)
        seen = {}
    for device, hardware in seen.items():
        yield Finding("devices", f"OpenVINO {device}", "ok", hardware)
    yield Finding("devices", "cores", "ok", str(runtime.available_cores()))
    yield Finding("devices", "memory", "ok", f"{memory_bytes() / 1e9:.1f} GB")
    answer = gpu_driver.asked()
    yield _gpu(answer)
    on_gpu = "a GPU where TensorFlow, PyTorch or JAX can use it, else " if answer == "seen" else ""
    yield Finding("devices", "detector", "ok", f"{on_gpu}CPU, OpenVINO, {runtime.fastest_precision()}")
    yield Finding("devices", "tower", "ok", f"{on_gpu}CPU, OpenVINO, {usable_precision(None)} in a new library")
    yield Finding("devices", "search", "ok", "CPU; a million faces and more on a GPU that FAISS can use")
    yield _cache(network_cache.cache_dir())


def _gpu(answer: gpu_driver.Answer) -> Finding:
    if answer == "stuck":
        advice = "restart the machine; until then everything runs on the CPU"
        return Finding("devices", "NVIDIA GPU", "note", "the driver does not answer", advice)
    if answer == "none":
        return Finding("devices", "NVIDIA GPU", "ok", "the driver sees none")
    lacking = lacking_for_gpu()
    if not lacking:
        return Finding("devices", "NVIDIA GPU", "ok", "the driver sees one; facesearch status says what uses it")
    advice = " and ".join(lacking)
    return Finding("devices", "NVIDIA GPU", "note", "the driver sees one; facesearch uses it in part", advice)


def _cache(folder: Path | None) -> Finding:
    if folder is None:
        advice = "set FACESEARCH_CACHE to a folder that you can write: until then every run compiles the networks again"
        return Finding("devices", "cache", "note", "no folder that can be written", advice)
    from facesearch.vision.network_cache import network_sizes, other_bytes

    sizes, others = network_sizes(folder), other_bytes(folder)
    value = f"{len(sizes)} compiled networks, {sum(sizes) / 1e6:.0f} MB"
    if others:
        value += f"; data of train, {others / 1e6:.0f} MB"
    return Finding("devices", "cache", "ok", value)


def _tower(given: Path | None) -> Iterator[Finding]:
    from facesearch.vision.tower.card import CARD_NAME, WEIGHTS_NAME, check_weights, read_card
    from facesearch.vision.tower.tower import SHIPPED_TOWER, chosen_tower

    folder = chosen_tower(given)
    try:
        card = read_card(folder / CARD_NAME)
        check_weights(folder / WEIGHTS_NAME, card)
    except TowerError:
        advice = "facesearch status says which file; reinstall facesearch, or choose another with --tower"
        yield _broken("tower", "tower", "missing or damaged", advice, TowerError.exit_code)
        return
    whose = "the one that comes with facesearch" if folder == SHIPPED_TOWER else "one of your own"
    yield Finding("tower", "tower", "ok", f"{whose}, {card.sha256[:12]}")


def _library(given: Path | None, tower: Path | None) -> Iterator[Finding]:
    from facesearch.api.library import open_library
    from facesearch.library import default_library_path
    from facesearch.library.health import health_of

    try:
        folder = default_library_path() if given is None else given
        health = health_of(folder)
    except LibraryError:
        advice = "set HOME, or name a folder with --library"
        yield _broken("library", "library", "no home folder to keep it in", advice, LibraryError.exit_code)
        return
    yield _library_state(health)
    if not health.is_writable and health.state in ("current", "older"):
        advice = "make its folder writable, or copy it to one that is: query works, index does not"
        yield Finding("library", "its folder", "note", "cannot be written by you", advice)
    try:
        with open_library(folder, tower=tower, device="cpu") as opened:
            if health.tower not in (None, opened.tower.identity):
                advice = "name the tower that it was built with (--tower), or run facesearch reindex"
                yield _broken("library", "its tower", "not the tower above", advice, TowerError.exit_code)
            if health.detector not in (None, opened.detector.identity):
                advice = "facesearch reindex moves the library to the one installed; facesearch index needs that"
                yield Finding("library", "its detector", "note", "not the installed one", advice)
    except FacesearchError:  # the tower or the detector is missing, as reported above
        pass
    locked = "another process is writing to it" if health.is_locked else "nobody is writing to it"
    yield Finding("library", "lock", "ok", locked)
    if health.free_bytes is not None:
        is_low = health.free_bytes < LOW_DISK_BYTES
        room = "free disk space: the next run may not find enough" if is_low else None
        value = f"{health.free_bytes / 1e9:.1f} GB"
        yield Finding("library", "free disk space", "note" if is_low else "ok", value, room)


def _library_state(health: LibraryHealth) -> Finding:
    written = f"version {health.version}; this facesearch writes {health.current_version}"
    if health.state == "missing" and not health.is_writable:
        advice = "name a folder that you can write with --library, or correct HOME"
        return _broken("library", "library", "none there, and none can be made there", advice, LibraryError.exit_code)
    if health.state == "missing":
        return Finding("library", "library", "ok", "none there yet", "facesearch index FOLDER makes one")
    if health.state == "current":
        return Finding("library", "library", "ok", f"version {health.version}, the current one")
    if health.state == "older":
        advice = "the next command that opens it brings it up to date, after a copy"
        return Finding("library", "library", "note", written, advice)
    value, remedy = {
        "newer": (written, "update facesearch"),
        "foreign": ("a database of another program", "choose another folder with --library"),
    }.get(health.state, ("cannot be read", "facesearch verify says what is wrong, and --repair mends what it can"))
    return _broken("library", "library", value, remedy, LibraryError.exit_code)


def _broken(area: str, name: str, value: str, advice: str, exit_code: int) -> Finding:
    return Finding(area, name, "broken", value, advice, exit_code)
