"""What an error advises, in the words of the pages: where a page has a button, it names no command.

The words of errors are those of the command line, for which they are written where they are raised. A client of the
REST API gets them as they are.
"""

from __future__ import annotations

import re

_ADVICE = [
    (r"; to redo it: facesearch people undo (\d+)", r"; to redo it, press Do again at change \1 in the history"),
    (r"; undo that first: facesearch people undo (\d+)", r"; undo change \1 in the history first"),
    (r"facesearch people log lists them", "the history lists them"),
    (r"to merge them with (.+), use facesearch people merge", r"to merge them with \1, select both on the page People"),
    (
        r'name (.+), or move the face with facesearch people split ".+" face:\d+ --to "(.+)"',
        r"name \1, or select the face on the page of \1 and move it to \2",
    ),
    (r"; to name it: facesearch people name face:\d+ NAME", "; type a name beside it"),
    (r"facesearch people list shows everybody", "the page People shows everybody"),
    (r"; facesearch people show lists a person's", "; the page of a person shows theirs"),
    (r"; run facesearch index first", "; index its folder first, on the page Library"),
    (r"; index (it|them|the photo|some photos) first\b", r"; index \1 first, on the page Library"),
    (r": facesearch people name, folders, or a list", ": here, by their folders, or with a list"),
    (r" \(facesearch people review\)", " on the page Review"),
    (r"run facesearch (teach|calibrate) again", r"\1 it again on the page Library"),
]
_PATTERNS = [(re.compile(command), words) for command, words in _ADVICE]


def on_the_page(message: str) -> str:
    """The words of an error for somebody who reads them on a page."""
    for command, words in _PATTERNS:
        message = command.sub(words, message)
    return message
