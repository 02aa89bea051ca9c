"""Opening a ledger: the engine, its transactions, its tables, and what can go wrong as one sentence."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from jomon.core.errors import CorruptError, StoreError
from jomon.store.sql.schema import HEAD, VERSION_TABLE

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT_SECONDS = 30  # for another process that writes; a transaction of the ledger takes milliseconds
CONNECT_SECONDS = 10
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_READING = "jomon_reading"
_DAMAGED = ("file is not a database", "malformed")
_LOCKED = ("database is locked", "lock timeout")


class Database:
    """An engine, with one transaction for each thing done; `place` is a file or a database URL."""

    def __init__(self, place: Path | str) -> None:
        self.url = _url(place)
        self.name = _shown(self.url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        with self._errors():
            self._engine = self._new_engine()
            self._migrate()

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the ledger and writes nothing."""
        with self._errors(), self._engine.connect() as connection:
            connection.execution_options(
                **{_READING: True}, **({} if self.sqlite else {"isolation_level": "REPEATABLE READ"})
            )
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self, fleet: str) -> Iterator[sa.Connection]:
        """A transaction alone among those that write of this fleet: all of it is kept, or nothing."""
        with self._errors(), self._engine.begin() as connection:
            self._lock(connection, f"fleet {fleet}")
            yield connection

    def _new_engine(self) -> sa.Engine:
        wait = {"timeout": WAIT_SECONDS} if self.sqlite else {"connect_timeout": CONNECT_SECONDS}
        try:
            engine = sa.create_engine(self.url, connect_args=wait, poolclass=sa.NullPool)
        except ModuleNotFoundError as error:
            hint = 'pip install "jomon[postgresql]"' if "psycopg" in str(error.name) else "pip"
            raise StoreError(
                f"The ledger {self.name} needs the driver {error.name!r}: install it with {hint}."
            ) from None
        if self.sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _lock(self, connection: sa.Connection, what: str) -> None:
        """Wait for the right to write; SQLite took it when the transaction began."""
        if self.sqlite:
            return
        number = int.from_bytes(sha256(f"jomon ledger, {what}".encode()).digest()[:8], "big", signed=True)
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.cast(number, sa.BigInteger))))

    def _migrate(self) -> None:
        """Bring the tables to those of this program; what others do meanwhile is waited for."""
        with self.reading() as connection:
            if _version(connection) == HEAD:
                return
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        script = ScriptDirectory(str(MIGRATIONS))
        known = {revision.revision for revision in script.walk_revisions()}
        with self._engine.begin() as connection:
            self._lock(connection, "migration")
            version = _version(connection)
            if version is not None and version not in known:
                raise StoreError(f"The ledger {self.name} was written by a newer jomon: upgrade jomon.")

            def upgrade(revision: Any, context: Any) -> Any:
                return script._upgrade_revs("head", revision)

            environment = EnvironmentContext(Config(), script, fn=upgrade, destination_rev="head")
            environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
            environment.run_migrations()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the database refuses as one sentence; its address is told without user and password."""
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            told = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            if any(sign in told for sign in _DAMAGED):
                raise CorruptError(
                    f"The ledger {self.name} is damaged ({told}): restore it from a backup, "
                    "or move it away to begin anew."
                ) from error
            if any(sign in told for sign in _LOCKED):
                raise StoreError(
                    f"The ledger {self.name} is in use by another process for more than {WAIT_SECONDS} seconds: "
                    "end that process or repeat."
                ) from error
            hint = "check the folder, its permissions and the disk" if self.sqlite else "check the server"
            raise StoreError(
                f"The ledger {self.name} cannot be used ({told}): {hint}, and repeat; nothing was half written."
            ) from error


def _url(place: Path | str) -> sa.URL:
    if isinstance(place, Path) or "://" not in place:
        path = Path(place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The ledger {path} cannot be made ({error.strerror}): check the folder and its permissions."
            ) from error
        return sa.URL.create("sqlite", database=str(path.absolute()))
    try:
        url = sa.make_url(place)
        backend = url.get_backend_name()
    except (sa.exc.ArgumentError, ValueError):
        backend = ""
    if backend not in ("sqlite", *_DRIVERS) or (
        backend == "sqlite" and url.database in (None, "", ":memory:")
    ):
        raise StoreError(
            "The URL of the ledger cannot be used: write postgresql://user:password@host/name or a path to a file."
        )
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _shown(url: sa.URL) -> str:
    """The address for people: no user, no password, no options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return sa.URL.create("postgresql", host=url.host, port=url.port, database=url.database).render_as_string()


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Transactions begin where we say so (and hold changes of tables too), and a commit is on the disk."""
    connection.isolation_level = None
    for setting in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {setting}")
    deadline = time.monotonic() + WAIT_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # SQLite does not wait here, although it has a timeout
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get(_READING)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
