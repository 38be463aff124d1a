"""What the project promises about its packaging and its imports."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import types
import zipfile
from importlib.metadata import version as installed
from pathlib import Path

import pytest

import couler

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("alembic", "click", "fsspec", "psutil", "rich", "sqlalchemy", "yaml")
OF_PYTHON = ("Any", "TYPE_CHECKING", "annotations")
MACHINE_PATH = re.compile(r"""["'\s](/home/|/Users/|/root/|/work/|C:\\\\Users)""")


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def output_of(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_couler_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = output_of(f"import sys, couler; print(*[m for m in {HEAVY!r} if m in sys.modules])", tmp_path)
    assert loaded == ""


def test_all_names_what_the_face_offers() -> None:
    offered = {
        name
        for name, value in vars(couler).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name not in OF_PYTHON
    }
    hidden = {name for name in couler.__all__ if not hasattr(couler, name)}
    assert hidden == set()
    assert offered - set(couler.__all__) == set()
    assert len(set(couler.__all__)) == len(couler.__all__)


def test_every_public_name_has_a_docstring() -> None:
    offered = {name: getattr(couler, name) for name in couler.__all__}
    kinds = (type, types.FunctionType)
    assert [name for name, value in offered.items() if isinstance(value, kinds) and not value.__doc__] == []


def test_the_version_is_the_newest_of_the_changelog() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == project()["version"]
    assert versions[0] == installed("couler")


def test_the_first_words_of_package_and_command_name_no_engine_that_is_missing() -> None:
    from couler.backends import registry
    from couler.cli.main import cli

    words = f"{couler.__doc__}{cli.help}{cli.get_short_help_str()}".lower()
    missing = {"argo", "airflow", "tekton"} - set(registry.names())
    assert [name for name in sorted(missing) if name in words] == []


def test_the_base_install_needs_neither_alembic_nor_fsspec() -> None:
    needed = {re.split(r"\W", each)[0] for each in project()["dependencies"]}  # type: ignore[union-attr]
    assert needed.isdisjoint({"alembic", "fsspec"})


def test_no_file_of_the_package_names_a_folder_of_some_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "couler").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_no_requirement_has_an_upper_bound() -> None:
    groups = {"dependencies": project()["dependencies"], **project()["optional-dependencies"]}  # type: ignore[dict-item]
    assert [each for group in groups.values() for each in group if "<" in each or "==" in each] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in the wheel that the build backend makes, without an isolated environment and without a network."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return set(archive.namelist())


def test_the_wheel_ships_the_types_marker_and_every_module(wheel: set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "couler").rglob("*.py")}
    assert "couler/py.typed" in wheel
    assert modules <= wheel


def test_the_wheel_ships_nothing_but_the_package(wheel: set[str]) -> None:
    assert {name.split("/")[0] for name in wheel} <= {"couler", f"couler-{project()['version']}.dist-info"}


def test_the_licence_is_the_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
