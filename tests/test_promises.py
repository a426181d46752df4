"""What docs/reference/compatibility.md promises from 1.0 on and no other test holds: no key of JSON goes."""

from __future__ import annotations

from pathlib import Path

from support.documents import keys_by_command

KEYS_OF_1_0 = Path(__file__).parent / "support" / "json_keys_of_1_0.txt"  # a command, a tab and a key a line


def test_every_key_of_json_in_1_0_is_still_there() -> None:
    """That the page is what the program prints, the test of each command holds. Until 2.0, lines only stay."""
    lines = KEYS_OF_1_0.read_text(encoding="utf-8").splitlines()
    promised = {tuple(line.split("\t")) for line in lines}
    assert len(promised) == len(lines) > 400
    assert sorted(promised - keys_by_command()) == []
