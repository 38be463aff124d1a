"""Databases that are new, older, newer, or no run store at all."""

import subprocess
import sys
import textwrap
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from couler.core.errors import ConfigError, MissingExtraError, StoreError, StoreTooNewError
from couler.runs import AttemptRecord, Changes, RunRecord, migrations, open_store
from couler.runs.database import Database
from couler.runs.migrations import MIGRATIONS
from couler.runs.schema import KNOWN_VERSIONS, VERSION, VERSION_TABLE, metadata
from couler.runs.versions import lock, stored_version, upgrade

RUN = RunRecord("wf-1", "wf", "local", "succeeded", 1.0, parameters={"a": 1})


def make_old(url: str, version: str) -> None:
    """A database as an older couler left it."""
    database = Database(url)
    database.write(lambda connection: (lock(connection), upgrade(connection, version)))
    database.close()


def differences(url: str) -> list[Any]:
    """What the database has and the tables in the code have not, or the other way round."""
    database = Database(url)
    try:
        with database.reading() as connection:
            options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
            return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
    finally:
        database.close()


def version_of(url: str) -> str | None:
    database = Database(url)
    try:
        with database.reading() as connection:
            return stored_version(connection)
    finally:
        database.close()


def set_version(url: str, version: str) -> None:
    database = Database(url)
    database.write(lambda connection: connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")))
    database.close()


def test_the_known_versions_are_those_of_the_migrations() -> None:
    assert tuple(migration.version for migration in MIGRATIONS) == KNOWN_VERSIONS
    assert list(KNOWN_VERSIONS) == sorted(set(KNOWN_VERSIONS))


def test_every_migration_has_a_file_and_a_sentence() -> None:
    folder = Path(str(migrations.__file__)).parent
    assert sorted(path.name[1:5] for path in folder.glob("v*.py")) == list(KNOWN_VERSIONS)
    assert all(one.title[0].isupper() and one.title.endswith(".") and "\n" not in one.title for one in MIGRATIONS)


def test_a_new_database_is_the_one_that_migrations_make(url: str, tmp_path: Path) -> None:
    open_store(url, tmp_path).close()
    assert version_of(url) == VERSION
    assert differences(url) == []


def test_migrations_lead_to_the_tables_of_the_code(url: str) -> None:
    make_old(url, VERSION)
    assert version_of(url) == VERSION
    assert differences(url) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("ALTER TABLE couler_steps ADD COLUMN more TEXT", "remove_column"),
        ("DROP INDEX ix_couler_attempts_path", "add_index"),
        ("DROP TABLE couler_events", "add_table"),
        ("CREATE TABLE couler_more (a INTEGER)", "remove_table"),
    ],
)
def test_a_drift_of_the_tables_shows_in_both_directions(url: str, change: str, difference: str) -> None:
    make_old(url, VERSION)
    database = Database(url)
    database.write(lambda connection: connection.execute(text(change)))
    database.close()
    assert difference in [found[0] for found in differences(url)]


def test_an_older_database_is_upgraded_and_keeps_its_runs(url: str, tmp_path: Path) -> None:
    make_old(url, "0001")
    assert differences(url) != []
    set_version(url, VERSION)  # used by today's code, which the first tables suffice for
    with open_store(url, tmp_path) as store:
        store.create_run(RUN)
        store.record("wf-1", Changes(attempts=[AttemptRecord("wf-1", "a", 1, "succeeded")]))
    set_version(url, "0001")
    with open_store(url, tmp_path) as store:
        assert store.run("wf-1") == RUN
        assert len(store.history("wf", "a")) == 1
    assert version_of(url) == VERSION
    assert differences(url) == []


def test_a_newer_database_is_refused_with_both_versions_and_what_to_type(url: str, tmp_path: Path) -> None:
    open_store(url, tmp_path).close()
    set_version(url, "9999")
    secret = url.replace("couler@", "couler:secret@")
    with pytest.raises(StoreTooNewError) as caught:
        open_store(secret, tmp_path)
    assert str(caught.value) == (
        f"the run store {url} has schema version 9999; this couler knows versions up to {VERSION}\n"
        "  hint: pip install -U couler"
    )


