"""Reading and writing numbers at addresses, for compiled code alone; nothing is checked.

Addresses are int64; only `kernel` uses this, on arrays whose bounds were checked before.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _load(kind: Any, item: Any) -> Any:
    """A function that reads one number of a type at an address."""

    @intrinsic
    def load(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], item.as_pointer()))

        return kind(types.int64), generate

    return load


f64 = _load(types.float64, ir.DoubleType())
i64 = _load(types.int64, ir.IntType(64))
u32 = _load(types.uint32, ir.IntType(32))


def _put(kind: Any, item: Any) -> Any:
    """A function that writes one number of a type at an address."""

    @intrinsic
    def put(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.store(arguments[1], builder.inttoptr(arguments[0], item.as_pointer()))
            return context.get_dummy_value()

        return types.none(types.int64, kind), generate

    return put


put_f64 = _put(types.float64, ir.DoubleType())
put_u32 = _put(types.uint32, ir.IntType(32))
