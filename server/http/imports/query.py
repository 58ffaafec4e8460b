"""Read the query of an import: whose it is, where it goes, and how."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from engine.errors import Reason
from engine.model.value import Value
from engine.readers import Problems, closest, id_complaint
from engine.strict_json import shown_text
from server.catalog.imports import Mode
from server.http.operations import Parameter
from server.rpc.catalog_messages import IDS_MAX

INTEGRATION_DEFAULT: Final = "default"
"""The import queue of a request that names none."""

COMMON: Final = ("account", "integration", "apikey")
"""The parameters of every import (reference: product-import)."""

_REPEATED: Final = frozenset({"ignore", "ids"})
_SHOWN_NAME: Final = re.compile(r"[a-z][a-z_]{0,31}")
_TEXT: Final = {"type": "string"}
_FLAG: Final = {"type": "string", "enum": ["true", "false"]}

PARAMETERS: Final[Mapping[str, Parameter]] = {
    each.name: each
    for each in (
        Parameter("account", "The account; it has to be that of the key.", _TEXT),
        Parameter("integration", "The import queue, by which the log is filtered.", _TEXT),
        Parameter("apikey", "A key with the scope import; better sent as a header.", _TEXT),
        Parameter("markets", "The markets, with commas between; `dk` without it.", _TEXT),
        Parameter("channels", "Of the older interface; taken and ignored.", _TEXT),
        Parameter("partial", "Whether products are merged with those that are there.", _FLAG),
        Parameter(
            "ignore",
            "A member of products that keeps its stored value; may come several times.",
            _TEXT,
            is_repeated=True,
        ),
        Parameter("adjustment", "Whether the numbers are added to the stock.", _FLAG),
        Parameter("stock_location", "The shop that hands the orders out.", _TEXT, is_required=True),
        Parameter(
            "recommendation_id",
            "The category that the recommendations are of.",
            _TEXT,
            is_required=True,
        ),
        Parameter("ids", "The ids that are removed, with commas between.", _TEXT, is_repeated=True),
        Parameter("id", "The one id that is removed.", _TEXT),
    )
}
"""Every parameter of the import endpoints."""


class Query(Value, frozen=True):
    """The query of an import.

    Attributes:
        integration: The import queue.
        account: The account as it is named; empty when it is not.
        markets: The markets; empty when none is named.
        mode: How products are merged with those that are there.
        ignored_keys: The members that keep their stored values.
        is_adjustment: Whether numbers are added to the stock.
        stock_location: The shop of orders.
        recommendation_id: The category of recommendations.
        ids: What is removed.
        text: The parameters for the log, without the key.
    """

    integration: str = INTEGRATION_DEFAULT
    account: str = ""
    markets: tuple[str, ...] = ()
    mode: Mode = Mode.REPLACE
    ignored_keys: tuple[str, ...] = ()
    is_adjustment: bool = False
    stock_location: str = ""
    recommendation_id: str = ""
    ids: tuple[str, ...] = ()
    text: str = ""


def logged_text(parameters: QueryParams) -> str:
    """Return the known parameters of a query for the log; those that could be keys are left out."""
    known = [
        (name, value[:_LOGGED_CHARACTERS_MAX])
        for name, value in parameters.multi_items()
        if name in PARAMETERS and name not in COMMON
    ]
    return urlencode(known)[:_LOGGED_CHARACTERS_MAX]


_LOGGED_CHARACTERS_MAX: Final = 2_000


def integration_of(parameters: QueryParams) -> str:
    """Return the import queue of a query, the default one when it names none that can be."""
    named = parameters.get("integration", "")
    return named if named and id_complaint(named) is None else INTEGRATION_DEFAULT


def read_query(parameters: QueryParams, *, known: Collection[str]) -> Query:
    """Return the query of an import.

    Args:
        parameters: The parameters as they came.
        known: The names that the endpoint takes beside the common ones.

    Raises:
        InvalidInput: With every bad parameter. Values of unknown ones are not repeated: keys may
            stand in them.
    """
    problems = Problems()
    names = (*COMMON, *known)
    for name in dict.fromkeys(parameters):
        if name not in names:
            _refuse_unknown(name, names, problems)
        elif name not in _REPEATED and len(parameters.getlist(name)) > 1:
            problems.add(name, Reason.DUPLICATE, "expected it once, was repeated")
    for name in known:
        if PARAMETERS[name].is_required and not parameters.get(name):
            problems.add(name, Reason.REQUIRED, "expected an id, was absent")
    is_partial = _flag(parameters, "partial", problems)
    ignored = _checked(parameters.getlist("ignore"), "ignore", problems)
    if is_partial and ignored:
        message = "expected either partial or ignore, was both"
        problems.add("ignore", Reason.NOT_ALLOWED, message)
    mode = Mode.PARTIAL if is_partial else Mode.IGNORE if ignored else Mode.REPLACE
    query = Query(
        integration=_id(parameters, "integration", problems) or INTEGRATION_DEFAULT,
        account=parameters.get("account", ""),
        markets=_listed(parameters, "markets", problems),
        mode=mode,
        ignored_keys=ignored,
        is_adjustment=_flag(parameters, "adjustment", problems),
        stock_location=_id(parameters, "stock_location", problems),
        recommendation_id=_id(parameters, "recommendation_id", problems),
        ids=_ids(parameters, problems),
        text=logged_text(parameters),
    )
    problems.finish()
    return query


def _refuse_unknown(name: str, names: Sequence[str], problems: Problems) -> None:
    """Refuse a parameter that is misspelt, which would otherwise silently do something else."""
    near = closest(name, names)
    expected = f"{near}" if near else f"one of {', '.join(names)}"
    # Somebody may have sent a key as a name; what looks like one is not repeated.
    shown = name if _SHOWN_NAME.fullmatch(name) else "?"
    message = f"expected {expected}, was another parameter"
    problems.add(shown, Reason.UNKNOWN_FIELD, message)


def _flag(parameters: QueryParams, name: str, problems: Problems) -> bool:
    value = parameters.get(name, "false")
    if value not in ("true", "false"):
        message = f"expected true or false, was {shown_text(value)}"
        problems.add(name, Reason.UNKNOWN_VALUE, message)
    return value == "true"


def _id(parameters: QueryParams, name: str, problems: Problems) -> str:
    value = parameters.get(name, "")
    _checked([value] if value else [], name, problems)
    return value


def _listed(parameters: QueryParams, name: str, problems: Problems) -> tuple[str, ...]:
    """Return the parts of parameters with commas in them."""
    parts = [part for value in parameters.getlist(name) if value for part in value.split(",")]
    return _checked(parts, name, problems)


def _ids(parameters: QueryParams, problems: Problems) -> tuple[str, ...]:
    """Return what is removed: `ids=a,b`, or `id=a` whose commas belong to it."""
    one, several = _id(parameters, "id", problems), _listed(parameters, "ids", problems)
    if one and several:
        problems.add("id", Reason.NOT_ALLOWED, "expected either id or ids, was both")
    return (one,) if one else several


def _checked(values: Sequence[str], name: str, problems: Problems) -> tuple[str, ...]:
    if len(values) > IDS_MAX:
        message = f"expected at most {IDS_MAX}, was {len(values)}"
        problems.add(name, Reason.TOO_MANY, message)
        return ()
    for value in values:
        complaint = id_complaint(value)
        if complaint is not None:
            problems.add(name, *complaint)
    return tuple(dict.fromkeys(values))
