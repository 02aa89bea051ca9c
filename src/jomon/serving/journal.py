"""The journal: what was answered, on disk before the answer leaves; one process writes a file, another moves it.

A returned `write` is in the system's page cache and survives the death of any process; the sync that follows within
`sync` seconds (and the time it takes) makes it survive a power cut. A file is never written again after a failure,
a rotation or a restart: a reader that has read part of it never finds other bytes in that place.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from jomon.core.errors import StoreError
from jomon.core.journal import Kind, frame, framed
from jomon.serving.journal_slot import Slot, take_slot

FORMAT = 1
ROTATE_BYTES = 64 * 2**20  # a reader maps a file whole; the room of a moved file is given back this often
ROTATE_SECONDS = 3600.0  # so that retention holds for the journal too where traffic is low


_PART = "only part of it fits"


class JournalFull(StoreError):  # noqa: N818 - the name of a state, as the doors tell it
    """What was to be written is not in the journal: nothing of it may be acknowledged."""


def payload(kind: Kind, value: Any) -> bytes:
    """A payload of `kind` that holds `value` (what MessagePack has types for)."""
    return _KINDS[kind] + msgspec.msgpack.encode(value)


_KINDS = {kind: bytes([kind]) for kind in Kind}


class Journal:
    """The writer of one process: appends frames to files of its own slot. Methods may be called from any thread.

    Make one with `open`; it is not for a process that forks without exec (the child would hold the slot too).
    `syncs` counts syncs, `failed_syncs` those that the disk refused: what they were to make safe is safe from the death
    of processes alone.
    """

    def __init__(self, slot: Slot, sync: float, rotate_bytes: int, rotate_seconds: float) -> None:
        self.folder, self.failed_syncs = slot.folder, 0
        self._slot, self._interval = slot, sync
        self._rotate_bytes, self._rotate_seconds = rotate_bytes, rotate_seconds
        self._headers: dict[int, tuple[bytes, bytes]] = {}
        self._next_id = 1
        self._pending = b""  # headers that the current file lacks
        self._file, self._size, self._until = -1, 0, 0.0
        self._sequence = slot.last
        self._mark = self._synced = 0  # bytes acknowledged, and of these synced
        self._refused: list[
            tuple[int, int]
        ] = []  # marks whose sync failed: above the first, up to the second
        self._left: list[int] = []  # files that get no more writes, to be synced and closed
        self._names = True  # whether names in the folder wait for a sync
        self._closed = False
        self.syncs = 0
        self._lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if sync > 0:
            self._thread = threading.Thread(target=self._keep_syncing, name="journal-sync", daemon=True)
            self._thread.start()

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        sync: float = 0.1,
        rotate_bytes: int = ROTATE_BYTES,
        rotate_seconds: float = ROTATE_SECONDS,
    ) -> Journal:
        """Take the lowest free slot of `folder` (made if not there); the first write makes a new file.

        `sync` in seconds: how long a written record may wait for the disk; 0: `write` returns when it is there.
        Raises `StoreError` where the folder cannot be used.
        """
        place = Path(folder)
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            for above in (place.parent, place.parent.parent):
                _sync_folder(above)
            slot = take_slot(place)
        except OSError as error:
            raise StoreError(
                f"The journal in {place} cannot be opened ({error.strerror or error}): free space or mend its "
                "permissions."
            ) from error
        return cls(slot, sync, rotate_bytes, rotate_seconds)

    @property
    def written(self) -> int:
        """Bytes that this writer has written in all."""
        return self._mark

    @property
    def slot(self) -> int:
        """The number of the slot."""
        return self._slot.number

    def declare(self, document: Mapping[str, Any]) -> int:
        """The id of a header with the content `document`: written before the next record, repeated in each new
        file. The same document has the same id."""
        content = msgspec.msgpack.encode(document, order="sorted")
        with self._lock:
            for known, (have, _) in self._headers.items():
                if have == content:
                    return known
            number, self._next_id = self._next_id, self._next_id + 1
            header = frame(payload(Kind.HEADER, {"id": number, "format": FORMAT, **document}))
            self._headers[number] = (content, header)
            if self._file >= 0:
                self._pending += header
            return number

    def retire(self, number: int) -> None:
        """Repeat the header `number` no more: no later record may name it."""
        with self._lock:
            self._headers.pop(number, None)

    def write(self, payloads: Sequence[bytes], wait: bool = True) -> int:
        """Append payloads as frames in one write: all of them or, with `JournalFull`, none.

        Gives a mark for `synced`. With `sync=0` the call waits for the disk unless `wait` is false; the caller then
        waits with `synced`, in a thread of its own, before it acknowledges.
        """
        data = framed(payloads)
        with self._lock:
            size = self._size
            if self._file < 0 or size + len(data) > self._rotate_bytes or time.monotonic() > self._until:
                mark = self._first(data)
            else:
                if self._pending:
                    data = self._pending + data
                try:
                    written = os.write(self._file, data)
                except OSError as error:
                    self._undo(error)
                if written != len(data):
                    self._undo(None)
                self._pending = b""
                self._size = size + written
                self._mark = mark = self._mark + written
        if wait and self._interval <= 0:
            self.synced(mark)
        return mark

    def synced(self, mark: int | None = None) -> None:
        """Wait until what was written up to `mark` (everything, if None) is on disk; raises `JournalFull` if it
        cannot be put there. Callers that wait together share one sync."""
        if mark is None:
            mark = self._mark
        if self._synced < mark and not self._is_refused(mark):
            with self._sync_lock:
                if self._synced < mark and not self._is_refused(mark):
                    self._sync_now()
        if self._is_refused(mark):
            raise JournalFull(f"The disk of {self.folder} refused to keep what was written: check the disk.")

    def sync(self) -> None:
        """Put everything written so far on disk now."""
        self.synced()

    def close(self) -> None:
        """Sync, close the file and give the slot back; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._leave()
        with self._sync_lock:
            self._sync_now()
        os.close(self._slot.descriptor)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # The file, under self._lock.

    def _first(self, data: bytes) -> int:
        """Make a new file that begins with the headers and `data`; readers see it when all of that is in it."""
        if self._closed:
            raise JournalFull(f"The journal in {self.folder} is closed.")
        self._leave()
        sequence = self._sequence + 1
        about = {"journal": self._slot.identity, "slot": self._slot.number, "sequence": sequence}
        begin = frame(payload(Kind.FILE, {"format": FORMAT, **about}))
        whole = b"".join((begin, *(header for _, header in self._headers.values()), data))
        new, file = self._slot.new_path(), -1
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            file = os.open(new, flags, 0o600)
            if os.write(file, whole) != len(whole):
                raise OSError(errno.ENOSPC, _PART)
            self._slot.remember(sequence)
            new.rename(self._slot.path(sequence))
        except OSError as error:
            if file >= 0:
                with suppress(OSError):
                    os.ftruncate(file, 0)
                os.close(file)
            raise self._full(error) from error
        self._file, self._size, self._sequence, self._names = file, len(whole), sequence, True
        self._until, self._pending = time.monotonic() + self._rotate_seconds, b""
        self._mark += len(whole)
        return self._mark

    def _undo(self, error: OSError | None) -> None:
        """Take back what a failed write left in the file, leave the file, and say so."""
        with suppress(OSError):
            os.ftruncate(self._file, self._size)
        self._leave()
        raise self._full(error) from error

    def _leave(self) -> None:
        """Write no more to the current file; the next sync closes it."""
        if self._file >= 0:
            self._left.append(self._file)
            self._file = -1

    def _full(self, error: OSError | None) -> JournalFull:
        reason = _PART if error is None else error.strerror or str(error)
        return JournalFull(
            f"The journal in {self.folder} takes no more ({reason}): free space; nothing was recorded, nothing is "
            "answered."
        )

    # Syncing, under self._sync_lock; only here files are closed.

    def _sync_now(self) -> None:
        with self._lock:
            mark, current, left, names = self._mark, self._file, self._left, self._names
            self._left, self._names = [], False
        refused = False
        self.syncs += 1
        for file in (*left, current):
            try:
                if file >= 0:
                    os.fdatasync(file)
            except OSError:
                refused = True
        for file in left:
            with suppress(OSError):
                os.close(file)
        if names:
            try:
                os.fdatasync(self._slot.descriptor)
                _sync_folder(self.folder)
            except OSError:
                refused = True
        with self._lock:
            if refused:
                self.failed_syncs += 1
                above = self._refused.pop()[0] if self._is_refused(self._synced) else self._synced
                self._refused.append((above, mark))
                self._names = self._names or names
                if 0 <= self._file == current:
                    self._file = -1
                    os.close(current)
            self._synced = mark

    def _is_refused(self, mark: int) -> bool:
        return any(above < mark <= upto for above, upto in self._refused)

    def _keep_syncing(self) -> None:
        while not self._stop.wait(self._interval):
            if self._synced < self._mark or self._left:
                with self._sync_lock:
                    self._sync_now()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
