"""The two forms of a request: one tensor for each column, or one tensor with a column in each of its columns."""

from __future__ import annotations

from collections.abc import Sequence

from jomon.core.row_columns import RowColumn, RowColumns
from jomon.core.suggest import ending
from jomon.serving.v2.datatypes import Value
from jomon.serving.v2.refusals import ProtocolError, shown
from jomon.serving.v2.tensors import Tensor
from jomon.serving.v2.values import column_values

Found = tuple[int, dict[str, list[Value]]]
"""The number of rows n, and n values for each column."""


def default_order(columns: RowColumns) -> tuple[str, ...]:
    """The columns of one tensor [n, C] that does not name them: those that no lookup brings, as metadata lists them."""
    return tuple(column.name for column in columns if column.lookup is None)


def columns_of(
    tensors: Sequence[Tensor],
    columns: RowColumns,
    named: object,
    ignore_unknown: bool,
    max_rows: int | None,
) -> Found:
    """The columns that `tensors` hold; `named` is the request's parameter `columns`. Raises `ProtocolError`.

    A single tensor that is not called as a column is the form "one tensor", and so is one with the parameter
    `columns`, its own or the request's; everything else is one tensor for each column.
    """
    if not tensors:
        raise ProtocolError("The request has no inputs: send one tensor for each column, or one with all.")
    named = next((t.columns for t in tensors if t.columns is not None), named)
    if named is not None and len(tensors) > 1:
        raise ProtocolError("The parameter columns goes with one tensor: leave it out, or send one input.")
    known = {column.name: column for column in columns}
    first = tensors[0]
    if named is not None or (len(tensors) == 1 and first.name not in known and len(first.shape) == 2):
        return _one_tensor(first, known, _order(first, columns, named), ignore_unknown, max_rows)
    return _several(tensors, known, ignore_unknown, max_rows)


def _several(
    tensors: Sequence[Tensor], known: dict[str, RowColumn], ignore_unknown: bool, max_rows: int | None
) -> Found:
    found = dict[str, list[Value]]()
    rows, first = -1, ""
    for tensor in tensors:
        column = known.get(tensor.name)
        if column is None:
            if ignore_unknown:
                continue
            raise ProtocolError(_unknown(tensor.name, known), 422)
        if tensor.name in found:
            raise ProtocolError(f"The input {tensor.name!r} is sent twice: send it once.")
        shape = tensor.shape
        if len(shape) != 1 and (len(shape) != 2 or shape[1] != 1):
            raise tensor.refusal(f"has the shape {shown(shape)}", "send [n] or [n, 1]")
        if rows < 0:
            rows, first = shape[0], tensor.name
            _check_rows(rows, max_rows)
        elif shape[0] != rows:
            raise tensor.refusal(f"has {shape[0]} rows, and {first!r} has {rows}", "send one value per row")
        found[tensor.name] = column_values(column, tensor.datatype, tensor.elements())
    if rows < 0:
        raise ProtocolError(f"No input is a column of the fleet{ending(tensors[0].name[:100], known)}", 422)
    return rows, found


def _order(tensor: Tensor, columns: RowColumns, named: object) -> tuple[str, ...]:
    if named is None:
        order = default_order(columns)
        if tensor.shape[1] != len(order):
            raise tensor.refusal(
                f"has {tensor.shape[1]} columns and no parameter columns that names them",
                f"name them, or send these {len(order)}: {', '.join(order)}",
            )
        return order
    names = named.split(",") if isinstance(named, str) else named
    if not isinstance(names, list) or not names:
        raise ProtocolError(f"The parameter columns is {shown(named)}: send a list of names.")
    order = tuple(name.strip() for name in names)
    if len(set(order)) != len(order):
        raise ProtocolError("The parameter columns names a column twice: name each once.")
    return order


def _one_tensor(
    tensor: Tensor,
    known: dict[str, RowColumn],
    order: tuple[str, ...],
    ignore_unknown: bool,
    max_rows: int | None,
) -> Found:
    if len(tensor.shape) != 2 or tensor.shape[1] != len(order):
        raise tensor.refusal(
            f"has the shape {shown(tensor.shape)}", f"send [n, {len(order)}], one for each of columns"
        )
    numeric = tensor.datatype.family != "text"
    for name in order:
        column = known.get(name)
        if column is None:
            if not ignore_unknown:
                raise ProtocolError(_unknown(name, known), 422)
        elif numeric and column.kind == "text":
            raise tensor.refusal(
                f"is {tensor.datatype.name}, and its column {name!r} is text",
                "send the tensor as BYTES, or one tensor for each column",
            )
    rows, width = tensor.shape[0], len(order)
    _check_rows(rows, max_rows)
    elements = tensor.elements()
    return rows, {
        name: column_values(known[name], tensor.datatype, elements[at::width])
        for at, name in enumerate(order)
        if name in known
    }


def _unknown(name: str, known: dict[str, RowColumn]) -> str:
    return f"The fleet has no column {shown(name)}{ending(name[:100], known)}"


def _check_rows(rows: int, max_rows: int | None) -> None:
    if rows == 0:
        raise ProtocolError("The request has no rows: send one at least.", 422)
    if max_rows is not None and rows > max_rows:
        raise ProtocolError(
            f"The request has {rows} rows, and {max_rows} are the most that one may have: send several.", 413
        )
