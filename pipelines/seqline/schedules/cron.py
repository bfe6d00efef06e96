"""When a schedule is due: a cron line and a time zone, each checked when they are given."""

from __future__ import annotations

from typing import Any

from seqline_plugins.errors import UserError, nearest

FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31"),
    ("month", "1-12 or jan-dec"),
    ("day of the week", "0-7, 0 and 7 are Sunday, or sun-sat"),
)


def check_cron(line: str, zone: str) -> Any:
    """Return Prefect's schedule of a cron line in a time zone.

    Raises `UserError` naming the field that is wrong, or the zone that there is not.
    """
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    check_zone(zone)
    fields = line.split()
    if len(fields) != len(FIELDS):
        raise UserError(
            f"--cron '{line}': found {len(fields)} of five fields, expected: "
            f"{', '.join(name for name, _ in FIELDS)}, as in '0 3 * * *'."
        )
    for place, (field, (name, wanted)) in enumerate(zip(fields, FIELDS, strict=True)):
        alone = ["*"] * len(FIELDS)
        alone[place] = field
        try:
            CronSchedule(cron=" ".join(alone))
        except ValidationError:
            raise UserError(
                f"--cron '{line}': found '{field}' as the {name} (field {place + 1}), expected "
                f"{wanted}, a list 1,2, a range 1-5, a step */2 or *."
            ) from None
    if not _comes(line):
        raise UserError(
            f"--cron '{line}': never comes: no {FIELDS[3][0]} '{fields[3]}' has a {FIELDS[2][0]} "
            f"'{fields[2]}'."
        )
    return CronSchedule(cron=line, timezone=zone)


def _comes(line: str) -> bool:
    """Say whether a line whose fields are right is ever due: '0 3 31 2 *' is not."""
    from prefect._vendor.croniter import CroniterBadDateError, croniter

    try:
        croniter(line).get_next()
    except CroniterBadDateError:
        return False
    return True


def check_zone(zone: str) -> None:
    """Raise `UserError` for a time zone that there is not."""
    from zoneinfo import available_timezones

    known = available_timezones()
    if zone not in known:
        of_city = [one for one in sorted(known) if one.rpartition("/")[2].lower() == zone.lower()]
        near = f" Did you mean '{of_city[0]}'?" if of_city else nearest(zone, known)
        raise UserError(
            f"--zone {zone}: there is no such time zone.{near} Expected a name such as "
            "Europe/Berlin or UTC."
        )


def own_zone() -> str:
    """Return the name of this machine's time zone, UTC where it has none."""
    import tzlocal

    try:
        return str(tzlocal.get_localzone_name() or "UTC")
    except (LookupError, OSError, ValueError):
        return "UTC"
