"""The index on disk: changed under a lock, replaced in one step, and written twice.

The second copy, `index.json.bak`, is written before the first. Whichever of the two is damaged, the other
holds every name whose change was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from jomon.core.errors import CorruptError
from jomon.oci.errors import OciError
from jomon.oci.index import Index
from jomon.store import atomic
from jomon.store.catalog import Catalog
from jomon.store.locks import locked
from jomon.store.paths import Paths, writing

T = TypeVar("T")


class IndexFile:
    """The index of one store."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def read(self) -> Catalog:
        """What the store holds now; raises `CorruptError` that says how to get a damaged index back."""
        return Catalog(read_index(self._paths.index))

    def change(self, rule: Callable[[Catalog], tuple[Catalog, T]]) -> T:
        """Read, apply `rule` and write, alone among all processes; no change, no write."""
        with self._alone():
            before = self.read()
            after, result = rule(before)
            if after.index != before.index:
                self.write(after)
            return result

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with atomic.disk_errors(self._paths.root, "changing the index"):
            self._paths.make()
            with locked(self._paths.index_lock):
                yield

    def write(self, catalog: Catalog) -> None:
        """Replace both copies, the second one first; the caller holds the lock."""
        data = catalog.index.bytes
        with writing(self._paths) as lease:
            for position, path in enumerate((self._paths.backup, self._paths.index)):
                atomic.replace_file(path, data, self._paths.temporary / f"{lease.name}.{position}")


def read_index(path: Path) -> Index:
    """Read one copy of the index; raises `CorruptError` where it is absent or damaged."""
    mend = "run `jomon verify --repair`, which brings every name back from its second copy"
    try:
        return Index.from_bytes(path.read_bytes())
    except FileNotFoundError:
        raise CorruptError(f"The index {path} is missing; {mend}.") from None
    except OciError as error:
        raise CorruptError(f"The index {path} is damaged ({str(error).rstrip('.')}); {mend}.") from None
