"""Instants: milliseconds since the epoch within, aware `datetime` in UTC without."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def instant(millis: int | None) -> datetime | None:
    """The `datetime` of so many milliseconds; `None` also beyond the years 1 to 9999, which a store may hold."""
    try:
        return None if millis is None else _EPOCH + timedelta(milliseconds=millis)
    except OverflowError:
        return None


def millis(at: datetime | None) -> int | None:
    """The milliseconds of a `datetime`, which must know its time zone."""
    if at is None:
        return None
    if not isinstance(at, datetime):
        raise TypeError("an instant is a datetime that knows its time zone")
    if at.tzinfo is None:
        raise ValueError("the datetime has no time zone: use datetime.now(timezone.utc)")
    return (at - _EPOCH) // timedelta(milliseconds=1)


def duration_millis(duration: timedelta) -> int:
    """The whole milliseconds of a `timedelta`."""
    if not isinstance(duration, timedelta):
        raise TypeError("a duration is a timedelta, such as timedelta(hours=24)")
    return duration // timedelta(milliseconds=1)
