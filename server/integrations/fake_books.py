"""Keep the books of a made-up integration: cards, accounts, customers, and what was paid by key.

These are the rules that Tillcore expects of a real one (docs/integrations.md): a key is done once,
and repeated with the same answer; a reversal of what was never paid keeps it from being paid later.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from engine.numbers import currency_scale, format_micros
from engine.readers import Problems, number

CREATED: Final = 1
ACTIVE: Final = 2
USED: Final = 3

UNIT: Final = 1_000_000

Json = dict[str, Any]


class Answer(NamedTuple):
    """A status of HTTP and the document that comes with it."""

    status: int
    document: object


class Card(msgspec.Struct):
    """A gift card or a voucher."""

    id: str
    code: str
    amount_micros: int
    currency_code: str
    status: int
    create_date: str = "2026-01-01"
    expiry_date: str = ""


class Account(msgspec.Struct):
    """The account of a customer."""

    balance_micros: int
    credit_limit_micros: int


class Paid(msgspec.Struct):
    """A payment that was made; `give_back` undoes it."""

    amount_micros: int
    give_back: Callable[[], None]
    is_reversed: bool = False


def sample_cards() -> dict[str, Card]:
    """Return cards of each sort: active, not yet active, used, expired, of another currency."""
    cards = (
        Card("card-1", "GIFT-500", 500 * UNIT, "DKK", ACTIVE),
        Card("card-2", "GIFT-NEW", 200 * UNIT, "DKK", CREATED),
        Card("card-3", "GIFT-USED", 0, "DKK", USED),
        Card("card-4", "GIFT-OLD", 100 * UNIT, "DKK", ACTIVE, expiry_date="2020-01-01"),
        Card("card-5", "GIFT-EUR", 50 * UNIT, "EUR", ACTIVE),
    )
    return {card.code: card for card in cards}


class Books:
    """What a made-up integration knows; in memory, gone when it ends.

    Attributes:
        cards: By kind and code.
        accounts: By the id of the customer.
        payments: What was paid, by idempotency key.
        paid_counts: How often money was taken for each payment id: never more than once.
        calls: How many requests came for each action.
    """

    def __init__(self, *, today: str = "2026-06-01") -> None:
        """Seed the books.

        Args:
            today: A date of ISO 8601; what expires before is expired.
        """
        self.cards = {"gift_card": sample_cards(), "voucher": sample_cards()}
        self.accounts = {
            "anna": Account(balance_micros=500 * UNIT, credit_limit_micros=0),
            "bo": Account(balance_micros=-500 * UNIT, credit_limit_micros=1_000 * UNIT),
        }
        self.payments: dict[str, Paid] = {}
        self.paid_counts: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._today = today
        self._done: dict[str, tuple[bytes, Answer]] = {}
        self._dead_keys: set[str] = set()

    def answer(self, kind: str, request: Json, body: bytes) -> Answer:
        """Return the answer to a request of a kind; what has a key is done once."""
        action = str(request.get("action", ""))
        self.calls[action] += 1
        key = str(request.get("idempotency_key") or "")
        if key and key in self._done:
            known_body, known = self._done[key]
            if known_body == body:
                return known
            return refused("key_reused", "expected the body that came with this key before")
        found = self._answer(kind, action, key, request)
        if key:
            self._done[key] = (body, found)
        return found

    def _answer(self, kind: str, action: str, key: str, request: Json) -> Answer:
        if action == "reverse":
            return self._reverse(request)
        if action == "pay" and key in self._dead_keys:
            return refused("reversed", "this payment was reversed before it came")
        if kind in self.cards:
            return self._card(kind, action, key, request)
        if kind == "customer_account":
            return self._account(action, key, request)
        return refused("unknown_action", f"expected an action of {kind}, was {action}")

    # --- cards -------------------------------------------------------------------------------

    def _card(self, kind: str, action: str, key: str, request: Json) -> Answer:
        cards, currency_code = self.cards[kind], str(request.get("currency_code", ""))
        if action == "create":
            return self._create(cards, request, currency_code)
        card = cards.get(str(request.get("code", "")))
        if card is None:
            return refused("not_found", "there is no card with this code")
        if card.currency_code != currency_code:
            return refused("currency_mismatch", f"the card is in {card.currency_code}")
        if action == "activate":
            if card.status != CREATED:
                return refused("not_active", "the card was activated before")
            card.status = ACTIVE
        elif action == "pay":
            why = self._pay_with(card, key, request)
            if why is not None:
                return why
        elif action != "read":
            return refused("unknown_action", f"expected read, pay, create or activate: {action}")
        return Answer(200, card_document(card))

    def _create(self, cards: dict[str, Card], request: Json, currency_code: str) -> Answer:
        code = str(request.get("code") or f"NEW-{len(cards) + 1:04d}")
        if code in cards:
            return refused("already_exists", "there is a card with this code")
        amount = amount_of(request)
        cards[code] = Card(f"card-{len(cards) + 1}", code, amount, currency_code, CREATED)
        return Answer(201, card_document(cards[code]))

    def _pay_with(self, card: Card, key: str, request: Json) -> Answer | None:
        amount = amount_of(request)
        if card.status != ACTIVE:
            return refused("not_active", "the card is not active")
        if card.expiry_date and card.expiry_date < self._today:
            return refused("expired", f"the card expired on {card.expiry_date}")
        if amount > card.amount_micros:
            left = format_micros(card.amount_micros)
            return refused("insufficient_funds", f"there is {left} left on the card")

        def give_back() -> None:
            card.amount_micros += amount
            card.status = ACTIVE

        card.amount_micros -= amount
        card.status = ACTIVE if card.amount_micros else USED
        self._note(key, request, Paid(amount, give_back))
        return None

    # --- accounts ----------------------------------------------------------------------------

    def _account(self, action: str, key: str, request: Json) -> Answer:
        account = self.accounts.get(str(request.get("customer_id", "")))
        if account is None:
            return refused("not_found", "there is no customer with this id")
        if action == "read":
            available = account.balance_micros + account.credit_limit_micros
            return Answer(200, account_document(account, max(available, 0), request))
        if action != "pay":
            return refused("unknown_action", f"expected read or pay, was {action}")
        amount = amount_of(request)
        if amount - account.balance_micros > account.credit_limit_micros:
            return refused("insufficient_funds", "the purchase exceeds the credit limit")

        def give_back() -> None:
            account.balance_micros += amount

        account.balance_micros -= amount
        self._note(key, request, Paid(amount, give_back))
        return Answer(200, account_document(account, amount, request))

    # --- payments ----------------------------------------------------------------------------

    def _note(self, key: str, request: Json, paid: Paid) -> None:
        self.payments[key] = paid
        self.paid_counts[str(request.get("payment_id", ""))] += 1

    def _reverse(self, request: Json) -> Answer:
        key = str(request.get("payment_idempotency_key", ""))
        paid = self.payments.get(key)
        back_micros = 0
        if paid is None:
            self._dead_keys.add(key)
        elif not paid.is_reversed:
            paid.is_reversed = True
            paid.give_back()
            back_micros = paid.amount_micros
        currency_code = str(request.get("currency_code", ""))
        document = {"amount": literal(back_micros, currency_code), "currency_code": currency_code}
        return Answer(200, document)


def refused(code: str, message: str) -> Answer:
    """Return the answer that refuses for good."""
    return Answer(422, {"error": {"code": code, "message": message}})


def amount_of(request: Mapping[str, object]) -> int:
    """Return the amount of a request in micros, exactly."""
    problems = Problems()
    micros = number(request.get("amount"), "amount", problems)
    problems.finish()
    assert micros is not None, "an amount without a problem was read"
    return micros


def literal(micros: int, currency_code: str) -> msgspec.Raw:
    """Return an amount as the literal of a number."""
    digits = currency_scale(currency_code)
    return msgspec.Raw(format_micros(micros, fraction_digits_min=digits).encode())


def card_document(card: Card) -> Json:
    """Return a card as the integration answers it."""
    document: Json = {
        "id": card.id,
        "code": card.code,
        "amount": literal(card.amount_micros, card.currency_code),
        "currency_code": card.currency_code,
        "status": card.status,
        "create_date": card.create_date,
    }
    return document | ({"expiry_date": card.expiry_date} if card.expiry_date else {})


def account_document(account: Account, amount_micros: int, request: Json) -> Json:
    """Return an account as the integration answers it."""
    currency_code = str(request.get("currency_code", ""))
    return {
        "amount": literal(amount_micros, currency_code),
        "balance": literal(account.balance_micros, currency_code),
        "credit_limit": literal(account.credit_limit_micros, currency_code),
        "currency_code": currency_code,
    }
