"""Add up what was closed: over days, registers, shops and markets, from the stored totals."""

from collections import Counter

import msgspec
from sqlalchemy import Connection

from engine.model.register import RegisterEvent, RegisterSummary
from engine.model.value import Value
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from server.storage.closes import CloseFilter, closed_rows
from server.storage.periods import totals_from_text

_COUNTS = msgspec.json.Decoder(dict[RegisterEvent, int])


class ClosedTotals(Value, frozen=True):
    """The sum of closes in one currency.

    Attributes:
        currency_code: The currency.
        close_count: How many closes.
        summary: Their sum, without what only one period has.
    """

    currency_code: str
    close_count: int
    summary: RegisterSummary


class _Sum:
    """The sum of some closes so far."""

    def __init__(self, currency_code: str) -> None:
        self.close_count = 0
        self.totals = RegisterTotals(currency_code)
        self.events: Counter[RegisterEvent] = Counter()


def sum_closes(
    connection: Connection, wanted: CloseFilter, *, account_id: str
) -> tuple[ClosedTotals, ...]:
    """Return the sums of closes, one for each currency in the order of the codes.

    Raises:
        NotFound: The market, the shop or the register is not of the account.
        OutOfRange: An amount of a sum reaches 10^12.
    """
    found: dict[str, _Sum] = {}
    for row in closed_rows(connection, wanted, account_id=account_id):
        currency_code = row["currency_code"]
        each = found.setdefault(currency_code, _Sum(currency_code))
        each.close_count += 1
        each.totals.merge(totals_from_text(row["totals"]))
        each.events.update(_COUNTS.decode(row["event_counts"]))
    return tuple(
        ClosedTotals(
            currency_code=code,
            close_count=each.close_count,
            summary=register_summary(each.totals, None, event_counts=each.events),
        )
        for code, each in sorted(found.items())
    )
