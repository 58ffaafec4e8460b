"""Read a call that records a sale: the parameters of the vendor, checked, and what they hash to."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from engine import limits
from engine.errors import Reason
from engine.numbers import NotADecimalError, parse_decimal
from engine.readers import Problems, identifier
from engine.strict_json import shown_text
from server.exports.order_hook import DELIVERY_METHODS
from server.http.web_services.entries import Readings, readings
from server.http.web_services.parameters import Parameters

SHOP_NAMES: Final = ("idboutique", "shopID", "shop")
REGISTER_NAMES: Final = ("idcaisse", "register")
KEY_NAMES: Final = ("key", "apikey")
CASHIER: Final = "webservice"
"""Who sells where the call names nobody (design: models.md section 7)."""

SAVED: Final = "-2"
QUOTED: Final = "-1"

CLIENT_FIELDS: Final = {
    "adresseligne1": "street",
    "codepostal": "postal_code",
    "email": "email",
    "nom": "name",
    "numtva": "organization_number",
    "pays": "country",
    "prenom": "name",
    "telephone": "phone",
    "ville": "city",
}
"""What a new client is told of, and where it goes."""

_READ: Final = (
    *SHOP_NAMES,
    *REGISTER_NAMES,
    *KEY_NAMES,
    "client",
    "dateValeur",
    "deliveryMethod",
    "idClient",
    "idUser",
    "itemsList",
    "payment",
    "paymentAmount",
    "publicComment",
    "requestID",
)
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_SECONDS_AHEAD_MAX: Final = 86_400
_NS_PER_SECOND: Final = 10**9
_REQUEST_ID_CHARACTERS_MAX: Final = 200


class SaleCall(NamedTuple):
    """A call, checked as far as it can be without the store.

    Attributes:
        shop_id: Where it is sold.
        register_id: At which register; empty for one that is open.
        cashier_id: By whom.
        payment: A payment type, `SAVED` or `QUOTED`.
        payment_micros: What was paid; None for what it costs.
        purchase_type: Of the delivery method; empty for none.
        customer_id: A customer of the catalogue; empty for none.
        client: What is told of another customer, by the words of `CLIENT_FIELDS`.
        entries: What is sold.
        moment_ns: When, in nanoseconds since 1970-01-01 UTC; None for now.
        comment: For the receipt.
        request_id: Made by the caller, so that another try is no other sale; may be empty.
        digest: SHA-256 of everything that counts, as hexadecimal digits.
        ignored: Names that came and that nothing is made of.
    """

    shop_id: str
    register_id: str
    cashier_id: str
    payment: str
    payment_micros: int | None
    purchase_type: str
    customer_id: str
    client: Mapping[str, str]
    entries: tuple[Readings, ...]
    moment_ns: int | None
    comment: str
    request_id: str
    digest: str
    ignored: tuple[str, ...]


def read_call(parameters: Parameters, *, now_ns: int) -> SaleCall:
    """Return the call of some parameters.

    Args:
        parameters: Of the query and the body.
        now_ns: The present moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: With every bad parameter.
    """
    problems = Problems()
    one = parameters.one
    client = {
        name: value.strip()
        for name, value in parameters.members.get("client", {}).items()
        if value.strip()
    }
    unknown = sorted(set(client) - set(CLIENT_FIELDS))
    texts = [each for each in parameters.lists.get("itemsList", []) if each]
    if not texts:
        problems.add("itemsList", Reason.REQUIRED, "expected at least one entry, was none")
    if len(texts) > limits.LINES_PER_BASKET_MAX:
        message = f"expected at most {limits.LINES_PER_BASKET_MAX} entries, was {len(texts)}"
        problems.add("itemsList", Reason.TOO_MANY, message)
        texts = []
    customer_id = one("idClient")
    if customer_id and client:
        message = "expected either idClient or client[...], was both"
        problems.add("idClient", Reason.NOT_ALLOWED, message)
    request_id = one("requestID")
    if len(request_id) > _REQUEST_ID_CHARACTERS_MAX:
        message = f"expected at most {_REQUEST_ID_CHARACTERS_MAX} characters"
        problems.add("requestID", Reason.OUT_OF_BOUNDS, f"{message}, was {len(request_id)}")
    call = SaleCall(
        shop_id=_id(one(*SHOP_NAMES), SHOP_NAMES[0], problems, is_required=True),
        register_id=_id(one(*REGISTER_NAMES), REGISTER_NAMES[0], problems),
        cashier_id=_id(one("idUser"), "idUser", problems) or CASHIER,
        payment=_id(one("payment"), "payment", problems, is_required=True),
        payment_micros=_amount(one("paymentAmount"), problems),
        purchase_type=_purchase_type(one("deliveryMethod"), problems),
        customer_id=_id(customer_id, "idClient", problems),
        client={name: client[name] for name in sorted(client) if name in CLIENT_FIELDS},
        entries=tuple(readings(each, index, problems) for index, each in enumerate(texts)),
        moment_ns=_moment(one("dateValeur"), now_ns, problems),
        comment=one("publicComment"),
        request_id=request_id,
        digest="",
        ignored=(
            *sorted(parameters.names.difference(_READ)),
            *(f"client[{name}]" for name in unknown),
        ),
    )
    problems.finish()
    return call._replace(digest=_digest(call, texts))


def _digest(call: SaleCall, texts: list[str]) -> str:
    """Return the hash of what counts: not the key, not how the request was encoded."""
    counted = {
        name: getattr(call, name)
        for name in SaleCall._fields
        if name not in ("digest", "entries", "ignored", "request_id")
    }
    encoded = msgspec.json.encode({**counted, "entries": texts}, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()


def _id(value: str, field: str, problems: Problems, *, is_required: bool = False) -> str:
    if value:
        identifier(value, field, problems)
    elif is_required:
        problems.add(field, Reason.REQUIRED, "expected an id, was absent")
    return value


def _amount(value: str, problems: Problems) -> int | None:
    if not value:
        return None
    try:
        return parse_decimal(value)
    except NotADecimalError as error:
        problems.add("paymentAmount", Reason.BAD_NUMBER, str(error))
        return None


def _purchase_type(value: str, problems: Problems) -> str:
    numbers = {str(number): name for number, name in enumerate(DELIVERY_METHODS)}
    if value and value not in numbers:
        last = len(DELIVERY_METHODS) - 1
        message = f"expected a number from 0 to {last}, was {shown_text(value)}"
        problems.add("deliveryMethod", Reason.UNKNOWN_VALUE, message)
    return numbers.get(value, "")


def _moment(value: str, now_ns: int, problems: Problems) -> int | None:
    """Read a time in whole seconds; a sale of tomorrow is a mistake of the clock or of the unit."""
    if not value:
        return None
    moment_ns = int(value) * _NS_PER_SECOND if _SECONDS.fullmatch(value) else None
    if moment_ns is None or moment_ns > now_ns + _SECONDS_AHEAD_MAX * _NS_PER_SECOND:
        message = "expected whole seconds since 1970 that are not in the future"
        problems.add("dateValeur", Reason.BAD_TIME, f"{message}, was {shown_text(value)}")
    return moment_ns
