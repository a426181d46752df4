"""How a command's help writes its arguments and options: `PATH...` and `--workers N`, as other programs do."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

_TYPE = re.compile(
    r" <([^<>]*)>$"
)  # Typer's: <list[Path]> after an argument, <cpu|gpu> for an option without a metavar
_REQUIRED = re.compile(r"^\{(.*)\}(\.\.\.)?$")


class Command(TyperCommand):
    """A command whose help has names in place of Python's types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [_REQUIRED.sub(r"\1\2", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for heading, kind in (("Arguments", "argument"), ("Options", "option")):
            records = help_records(self, ctx, kind)
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def help_records(command: Any, context: Any, kind: str) -> list[tuple[str, str]]:
    """The arguments or options of a command, each as the user types it, with its help text.

    kind: "argument" or "option". context: the command's, as Click makes it.
    """
    records = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.param_type_name == kind:
            name, meaning = record
            records.append((_TYPE.sub("" if kind == "argument" else r" \1", name), meaning))
    return records
