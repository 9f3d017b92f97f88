"""Calendars that others keep: the trading days of exchanges, the holidays of countries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from recoup.model.errors import ConfigError
from recoup.model.keys import quoted
from recoup.sources.failures import no_library

_DAY = timedelta(days=1)


class ExchangeDays:
    """The trading days of an exchange, by `exchange_calendars`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def expected(self, first: date, last: date) -> Iterable[date]:
        """Its sessions."""
        try:
            import exchange_calendars as exchanges
        except ModuleNotFoundError as error:
            raise no_library("exchange_calendars", "exchanges") from error
        try:
            # A week more, because it refuses a range of one day.
            calendar = exchanges.get_calendar(self._name, start=first.isoformat(), end=(last + 7 * _DAY).isoformat())
        except exchanges.errors.InvalidCalendarName as error:
            message = f"there is no exchange {quoted(self._name)}"
            raise ConfigError(message, "give its market code, such as XNYS, XLON or XETR") from error
        except exchanges.errors.NoSessionsError:
            return []
        except (ValueError, exchanges.errors.CalendarError) as error:
            message = f"the calendar of exchange {self._name} does not reach from {first} to {last}"
            raise ConfigError(message, "take a shorter range, or a newer exchange_calendars") from error
        return [day for session in calendar.sessions if (day := session.date()) <= last]


class CountryDays:
    """The days of a country that are no public holidays, by `holidays`."""

    def __init__(self, country: str, subdivision: str | None, *, weekends: bool) -> None:
        self._country = country
        self._subdivision = subdivision
        self._weekends = weekends

    def expected(self, first: date, last: date) -> Iterator[date]:
        """All days but its holidays, and but its weekends where they are not wanted."""
        try:
            import holidays
        except ModuleNotFoundError as error:
            raise no_library("holidays", "holidays") from error
        try:
            off = holidays.country_holidays(self._country, self._subdivision, years=range(first.year, last.year + 1))
        except NotImplementedError as error:
            part = f", {self._subdivision}" if self._subdivision else ""
            message = f"nothing is known of the holidays of {quoted(f'{self._country}{part}')}"
            raise ConfigError(message, "give a country as DE, a part of it as BY") from error
        days = (first + n * _DAY for n in range((last - first).days + 1))
        return (day for day in days if day not in off and (self._weekends or day.weekday() not in off.weekend))
