"""Where the program, and every process that it starts, imports modules from: its installation, and nowhere else.

Python looks first in the working directory (`python -c`, `python -m`) or beside the script, and then in PYTHONPATH: a
`json.py` among somebody's photos would be run in place of Python's own. This module is what runs first, so it loads
nothing that could come from there: only `sys` and `os`, which every Python has loaded by then, and not `__future__`.
"""

import os
import sys

TRUST_VARIABLE = "FACESEARCH_TRUST_PYTHONPATH"  # set by who installs packages into folders that only PYTHONPATH names
_FOR_TRAINING = ("tensorflow", "keras", "matplotlib", "tensorboard")
_FOR_PLOTS = "matplotlib"  # which `evaluate --report` needs without the others
_UV_RECEIPT = "uv-receipt.toml"  # what `uv tool install` leaves in the environment that it makes
_PIPX_RECEIPT = "pipx_metadata.json"  # what `pipx install` leaves there
_PACKAGE_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def leave_out_chance_folders() -> None:
    """Import no longer from the working directory, the script's folder or PYTHONPATH, in this process and in those
    that it starts."""
    sys.path[:] = installed_path()
    os.environ.update(environment_of_children())
    if not _trusts_pythonpath():
        os.environ.pop("PYTHONPATH", None)


def installed_path() -> list[str]:
    """`sys.path` without the folders that are there by chance. A folder that holds facesearch itself, Python's own
    library or its installed packages stays in its place, whatever names it."""
    keep = {_PACKAGE_FOLDER, *_pythons_folders()}
    path = list(sys.path)
    if path and not sys.flags.safe_path and path[0] in _first_folders() - keep:
        del path[0]
    chance = _named_by_pythonpath() - keep
    return [folder for folder in path if os.path.isabs(folder) and folder not in chance]


def environment_of_children() -> dict[str, str]:
    """The environment for a process that is to import from where this one does."""
    environment = dict(os.environ, PYTHONSAFEPATH="1")
    if not _trusts_pythonpath():
        environment.pop("PYTHONPATH", None)
    return environment


def how_to_find(error: ModuleNotFoundError) -> str:
    """What to do about a package that is missing."""
    missing = (error.name or "").partition(".")[0]
    if missing in _FOR_TRAINING:
        wanted = (missing,) if missing == _FOR_PLOTS else _FOR_TRAINING
        return f"{error}: this needs what a light installation leaves out: {how_to_install(*wanted)}"
    return (
        f"{error}: reinstall facesearch with its dependencies; or, if packages lie in folders that only "
        f"PYTHONPATH names, set {TRUST_VARIABLE}=1"
    )


def how_to_add(extra: str) -> str:
    """The command that adds an extra of pyproject.toml to this installation.

    It names the extra's packages: facesearch itself, with the extra, would bring TensorFlow and another FAISS into a
    light installation, and whatever has the name at a package index.
    """
    from importlib import metadata  # loaded here: Python's own folders are known by now to come first

    if _is_in_environment(_UV_RECEIPT):
        return _installed_again_by_uv({extra}, ())
    try:
        required = [one.partition(";") for one in metadata.requires("facesearch") or ()]
    except metadata.PackageNotFoundError:
        required = []
    packages = [name.strip() for name, _, marker in required if f'extra == "{extra}"' in marker]
    if not packages:  # not installed, or before there was such an extra
        return f'pip install ".[{extra}]" -c constraints.txt, in the clone of facesearch'
    return how_to_install(*packages)


def how_to_install(*packages: str, again: bool = False) -> str:
    """The command that adds packages to this installation, with the tool that made it. again: even if they are there.

    In double quotes, which every shell knows, the console of Windows too.
    """
    if _is_in_environment(_UV_RECEIPT):
        return "uv tool upgrade --reinstall facesearch" if again else _installed_again_by_uv(set(), packages)
    if _is_in_environment(_PIPX_RECEIPT):
        start = "pipx inject --force facesearch" if again else "pipx inject facesearch"
    elif _is_by_uv():
        start = "uv pip install --reinstall" if again else "uv pip install"
    else:
        start = "pip install --force-reinstall" if again else "pip install"
    return " ".join([start, *map(_quoted, packages)])


def _installed_again_by_uv(extras: set[str], packages: tuple[str, ...]) -> str:
    """uv installs a tool anew, without pip and without what is not named again: extras and packages that are there."""
    import tomllib

    try:
        with open(os.path.join(sys.prefix, _UV_RECEIPT), "rb") as file:
            required = tomllib.load(file)["tool"]["requirements"]
        there = {extra for one in required if one["name"] == "facesearch" for extra in one.get("extras", ())}
        beside = [one["name"] for one in required if one["name"] != "facesearch"]
    except (OSError, ValueError, KeyError, TypeError):
        there, beside = set(), []
    named = ",".join(sorted(extras | there))
    file_name = _file_it_came_in()
    source = f"./{file_name}" if file_name else "."
    wanted = _quoted(f"{source}[{named}]" if named else source)
    added = [f"--with {_quoted(one)}" for one in (*beside, *packages)]
    where = "where that file and constraints.txt lie" if file_name else "in the clone of facesearch"
    return " ".join(["uv tool install", wanted, *added, f"--constraints constraints.txt, {where}"])


def _file_it_came_in() -> str | None:
    """The name of the wheel or source archive that facesearch was installed from; None where that was a clone.

    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    import json
    from importlib import metadata

    try:
        origin = json.loads(metadata.distribution("facesearch").read_text("direct_url.json") or "{}")
        name = str(origin.get("url", "")).rpartition("/")[2]
    except (metadata.PackageNotFoundError, OSError, ValueError, AttributeError):
        return None
    return name if name.startswith("facesearch-") and name.endswith((".whl", ".tar.gz")) else None


def _is_by_uv() -> bool:
    """Whether uv made the environment, in which there is no pip then."""
    try:
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            return any(line.partition("=")[0].strip() == "uv" for line in file)
    except OSError:
        return False


def _is_in_environment(name: str) -> bool:
    return os.path.isfile(os.path.join(sys.prefix, name))


def _quoted(requirement: str) -> str:
    is_plain = requirement.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return requirement if is_plain else f'"{requirement}"'


def _trusts_pythonpath() -> bool:
    return bool(os.environ.get(TRUST_VARIABLE))


def _named_by_pythonpath() -> set[str]:
    """What to leave out of PYTHONPATH, as `site` has made it absolute: all of it, or where it is trusted what names a
    folder from the working directory."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if not os.environ.get("PYTHONPATH") or sys.flags.ignore_environment:
        return set()
    if _trusts_pythonpath():
        entries = [entry for entry in entries if not os.path.isabs(entry)]
    try:
        return {os.path.abspath(entry) for entry in entries}
    except FileNotFoundError:  # the working directory was deleted: nothing can be imported from there
        return {os.path.normpath(entry) for entry in entries if os.path.isabs(entry)}


def _first_folders() -> set[str]:
    """What Python puts before everything else: the working directory, or the folder of the script, links followed."""
    script = sys.argv[0] if sys.argv else ""
    try:
        return {"", os.path.dirname(os.path.realpath(script)), os.getcwd()}
    except FileNotFoundError:  # the working directory was deleted
        return {"", os.path.dirname(script)}


def _pythons_folders() -> set[str]:
    library = os.path.dirname(os.path.abspath(os.__file__))
    site = sys.modules.get("site")  # not there under python -S
    packages = [] if site is None else [*site.getsitepackages(), site.getusersitepackages()]
    return {library, os.path.join(library, "lib-dynload"), *packages}
