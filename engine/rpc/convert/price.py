"""Convert market prices: one amount for every market, or amounts by market."""

from collections.abc import Mapping

from google.protobuf.message import Message

from engine.errors import Reason
from engine.model import MarketPrice
from engine.rpc.convert.fields import AMOUNT_MICROS_MAX, Problems
from tillcore.v1 import money_pb2


def price_to_proto(price: MarketPrice | None) -> money_pb2.MarketPrice | None:
    """Return the message of a price; None stays None, which a constructor takes for absent."""
    if price is None:
        return None
    if isinstance(price, int):
        return money_pb2.MarketPrice(amount_micros=price)
    return money_pb2.MarketPrice(amount_micros_by_market=price)


def price_map_to_proto(prices: dict[str, MarketPrice]) -> dict[str, money_pb2.MarketPrice]:
    """Return the messages of prices by purchase type."""
    messages = {key: price_to_proto(price) for key, price in prices.items()}
    return {key: message for key, message in messages.items() if message is not None}


def price_from_proto(
    message: money_pb2.MarketPrice, path: str, problems: Problems, *, minimum: int = 0
) -> MarketPrice:
    """Return the price of a message: an amount, at least `minimum` micros, or amounts by market."""
    by_market = message.amount_micros_by_market
    if message.HasField("amount_micros"):
        if by_market:
            problems.add(
                path,
                Reason.NOT_ALLOWED,
                "expected either amount_micros or amount_micros_by_market, was both",
            )
        micros = message.amount_micros
        return problems.between(path, "amount_micros", micros, minimum, AMOUNT_MICROS_MAX)
    if not by_market:
        problems.required(path, "amount_micros or amount_micros_by_market")
    prices: dict[str, int] = {}
    for market_id, micros in by_market.items():
        field = problems.key(path, "amount_micros_by_market", market_id)
        prices[market_id] = problems.between_at(field, micros, minimum, AMOUNT_MICROS_MAX)
    return prices


def price_map_from_proto(
    messages: Mapping[str, money_pb2.MarketPrice], path: str, name: str, problems: Problems
) -> dict[str, MarketPrice]:
    """Return prices by purchase type."""
    prices: dict[str, MarketPrice] = {}
    for purchase_type, message in messages.items():
        field = problems.key(path, name, purchase_type)
        prices[purchase_type] = price_from_proto(message, field, problems)
    return prices


def optional_price(
    message: Message, path: str, name: str, problems: Problems
) -> MarketPrice | None:
    """Return the price of a field that may be absent."""
    if not message.HasField(name):
        return None
    return price_from_proto(getattr(message, name), f"{path}.{name}", problems)


def required_price(
    message: Message, path: str, name: str, problems: Problems, *, minimum: int = 0
) -> MarketPrice:
    """Return the price of a required field."""
    if not message.HasField(name):
        problems.required(f"{path}.{name}", "a price")
        return 0
    return price_from_proto(getattr(message, name), f"{path}.{name}", problems, minimum=minimum)
