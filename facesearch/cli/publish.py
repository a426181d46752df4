"""`facesearch publish`: the library's faces to a Milvus server, to be searched there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facesearch.cli.options import CollectionOption, JsonOption, LibraryOption
from facesearch.cli.output import counted, say, say_json
from facesearch.cli.progress import Progress

if TYPE_CHECKING:
    from facesearch.api.values import PublishSummary


def publish(
    *,
    milvus: Annotated[
        str,
        typer.Option("--milvus", metavar="URI", help="The server: http://HOST:19530, or https:// for TLS."),
    ],
    collection: CollectionOption = None,
    index: Annotated[
        Literal["hnsw", "sq8", "flat"],
        typer.Option("--index", help="Index of a new collection: hnsw is fast, sq8 small, flat exact."),
    ] = "hnsw",
    remove: Annotated[bool, typer.Option("--remove", help="Delete the library's faces from the collection.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait while another process is writing to the library.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the library's faces to a Milvus server, to search them there with query --milvus.

    Run it again after changes: it sends new and changed faces, and deletes faces that are gone from the library, as
    after prune or forget. Each library has its own partition. Only numbers are sent: embeddings, qualities, and the
    numbers of faces, photos and people. User and password come from FACESEARCH_MILVUS_TOKEN (user:password), or from
    the file that FACESEARCH_MILVUS_TOKEN_FILE names, which must be private to you; FACESEARCH_MILVUS_CA names the
    certificate of a private CA. Needs the extra `milvus`.
    """
    from facesearch.api.library import open_library

    with open_library(library) as opened:
        if remove:
            count = opened.milvus.withdraw(milvus, collection, wait=wait)
            if json:
                say_json({"removed": count})
            else:
                say(f"removed  {counted(count, 'face')}")
            return
        with Progress("publishing", "faces") as progress:
            summary = opened.milvus.publish(milvus, collection, index=index, wait=wait, on_progress=progress.update)
    if json:
        say_json(summary)
    else:
        _report(summary)


def _report(summary: PublishSummary) -> None:
    parts = [f"{summary.added:,} added", f"{summary.changed:,} changed", f"{summary.removed:,} removed"]
    say(f"faces    {summary.faces:,}: {', '.join(parts)}")
    recall = "" if summary.recall is None else f", recall@10 {summary.recall:.3f}"
    say(f"index    {summary.index}{recall}")
    say(f"seconds  {summary.elapsed_s:.1f}")
