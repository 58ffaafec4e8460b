"""Convert customers."""

from engine.model import Customer
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.text import optional_string
from tillcore.v1 import basket_pb2


def customer_to_proto(customer: Customer | None) -> basket_pb2.Customer | None:
    """Return the message of a customer; None stays None, which a constructor takes for absent."""
    if customer is None:
        return None
    return basket_pb2.Customer(
        identifier=customer.identifier,
        groups=customer.groups,
        exempt=customer.exempt,
        name=customer.name,
        street=customer.street,
        city=customer.city,
        postal_code=customer.postal_code,
        country=customer.country,
        country_code=customer.country_code,
        phone=customer.phone,
        email=customer.email,
        additional_info=customer.additional_info,
        organization_number=customer.organization_number,
        balance_micros=customer.balance_micros,
        balance_overdue_micros=customer.balance_overdue_micros,
        credit_limit_micros=customer.credit_limit_micros,
        block_sales=customer.block_sales,
    )


def customer_from_proto(message: basket_pb2.Customer, path: str, problems: Problems) -> Customer:
    """Return the customer of a message."""
    return Customer(
        identifier=problems.required_id(path, "identifier", message.identifier),
        name=optional_string(message, path, "name", problems),
        street=optional_string(message, path, "street", problems),
        city=optional_string(message, path, "city", problems),
        postal_code=optional_string(message, path, "postal_code", problems),
        country=optional_string(message, path, "country", problems),
        country_code=optional_string(message, path, "country_code", problems),
        phone=optional_string(message, path, "phone", problems),
        email=optional_string(message, path, "email", problems),
        additional_info=optional_string(message, path, "additional_info", problems),
        organization_number=optional_string(message, path, "organization_number", problems),
        balance_micros=problems.optional_amount(message, path, "balance_micros"),
        balance_overdue_micros=problems.optional_amount(message, path, "balance_overdue_micros"),
        credit_limit_micros=problems.optional_amount(message, path, "credit_limit_micros"),
        block_sales=message.block_sales,
        groups=problems.id_set(path, "groups", message.groups),
        exempt=message.exempt,
    )
