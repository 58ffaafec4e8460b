"""Name bad fields as the caller of a web service knows them, not as the services behind it do."""

import re
from typing import Final

from engine.errors import FieldProblem, InvalidInput, TillcoreError

_BASKET: Final = "basket."
_LINE: Final = re.compile(r"line_items\[([0-9]+)\]")
_NAMES: Final = {
    "line_items": "itemsList",
    "payments[0].payment_type": "payment",
    "payments": "paymentAmount",
    "purchase_type": "deliveryMethod",
    "evaluate_time": "dateValeur",
    "completed_time": "dateValeur",
    "expected_total_micros": "paymentAmount",
    "register_id": "idcaisse",
    "cashier_id": "idUser",
    "comment": "publicComment",
    "name": "publicComment",
}
"""What begins so, and the parameter that it is of."""

_CUSTOMER: Final = "customer"


def renamed(error: TillcoreError, *, is_customer_known: bool) -> TillcoreError:
    """Return an error whose fields are parameters of the call.

    Args:
        error: As a service raised it.
        is_customer_known: Whether the call names a customer of the catalogue.
    """

    def name(field: str) -> str:
        return _name(field, is_customer_known=is_customer_known)

    problems = [
        FieldProblem(name(each.field), each.reason, each.message) for each in error.problems
    ]
    if isinstance(error, InvalidInput):
        return InvalidInput(problems)
    error.problems = tuple(problems)
    return error


def _name(field: str, *, is_customer_known: bool) -> str:
    field = field.removeprefix(_BASKET)
    line = _LINE.match(field)
    if line is not None:
        return f"itemsList[{line[1]}]"
    if field.startswith(_CUSTOMER):
        return "idClient" if is_customer_known else "client"
    return next((name for start, name in _NAMES.items() if field.startswith(start)), field)
