"""Members that cannot be packed: any object that turns rows into margins, scored in groups.

scikit-learn estimators among them are kept in the skops format, which runs no code on load; scikit-learn
and skops are imported only by the functions here that need them. A type that skops does not know as safe is
loaded only if the caller's list of trusted types names it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from jomon.core.errors import BuildError, JomonError, StoreError
from jomon.core.table import Floats
from jomon.engine.tensors import corrupt

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time an archive can state
_LEAST = 1e-15  # probabilities and rates are kept that far from the ends of their range


@runtime_checkable
class OpaqueMember(Protocol):
    """A member that cannot be packed."""

    def margin(self, X: Floats) -> Floats:
        """The contribution of each row, shrunk: float64[n], finite, for float64[n, F]."""


@dataclass(frozen=True, eq=False)
class SklearnMember:
    """An estimator with scikit-learn's methods, as a member.

    output says which of its methods gives the margin: `value`: `predict` as it is; `decision`:
    `decision_function`; `probability`: the log-odds of `predict_proba`'s second column; `rate`: the
    logarithm of `predict`. shrink multiplies the margin. columns: positions of the features it sees, None for
    all.
    """

    estimator: Any
    output: Literal["value", "decision", "probability", "rate"] = "value"
    shrink: float = 1.0
    columns: tuple[int, ...] | None = None

    def margin(self, X: Floats) -> Floats:
        """The contribution of each row, shrunk: float64[n] for float64[n, F]."""
        if self.columns is not None:
            X = np.ascontiguousarray(X[:, list(self.columns)])
        return np.asarray(self.shrink * _MARGINS[self.output](self.estimator, X), np.float64)


def _log_odds(estimator: Any, X: Floats) -> Floats:
    p = np.clip(np.asarray(estimator.predict_proba(X), np.float64)[:, 1], _LEAST, 1 - _LEAST)
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


def _log_rate(estimator: Any, X: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(estimator.predict(X), _LEAST)), np.float64)


_MARGINS: dict[str, Callable[[Any, Floats], Floats]] = {
    "value": lambda estimator, X: estimator.predict(X),
    "decision": lambda estimator, X: estimator.decision_function(X),
    "probability": _log_odds,
    "rate": _log_rate,
}


def dump(estimator: Any) -> bytes:
    """The estimator in the skops format; equal estimators give equal bytes.

    Raises `BuildError` where the format cannot hold it.
    """
    skops = _skops()
    try:
        data = skops.dumps(estimator)
    except Exception as error:
        raise BuildError(
            f"An estimator of type {_name(type(estimator))} cannot be kept ({error});"
            " use one that skops supports."
        ) from error
    return _settled(data)


def untrusted_types(data: bytes, what: str = "The estimator") -> tuple[str, ...]:
    """The types in `data` that have to be trusted before it can be loaded, sorted; runs no code of theirs."""
    skops = _skops()
    try:
        return tuple(sorted(skops.get_untrusted_types(data=data)))
    except Exception as error:
        raise corrupt(what, f"it is not in the skops format ({type(error).__name__})") from error


def load(data: bytes, trusted: Collection[str] = (), what: str = "The estimator") -> Any:
    """The estimator in `data`.

    trusted: names of types (`module.Class`) that may be loaded beyond those skops knows as safe. Raises
    `StoreError` where the data holds another type, `CorruptError` where it cannot be read.
    """
    unknown = [name for name in untrusted_types(data, what) if name not in trusted]
    if unknown:
        raise StoreError(
            f"{what} holds {'types that are' if len(unknown) > 1 else 'a type that is'} not trusted:"
            f" {', '.join(unknown)}; if you trust the code, add each with `jomon trust add TYPE`."
        )
    try:
        return _skops().loads(data, trusted=sorted(trusted))
    except Exception as error:
        raise corrupt(what, f"it cannot be loaded ({type(error).__name__}: {error})") from error


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise JomonError(
            f"This fleet has scikit-learn members and {error.name} is missing; pip install 'jomon[sklearn]'."
        ) from None
    return skops.io


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _settled(data: bytes) -> bytes:
    """The same archive without what differs from run to run: times, addresses and random file names."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
        numbers: dict[int, int] = {}
        files: dict[str, str] = {}
        _renumber(schema, numbers, files)
        contents = {new: archive.read(old) for old, new in files.items()}
    contents["schema.json"] = json.dumps(schema, indent=1).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(contents):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), contents[name])
    return out.getvalue()


def _renumber(node: Any, numbers: dict[int, int], files: dict[str, str]) -> None:
    """Replace object identities and file names by their order of appearance, in place."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers, files)
    elif isinstance(node, dict):
        if "__loader__" in node:
            if isinstance(node.get("__id__"), int):
                node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
            file = node.get("file")
            if isinstance(file, str):
                node["file"] = files.setdefault(file, f"{len(files) + 1}.{file.rpartition('.')[2]}")
        for value in node.values():
            _renumber(value, numbers, files)
