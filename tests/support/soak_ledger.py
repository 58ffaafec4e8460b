"""What simulated tills remember of an account: what was acknowledged, what is unknown."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

Facts = tuple[tuple[str, int, int, int, int], ...]
"""Of the sales of a checkout: id, number at the register, in the account, in the journal, total."""


@dataclass(slots=True)
class Attempt:
    """A request that is stored before it is sent, and sent again until it is answered.

    Attributes:
        id: Made by the till.
        request: What is sent, the same each time.
        on_answer: Takes the answer.
        refusal: The status that has to be the answer; empty when it has to succeed.
        sent_count: How often it was sent.
    """

    id: str
    request: Message
    on_answer: Callable[[Any], None]
    refusal: str = ""
    sent_count: int = 0


@dataclass(slots=True)
class SoldLine:
    """A line of an acknowledged sale, of which units can still come back."""

    sale_id: str
    line_item_id: str
    price_micros: int
    sold: int
    left: int


@dataclass(slots=True)
class Ledger:
    """What the tills of one account know; they run in one event loop.

    Attributes:
        account_id: The account.
        checkouts: The acknowledged checkouts: what was sent, and what was answered.
        lines: What can come back.
        closes: The totals of acknowledged closes in micros, by register and number.
        counts: How often something happened.
    """

    account_id: str
    checkouts: dict[str, tuple[Message, Message]] = field(default_factory=dict)
    lines: list[SoldLine] = field(default_factory=list)
    closes: dict[tuple[str, int], int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def facts(self) -> dict[str, Facts]:
        """Return the numbers of every acknowledged checkout."""
        return {name: facts(answer) for name, (_, answer) in self.checkouts.items()}


def facts(checkout: Any) -> Facts:
    """Return the numbers of a checkout as its answer has them."""
    return tuple(
        (
            sale.identifier,
            sale.sequence_number,
            sale.account_number,
            sale.journal_number,
            sale.basket.total_micros,
        )
        for sale in checkout.sales
    )
