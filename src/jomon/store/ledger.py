"""The door of the ledger: what happened to a fleet, in SQLite by default and in PostgreSQL by URL.

Nothing is imported before a ledger is opened, so that commands without one and servers never load SQLAlchemy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jomon.store.sql.ledger import Ledger

LEDGER_FILE = "ledger.db"


def open_ledger(place: Path | str) -> Ledger:
    """The ledger in a file (made if absent) or at a database URL, brought to the tables of this program.

    Several processes may open it at once. Raises `StoreError` or `CorruptError`, one sentence without a password.
    """
    from jomon.store.sql.ledger import Ledger

    return Ledger.open(place)


def exists(place: Path | str) -> bool:
    """Whether something may be in a ledger: a file that is there, or any database URL."""
    return Path(place).exists() if isinstance(place, Path) or "://" not in place else True
