"""Reads the logs of a run, also while they are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from couler.backends.local.layout import RunFolder, file_name, step_path

PAUSE = 0.1


def read(
    folder: RunFolder,
    step: str | None,
    follow: bool,
    has_ended: Callable[[], bool],
    started: Callable[[], Iterable[str]],
) -> Iterator[tuple[str, str]]:
    """Pairs of step path and line without its newline.

    Args:
        folder: The run's folder.
        step: A step path: logs of it and of everything inside; None means all.
        follow: Go on until the run has ended.
        has_ended: Whether the run has ended.
        started: Paths of the steps in order of their start; clocks of files are too coarse for it.
    """
    tails: dict[str, _Tail] = {}
    while True:
        last = not follow or has_ended()
        for path in _logs(folder, step, started):
            tail = tails.setdefault(path.name, _Tail(path, step_path(path.name.removesuffix(".txt"))))
            for line in tail.lines(last):
                yield tail.step, line
        if last:
            return
        time.sleep(PAUSE)


def _logs(folder: RunFolder, step: str | None, started: Callable[[], Iterable[str]]) -> list[Path]:
    if not folder.logs.is_dir():
        return []
    files = [
        path
        for path in folder.logs.iterdir()
        if step is None or _belongs(path.name.removesuffix(".txt"), file_name(step))
    ]
    if len(files) > 1:
        places = {file_name(path) + ".txt": place for place, path in enumerate(started())}
        files.sort(key=lambda path: (places.get(path.name, len(places)), path.name))
    return files


def _belongs(name: str, wanted: str) -> bool:
    return name == wanted or (name.startswith(wanted) and name[len(wanted)] in "[#@")


class _Tail:
    """The part of a log that was not read yet."""

    def __init__(self, path: Path, step: str) -> None:
        self.path = path
        self.step = step
        self.position = 0
        self.rest = ""

    def lines(self, last: bool) -> Iterator[str]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.position)
                data = file.read()
        except FileNotFoundError:
            return
        self.position += len(data)
        text = self.rest + data.decode("utf-8", "replace")
        *lines, self.rest = text.split("\n")
        yield from (line.removesuffix("\r") for line in lines)
        if last and self.rest:
            yield self.rest
            self.rest = ""
