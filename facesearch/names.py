"""What a person may be called, and when two names are one: the rule for every way in, by hand, from folders, lists and
other programs.

A name is kept in one form, so that what looks alike is one person: Unicode's NFC, any run of spaces (no-break,
ideographic, tabs, line breaks) as one plain space, nothing invisible. The joiners that Persian, Indic scripts and emoji
are written with stay, where they join something. Refuses control characters, what shows nothing, and what reads like
the number of a person or a face.

Sources: Unicode Standard Annexes 15 (normalization forms) and 9 (bidirectional controls); RFC 5892, appendix A, on
joiners.
"""

from __future__ import annotations

import re
import unicodedata

from facesearch.errors import UsageError

LONGEST_NAME = 200  # letters; the longest names on passports have some 120

_JOINERS = "\u200c\u200d"
# What no reader sees: soft hyphen, marks and overrides of writing direction, zero-width spaces, annotations, tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_BLANK_LETTERS = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")  # letters by their kind, spaces by their looks
_BYTES = re.compile("[\ud800-\udfff]")
_NO_CHARACTER = re.compile("[\ufdd0-\ufdef]|[\ufffe\uffff]")
# Alphabets in which a joiner does nothing: "An\u200dna" would pass for "Anna".
_UNJOINED = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "DIGIT")
_NUMBER = re.compile(r"(?:face\s*[:#]\s*|#)\d+", re.IGNORECASE)


def person_name(text: str) -> str:
    """A name as it is kept. Raises UsageError, which says why, for what is none."""
    if _BYTES.search(text):
        raise UsageError(f"the name {text} is not in UTF-8: convert it")
    name = name_key(text)
    if any(unicodedata.category(letter) == "Cc" for letter in name) or _NO_CHARACTER.search(name):
        raise UsageError(f"the name {name} has control characters in it: leave them out")
    if not any(_is_seen(letter) for letter in name):
        raise UsageError("a name needs at least one visible letter")
    if len(name) > LONGEST_NAME:
        raise UsageError(f"the name {name[:20]}... has {len(name):,} letters; the longest allowed has {LONGEST_NAME}")
    if _NUMBER.fullmatch(name):
        raise UsageError(f"{name} looks like a number; choose another name")
    return name


def name_key(text: str) -> str:
    """The form in which a name is kept: two names with the same form are one. Takes any text, even if it is not a valid
    name: libraries of former versions hold such."""
    if text.isascii() and text.isprintable() and "  " not in text and text == text.strip():
        return text
    text = _BYTES.sub("\ufffd", text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    seen = _INVISIBLE.sub("", _BLANK_LETTERS.sub(" ", unicodedata.normalize("NFC", text)))
    joined = _only_where_they_join(" ".join(seen.split()))
    return unicodedata.normalize("NFC", joined)


def _is_seen(letter: str) -> bool:
    """Whether a letter shows something by itself; those without a kind are of a newer Unicode, emoji mostly."""
    kind = unicodedata.category(letter)
    return kind[0] in "LNSP" or kind in {"Cn", "Co"}


def _only_where_they_join(text: str) -> str:
    """The text without the joiners that stand at an end, beside a space or another joiner, or behind a letter that
    cannot be joined."""
    if not any(joiner in text for joiner in _JOINERS):
        return text
    kept: list[str] = []
    for place, letter in enumerate(text):
        if letter in _JOINERS:
            following = text[place + 1 : place + 2]
            before = kept[-1] if kept else ""
            is_idle = not before or not following or (before + following).strip() != before + following
            if is_idle or before in _JOINERS or unicodedata.name(before, "").startswith(_UNJOINED):
                continue
        kept.append(letter)
    return "".join(kept)
