"""Pickles read as data: nothing in them is imported, made or called.

Body files are often pickles, which are programs for a small machine: Python's own reader runs whatever they say. This
reader knows the machine's instructions that lists, numbers, NumPy arrays, chumpy's and SciPy's matrices need, builds
plain values and ``Record`` s (what an object was called and what it held), and refuses everything else by name.
"""

from __future__ import annotations

import codecs
import io
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import TroupeError

MOST_STEPS = 5_000_000
_RECORDS = ("chumpy.", "scipy.sparse.")  # packages whose objects are kept as records
_DTYPE = re.compile(r"[<>|=]?([biufcOSUV])(\d{0,3})")
_NUMPY = {"numpy.core.", "numpy._core."}
_RECONSTRUCT = {p + "multiarray._reconstruct" for p in _NUMPY}
_SCALAR = {p + "multiarray.scalar" for p in _NUMPY}
_FROM_BUFFER = {p + "numeric._frombuffer" for p in _NUMPY}
_RECONSTRUCTOR = {"copy_reg._reconstructor", "copyreg._reconstructor"}
_BYTES = {"__builtin__.bytes", "builtins.bytes"}  # how empty ones are written
_NAMES = {
    "numpy.ndarray", "numpy.dtype", "_codecs.encode", "collections.OrderedDict", "__builtin__.object",
    "builtins.object", *_BYTES, *_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER, *_RECONSTRUCTOR,
}  # fmt: skip


@dataclass
class Record:
    """An object that a pickle describes: the name of its class and its attributes. It was not made."""

    kind: str
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Name:
    """Something a pickle asks for by name."""

    name: str


@dataclass
class _Pending:
    """An array or type that is described in two steps; ``value`` is there after the second."""

    base: np.dtype | None = None  # of a type; None for an array
    value: Any = None


class _Damaged(Exception):
    pass


_MARK = object()


