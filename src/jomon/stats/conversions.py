"""Conversions of units: the factor and the offset that a feature suffers when its unit is changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conversion:
    """value in the new unit = factor * value in the old unit + offset."""

    name: str
    factor: float
    offset: float = 0.0


# One row a pair: every unit of the first kind becomes one of the second by the factor. Pairs that share a
# factor share a row, because the numbers cannot tell them apart.
_FACTORS = (
    ("mile", "kilometre", 1.609344),  # also mph and km/h
    ("nautical mile", "kilometre", 1.852),  # also knot and km/h
    ("nautical mile", "mile", 1.852 / 1.609344),  # also knot and mph
    ("metre per second", "knot", 3600 / 1852),
    ("metre per second", "kilometre per hour", 3.6),
    ("metre per second", "mile per hour", 3600 / 1609.344),
    ("metre", "foot", 1 / 0.3048),
    ("metre", "yard", 1 / 0.9144),
    ("yard", "foot", 3.0),
    ("foot", "inch", 12.0),
    ("inch", "centimetre", 2.54),
    ("inch", "millimetre", 25.4),
    ("kilogram", "pound", 1 / 0.45359237),
    ("pound", "ounce", 16.0),
    ("ounce", "gram", 28.349523125),
    ("US gallon", "litre", 3.785411784),
    ("inch of mercury", "hectopascal", 33.863886),
    ("hectopascal", "millimetre of mercury", 760 / 1013.25),
    ("pound per square inch", "hectopascal", 68.94757),
    ("kilocalorie", "kilojoule", 4.184),
    ("hour", "minute", 60.0),  # also minute and second
    ("hour", "second", 3600.0),
    ("day", "hour", 24.0),
    ("radian", "degree", 57.29577951308232),
    ("decimetre", "centimetre", 10.0),  # also any ten
    ("share", "percent", 100.0),  # also metre and centimetre, unit and cent
    ("thousand", "one", 1e3),  # also second and millisecond, kilogram and gram
    ("million", "one", 1e6),
)
_AFFINE = (
    Conversion("Celsius to Fahrenheit", 1.8, 32.0),
    Conversion("Fahrenheit to Celsius", 1 / 1.8, -32 / 1.8),
    Conversion("Celsius to Kelvin", 1.0, 273.15),
    Conversion("Kelvin to Celsius", 1.0, -273.15),
    Conversion("Fahrenheit to Kelvin", 1 / 1.8, 273.15 - 32 / 1.8),
    Conversion("Kelvin to Fahrenheit", 1.8, 32.0 - 1.8 * 273.15),
)
CONVERSIONS: tuple[Conversion, ...] = (
    *(Conversion(f"{a} to {b}", f) for a, b, f in _FACTORS),
    *(Conversion(f"{b} to {a}", 1 / f) for a, b, f in _FACTORS),
    *_AFFINE,
)
