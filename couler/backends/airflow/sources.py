"""Texts that one file cannot hold: the sources of functions and scripts, each once."""

from __future__ import annotations

from couler.backends.airflow.names import identifier

_ENDINGS = {"python": ".py", "python3": ".py", "bash": ".bash", "sh": ".sh", "node": ".js", "Rscript": ".R"}


class Sources:
    """Files of sources by name; equal texts are one file."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._names: dict[tuple[str, str], str] = {}

    def python(self, step: str, source: str) -> str:
        """The file of a function."""
        return self._file(step, source, ".py")

    def script(self, step: str, source: str, interpreter: tuple[str, ...]) -> str:
        """The file of a script."""
        program = interpreter[0].rpartition("/")[2] if interpreter else ""
        return self._file(step, source, _ENDINGS.get(program, ".txt"))

    def _file(self, step: str, source: str, ending: str) -> str:
        if (source, ending) not in self._names:
            name, number = f"{identifier(step)}{ending}", 2
            while name in self.files:
                name, number = f"{identifier(step)}-{number}{ending}", number + 1
            self.files[name] = source
            self._names[source, ending] = name
        return self._names[source, ending]
