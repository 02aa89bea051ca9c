"""The build cache: members that were fitted before, by the digest of their lineage, in one SQLite file.

Many processes read and write it at once (write-ahead log). A process that is killed loses at most the
transaction it was in. What the cache loses is trained again, so it is synced at the pace of the log, not of
every transaction.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from jomon.core.errors import CorruptError, StoreError
from jomon.oci.digest import Digest, canonical_json
from jomon.oci.ports import BuildCachePort, CachedMember, CacheItem, CacheRead
from jomon.store import atomic
from jomon.store.paths import CACHE_FILE

# The format of the tables. To change it: raise it, and convert or drop older files in `_prepare`.
FORMAT = 1
_WAIT_SECONDS = 60.0  # longer than another process needs to write 10,000 members
_KEYS_AT_ONCE = 500  # below the number of parameters that every SQLite takes (999)
_TABLES = """
CREATE TABLE IF NOT EXISTS members (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, digest BLOB NOT NULL, size INTEGER NOT NULL,
    note BLOB NOT NULL, seal BLOB NOT NULL, tick INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS members_by_tick ON members (tick);
CREATE TABLE IF NOT EXISTS payloads (id INTEGER PRIMARY KEY REFERENCES members (id), bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS plans (
    build_key BLOB PRIMARY KEY, image BLOB NOT NULL, seal BLOB NOT NULL
) WITHOUT ROWID;
"""


class BuildCache(BuildCachePort):
    """The build cache in the folder `root`; it holds no open file, so it may be handed to other processes.

    Errors: `StoreError` where the file cannot be used, `CorruptError` where it is damaged as a whole. A
    damaged payload is no error: its key counts as missing, and the caller is told.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / CACHE_FILE
        with atomic.disk_errors(root, "making the build cache"):
            root.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            self._prepare(connection)

    @property
    def path(self) -> Path:
        """The file of the cache; deleting it is safe while no build runs."""
        return self._path

    def get_many(self, keys: Iterable[Digest]) -> CacheRead:
        """The members under `keys`, in the order asked; payload and note are checked against their digests.

        All payloads are held in memory at once: ask for as many keys as fit.
        """
        asked = list(dict.fromkeys(keys))
        with self._connected() as connection:
            rows = {bytes(row[0]): row for row in _select(connection, _GET, asked)}
            read = {key: _checked(*rows[_raw(key)]) for key in asked if _raw(key) in rows}
            found = {key: member for key, member in read.items() if member is not None}
            self._touch(connection, list(found))
        return CacheRead(found, tuple(key for key, member in read.items() if member is None))

    def has_many(self, keys: Iterable[Digest]) -> frozenset[Digest]:
        """Which of `keys` are there; payloads are not read."""
        asked = list(keys)
        with self._connected() as connection:
            there = {bytes(key) for (key,) in _select(connection, _HAS, asked)}
        return frozenset(key for key in asked if _raw(key) in there)

    def put_many(self, items: Iterable[CacheItem]) -> None:
        """Store members in one transaction: all or none; an item replaces what was under its key."""
        with self._connected() as connection, _transaction(connection):
            tick = _next_tick(connection)
            for item in items:
                key, digest, note = (
                    _raw(item.key),
                    _raw(Digest.of(item.payload)),
                    canonical_json(dict(item.note)),
                )
                row = (key, digest, len(item.payload), note, _seal(key, digest, note), tick)
                (identity,) = connection.execute(_PUT_MEMBER, row).fetchone()
                connection.execute(_PUT_PAYLOAD, (identity, item.payload))

    def plan(self, build_key: Digest) -> Digest | None:
        """The image that the build with this key gave, or None."""
        with self._connected() as connection:
            query = "SELECT image, seal FROM plans WHERE build_key = ?"
            row = connection.execute(query, (_raw(build_key),)).fetchone()
        whole = row is not None and row[1] == _seal(_raw(build_key), row[0])
        return Digest(row[0].hex()) if whole else None

    def put_plan(self, build_key: Digest, image: Digest) -> None:
        """Remember which image a build gave."""
        key, given = _raw(build_key), _raw(image)
        with self._connected() as connection, _transaction(connection):
            row = (key, given, _seal(key, given))
            connection.execute("INSERT OR REPLACE INTO plans VALUES (?, ?, ?)", row)

    def size_bytes(self) -> int:
        """Bytes of all payloads."""
        with self._connected() as connection:
            return int(connection.execute("SELECT coalesce(sum(size), 0) FROM members").fetchone()[0])

    def __len__(self) -> int:
        """How many members there are."""
        with self._connected() as connection:
            return int(connection.execute("SELECT count(*) FROM members").fetchone()[0])

    def prune(self, max_bytes: int) -> int:
        """Drop the members that were least recently used until the payloads fit; gives the bytes dropped."""
        with self._connected() as connection:
            with _transaction(connection):
                total = int(connection.execute("SELECT coalesce(sum(size), 0) FROM members").fetchone()[0])
                dropped = 0
                oldest = connection.execute("SELECT id, size FROM members ORDER BY tick, id").fetchall()
                for identity, size in oldest:
                    if total - dropped <= max_bytes:
                        break
                    connection.execute("DELETE FROM payloads WHERE id = ?", (identity,))
                    connection.execute("DELETE FROM members WHERE id = ?", (identity,))
                    dropped += size
            if dropped:
                # a script, because `execute` stops after the first of the steps, which free one page each
                connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
        return dropped

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > FORMAT:
            newer = f"has format {found}, and this jomon knows formats up to {FORMAT}"
            raise StoreError(f"The build cache {self._path} {newer}: upgrade jomon, or use another folder.")
        if found == FORMAT:
            return
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        with _transaction(connection):
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    @staticmethod
    def _touch(connection: sqlite3.Connection, keys: Sequence[Digest]) -> None:
        """Mark members as used now, so that a prune takes others first; not while another process writes."""
        if not keys:
            return
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            with _transaction(connection):
                tick = _next_tick(connection)
                marks = [(tick, _raw(key)) for key in keys]
                connection.executemany("UPDATE members SET tick = ? WHERE key = ?", marks)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise self._explain(error) from error
        except UnicodeDecodeError as error:  # a damaged text that SQLite quotes in the message of its error
            raise self._damaged("a text in it cannot be read") from error

    def _damaged(self, what: str) -> CorruptError:
        mend = "delete the file, and the next build trains its members again"
        return CorruptError(f"The build cache {self._path} is damaged ({what}): {mend}.")

    def _explain(self, error: sqlite3.Error) -> StoreError:
        name = _error_name(error)
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self._damaged(str(error))
        if name.startswith("SQLITE_FULL"):
            hint = "free some space, or run `jomon prune`, and build again; what was cached before is kept"
            return StoreError(f"The disk of the build cache {self._path} is full: {hint}.")
        if _is_busy(error):
            hint = f"another process has been writing for {_WAIT_SECONDS:.0f} seconds; wait for it and repeat"
            return StoreError(f"The build cache {self._path} is locked: {hint}.")
        return StoreError(
            f"The build cache {self._path} cannot be used ({error}): check the folder and the disk."
        )


_PUT_MEMBER = """
INSERT INTO members (key, digest, size, note, seal, tick) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, size = excluded.size, note = excluded.note,
                                seal = excluded.seal, tick = excluded.tick
RETURNING id
"""
_GET = """
SELECT key, bytes, digest, note, seal FROM members LEFT JOIN payloads USING (id) WHERE key IN ({})
"""
_HAS = "SELECT key FROM members WHERE key IN ({})"
_PUT_PAYLOAD = "INSERT OR REPLACE INTO payloads (id, bytes) VALUES (?, ?)"


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _checked(key: object, payload: object, digest: object, note: Any, seal: object) -> CachedMember | None:
    """The member in a row, or None where any part of the row is damaged."""
    if not isinstance(payload, bytes) or seal != _seal(key, digest, note):
        return None
    found = Digest.of(payload)
    return CachedMember(payload, found, json.loads(note)) if _raw(found) == digest else None


def _seal(*parts: Any) -> bytes:
    """What shows that the small columns of a row were not damaged; the payload has its own digest."""
    return hashlib.sha256(b"".join(part if isinstance(part, bytes) else b"?" for part in parts)).digest()


def _error_name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _is_busy(error: sqlite3.Error) -> bool:
    return _error_name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _next_tick(connection: sqlite3.Connection) -> int:
    """A number larger than all before: the order of uses needs no clock."""
    return int(connection.execute("SELECT coalesce(max(tick), 0) + 1 FROM members").fetchone()[0])


def _select(connection: sqlite3.Connection, query: str, keys: list[Digest]) -> Iterator[tuple[Any, ...]]:
    waiting = iter(keys)
    while some := list(islice(waiting, _KEYS_AT_ONCE)):
        places = ",".join("?" * len(some))
        yield from connection.execute(query.format(places), [_raw(key) for key in some])


def _raw(digest: Digest) -> bytes:
    return bytes.fromhex(digest.hex)
