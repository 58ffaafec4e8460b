"""Read the customers of an import: an array, or an object by identifier (models: Customer)."""

from engine.customers import customer_of
from engine.errors import Reason
from engine.fields import Fields, refuse_repeated
from engine.model import Customer
from engine.readers import Problems, shown, wrong_type
from engine.strict_json import is_array, is_object, join, shown_text


def read_customers(value: object) -> tuple[Customer, ...]:
    """Return the customers of an import; each replaces the one with its identifier.

    Raises:
        InvalidInput: With every bad field, among them an identifier that occurs twice.
    """
    problems = Problems()
    every = _objects(value, problems)
    customers = tuple(customer_of(each) for each in every)
    ids = ((each.path, one.identifier) for each, one in zip(every, customers, strict=True))
    refuse_repeated(ids, problems, noun="customer")
    problems.finish()
    return customers


def _objects(value: object, problems: Problems) -> list[Fields]:
    if is_array(value):
        return [Fields(each, f"[{index}]", problems) for index, each in enumerate(value)]
    if not is_object(value):
        wrong_type("an array of customers, or an object by identifier", value, "", problems)
        return []
    every: list[Fields] = []
    for key, member in value.items():
        path = join("", key)
        if is_object(member):
            own = member.get("identifier")
            if own is not None and own != key:
                message = f"expected the key {shown_text(key)}, was {shown(own)}"
                problems.add(f"{path}.identifier", Reason.MALFORMED, message)
            member = {**member, "identifier": key}
        every.append(Fields(member, path, problems))
    return every
