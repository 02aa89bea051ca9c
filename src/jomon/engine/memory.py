"""Reading and writing numbers at addresses, for compiled code alone; nothing is checked.

Addresses are int64. Only `kernel` uses this, on arrays whose bounds were checked before. Code on plain
integers also compiles several times faster than code on arrays.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_tools: Any = cgutils


def _reader(kind: Any, item: Any) -> Any:
    """A function that reads one number of a type at an address."""

    @intrinsic
    def read(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], item.as_pointer()))

        return kind(types.int64), generate

    return read


def _writer(kind: Any, item: Any) -> Any:
    """A function that writes one number of a type at an address."""

    @intrinsic
    def write(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.store(arguments[1], builder.inttoptr(arguments[0], item.as_pointer()))
            return context.get_dummy_value()

        return types.none(types.int64, kind), generate

    return write


@intrinsic
def _address(typing: Any, array: Any) -> Any:
    """Where an array's first item lies."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(view.data, ir.IntType(64))

    return types.int64(array), generate


@intrinsic
def _prefetch(typing: Any, address: Any) -> Any:
    """Ask the processor for the cache line at an address; whatever the address, nothing else happens."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = _tools.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, keep, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(function, [builder.inttoptr(arguments[0], pointer), to_read, keep, data])
        return context.get_dummy_value()

    return types.none(types.int64), generate


address: Any = _address
prefetch: Any = _prefetch
f64, put_f64 = _reader(types.float64, ir.DoubleType()), _writer(types.float64, ir.DoubleType())
i64, put_i64 = _reader(types.int64, ir.IntType(64)), _writer(types.int64, ir.IntType(64))
u32, put_u32 = _reader(types.uint32, ir.IntType(32)), _writer(types.uint32, ir.IntType(32))
i8, put_i8 = _reader(types.int8, ir.IntType(8)), _writer(types.int8, ir.IntType(8))
