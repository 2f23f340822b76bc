"""Cron expressions in English.

cron-descriptor writes the sentence. It is never asked about what it would describe wrongly: a step whose last gap is
shorter than the others (`*/30` as day of month), several hours apart with several minutes each, and the last day of the
month or a weekday within it beside others.
"""

from functools import lru_cache

from cron_descriptor import ExpressionDescriptor, Options  # type: ignore[import-untyped]

from jobs.triggers.cron import DAY_OF_MONTH, DAY_OF_WEEK, FIELD_RULES, FULL_NAMES, Expression, FieldRule, parse
from jobs.triggers.matching_days import LAST_IN_MONTH, NthWeekday

ORDINALS = {LAST_IN_MONTH: "last", 1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}


@lru_cache(maxsize=1_024)
def describe(text: str) -> str:
    """Return the expression as an English sentence, the same for all that mean the same. Raises `InvalidExpression`."""
    expression = parse(text)
    minutes, hours, days, months, weekdays = map(_canonical, FIELD_RULES, expression.values)
    if expression.last_day or expression.nth_weekdays:
        return _times(minutes, hours, expression) + _days(expression) + _rest("*", months, "*")
    if "*" in (days, weekdays) and expression.either_day:
        days = weekdays = "*"
    elif "*" not in (days, weekdays):
        weekdays = ",".join(map(str, expression.values[4]))  # a list is what gets the word "or"
    rest = _rest(days, months, weekdays)
    if not expression.either_day:
        rest = rest.replace(", or on ", ", and only on ")
    return _times(minutes, hours, expression) + rest


def _times(minutes: str, hours: str, expression: Expression) -> str:
    """Return the times of a day, such as "At 09:00" or "Every 5 minutes, in the hours 9 and 17"."""
    if len(expression.values[0]) == 1 or hours == "*":
        return _sentence(f"{minutes} {hours} * * *")
    of_day = expression.values[1]
    if of_day[-1] - of_day[0] == len(of_day) - 1:
        return _sentence(f"{minutes} {of_day[0]}-{of_day[-1]} * * *")
    return f"{_sentence(f'{minutes} * * * *')}, in the hours {_listed([str(hour) for hour in of_day], 'and')}"


def _rest(days: str, months: str, weekdays: str) -> str:
    """Return what follows the times, such as ", only on Monday"."""
    return _sentence(f"0 0 {days} {months} {weekdays}").removeprefix("At 00:00")


def _days(expression: Expression) -> str:
    """Return the days of an expression that has the last day of the month or a weekday within it."""
    of_month, of_week = expression.values[2], expression.values[4]
    numbers = [] if _canonical(DAY_OF_MONTH, of_month) == "*" else [str(day) for day in of_month]
    named = [f"day {_listed(numbers, 'or')}" if numbers else "", "the last day" if expression.last_day else ""]
    month_days = [f"{' or '.join(filter(None, named))} of the month"] if any(named) else []
    week_days = [_nth(each) for each in sorted(expression.nth_weekdays)]
    if of_week and _canonical(DAY_OF_WEEK, of_week) != "*":
        week_days = [_weekday(weekday) for weekday in of_week] + week_days
    if expression.either_day:
        return f", on {_listed([*month_days, *week_days], 'or')}"
    parts = [_listed(part, "or") for part in (month_days, week_days) if part]
    return f", on {', and only on '.join(parts)}"


def _nth(each: NthWeekday) -> str:
    return f"the {ORDINALS[each.n]} {_weekday(each.weekday)} of the month"


def _weekday(number: int) -> str:
    name = next(name for name, value in DAY_OF_WEEK.names.items() if value == number)
    return FULL_NAMES[name].capitalize()


def _listed(words: list[str], conjunction: str) -> str:
    *before, last = words
    return f"{', '.join(before)} {conjunction} {last}" if before else last


def _sentence(expression: str) -> str:
    # Without a locale the library would take the host's.
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    sentence: str = ExpressionDescriptor(expression, options).get_full_description()
    return sentence


def _canonical(rule: FieldRule, values: tuple[int, ...]) -> str:
    """Return the shortest way to write a field, with a step only where it divides the field, so that gaps are equal."""
    last = 6 if rule is DAY_OF_WEEK else rule.high
    span = last - rule.low + 1
    if values == tuple(range(rule.low, last + 1)):
        return "*"
    for step in range(2, span):
        if rule is not DAY_OF_MONTH and span % step == 0 and values == tuple(range(rule.low, last + 1, step)):
            return f"*/{step}"
    if len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]}-{values[-1]}"
    return ",".join(map(str, values))
