"""Opening a ledger: tables are made and brought up to date by one of many, and what cannot be opened says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from jomon.core.checks import CheckResult
from jomon.core.errors import CorruptError, JomonError, StoreError
from jomon.core.findings import Span
from jomon.core.incidents import Trouble
from jomon.store.ledger import exists, open_ledger
from jomon.store.sql.opening import MIGRATIONS, Database
from jomon.store.sql.schema import HEAD, VERSION_TABLE, metadata

Make = Callable[..., Trouble]
DAY = 86_400_000_000
OPENER = """
import sys
from jomon.store.ledger import open_ledger

sys.stdout.write("ready" + chr(10))
sys.stdout.flush()
sys.stdin.readline()
with open_ledger(sys.argv[1]) as ledger:
    print(len(ledger.incidents()))
"""


def test_the_newest_migration_is_the_one_that_the_program_expects() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert script.get_heads() == [HEAD]
    assert script.get_bases() == ["0001"]


def test_the_migrations_make_the_tables_of_the_schema(ledger_place: Path | str) -> None:
    database = Database(ledger_place)
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        for table in metadata.tables.values():
            found = sa.inspect(connection).get_check_constraints(table.name)
            declared = [one for one in table.constraints if isinstance(one, sa.CheckConstraint)]
            assert {one["name"] for one in found} == {one.name for one in declared}
    database.close()


def test_a_ledger_of_files_waits_writes_ahead_and_minds_references(tmp_path: Path) -> None:
    database = Database(tmp_path / "ledger.db")
    with database.reading() as connection:
        told = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")}  # fmt: skip
    assert told == {"journal_mode": "wal", "busy_timeout": 30_000, "foreign_keys": 1, "synchronous": 2}
    database.close()


def test_many_open_a_new_ledger_at_once(ledger_place: Path | str) -> None:
    command = [sys.executable, "-c", OPENER, str(ledger_place)]
    if isinstance(ledger_place, Path):
        ledger_place.parent.mkdir()
    openers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    ended = [opener.communicate(timeout=120) for opener in openers]
    assert ended == [("0\n", "")] * 4


def test_alembic_is_loaded_by_a_first_opening_only(tmp_path: Path) -> None:
    open_ledger(tmp_path / "ledger.db").close()
    code = (
        "import sys\nfrom pathlib import Path\nfrom jomon.store.ledger import open_ledger\n"
        "assert 'sqlalchemy' not in sys.modules\n"
        f"open_ledger(Path({str(tmp_path / 'ledger.db')!r})).close()\n"
        "print('alembic' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_a_ledger_stays_when_it_is_opened_again(ledger_place: Path | str, make_trouble: Make) -> None:
    with open_ledger(ledger_place) as ledger:
        [made] = ledger.record("flights", Span(0, DAY), [make_trouble(0)], at=5)
    assert exists(ledger_place)
    with open_ledger(ledger_place) as ledger:
        assert ledger.incidents() == [made]


def test_a_ledger_of_a_newer_program_is_refused(ledger_place: Path | str) -> None:
    database = Database(ledger_place)
    with database.writing("flights") as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    with pytest.raises(StoreError, match=r"was written by a newer jomon: upgrade jomon\.$"):
        open_ledger(ledger_place)


def test_what_fails_within_keeps_nothing(ledger_place: Path | str, make_trouble: Make) -> None:
    with open_ledger(ledger_place) as ledger:
        none: Any = None
        window = Span(0, DAY)
        bad = CheckResult("flights", window, "findings", "", 9, 0, none, 0.1, 1.0, 2.0, 4, 0, 60, "60 days")
        with pytest.raises(StoreError):  # after the incidents were written, in the same transaction
            ledger.record("flights", Span(0, DAY), [make_trouble(0)], at=5, check=bad)
        assert ledger.incidents() == []
        assert ledger.notifications("flights").waiting == 0


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all" * 500)
    with pytest.raises(CorruptError, match=r"ledger\.db is damaged \(file is not a database\): restore it"):
        open_ledger(path)


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match=r"ledger\.db cannot be made \("):
        open_ledger(tmp_path / "home" / "ledger.db")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"cannot be used \(unable to open database file\): check the folder"
    ):
        open_ledger(tmp_path)


def test_a_full_disk_is_told_and_keeps_what_was_there(small_disk: Path, make_trouble: Make) -> None:
    with open_ledger(small_disk / "ledger.db") as ledger:
        [made] = ledger.record("flights", Span(0, DAY), [make_trouble(0)], at=5)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 4096)
        with pytest.raises(
            StoreError, match=r"ledger\.db cannot be used \(.*(full|I/O).*nothing was half written"
        ):
            for day in range(1, 400):
                ledger.record("flights", Span(day * DAY, (day + 1) * DAY), [make_trouble(day)], at=day)
        filler.unlink()
        assert ledger.incidents()[0].name == made.name
    with open_ledger(small_disk / "ledger.db") as ledger:
        [one] = ledger.incidents()
        assert one.windows == len(ledger.troubles(one.name)) >= 1


def test_one_that_is_written_by_another_for_too_long_is_told(
    ledger_place: Path | str, monkeypatch: pytest.MonkeyPatch, make_trouble: Make
) -> None:
    monkeypatch.setattr("jomon.store.sql.opening.WAIT_SECONDS", 0.2)
    other = Database(ledger_place)
    with open_ledger(ledger_place) as ledger:
        with other.writing("flights"):
            assert ledger.incidents() == []  # who reads does not wait for who writes
            with pytest.raises(StoreError, match=r"in use by another process for more than 0\.2 seconds"):
                ledger.record("flights", Span(0, DAY), [make_trouble(0)], at=5)
        ledger.record("flights", Span(0, DAY), [make_trouble(0)], at=5)
    other.close()


def test_a_server_that_is_away_is_told_without_user_and_password(needs: Any) -> None:
    needs.package("psycopg")
    with pytest.raises(StoreError, match=r"ledger postgresql://127\.0\.0\.1:1/name cannot be used") as caught:
        open_ledger("postgresql://person:secret@127.0.0.1:1/name?password=other")
    told = str(caught.value)
    assert not {"person", "secret", "other"} & set(told.replace(":", " ").replace("=", " ").split())
    assert "\n" not in told


@pytest.mark.parametrize(
    "url", ["mysql://person:secret@host/name", "sqlite://", "postgresql://host:secret/x", "://"]
)
def test_an_address_that_cannot_be_is_told_without_it(url: str) -> None:
    with pytest.raises(
        JomonError, match=r"The URL of the ledger cannot be used: write postgresql://"
    ) as caught:
        open_ledger(url)
    assert "secret" not in str(caught.value)


def test_a_url_of_a_file_is_that_file(tmp_path: Path) -> None:
    open_ledger(f"sqlite:///{tmp_path / 'other.db'}").close()
    assert (tmp_path / "other.db").is_file()
