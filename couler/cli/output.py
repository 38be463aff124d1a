"""Prints values as a table, JSON, YAML or names."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from couler.views.measure import shorten

Record = Mapping[str, Any]


def emit(value: Any, output: str) -> None:
    """Print any JSON value as ``json`` or ``yaml``."""
    if output == "yaml":
        import yaml  # only when asked

        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def emit_records(records: Sequence[Record], output: str, columns: Sequence[str], key: str = "id") -> None:
    """Print rows: a table of some columns, only the keys, or everything."""
    if output == "table":
        click.echo(table([[_cell(record.get(name)) for name in columns] for record in records], columns))
    elif output == "name":
        for record in records:
            click.echo(record[key])
    else:
        emit([dict(record) for record in records], output)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """Left-aligned columns with two spaces between; on a terminal the last one is cut at its edge.

    >>> print(table([["a", "1"]], ["NAME", "N"]))
    NAME  N
    a     1
    """
    lines = [[name.upper() for name in head], *[[_one_line(cell) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = ["  ".join(cell.ljust(wide) for cell, wide in zip(line, widths, strict=True)).rstrip() for line in lines]
    if sys.stdout.isatty():
        edge = shutil.get_terminal_size().columns
        texts = [shorten(text, edge) if len(text) > edge and "  " not in text else text[:edge] for text in texts]
    return "\n".join(texts)


def _one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text or "\t" in text else text


def can_draw(stream: Any = None) -> bool:
    """Whether the stream can show the glyphs of trees and statuses."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        "✓└".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