def test_an_upgrade_that_fails_leaves_the_old_version(url: str) -> None:
    make_old(url, "0001")
    database = Database(url)
    with pytest.raises(RuntimeError, match="power cut"):
        database.write(lambda connection: (lock(connection), upgrade(connection), _power_cut()))
    with database.reading() as connection:
        indexes = {index["name"] for index in inspect(connection).get_indexes("couler_attempts")}
    database.close()
    assert version_of(url) == "0001"
    assert "ix_couler_attempts_path" not in indexes


def _power_cut() -> None:
    raise RuntimeError("power cut")


OPEN = """
    import sys
    from pathlib import Path
    import couler.runs.migrations, couler.runs.store
    from couler.runs import RunRecord, open_store
    print("ready", flush=True)
    sys.stdin.readline()
    with open_store(sys.argv[1], Path()) as store:
        store.create_run(RunRecord(sys.argv[2], "wf", "local", "running", 1.0))
"""


@pytest.mark.parametrize("start", ["new", "old"])
def test_many_processes_may_open_a_new_or_old_database_at_once(url: str, tmp_path: Path, start: str) -> None:
    if start == "old":
        make_old(url, "0001")
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(OPEN), url]
    children = [
        subprocess.Popen([*command, f"r{number}"], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)
        for number in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60)[1] for child in children] == [""] * 4
    with open_store(url, tmp_path) as store:
        assert len(store.runs()) == 4
    assert differences(url) == []


def test_old_stores_are_upgraded_without_alembic_and_new_ones_without_migrations(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    make_old(url, "0001")
    code = """
        import sys
        from pathlib import Path
        sys.modules["alembic"] = None  # as if it were not installed
        import couler.runs
        assert "sqlalchemy" not in sys.modules
        for _ in range(2):
            couler.runs.open_store(None, Path(sys.argv[1])).close()
        assert "couler.runs.migrations" not in sys.modules
        couler.runs.open_store(sys.argv[2], Path()).close()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "new"), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert version_of(url) == VERSION


# --- where the store lies -------------------------------------------------------------------------------------------


def test_the_projects_store_hides_itself_from_git(tmp_path: Path) -> None:
    root = tmp_path / "pro ject %20 ü" / ".couler"
    with open_store(None, root) as store:
        store.create_run(RUN)
        assert repr(store) == f"SqlRunStore('sqlite:///{root}/runs.db')"
    assert (root / "runs.db").is_file()
    assert (root / ".gitignore").read_text() == "*\n"
    with open_store(None, root) as store:
        assert store.run("wf-1") == RUN


def test_no_password_is_shown(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://me:secret@127.0.0.1:1/runs?password=secret", tmp_path)
    assert caught.value.message.startswith("the run store postgresql://me@127.0.0.1:1/runs cannot be read: ")
    assert "host and port" in caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("no url secret", "the run store's URL cannot be read"),
        ("postgresql://me:secret@host:port/runs", "the run store's URL cannot be read"),
        ("mysql://me:secret@host/runs", "the run store cannot be kept in 'mysql'"),
        ("sqlite://", "a run store in memory would be lost with its process, so it needs a file"),
        ("sqlite:///:memory:", "a run store in memory would be lost with its process, so it needs a file"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url, tmp_path)
    assert caught.value.message == message
    assert "sqlite:///folder/runs.db" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_postgresql_without_its_driver_names_the_extra(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        sys.modules["psycopg"] = None  # as if it were not installed
        from couler.core.errors import MissingExtraError
        from couler.runs import open_store
        try:
            open_store("postgresql://me@host/runs", Path())
        except MissingExtraError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.stdout == str(MissingExtraError("a run store in PostgreSQL", "postgres")) + "\n"
