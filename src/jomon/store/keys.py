"""The key file of a home: who may use its servers, as JSON that only its owner can read.

keys.json             the keys, without their secrets; replaced as a whole, durably, by one writer at a time
run/keys.lock         held by who changes them; run/keys-*.tmp is a file being written
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from jomon.core.errors import CorruptError, StoreError, UnknownNameError
from jomon.core.keys import (
    ID_BYTES,
    SECRET_BYTES,
    Key,
    KeyFormatError,
    digest_of,
    parse_key,
    write_key,
)
from jomon.core.roles import Role
from jomon.core.suggest import ending
from jomon.oci.digest import canonical_json
from jomon.store import atomic
from jomon.store.locks import locked

KEY_FILE = "keys.json"
# The format of the file. To change it: raise it, and let `entries` read the older ones.
FORMAT = 1
_PRIVATE = 0o600
Stamp = tuple[int, int, int, int]


class KeyFile:
    """The keys of the home at `root`."""

    def __init__(self, root: Path) -> None:
        self.path = root / KEY_FILE
        self._run = root / "run"

    def entries(self) -> tuple[Key, ...]:
        """All keys, expired ones too, the oldest first; none where there is no file.

        Raises `CorruptError` for a damaged file, and `StoreError` for one that cannot be read or is newer than this
        program: it never passes for "no keys".
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreError(
                f"The key file {self.path} cannot be read ({error.strerror}): check who owns it and its permissions."
            ) from error
        return self._read(data)

    def stamp(self) -> Stamp | None:
        """What changes whenever the file is replaced; None where there is none. Raises `OSError`."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size

    def add(
        self,
        name: str,
        roles: Sequence[Role],
        created: datetime,
        fleets: Sequence[str] | None = None,
        expires: datetime | None = None,
    ) -> tuple[Key, str]:
        """Make a key; gives it and its text, which is kept nowhere. Raises `KeyFormatError` for what cannot be."""
        with self._changing():
            keys = self.entries()
            taken = {key.id for key in keys}
            text = _unused(taken)
            number, secret = parse_key(text) or ("", "")
            key = Key(
                number,
                name,
                tuple(sorted(set(roles), key=list(Role).index)),
                None if fleets is None else tuple(dict.fromkeys(fleets)),
                digest_of(secret),
                created,
                expires,
            )
            self._write((*keys, key))
        return key, text

    def remove(self, number: str) -> Key:
        """Revoke the key with this id; raises `UnknownNameError` where there is none."""
        with self._changing():
            keys = self.entries()
            gone = next((key for key in keys if key.id == number), None)
            if gone is None:
                known = ending(number, (key.id for key in keys), "`jomon keys ls` lists them")
                raise UnknownNameError(f"There is no key {number!r}{known}")
            self._write([key for key in keys if key is not gone])
        return gone

    def _read(self, data: bytes) -> tuple[Key, ...]:
        try:
            document = json.loads(data)
            number = document["format"]
            if isinstance(number, int) and number > FORMAT:
                newer = f"has format {number}, and this jomon knows formats up to {FORMAT}"
                raise StoreError(f"The key file {self.path} {newer}: upgrade jomon.")
            keys = tuple(Key.from_document(one) for one in document["keys"])
            if number != FORMAT or len({key.id for key in keys}) < len(keys):
                raise ValueError("no key file")
        except (ValueError, KeyError, TypeError, AttributeError, KeyFormatError, RecursionError):
            mend = "restore it from a backup, or delete it and make new keys"
            raise CorruptError(f"The key file {self.path} is damaged: {mend}.") from None
        return tuple(sorted(keys, key=lambda key: (key.created, key.id)))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with atomic.disk_errors(self.path.parent, "changing the keys"):
            self._run.mkdir(parents=True, exist_ok=True)
            with locked(self._run / "keys.lock"):
                yield

    def _write(self, keys: Sequence[Key]) -> None:
        """Replace the file, with the lock held: what an earlier writer that died left goes too."""
        for left in self._run.glob("keys-*.tmp"):
            with suppress(FileNotFoundError):
                left.unlink()
        data = canonical_json({"format": FORMAT, "keys": [key.document() for key in keys]})
        atomic.replace_file(self.path, data, self._run / f"keys-{uuid.uuid4().hex}.tmp", _PRIVATE)


def _unused(taken: set[str]) -> str:
    """The text of a new key whose id no other has."""
    while True:
        text = write_key(secrets.token_bytes(ID_BYTES), secrets.token_bytes(SECRET_BYTES))
        found = parse_key(text)
        if found is not None and found[0] not in taken:
            return text
