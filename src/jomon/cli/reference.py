"""The reference pages, made from the code: `python -m jomon.cli.reference` writes them into docs/reference."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from jomon.cli.reference_permissions import permissions_lines
from jomon.core import spec, spec_monitor, spec_serving, spec_types

FOLDER = Path("docs/reference")
NOTE = "<!-- Made from the code by `python -m jomon.cli.reference`; a test fails when it differs. -->"
_WORDS: tuple[tuple[Any, str], ...] = (
    (spec_types.Duration, "a span: `30m`, `12h`, `2d`, `1w`"),
    (spec_types.Wait, "a short span: `100ms`, `1s`, or 0"),
    (spec_types.HoldOut, "a span (`14w`) or a day (`2013-10-01`)"),
    (spec_types.HalfLife, "a span (`14d`) or `auto`"),
    (spec_types.Refresh, "a span (`1h`) or `off`"),
    (spec_types.DurationOrNone, "a span (`90d`) or null"),
    (spec_types.Moment, "a day or a local time"),
    (spec_types.Day, "a day: `2013-11-29`"),
    (spec_types.Hours, "hours, both included: `5-9`, `21-4`"),
    (spec_types.Bound, "a number, a day or a time"),
    (spec_types.Scalar, "text, a number, true or false"),
    (spec_types.Param, "any value"),
    (spec_types.AxisValue, "text"),
    (spec_types.Name, "text"),
    (spec_types.Month, "a month: 1 to 12"),
    (spec_types.FleetName, "a name: small letters, digits, and `.`, `_`, `-` between them"),
    (spec_types.EstimatorName, "`lightgbm`, `linear`, `baseline`, `none` or `module:factory`"),
    (spec.SourceSpec, "`module:function`, a path or glob, `delta:URL`, or a mapping"),
    (str, "text"),
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (type(None), "nothing"),
)
_MODELS = (
    spec.ProjectSpec,
    spec.DataSpec,
    spec.DatabaseSource,
    spec.DeltaSource,
    spec.DaylightSaving,
    spec.TargetSpec,
    spec.FeaturesSpec,
    spec.ColumnContract,
    spec.AxesSpec,
    spec.SeasonAxis,
    spec.OccasionAxis,
    spec.LookupSpec,
    spec.StageSpec,
    spec.Validity,
    spec.EvaluationSpec,
    spec.FastSpec,
    spec.BuildSpec,
    spec_serving.ServingSpec,
    spec_serving.LogSpec,
    spec_serving.OutcomesSpec,
    spec_monitor.MonitorSpec,
    spec_monitor.PracticalSpec,
    spec_monitor.WebhookSpec,
)
_TITLES = {
    "ProjectSpec": "the file",
    "DataSpec": "data",
    "DatabaseSource": "data.source: a database",
    "DeltaSource": "data.source: a Delta table",
    "DaylightSaving": "data.daylight_saving",
    "TargetSpec": "data.target",
    "FeaturesSpec": "data.features",
    "ColumnContract": "data.contract.COLUMN",
    "AxesSpec": "axes",
    "SeasonAxis": "axes.season",
    "OccasionAxis": "axes.occasion",
    "LookupSpec": "lookups.NAME",
    "StageSpec": "stages[]",
    "Validity": "stages[].valid[]",
    "EvaluationSpec": "evaluation",
    "FastSpec": "fast",
    "BuildSpec": "build",
    "ServingSpec": "serving",
    "LogSpec": "serving.log",
    "OutcomesSpec": "serving.outcomes",
    "MonitorSpec": "monitor",
    "PracticalSpec": "monitor.practical",
    "WebhookSpec": "monitor.webhook",
}


def cli_page() -> str:
    """The page of all commands."""
    from typer.main import get_command

    from jomon.cli.main import app

    root = get_command(app)
    lines = [NOTE, "", "# Commands", "", *_options_of(root), ""]
    lines += [
        "Errors are one sentence on stderr. Exit status: 0 done, 1 the thing asked about does not hold, 2 wrong use or",
        "an error, 130 stopped by Ctrl-C. Facts go to stdout, progress to stderr; `--json` prints facts as JSON alone.",
        "",
    ]
    for path, command in _commands(root, "jomon"):
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join([path, *(_metavar(p) for p in arguments), "[OPTIONS]"])
        lines += [f"## {path}", "", f"    {usage}", "", *_paragraphs(command.help or "")]
        lines += [
            *(f"- `{_metavar(p)}`: {getattr(p, 'help', '')}" for p in arguments),
            *_options_of(command),
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def project_page() -> str:
    """The page of the project file."""
    lines = [NOTE, "", "# The project file", ""]
    lines += [
        "`jomon.yaml` is read as YAML 1.2. A key that is not listed here is an error; `jomon check` tells every",
        "problem with its line and a likely correction. A key without a default has to be there.",
        "",
    ]
    for model in _MODELS:
        lines += [f"## {_TITLES[model.__name__]}", "", " ".join((model.__doc__ or "").split()), ""]
        lines += ["| key | value | default |", "|---|---|---|"]
        hints = typing.get_type_hints(model, include_extras=True)
        for name, field in model.model_fields.items():
            key = field.serialization_alias or name
            lines.append(f"| `{key}` | {_value(hints[name], field)} | {_default(model, name, field)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def permissions_page() -> str:
    """The page of roles and permissions."""
    return "\n".join([NOTE, "", *permissions_lines()]) + "\n"


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _options_of(command: Any) -> list[str]:
    out = []
    for option in command.params:
        if option.param_type_name != "option" or option.hidden or option.name in _COMPLETION:
            continue
        names = ", ".join(f"`{name}`" for name in option.opts)
        value = "" if option.is_flag else f" `{option.metavar}`"
        default = option.default if not callable(option.default) else None
        given = (
            ""
            if option.is_flag or default in (None, "", ()) or option.multiple
            else f" (default: `{default}`)"
        )
        out.append(f"- {names}{value}: {option.help}{given}")
    return out


_COMPLETION = ("install_completion", "show_completion")


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _paragraphs(text: str) -> list[str]:
    out: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        out += [" ".join(paragraph.split()), ""]
    return out


def _value(hint: Any, field: FieldInfo) -> str:
    limits = []
    for rule in field.metadata:
        for attribute, told in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            if getattr(rule, attribute, None) is not None:
                limits.append(f"{told} {getattr(rule, attribute)}")
        if getattr(rule, "min_length", None) and typing.get_origin(_bare(hint)) in (tuple, dict):
            limits.append("not empty")
    return ", ".join([_type(hint), *dict.fromkeys(limits)])


def _bare(hint: Any) -> Any:
    return hint.__origin__ if typing.get_origin(hint) is typing.Annotated else hint


def _type(hint: Any) -> str:
    """A type in words."""
    for known, told in _WORDS:
        if hint is known or hint == known:
            return told
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        title = _TITLES[hint.__name__]
        return f"a mapping: [{title}](#{_anchor(title)})"
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type(inside[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inside)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in inside if one is not type(None))
    if origin is tuple:
        return f"a list of: {_type(inside[0])}"
    if origin is dict:
        key = _type(inside[0])
        return f"a mapping{'' if key == 'text' else f' from {key}'} to: {_type(inside[1])}"
    raise TypeError(f"no words for {hint}")


def _anchor(title: str) -> str:
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    if (model.__name__, name) == ("StageSpec", "min_rows"):
        return f"{spec.MIN_ROWS}; 0 for the level `[]`"
    if field.default is PydanticUndefined or field.default in ((), {}):
        return "none"
    if field.default is None:
        return "none"
    if isinstance(field.default, BaseModel):
        return "its defaults"
    written = model.model_construct(**{name: field.default}).model_dump(
        mode="json", include={name}, warnings=False
    )
    return f"`{str(written[name]).lower() if isinstance(written[name], bool) else written[name]}`"


PAGES = {"cli.md": cli_page, "project-file.md": project_page, "permissions.md": permissions_page}


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every page into `folder`, and give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
    return [folder / name for name in PAGES]


if __name__ == "__main__":
    for written in write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        print(written)
