"""Convert the messages of CatalogService: what is imported and where to, entries, results."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import RowMapping

from engine import limits
from engine.campaigns import read_campaign
from engine.catalog import read_product, read_product_rules
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.import_bodies import ImportBody
from engine.rpc.convert.campaign import campaign_to_proto
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.product import (
    product_from_proto,
    product_rule_to_proto,
    product_to_proto,
)
from engine.rpc.convert.time import time_to_proto
from engine.rpc.status import status_of
from engine.strict_json import decode
from server.catalog.documents import product_document
from server.catalog.imports import Fate, Mode, Outcome
from server.catalog.kinds import (
    ATTRIBUTE,
    ATTRIBUTE_GROUP,
    CAMPAIGN,
    CUSTOMER,
    CUSTOMER_ATTRIBUTE,
    EXPENSE,
    FOLDER,
    KINDS,
    PRODUCT,
    PRODUCT_ASSET,
    PRODUCT_GROUP,
    PRODUCT_RULE,
    RECOMMENDATION,
    RECOMMENDATION_CATEGORY,
    TAG,
    Kind,
)
from tillcore.v1 import (
    catalog_campaign_pb2,
    catalog_customer_pb2,
    catalog_definition_pb2,
    catalog_entry_pb2,
    catalog_item_pb2,
    catalog_product_pb2,
)

FAILURES_MAX: Final = 100
"""How many failures of an import are listed; all are counted."""

IDS_MAX: Final = 10_000
"""How many ids a deletion names at most."""

_MODULES: Final = (
    catalog_product_pb2,
    catalog_campaign_pb2,
    catalog_definition_pb2,
    catalog_customer_pb2,
    catalog_item_pb2,
)
MODES: Final[Mapping[int, Mode]] = {
    catalog_entry_pb2.IMPORT_MODE_REPLACE: Mode.REPLACE,
    catalog_entry_pb2.IMPORT_MODE_PARTIAL: Mode.PARTIAL,
    catalog_entry_pb2.IMPORT_MODE_IGNORE: Mode.IGNORE,
}
ITEM_KINDS: Final[Mapping[int, Kind]] = {
    catalog_item_pb2.CATALOG_ITEM_KIND_CUSTOMER_ATTRIBUTE: CUSTOMER_ATTRIBUTE,
    catalog_item_pb2.CATALOG_ITEM_KIND_ATTRIBUTE_GROUP: ATTRIBUTE_GROUP,
    catalog_item_pb2.CATALOG_ITEM_KIND_FOLDER: FOLDER,
    catalog_item_pb2.CATALOG_ITEM_KIND_RECOMMENDATION_CATEGORY: RECOMMENDATION_CATEGORY,
    catalog_item_pb2.CATALOG_ITEM_KIND_RECOMMENDATION: RECOMMENDATION,
    catalog_item_pb2.CATALOG_ITEM_KIND_PRODUCT_ASSET: PRODUCT_ASSET,
}


class Collection(NamedTuple):
    """What four methods are about.

    Attributes:
        noun: The name of one in the fields of messages; methods have it in capitals.
        plural: The name of several.
        kind: The kind; None where each request names it.
    """

    noun: str
    plural: str
    kind: Kind | None

    @property
    def camel(self) -> str:
        """The noun as methods have it."""
        return _camel(self.noun)

    @property
    def camels(self) -> str:
        """The plural as methods have it."""
        return _camel(self.plural)


COLLECTIONS: Final = (
    Collection("product", "products", PRODUCT),
    Collection("campaign", "campaigns", CAMPAIGN),
    Collection("product_rule", "product_rules", PRODUCT_RULE),
    Collection("expense", "expenses", EXPENSE),
    Collection("product_group", "product_groups", PRODUCT_GROUP),
    Collection("tag", "tags", TAG),
    Collection("attribute", "attributes", ATTRIBUTE),
    Collection("customer", "customers", CUSTOMER),
    Collection("catalog_item", "catalog_items", None),
)
"""What CatalogService is about, in the order of its methods."""


def _camel(noun: str) -> str:
    return "".join(word.capitalize() for word in noun.split("_"))


def message_class(name: str) -> type[Any]:
    """Return the class of a message of the service, such as `GetProductRequest`."""
    kind: type[Any] = next(getattr(module, name) for module in _MODULES if hasattr(module, name))
    return kind


# --- requests --------------------------------------------------------------------------------


def kind_of(collection: Collection, request: Any, problems: Problems) -> Kind:
    """Return the kind that a request is about."""
    if collection.kind is not None:
        return collection.kind
    kind = ITEM_KINDS.get(request.kind)
    if kind is not None:
        return kind
    known = ", ".join(kind.noun for kind in ITEM_KINDS.values())
    reason = Reason.UNKNOWN_VALUE if request.kind else Reason.REQUIRED
    problems.add("kind", reason, f"expected one of {known}, was {request.kind}")
    return FOLDER


def parent_of(kind: Kind, request: Any, problems: Problems) -> str:
    """Return the id that those of a request are below, empty for kinds without one."""
    parent_id: str = getattr(request, "parent_id", "")
    if kind.has_parent:
        if not parent_id:
            problems.required("parent_id", "the id of the recommendation")
        return problems.id_at("parent_id", parent_id) if parent_id else ""
    if parent_id:
        message = f"expected none for {kind.name}, was some"
        problems.add("parent_id", Reason.NOT_ALLOWED, message)
    return ""


def ids_of(request: Any, name: str, problems: Problems, *, most: int = IDS_MAX) -> tuple[str, ...]:
    """Return a list of ids of a request, each once; none where it has no such field."""
    values: Sequence[str] = getattr(request, name, ())
    if len(values) > most:
        message = f"expected at most {most}, was {len(values)}"
        problems.add(name, Reason.TOO_MANY, message)
        return ()
    checked = [problems.id_at(f"{name}[{index}]", value) for index, value in enumerate(values)]
    return tuple(dict.fromkeys(checked))


def mode_of(request: Any, problems: Problems) -> tuple[Mode, tuple[str, ...]]:
    """Return how the products of a request are merged, and the members that are ignored."""
    mode = MODES.get(request.mode, Mode.REPLACE)
    if request.mode and request.mode not in MODES:
        known = ", ".join(each.name for each in MODES.values())
        message = f"expected one of {known}, was {request.mode}"
        problems.add("mode", Reason.UNKNOWN_VALUE, message)
    keys = ids_of(request, "ignored_keys", problems)
    if mode is Mode.IGNORE and not keys:
        problems.required("ignored_keys", "at least one member")
    if mode is not Mode.IGNORE and keys:
        message = "expected none without IMPORT_MODE_IGNORE, was some"
        problems.add("ignored_keys", Reason.NOT_ALLOWED, message)
    return mode, keys


Taken = tuple[object | Outcome, ...]
"""The objects of an import; those that no document could be made of are outcomes already."""


def body_of(kind: Kind, data: bytes, field: str) -> ImportBody:
    """Return what the JSON of an import lists.

    Raises:
        InvalidInput: It is no JSON, or has another shape.
    """
    try:
        return kind.documents(decode(data))
    except InvalidInput as error:
        raise InvalidInput(
            FieldProblem(
                f"{field}.{each.field}" if each.field else field, each.reason, each.message
            )
            for each in error.problems
        ) from error


def typed_products(request: Any) -> Taken:
    """Return the products of a request as documents, or why there is none."""
    return tuple(_typed_product(each) for each in request.products)


def _typed_product(product: Any) -> object | Outcome:
    problems = Problems()
    found = product_from_proto(product, "product", problems)
    try:
        problems.finish()
    except InvalidInput as error:
        inside = tuple(
            FieldProblem(each.field.removeprefix("product."), each.reason, each.message)
            for each in error.problems
        )
        return Outcome(
            fate=Fate.REFUSED, id=product.id[: limits.ID_CHARACTERS_MAX], problems=inside
        )
    return product_document(found)


# --- answers ---------------------------------------------------------------------------------


class Tally:
    """What became of the objects of one call so far."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Fate, 0)
        self._failures: list[catalog_entry_pb2.ImportFailure] = []

    @property
    def count(self) -> int:
        """How many objects there were."""
        return sum(self._counts.values())

    def add(self, outcome: Outcome) -> None:
        """Count what became of the next object."""
        if outcome.fate is Fate.REFUSED and len(self._failures) < FAILURES_MAX:
            self._failures.append(
                catalog_entry_pb2.ImportFailure(
                    index=self.count,
                    id=outcome.id,
                    status=status_of(InvalidInput(outcome.problems)),
                )
            )
        self._counts[outcome.fate] += 1

    def to_proto(self) -> catalog_entry_pb2.ImportResult:
        """Return the message."""
        return catalog_entry_pb2.ImportResult(
            created_count=self._counts[Fate.CREATED],
            updated_count=self._counts[Fate.UPDATED],
            unchanged_count=self._counts[Fate.UNCHANGED],
            failed_count=self._counts[Fate.REFUSED],
            failures=self._failures,
        )


def entry_to_proto(row: RowMapping) -> catalog_entry_pb2.CatalogEntry:
    """Return the message of a stored entry."""
    kind = KINDS[row["kind"]]
    _, _, entry_id = row["entry_id"].rpartition("/" if kind.has_parent else "\0")
    entry = catalog_entry_pb2.CatalogEntry(
        id=entry_id,
        market_id=row["market_id"],
        shop_id=row["shop_id"],
        document_json=row["document"],
        revision=row["revision"],
        update_time=time_to_proto(row["updated_ns"]),
    )
    if kind is PRODUCT:
        product = read_product(decode(row["document"]), market_id=row["market_id"])
        entry.product.CopyFrom(product_to_proto(product))
    elif kind is CAMPAIGN:
        entry.campaign.CopyFrom(campaign_to_proto(read_campaign(decode(row["document"]))))
    elif kind is PRODUCT_RULE:
        (rule,) = read_product_rules([decode(row["document"])])
        entry.product_rule.CopyFrom(product_rule_to_proto(rule))
    return entry
