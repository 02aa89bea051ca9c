"""The calendar of occasions: stable names, stored tables, and clear words for what does not exist."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta

import pytest
from holidays import list_supported_countries

from jomon.core.errors import CorruptError, SpecError
from jomon.core.occasions import OccasionCalendar
from jomon.core.spec import OccasionAxis

EPOCH = date(1970, 1, 1)


def names(calendar: OccasionCalendar, year: int) -> dict[str, str]:
    return {(EPOCH + timedelta(days=day)).isoformat(): name for day, name in calendar.days(year).items()}


def test_names_do_not_follow_the_language_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LANGUAGE", "LC_ALL", "LANG"):
        monkeypatch.setenv(variable, "pt_BR")
    assert names(OccasionCalendar(OccasionAxis(country="BR")), 2013)["2013-12-25"] == "Christmas Day"


def test_marks_of_a_moved_holiday_are_no_part_of_its_name() -> None:
    found = {
        name
        for country in ("US", "EG", "CN", "TH", "GG", "HK", "RU")
        for year in range(2018, 2030)
        for name in OccasionCalendar(OccasionAxis(country=country)).days(year).values()
    }
    assert not [
        n for n in found if any(word in n for word in ("observed", "estimated", "substitut", "in lieu"))
    ]


def test_of_two_holidays_on_one_day_a_real_one_goes_before_a_moved_one_then_the_alphabet_decides() -> None:
    boxing = OccasionCalendar(OccasionAxis(country="GB", subdivision="ENG"))
    assert names(boxing, 2021)["2021-12-27"] == "Christmas Day"
    egypt = OccasionCalendar(OccasionAxis(country="EG"))
    for year in range(2018, 2030):
        for day, listed in egypt._holidays(year).items():
            assert egypt.days(year)[(day - EPOCH).days] == listed[0]
            assert not any(";" in name for name in listed)


def test_only_may_name_ones_own_dates_which_count_anyway() -> None:
    also = {date(2013, 11, 29): "Black Friday", date(2013, 5, 2): "Open Day"}
    calendar = OccasionCalendar(OccasionAxis(country="US", also=also, only=("Labor Day", "Black Friday")))
    assert names(calendar, 2013) == {
        "2013-05-02": "Open Day",
        "2013-09-02": "Labor Day",
        "2013-11-29": "Black Friday",
    }


def test_an_image_answers_from_its_stored_tables_and_for_later_years_by_the_same_rules() -> None:
    rules = OccasionAxis(country="US", also={date(2013, 11, 29): "Black Friday"})
    fresh = OccasionCalendar(rules)
    document = json.loads(json.dumps(fresh.canonical(2012, 2030)))
    document["years"]["2013"]["2013-07-04"] = "Independence Day as it was called then"
    stored = OccasionCalendar(rules, document)
    assert names(stored, 2013)["2013-07-04"] == "Independence Day as it was called then"
    assert names(stored, 2013)["2013-11-29"] == "Black Friday"
    assert stored.days(2030) == fresh.days(2030)
    assert stored.days(2031) == fresh.days(2031)


def test_stored_tables_need_no_library() -> None:
    """A server that answers within the stored years does not spend the import of `holidays`."""
    code = (
        "import sys\n"
        "from jomon.core.occasions import OccasionCalendar\n"
        "from jomon.core.spec import OccasionAxis\n"
        "doc = {'years': {str(y): {f'{y}-05-01': 'Feast'} for y in (2012, 2013, 2014)}}\n"
        "assert OccasionCalendar(OccasionAxis(country='US'), doc).year(2013).covered\n"
        "assert 'holidays' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_country_has_calendars_that_the_library_does_not_warn_about() -> None:
    """A warning of the library fails this test: it says that a year's calendar is not whole."""
    for country in list_supported_countries():
        calendar = OccasionCalendar(OccasionAxis(country=country))
        for year in (1980, 2000, 2020, 2040):
            calendar.days(year)
            assert calendar.covers(year) or not calendar.days(year)


def test_years_that_the_calendar_does_not_know_are_not_stored() -> None:
    calendar = OccasionCalendar(OccasionAxis(country="DE"))
    assert list(calendar.canonical(1988, 1993)["years"]) == ["1991", "1992", "1993"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"country": "UX"}, "axes.occasion.country: 'UX' is not a country"),
        ({"country": "US", "subdivision": "NJJ"}, "US has no subdivision 'NJJ'; did you mean 'NJ'"),
        (
            {"country": "US", "only": ("Thanksgiving",)},
            "no holiday 'Thanksgiving'; did you mean 'Thanksgiving Day'",
        ),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest_name(rules: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        OccasionCalendar(OccasionAxis(**rules)).days(2013)  # type: ignore[arg-type]


@pytest.mark.parametrize("document", [{"days": {}}, {"years": {"2013": {"13-1-1": "x"}}}, {"years": [1]}])
def test_a_stored_table_that_cannot_be_read_is_corrupt(document: dict[str, object]) -> None:
    with pytest.raises(CorruptError, match="occasions of this image"):
        OccasionCalendar(OccasionAxis(country="US"), document)