def read_pickle(data: bytes, label: str) -> Any:
    """The value a pickle describes: dicts with text keys, lists, tuples, numbers, text, bytes (also Python 2's
    strings), NumPy arrays and ``Record`` s.

    Args:
        data: The pickle, protocols 0 to 5.
        label: What to call the file in errors.

    Raises:
        TroupeError: if it asks for anything else by name, or is damaged.
    """
    try:
        return _Machine(data, label).run()
    except (
        _Damaged, IndexError, ValueError, KeyError, TypeError, AttributeError, OverflowError, struct.error,
        RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise TroupeError(
            f"{label} cannot be read",
            f"the pickle is damaged or of an unknown kind ({error})"[:200],
            "Download or export it again",
        ) from None


def _dtype(text: Any) -> np.dtype:
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    found = _DTYPE.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise _Damaged(f"array type {text!r:.40}")
    return np.dtype(object) if found[1] == "O" else np.dtype(text)


def _array(dtype: np.dtype, shape: Any, raw: Any, columns_first: bool) -> np.ndarray:
    if not (isinstance(shape, tuple) and len(shape) < 9 and all(type(n) is int and n >= 0 for n in shape)):
        raise _Damaged("an array without a shape")
    count, order = math.prod(shape), "F" if columns_first else "C"
    if dtype.hasobject:
        if not isinstance(raw, list) or len(raw) != count:
            raise _Damaged("an array of objects with another number of them")
        flat = np.empty(count, object)
        for i, value in enumerate(raw):
            flat[i] = value
        return flat.reshape(shape, order=order)
    raw = raw.encode("latin-1") if isinstance(raw, str) else raw
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != count * dtype.itemsize:
        raise _Damaged("an array with another number of values")
    return np.frombuffer(raw, dtype).reshape(shape, order=order)


class _Machine:
    """The pickle machine: a stack, a memo, and one method or small function for each instruction it knows."""

    def __init__(self, data: bytes, label: str):
        self.file, self.label = io.BytesIO(data), label
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(MOST_STEPS):
            code = self.take(1)
            if code == b".":
                if len(self.stack) != 1:
                    raise _Damaged("it does not end in one value")
                return self.stack[0]
            step = _STEPS.get(code)
            if step is None:
                raise _Damaged(f"instruction {code!r}")
            step(self)
        raise _Damaged(f"more than {MOST_STEPS} steps")

    def take(self, count: int) -> bytes:
        # The length comes from the file: a stream gives what is there, without making room for more.
        data = self.file.read(count)
        if len(data) != count:
            raise _Damaged("it ends too early")
        return data

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise _Damaged("it ends too early")
        return line[:-1].rstrip(b"\r")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                values = self.stack[i + 1 :]
                del self.stack[i:]
                return values
        raise _Damaged("a mark is missing")

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        value = self.memo[index]
        self.push(value.value if isinstance(value, _Pending) and value.value is not None else value)

    def append(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _Damaged("values for a list that is none")
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(values) % 2:
            raise _Damaged("items for a dictionary that is none")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[key.decode("latin-1") if isinstance(key, bytes) else key] = value

    def name(self, module: Any, name: Any) -> None:
        full = f"{module}.{name}"
        if full not in _NAMES and not full.startswith(_RECORDS):
            raise TroupeError(
                f"{self.label} was refused",
                f"it is a pickle that asks for '{full[:80]}', which could run code on this machine",
                "Use a file from its maker's own site, or an NPZ of the same content",
            )
        self.push(_Name(full))

    def reduce(self) -> None:
        """Apply a name to arguments: the few that are known are done here, by hand."""
        args, what = self.stack.pop(), self.stack.pop().name
        if what in _RECONSTRUCT:
            self.push(_Pending())
        elif what == "numpy.dtype":
            base = _dtype(args[0])
            self.push(_Pending(base, base))
        elif what in _SCALAR:
            self.push(_array(_type(args[0]), (), args[1], False)[()])
        elif what in _FROM_BUFFER:
            raw, dtype, shape, order = args
            self.push(_array(_type(dtype), shape, raw, order == "F"))
        elif what == "_codecs.encode" and args[1] in ("latin1", "latin-1", b"latin1"):
            self.push(args[0].encode("latin-1"))
        elif what == "collections.OrderedDict" and not args:
            self.push({})
        elif what in _BYTES and not args:
            self.push(b"")
        elif what in _RECONSTRUCTOR:
            self.push(Record(args[0].name))
        else:
            raise _Damaged(f"a call of '{what}'")

    def new_object(self) -> None:
        self.stack.pop()
        self.push(Record(self.stack.pop().name))

    def build(self) -> None:
        """Give an object its state."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Record):
            if not isinstance(state, dict):
                raise _Damaged(f"the state of a '{target.kind}'")
            target.state = state
        elif isinstance(target, _Pending) and target.base is not None:
            mark = state[1].decode("latin-1") if isinstance(state[1], bytes) else state[1]
            target.value = target.base.newbyteorder(mark) if mark in ("<", ">") else target.base
            self.stack[-1] = target.value
        elif isinstance(target, _Pending):
            _, shape, dtype, columns_first, raw = state
            target.value = self.stack[-1] = _array(_type(dtype), shape, raw, bool(columns_first))
        elif isinstance(target, np.dtype):
            raise _Damaged("a type described twice")
        else:
            raise _Damaged("a state for nothing")


def _type(value: Any) -> np.dtype:
    value = value.value if isinstance(value, _Pending) else value
    if not isinstance(value, np.dtype):
        raise _Damaged("an array without a type")
    return value


def _whole(text: bytes) -> int | bool:
    """Protocol 0 writes truth as 00 and 01."""
    if len(text) > 100:
        raise _Damaged("a number of more than 100 digits")
    return {b"00": False, b"01": True}.get(text) if text in (b"00", b"01") else int(text.rstrip(b"L"))


def _quoted(text: bytes) -> bytes:
    if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"'\"":
        raise _Damaged("text without quotes")
    return codecs.escape_decode(text[1:-1])[0]


def _tuple(count: int) -> Callable[[_Machine], None]:
    def step(m: _Machine) -> None:
        if len(m.stack) < count:
            raise _Damaged("a tuple of missing values")
        values = tuple(m.stack[-count:])
        del m.stack[-count:]
        m.push(values)

    return step


def _after(read: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda m: m.push(read(m))


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


_STEPS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.take(1),  # protocol
    b"\x95": lambda m: m.take(8),  # frame
    b"(": lambda m: m.push(_MARK),
    b"0": lambda m: m.stack.pop(),
    b"1": lambda m: m.since_mark(),
    b"2": lambda m: m.push(m.stack[-1]),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": _after(lambda m: _whole(m.line())),
    b"L": _after(lambda m: _whole(m.line())),
    b"J": _after(lambda m: m.number("<i")),
    b"K": _after(lambda m: m.number("<B")),
    b"M": _after(lambda m: m.number("<H")),
    b"\x8a": _after(lambda m: _little(m.take(m.number("<B")))),
    b"F": _after(lambda m: float(m.line())),
    b"G": _after(lambda m: m.number(">d")),
    b"S": _after(lambda m: _quoted(m.line())),
    b"T": _after(lambda m: m.take(m.number("<I"))),
    b"U": _after(lambda m: m.take(m.number("<B"))),
    b"V": _after(lambda m: m.line().decode("raw-unicode-escape")),
    b"X": _after(lambda m: m.take(m.number("<I")).decode("utf-8", "surrogatepass")),
    b"\x8c": _after(lambda m: m.take(m.number("<B")).decode("utf-8", "surrogatepass")),
    b"\x8d": _after(lambda m: m.take(m.number("<Q")).decode("utf-8", "surrogatepass")),
    b"B": _after(lambda m: m.take(m.number("<I"))),
    b"C": _after(lambda m: m.take(m.number("<B"))),
    b"\x8e": _after(lambda m: m.take(m.number("<Q"))),
    b"\x96": _after(lambda m: m.take(m.number("<Q"))),
    b"]": lambda m: m.push([]),
    b"l": _after(lambda m: m.since_mark()),
    b"a": lambda m: m.append([m.stack.pop()]),
    b"e": lambda m: m.append(m.since_mark()),
    b")": lambda m: m.push(()),
    b"t": _after(lambda m: tuple(m.since_mark())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"}": lambda m: m.push({}),
    b"s": lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]),
    b"u": lambda m: m.set_items(m.since_mark()),
    b"d": lambda m: (values := m.since_mark(), m.push({}), m.set_items(values)),
    b"p": lambda m: m.put(int(m.line())),
    b"q": lambda m: m.put(m.number("<B")),
    b"r": lambda m: m.put(m.number("<I")),
    b"\x94": lambda m: m.put(len(m.memo)),
    b"g": lambda m: m.get(int(m.line())),
    b"h": lambda m: m.get(m.number("<B")),
    b"j": lambda m: m.get(m.number("<I")),
    b"c": lambda m: m.name(m.line().decode("latin-1"), m.line().decode("latin-1")),
    b"\x93": lambda m: m.name(m.stack.pop(-2), m.stack.pop()),
    b"R": lambda m: m.reduce(),
    b"\x81": lambda m: m.new_object(),
    b"b": lambda m: m.build(),
}
