"""YAML 1.2 text as plain values and the line of every key; only mappings, lists and scalars are made."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from jomon.core.errors import SpecError

Path = tuple[str | int, ...]
FILE = "(file)"
_MAX_NODES = 100_000  # aliases can multiply: a few lines would fill the memory
_TAG = "tag:yaml.org,2002:"
_SCALARS = ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def path_text(path: Path) -> str:
    """A key as messages show it: `stages[1].estimator`; the whole file is `(file)`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or FILE


@dataclass(frozen=True)
class Lines:
    """The line (from 1) of every key and list item of a file, as in `data.features.numeric[2]`."""

    file: str
    numbers: Mapping[str, int] = field(default_factory=dict)

    def at(self, key: str) -> int:
        """The line of `key`, or of the nearest part around it that the file writes; 1 at the outermost."""
        while key and key not in self.numbers:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.numbers.get(key, 1)

    def sentence(self, key: str, text: str) -> str:
        """`text` with its place in front: `jomon.yaml:14: stages[1].estimator: ...`."""
        return f"{self.file}:{self.at(key)}: {key}: {text}"


@dataclass(frozen=True)
class Document:
    """A file as plain values, where everything stands, and the problems that YAML itself does not see."""

    tree: Any
    lines: Lines
    problems: tuple[tuple[Path, int, str], ...]


def read_yaml(text: str | bytes, file: str) -> Document:
    """Read one YAML 1.2 document; raises `SpecError` with one sentence where it is not one."""
    decoded = _decoded(text, file)
    root = _composed(decoded, file)
    if root is None or (isinstance(root, ScalarNode) and root.value == ""):
        raise _stop(file, 1, "the file is empty; start one with 'jomon init'.")
    builder = _Builder()
    try:
        tree = builder.value(root, ())
    except RecursionError:
        raise _stop(file, 1, "the file nests too deeply to be a project file.") from None
    except _TooLargeError:
        raise _stop(file, 1, f"the file unfolds to more than {_MAX_NODES} values.") from None
    return Document(tree, Lines(file, builder.numbers), tuple(builder.problems))


def _stop(file: str, line: int, text: str) -> SpecError:
    return SpecError([f"{file}:{line}: {FILE}: {text}"])


def _decoded(text: str | bytes, file: str) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        shown = f"{text[error.start]:#04x} in place {error.start}"
        raise _stop(file, line, f"the file is not UTF-8 (byte {shown}); save it as UTF-8.") from None


def _composed(text: str, file: str) -> Node | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor written twice is legal YAML
            root: Node | None = YAML(typ="rt", pure=True).compose(text)
            return root
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise _stop(file, line, f"{_syntax(error, text, line)}") from None
    except YAMLError as error:
        found = re.search(r"#x([0-9a-fA-F]+)", str(error))
        shown = f"the character U+{int(found[1], 16):04X}" if found else "a character"
        position = re.search(r"position (\d+)", str(error))
        line = text[: int(position[1])].count("\n") + 1 if position else 1
        raise _stop(file, line, f"{shown} has no place in YAML; delete it.") from None
    except RecursionError:
        raise _stop(file, 1, "the file nests too deeply to be a project file.") from None


def _syntax(error: MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    if re.match(r" *\t", here):
        return "the line is indented with a tab; YAML wants spaces."
    if "another document" in str(error.problem):
        return "the file holds a second document; keep one, without '---' between its parts."
    problem = " ".join(str(error.problem or error.context or "the text cannot be read").split())
    hint = ""
    if "mapping values are not allowed" in problem:
        hint = "; put the text after the first colon in quotes, or start a new line"
    start = error.context_mark.line + 1 if error.context_mark is not None else line
    since = f" (begun in line {start})" if start != line else ""
    return f"this is not YAML: {problem}{since}{hint}."


class _TooLargeError(Exception):
    """More values than any project file has."""


class _Builder:
    """Turns nodes into values; collects lines and problems on the way."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.problems: list[tuple[Path, int, str]] = []
        self._count = 0
        self._open: set[int] = set()

    def value(self, node: Node, path: Path) -> Any:
        self._count += 1
        if self._count > _MAX_NODES:
            raise _TooLargeError
        line = node.start_mark.line + 1
        self.numbers.setdefault("" if not path else path_text(path), line)
        if isinstance(node, ScalarNode):
            return self._scalar(node, path, line)
        if id(node) in self._open:
            self.problems.append((path, line, f"the alias '*{node.anchor}' stands inside what it names."))
            return None
        if str(node.tag) not in (f"{_TAG}map", f"{_TAG}seq"):
            self._tag(node, path, line)
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._mapping(node, path) if isinstance(node, MappingNode) else None
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.problems.append((path, line, "a key has to be plain text."))
                continue
            if str(key.tag) == f"{_TAG}merge":
                continue
            name = str(key.value)
            here = (*path, name)
            if name in first:
                text = f"the key is written twice, in lines {first[name]} and {line}; keep one."
                self.problems.append((here, line, text))
                continue
            first[name] = line
            self.numbers[path_text(here)] = line
            out[name] = self.value(item, here)
        for name, item in self._merged(node):
            if name not in out:
                out[name] = self.value(item, (*path, name))
        return out

    def _merged(self, node: MappingNode) -> Iterator[tuple[str, Node]]:
        """Entries of `<<: *base`, which own keys win over."""
        for key, item in node.value:
            if isinstance(key, ScalarNode) and str(key.tag) == f"{_TAG}merge":
                for base in item.value if isinstance(item, SequenceNode) else (item,):
                    if isinstance(base, MappingNode) and id(base) not in self._open:
                        yield from ((str(k.value), v) for k, v in base.value if isinstance(k, ScalarNode))

    def _scalar(self, node: ScalarNode, path: Path, line: int) -> Any:
        text, tag = str(node.value), str(node.tag)
        if tag.removeprefix(_TAG) not in _SCALARS:
            self._tag(node, path, line)
            return text
        if node.style or tag == f"{_TAG}str":
            return text
        return plain_scalar(text)

    def _tag(self, node: Node, path: Path, line: int) -> None:
        self.problems.append((path, line, f"the tag '{node.tag}' is not read here; delete it."))


def plain_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means in the core schema of YAML 1.2: `NO` and `2013-11-29` are text.

    >>> plain_scalar("NO"), plain_scalar("12"), plain_scalar("true"), plain_scalar("~")
    ('NO', 12, True, None)
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text) and len(text) < 40:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)", text):
        return -math.inf if text[0] == "-" else math.inf
    return math.nan if text in (".nan", ".NaN", ".NAN") else text
