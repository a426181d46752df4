"""`facesearch people`: name, correct and list the people of a library. One command or a few a file."""

from __future__ import annotations

from functools import partial

import typer

from facesearch.cli.command_help import Command
from facesearch.cli.people_correct import add_face, born, merge, name, reject, split
from facesearch.cli.people_group import group
from facesearch.cli.people_history import log, undo
from facesearch.cli.people_import import import_csv
from facesearch.cli.people_list import list_people, show
from facesearch.cli.people_review import review
from facesearch.cli.people_seen import cover, hide, together, unhide
from facesearch.cli.people_sheet import sheet

people_app = typer.Typer(
    name="people",
    help="Name and correct people: every change is logged and can be undone.",
    short_help="Name and correct people.",
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_command = partial(people_app.command, cls=Command)
_command("list", short_help="List everybody.")(list_people)
_command(short_help="Show a person with every face.")(show)
_command(short_help="Write a page with faces to look at.")(sheet)
_command(short_help="Group the faces that have no person.")(group)
_command(short_help="Name a group or a face, or rename a person.")(name)
_command("add-face", short_help="Add a face that was missed.")(add_face)
_command(short_help="Set a person's date of birth.")(born)
_command(short_help="Merge several people into one.")(merge)
_command(short_help="Move some of a person's faces to a new person.")(split)
_command(short_help="Reject faces: they are not this person.")(reject)
_command(short_help="List people who are on photos together.")(together)
_command(short_help="Hide strangers and posters.")(hide)
_command(short_help="Show hidden people again.")(unhide)
_command(short_help="Choose the face that stands for a person.")(cover)
_command("import-csv", short_help="Name faces from a list.")(import_csv)
_command(short_help="List likely mistakes.")(review)
_command("suspects", hidden=True)(review)  # its name before 1.0
_command(short_help="Undo a change.")(undo)
_command(short_help="List the changes.")(log)
