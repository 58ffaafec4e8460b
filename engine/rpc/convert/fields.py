"""Check the fields of messages and collect every problem with its path."""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message

from engine import limits, readers
from engine.errors import Reason
from engine.strict_json import join, shown_text

E = TypeVar("E", bound=Enum)
N = TypeVar("N", bound=int, covariant=True)
T = TypeVar("T")

AMOUNT_MICROS_MAX: Final = limits.AMOUNT_MICROS_END - 1


class Problems(readers.Problems):
    """The problems of one message; its checks keep to the rules of `engine.readers`."""

    def required(self, field: str, expected: str) -> None:
        """Record that a required field is absent."""
        self.add(field, Reason.REQUIRED, f"expected {expected}, was absent")

    # Every check below takes the path of the message and the name of the field apart: the path of
    # the field is formed only for a problem. It returns a value of the right type in any case, so
    # that the rest of the message is checked too.

    def text(self, path: str, name: str, value: str) -> str:
        """Check a text: no NUL, at most `limits.TEXT_CHARACTERS_MAX` characters."""
        if len(value) > limits.TEXT_CHARACTERS_MAX or "\0" in value:
            readers.text(value, f"{path}.{name}", self)
        return value

    def text_at(self, field: str, value: str) -> str:
        """Check a text whose path is known."""
        readers.text(value, field, self)
        return value

    def required_text(self, path: str, name: str, value: str) -> str:
        """Check a text that is not empty."""
        if not value:
            self.required(f"{path}.{name}", "a text that is not empty")
        return self.text(path, name, value)

    def optional_id(self, path: str, name: str, value: str) -> str | None:
        """Check an id that may be empty, which is None."""
        return self.required_id(path, name, value) if value else None

    def required_id(self, path: str, name: str, value: str) -> str:
        """Check an id of 1 to `limits.ID_CHARACTERS_MAX` characters."""
        if not value:
            self.required(f"{path}.{name}", "an id")
        elif len(value) > limits.ID_CHARACTERS_MAX or "\0" in value:
            readers.identifier(value, f"{path}.{name}", self)
        return value

    def product_id(self, path: str, name: str, value: str) -> str:
        """Check the id of a product or of a variant, which lacks some characters."""
        if not value:
            self.required(f"{path}.{name}", "an id")
        else:
            readers.product_identifier(value, f"{path}.{name}", self)
        return value

    def id_at(self, field: str, value: str) -> str:
        """Check an id whose path is known."""
        if readers.id_complaint(value) is not None:
            readers.identifier(value, field, self)
        return value

    def ids(self, path: str, name: str, values: Iterable[str]) -> tuple[str, ...]:
        """Check a list of ids, none of them empty."""
        return tuple(
            self.required_id(path, f"{name}[{index}]", value) for index, value in enumerate(values)
        )

    def id_set(self, path: str, name: str, values: Iterable[str]) -> tuple[str, ...]:
        """Check a set of ids; an id that is repeated counts once."""
        return tuple(dict.fromkeys(self.ids(path, name, values)))

    def key(self, path: str, name: str, key: str) -> str:
        """Check the key of an entry of a map, and return the path of the entry."""
        field = entry(path, name, key)
        if readers.id_complaint(key) is not None:
            readers.identifier(key, field, self)
        return field

    def unique(self, path: str, name: str, ids: Sequence[str | None], member: str = ".id") -> None:
        """Check that no id appears twice in a list; None is not compared."""
        present = [each for each in ids if each is not None]
        if len(set(present)) == len(present):
            return
        first: dict[str, int] = {}
        for index, each in enumerate(ids):
            if each is not None and first.setdefault(each, index) != index:
                self.add(
                    f"{path}.{name}[{index}]{member}",
                    Reason.DUPLICATE,
                    f"expected an id of its own, was {shown_text(each)} "
                    f"as in {name}[{first[each]}]",
                )

    def amount(self, path: str, name: str, value: int) -> int:
        """Check an amount in micros: smaller than 10^12 units in absolute value."""
        return self.between(path, name, value, -AMOUNT_MICROS_MAX, AMOUNT_MICROS_MAX)

    def optional_amount(self, message: Message, path: str, name: str) -> int | None:
        """Check the amount in micros of an `optional` field; None when it is absent."""
        if not message.HasField(name):
            return None
        return self.amount(path, name, getattr(message, name))

    def optional_rate(self, message: Message, path: str, name: str) -> int | None:
        """Check the exchange rate in micros of an `optional` field; None when it is absent."""
        if not message.HasField(name):
            return None
        return self.between(path, name, getattr(message, name), 1, AMOUNT_MICROS_MAX)

    def price(self, path: str, name: str, value: int) -> int:
        """Check an amount in micros that is not negative."""
        return self.between(path, name, value, 0, AMOUNT_MICROS_MAX)

    def fraction(self, path: str, name: str, value: int) -> int:
        """Check a fraction in micros: from 0 to 1."""
        return self.between(path, name, value, 0, limits.MICROS_PER_UNIT)

    def between(self, path: str, name: str, value: int, low: int, high: int) -> int:
        """Check that a number is in its range, bounds included."""
        if not low <= value <= high:
            self.between_at(f"{path}.{name}", value, low, high)
        return value

    def between_at(self, field: str, value: int, low: int, high: int) -> int:
        """Check the range of a number whose path is known."""
        if not low <= value <= high:
            self.add(field, Reason.OUT_OF_BOUNDS, f"expected {low} to {high}, was {value}")
        return value

    def choice(
        self, path: str, name: str, value: int, choices: Mapping[int, E], default: E | None = None
    ) -> E:
        """Check the number of an enum value; zero is the default, or a problem without one."""
        found = choices.get(value)
        if found is not None:
            return found
        if value != 0:
            known = ", ".join(each.name for each in choices.values())
            self.add(
                f"{path}.{name}", Reason.UNKNOWN_VALUE, f"expected one of {known}, was {value}"
            )
        elif default is None:
            known = ", ".join(each.name for each in choices.values())
            self.required(f"{path}.{name}", f"one of {known}")
        return default if default is not None else next(iter(choices.values()))

    def fits(self, path: str, name: str, count: int, maximum: int) -> bool:
        """Check the length of a list; the members of a list that is too long are not read."""
        if count <= maximum:
            return True
        self.add(f"{path}.{name}", Reason.TOO_MANY, f"expected at most {maximum}, was {count}")
        return False


def quantity_from_proto(micros: int, path: str, problems: Problems) -> int:
    """Check the quantity of a line in micros: not 0, and in its range."""
    if micros == 0:
        problems.add(f"{path}.quantity_micros", Reason.OUT_OF_BOUNDS, "expected a quantity, was 0")
    return problems.between(
        path, "quantity_micros", micros, -limits.QUANTITY_MICROS_MAX, limits.QUANTITY_MICROS_MAX
    )


def entry(path: str, name: str, key: str) -> str:
    """Return the path of an entry of a map, such as `product.retail_price_map.dine_out`."""
    return join(f"{path}.{name}", key)


class NumberedEnum(Protocol[N]):
    """An enum of a message: finds its numbers by name."""

    def Value(self, name: str) -> N:  # noqa: N802 - the name in protobuf
        """Return the number of a name."""
        ...


def numbers_of(enum: type[E], wrapper: NumberedEnum[N], prefix: str) -> dict[E, N]:
    """Return the wire number of each member of a model enum, found by name."""
    return {member: wrapper.Value(f"{prefix}_{member.name}") for member in enum}


def members_of(numbers: Mapping[E, N]) -> dict[int, E]:
    """Return the member of each wire number."""
    return {number: member for member, number in numbers.items()}
