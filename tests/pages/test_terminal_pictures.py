"""Faces beside rows, in terminals that show pictures: the right bytes, and none anywhere else."""

from __future__ import annotations

import base64
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.tiles import MODELS, ColourTower, TileDetector, draw

from facesearch.cli import main
from facesearch.cli.output import cells
from facesearch.cli.row_pictures import _pieces
from facesearch.demo import write_album
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.pages import jpeg
from facesearch.pages.terminal import shown_as, spoken_by

RED, GREEN = (200, 0, 0), (0, 200, 0)
KITTY = re.compile(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "mlterm-256color"}, "sixel"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "kitty"),
        ({}, None),
        ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "linux"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}, None),
        # begun inside one that shows pictures
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, None),
        ({"TERM": "screen.xterm-256color", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600", "KITTY_WINDOW_ID": "1"}, None),
    ],
)
def test_only_terminals_that_are_known_to_show_pictures_get_them(
    environment: Mapping[str, str], expected: str | None
) -> None:
    assert spoken_by(environment) == expected


def noise(size: int = 144) -> bytes:
    pixels = np.random.default_rng(2).integers(0, 256, (size, size, 3), dtype=np.uint8)
    pixels[: size // 2] = RED
    return jpeg(pixels)


def test_kitty_gets_a_png_in_pieces_of_4096() -> None:
    shown = shown_as("kitty", noise(), 8, 4)
    pieces = KITTY.findall(shown)
    assert "".join(f"\x1b_G{keys};{code}\x1b\\" for keys, code in pieces) == shown
    assert len(pieces) > 2
    assert pieces[0][0] == "a=T,f=100,c=8,r=4,C=1,q=2,m=1"
    assert [keys for keys, _ in pieces[1:]] == ["m=1"] * (len(pieces) - 2) + ["m=0"]
    assert all(len(code) == 4096 for _, code in pieces[:-1])
    image = Image.open(io.BytesIO(base64.b64decode("".join(code for _, code in pieces))))
    assert (image.format, image.size) == ("PNG", (144, 144))
    np.testing.assert_allclose(image.getpixel((70, 20)), RED, atol=8)


def test_iterm_gets_a_file_with_its_size() -> None:
    shown = re.fullmatch(r"\x1b\]1337;File=(.*?):(.*)\x07", shown_as("iterm", noise(), 8, 4))
    assert shown is not None
    settings = dict(pair.split("=") for pair in shown[1].split(";"))
    content = base64.b64decode(shown[2])
    assert settings == {
        "inline": "1",
        "size": str(len(content)),
        "width": "8",
        "height": "4",
        "preserveAspectRatio": "1",
    }
    assert Image.open(io.BytesIO(content)).format == "JPEG"


def read_sixel(text: str) -> NDArray[np.int64]:
    """A naive terminal: the picture that a sixel string draws, in percent."""
    start = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', text)
    assert start is not None
    assert text.endswith("\x1b\\")
    picture = np.full((int(start[2]) + 6, int(start[1]), 3), -1)
    palette: dict[int, list[int]] = {}
    x = y = colour = 0
    for token in re.findall(r"#\d+(?:;\d+)*|!\d+[?-~]|[?-~$-]", text[start.end() : -2]):
        if token[0] == "#":
            number, *parts = map(int, token[1:].split(";"))
            if parts:
                assert parts[0] == 2
                palette[number] = parts[1:]
            colour = number
        elif token == "$":
            x = 0
        elif token == "-":
            x, y = 0, y + 6
        else:
            count = int(token[1:-1]) if token[0] == "!" else 1
            for bit in range(6):
                if (ord(token[-1]) - 63) >> bit & 1:
                    picture[y + bit, x : x + count] = palette[colour]
            x += count
    assert (picture[int(start[2]) :] == -1).all()
    return picture[: int(start[2])]


def test_a_sixel_terminal_draws_the_picture() -> None:
    gradient = np.zeros((100, 80, 3), np.uint8)
    gradient[..., 0] = np.linspace(0, 255, 80)[None, :]
    gradient[50:, :, 1] = 200
    drawn = read_sixel(shown_as("sixel", jpeg(gradient, 95), 8, 4, (10, 20)))
    assert drawn.shape == (80, 64, 3)
    assert (drawn >= 0).all()
    expected = np.asarray(Image.fromarray(gradient).resize((64, 80))) / 2.55
    assert np.abs(drawn - expected).mean() < 4


def test_a_long_line_is_cut_by_words_and_never_wider_than_its_place() -> None:
    assert _pieces("one two three", 40) == ["one two three"]
    assert _pieces("one two three four", 9) == ["one two", "three", "four"]
    assert _pieces("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    wide = _pieces("照片照片照片", 5)
    assert "".join(wide) == "照片照片照片"
    assert max(cells(piece) for piece in wide) <= 5
    assert _pieces("ab", 0) == ["a", "b"]


@pytest.fixture
def terminal_library(tmp_path: Path) -> Iterator[Library]:
    draw(tmp_path / "photos" / "Ann" / "1.png", RED)
    draw(tmp_path / "photos" / "Ann" / "2.png", GREEN)
    draw(tmp_path / "photos" / "Ann" / "gone.png", (9, 9, 9))
    with Library.create(tmp_path / "library", MODELS) as library:
        options = IndexOptions(people_from_folders=True)
        index_photos(library, [tmp_path / "photos"], TileDetector(), ColourTower(), options)
    (tmp_path / "photos" / "Ann" / "gone.png").unlink()
    return library


def in_terminal(arguments: list[str], environment: Mapping[str, str], columns: int = 100) -> str:
    """What a command writes to a terminal of that environment."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, columns * 10, 40 * 20))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TERM", "KITTY", "TMUX", "STY", "COLUMNS", "LINES", "NO_COLOR"))
    }
    command = [sys.executable, "-c", "from facesearch.cli import main; main()", *arguments]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=subprocess.PIPE, env=kept | environment
    ) as process:
        os.close(slave)
        out = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # Linux: the other end was closed
                break
            if not piece:
                break
            out += piece
        assert process.stderr is not None
        errors = process.stderr.read()
        assert process.wait() == 0, errors
    os.close(master)
    return out.decode("utf-8")


def test_faces_stand_beside_the_rows_on_a_terminal_that_shows_them(terminal_library: Library) -> None:
    arguments = ["people", "show", "Ann", "--library", str(terminal_library.path)]
    out = in_terminal(arguments, {"TERM": "xterm-kitty", "NO_COLOR": "1"})
    pictures = re.findall(r"\x1b7((?:\x1b_G[^\x1b]*\x1b\\)+)\x1b8", out)
    colours = []
    for shown in pictures:
        image = Image.open(io.BytesIO(base64.b64decode("".join(code for _, code in KITTY.findall(shown)))))
        colours.append(image.getpixel((image.width // 2, image.height // 2)))
    np.testing.assert_allclose(colours, [RED, GREEN], atol=8)  # and none for the photo that is gone
    rows = re.findall(r"\x1b\[10C(face:\d)", out)
    assert rows == ["face:1", "face:2", "face:3"]
    assert out.count("\n\n\n\n".replace("\n", "\r\n") + "\x1b[4A") == 3
    moved = re.sub(r"\x1b_G[^\x1b]*\x1b\\", "", out)
    assert set(re.findall(r"\x1b(?:\[\d*[A-Za-z]|.)", moved)) <= {"\x1b[4A", "\x1b[10C", "\x1b7", "\x1b8"}


def test_other_protocols_can_be_asked_for_and_pictures_refused(terminal_library: Library) -> None:
    arguments = ["people", "show", "Ann", "--library", str(terminal_library.path)]
    assert in_terminal([*arguments, "--pictures", "iterm"], {"TERM": "xterm"}).count("\x1b]1337;File=") == 2
    assert in_terminal([*arguments, "--pictures", "sixel"], {"TERM": "xterm"}).count("\x1bP0;1;0q") == 2
    for refused in ([*arguments, "--pictures", "never"], [*arguments, "--json"]):
        assert "\x1b" not in in_terminal(refused, {"TERM": "xterm-kitty", "NO_COLOR": "1"})
    assert "\x1b_G" not in in_terminal(arguments, {"TERM": "xterm-256color"})


def test_a_pipe_never_gets_pictures(terminal_library: Library) -> None:
    arguments = ["people", "show", "Ann", "--pictures", "kitty", "--library", str(terminal_library.path)]
    command = [sys.executable, "-c", "from facesearch.cli import main; main()", *arguments]
    environment = os.environ | {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}
    ran = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"\x1b" not in ran.stdout
    assert b"face:1" in ran.stdout


def test_a_narrow_terminal_keeps_the_rows_beside_their_pictures(terminal_library: Library) -> None:
    out = in_terminal(
        ["people", "show", "Ann", "--library", str(terminal_library.path)], {"TERM": "xterm-kitty"}, columns=40
    )
    plain = re.sub(r"\x1b_G[^\x1b]*\x1b\\", "", out)
    lines = re.findall(r"\x1b\[10C(.*?)\r\n", plain)
    assert len(lines) > 12
    assert max(cells(line) for line in lines) <= 29


def test_a_query_shows_the_nearest_faces(tmp_path: Path, tower: Path) -> None:
    album = write_album(tmp_path / "album", 2, 1, seed=4, groups=1).directory
    own = ["--library", str(tmp_path / "library"), "--tower", str(tower)]
    with pytest.raises(SystemExit):
        main(["index", str(album / "people"), "--people-from-folders", *own])
    asked = ["query", str(min((album / "people").rglob("*.jpg"))), *own]
    out = in_terminal(asked, {"TERM": "xterm-kitty", "NO_COLOR": "1"})
    assert re.findall(r"\x1b\[10C +(\d)  ", out) == ["1", "2"]
    pictures = re.findall(r"\x1b7((?:\x1b_G[^\x1b]*\x1b\\)+)\x1b8", out)
    assert len(pictures) == 2
    assert "\x1b_G" not in in_terminal([*asked, "--pictures", "never"], {"TERM": "xterm-kitty"})
