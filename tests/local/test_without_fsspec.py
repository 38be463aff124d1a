"""Files in workflows where fsspec is not installed: folders of this machine need none, URLs say what to install."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = """
import sys

sys.modules["fsspec"] = None  # as if it were not installed
import couler

@couler.step
def write(text: str, made: couler.OutFile) -> None:
    made.write_text(text)

@couler.step
def read(made: couler.InFile, given: couler.InFile) -> str:
    return made.read_text() + given.read_text()

@couler.workflow
def both():
    return read(write("a").made, couler.stored_file(sys.argv[1]))

if __name__ == "__main__":
    try:
        result = couler.run(both, root=sys.argv[2], artifacts=sys.argv[3] or None)
        print(result.status, result.outputs, result.record.message)
    except couler.CoulerError as error:
        print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def outcome(tmp_path: Path) -> Callable[..., str]:
    """Runs the workflow in a process of its own; gives what it printed."""
    (tmp_path / "files.py").write_text(FILES)
    (tmp_path / "given.txt").write_text("b")

    def run(given: str, artifacts: str = "") -> str:
        command = [sys.executable, "files.py", given, str(tmp_path / ".couler"), artifacts]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout

    return run


@pytest.mark.parametrize("store", ["", "files", "file://{folder}/files"])
def test_files_of_this_machine_need_no_fsspec(outcome: Callable[..., str], tmp_path: Path, store: str) -> None:
    for given in (tmp_path / "given.txt", (tmp_path / "given.txt").as_uri()):
        assert outcome(str(given), store.format(folder=tmp_path)) == "succeeded {'result': 'ab'} \n"


@pytest.mark.parametrize(
    ("protocol", "extra"), [("http", "remote"), ("https", "remote"), ("memory", "remote"), ("s3", "s3"), ("gs", "gcs")]
)
def test_a_file_at_a_url_says_what_to_install(outcome: Callable[..., str], protocol: str, extra: str) -> None:
    shown = outcome(f"{protocol}://nowhere/given.txt")
    assert shown.startswith("failed ")
    assert f"reading and writing files at {protocol}:// needs a package that is not installed" in shown
    assert f'pip install "couler[{extra}]"' in shown


def test_a_store_of_files_at_a_url_says_what_to_install(outcome: Callable[..., str]) -> None:
    assert outcome("given.txt", "memory://files") == (
        "MissingExtraError: keeping files at memory:// needs a package that is not installed\n"
        '  hint: pip install "couler[remote]"\n'
    )
