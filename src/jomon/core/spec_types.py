"""The types of single values in the project file: how each is read, checked and written back."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
)

from jomon.core import durations
from jomon.core.durations import HourRange

Duration = Annotated[
    timedelta,
    PlainValidator(durations.parse_duration),
    PlainSerializer(durations.format_duration, return_type=str),
]
Wait = Annotated[
    timedelta,
    PlainValidator(durations.parse_wait),
    PlainSerializer(durations.format_duration, return_type=str),
]
Moment = Annotated[
    date | datetime,
    PlainValidator(durations.parse_moment),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
]
Day = Annotated[
    date,
    PlainValidator(durations.parse_date),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
]
Hours = Annotated[HourRange, PlainValidator(HourRange.parse), PlainSerializer(str, return_type=str)]
Name = Annotated[str, StringConstraints(min_length=1)]
Month = Annotated[int, Field(ge=1, le=12)]
WeekdayName = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
CalendarName = Literal["hour", "minute_of_day", "weekday", "month", "year_phase", "days_to_occasion"]


def _duration_or_day(value: object) -> timedelta | date:
    if isinstance(value, date) or (isinstance(value, str) and value[4:5] == "-"):
        return durations.parse_date(value)
    return durations.parse_duration(value)


def _duration_or_auto(value: object) -> timedelta | Literal["auto"]:
    return "auto" if value == "auto" else durations.parse_duration(value)


def _duration_or_off(value: object) -> timedelta | Literal["off"]:
    if value is None or value is False:
        raise ValueError("there is no duration here; write off, or a duration such as '1h'")
    return "off" if value == "off" else durations.parse_duration(value)


def _duration_or_none(value: object) -> timedelta | None:
    return None if value is None else durations.parse_duration(value)


def _bound(value: object) -> float | date | datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str | date):
        return durations.parse_moment(value)
    raise ValueError("a bound is a number or a date")


def _scalar(value: object) -> str | int | float | bool:
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError("an allowed value is text, a finite number, true or false")


def _finite(value: JsonValue) -> JsonValue:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("a parameter has to be finite") from None
    return value


def _axis_value(value: object) -> str:
    """Axis values are text, written as the data's own values are: 7 is '7', true is 'true'."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, str) and value):
        return str(value)
    raise ValueError(f"{value!r} is not the value of an axis; write it in quotes")


def null_text(value: object) -> object:
    """Where the word null is meant, YAML's null is meant too."""
    return "null" if value is None else value


def _written(value: timedelta | date | str) -> str:
    if isinstance(value, timedelta):
        return durations.format_duration(value)
    return value if isinstance(value, str) else value.isoformat()


Bound = Annotated[
    int | float | date | datetime,
    PlainValidator(_bound),
    PlainSerializer(lambda value: value.isoformat() if isinstance(value, date) else value),
]
Scalar = Annotated[str | int | float | bool, PlainValidator(_scalar), PlainSerializer(lambda value: value)]
Param = Annotated[JsonValue, AfterValidator(_finite)]
AxisValue = Annotated[str, PlainValidator(_axis_value)]
HoldOut = Annotated[
    timedelta | date, PlainValidator(_duration_or_day), PlainSerializer(_written, return_type=str)
]
HalfLife = Annotated[
    timedelta | Literal["auto"], PlainValidator(_duration_or_auto), PlainSerializer(_written, return_type=str)
]
Refresh = Annotated[
    timedelta | Literal["off"], PlainValidator(_duration_or_off), PlainSerializer(_written, return_type=str)
]
DurationOrNone = Annotated[
    timedelta | None,
    PlainValidator(_duration_or_none),
    PlainSerializer(lambda value: None if value is None else durations.format_duration(value)),
]
FleetName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=128)]
EstimatorName = Annotated[
    str, StringConstraints(pattern=r"^(lightgbm|linear|baseline|none|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")
]


class Model(BaseModel):
    """What every part of the file shares: frozen, strict, no key that is not declared, no infinities."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
    )
