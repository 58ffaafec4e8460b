"""Say what is to be changed of the catalogue before stored baskets are evaluated again."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.campaigns import read_campaign
from engine.catalog import read_context
from engine.errors import FieldProblem, InvalidInput, Reason, invalid
from engine.model import Campaign, Context, Product
from engine.strict_json import decode, shown_text
from server.catalog.kinds import CAMPAIGN

T = TypeVar("T")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What takes the place of parts of every catalogue.

    Attributes:
        campaigns: Campaigns that are added, or replace those of the same ids.
        without: The ids of campaigns that are left out.
        products: Products that replace those of the same ids.
    """

    campaigns: tuple[Campaign, ...] = ()
    without: frozenset[str] = frozenset()
    products: tuple[Product, ...] = ()

    def applied(self, context: Context) -> Context:
        """Return a context with the changes."""
        replaced = {campaign.id for campaign in self.campaigns} | self.without
        kept = tuple(each for each in context.campaigns if each.id not in replaced)
        added = tuple(each for each in self.campaigns if each.id not in self.without)
        own = {product.id: product for product in self.products}
        return msgspec.structs.replace(
            context,
            campaigns=kept + added,
            products=tuple(own.get(product.id, product) for product in context.products),
        )


UNCHANGED = Change()


def read_change(
    *, campaigns: Path | None, without: tuple[str, ...], catalog: Path | None
) -> Change:
    """Read what is to be changed; the campaigns of `campaigns` come before those of `catalog`.

    Args:
        campaigns: File with campaigns as imports take them.
        without: The ids of campaigns that are left out.
        catalog: File with a context as `tillcore evaluate` takes it; its products and its
            campaigns count.

    Raises:
        InvalidInput: A file is bad; the message begins with its name.
        OSError: A file cannot be read.
    """
    products: tuple[Product, ...] = ()
    found: dict[str, Campaign] = {}
    if catalog is not None:
        context = _located(catalog, lambda: read_context(decode(catalog.read_bytes())))
        products = context.products
        found = {campaign.id: campaign for campaign in context.campaigns}
    if campaigns is not None:
        for campaign in _located(campaigns, lambda: _read_campaigns(campaigns)):
            found[campaign.id] = campaign
    return Change(campaigns=tuple(found.values()), without=frozenset(without), products=products)


def check_known(change: Change, known: frozenset[str]) -> None:
    """Refuse to leave out a campaign that there never was: it would change nothing, unseen.

    Raises:
        InvalidInput: There is no such campaign.
    """
    for id_ in sorted(change.without - known - {each.id for each in change.campaigns}):
        message = f"expected a campaign of the period, was {shown_text(id_)}"
        raise invalid("--without", Reason.UNKNOWN_ID, message)


def _located(path: Path, read: Callable[[], T]) -> T:
    """Return what is read of a file, and name the file where it is bad."""
    try:
        return read()
    except InvalidInput as error:
        raise InvalidInput(
            FieldProblem(
                f"{path}: {each.field}" if each.field else str(path), each.reason, each.message
            )
            for each in error.problems
        ) from error


def _read_campaigns(path: Path) -> list[Campaign]:
    """Read the campaigns of a file; a path in it begins with the place of the campaign."""
    body = CAMPAIGN.documents(decode(path.read_bytes()))
    problems: list[FieldProblem] = []
    found: dict[str, Campaign] = {}
    for position, document in enumerate(body.documents):
        try:
            campaign = read_campaign(document)
        except InvalidInput as error:
            for each in error.problems:
                field = f"{CAMPAIGN.member}[{position}].{each.field}".rstrip(".")
                problems.append(FieldProblem(field, each.reason, each.message))
            continue
        if campaign.id in found:
            field = f"{CAMPAIGN.member}[{position}].id"
            message = f"expected each campaign once, was {shown_text(campaign.id)} again"
            problems.append(FieldProblem(field, Reason.DUPLICATE, message))
        found[campaign.id] = campaign
    if problems:
        raise InvalidInput(problems)
    return list(found.values())
