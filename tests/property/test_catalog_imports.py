"""Hold imports of products to a plain model: dicts by market, shop and id, and every revision kept.

The model merges by its own rules, written apart from the engine's: leaf by leaf, variants by id.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from engine.model import Market, Tax, TaxType
from engine.strict_json import decode
from server.catalog.imports import Mode, Target, delete_documents, import_documents
from server.catalog.kinds import PRODUCT
from server.storage import account_tables, catalogs, places
from server.storage.tables import METADATA

ACCOUNT = "a"
MARKETS = {"dk": ("north", "south"), "se": ("lund",)}
IDS = ("p", "q")

numbers = st.integers(min_value=0, max_value=3)
leaves = st.one_of(numbers, st.sampled_from(["x", "y"]), st.lists(numbers, max_size=2))
variants = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("uvw")}, optional={"retail_price": numbers, "extra": leaves}
    ),
    max_size=3,
    unique_by=lambda variant: str(variant["id"]),
)
members = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["A", "B", {"da": "C"}, {"en": "D"}]),
        "retail_price": st.one_of(
            numbers, st.dictionaries(st.sampled_from(sorted(MARKETS)), numbers)
        ),
        "extra": st.one_of(leaves, st.dictionaries(st.sampled_from("kl"), leaves)),
        "variants": variants,
        "tags": st.dictionaries(st.sampled_from("st"), st.just(value=True)),
    },
)
documents = st.builds(lambda id_, rest: {"id": id_, **rest}, st.sampled_from(IDS), members)
places_of = st.one_of(
    st.tuples(st.lists(st.sampled_from(sorted(MARKETS)), min_size=1, unique=True), st.just(())),
    st.tuples(st.just(["dk"]), st.sampled_from([("north",), ("north", "south")])),
)
imports = st.tuples(
    st.sampled_from(Mode),
    st.lists(documents, min_size=1, max_size=3),
    places_of,
    st.sampled_from([("retail_price",), ("name", "extra"), ("variants",)]),
)
deletions = st.tuples(st.just("delete"), st.sampled_from(IDS), places_of)
steps = st.lists(st.one_of(imports, imports, imports, deletions), min_size=1, max_size=8)

Model = dict[tuple[str, str, str], Any]


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """Yield a connection to an empty database with two markets."""
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        METADATA.create_all(opened)
        opened.commit()
        history = {"revision": 1, "created_ns": 1, "updated_ns": 1}
        row = {"account_id": ACCOUNT, "name": "A", **history}
        opened.execute(account_tables.account.insert().values(**row))
        for market_id, shops in MARKETS.items():
            tax = Tax(name="Moms", rate_micros=250_000, type=TaxType.VAT)
            market = Market(id=market_id, currency_code="DKK", default_taxes=(tax,))
            opened.execute(
                account_tables.market.insert().values(
                    **row,
                    market_id=market_id,
                    currency_code="DKK",
                    document=places.market_to_text(market),
                )
            )
            for shop_id in shops:
                opened.execute(
                    account_tables.shop.insert().values(
                        **row, shop_id=shop_id, market_id=market_id, document="{}"
                    )
                )
        opened.commit()
        yield opened


def merged(stored: Any, imported: Any, *, is_top: bool) -> Any:
    """Return a partial merge, by the rules of the reference."""
    if not (isinstance(stored, dict) and isinstance(imported, dict)):
        return imported
    found = dict(stored)
    for key, value in imported.items():
        before = found.get(key)
        if is_top and key == "variants" and before is not None:
            by_id = {each["id"]: each for each in before}
            for each in value:
                by_id[each["id"]] = merged(by_id.get(each["id"]), each, is_top=False)
            found[key] = list(by_id.values())
        else:
            found[key] = merged(before, value, is_top=False)
    return found


def kept(stored: Any, imported: Any, keys: tuple[str, ...]) -> Any:
    """Return the imported object with the stored values of some keys."""
    found = imported | {key: stored[key] for key in keys if key in stored}
    if "variants" in imported and "variants" not in keys:
        by_id = {each["id"]: each for each in stored.get("variants", [])}
        found["variants"] = [
            each | {key: by_id[each["id"]][key] for key in keys if key in by_id.get(each["id"], {})}
            for each in imported["variants"]
        ]
    return found


def keys_of(product_id: str, where: Any) -> list[tuple[str, str, str]]:
    """Return where a product goes: market, shop, id."""
    market_ids, shop_ids = where
    return [(market, shop, product_id) for market in market_ids for shop in shop_ids or ("",)]


def step_model(model: Model, step: Any) -> None:
    """Do to the model what an import or a deletion does."""
    if step[0] == "delete":
        _, product_id, (market_ids, shop_ids) = step
        for key in list(model):
            is_there = key[0] in market_ids and (not shop_ids or key[1] in shop_ids)
            if key[2] == product_id and is_there:
                del model[key]
        return
    mode, imported, where, ignored = step
    for document in imported:
        after: Model = {}
        for key in keys_of(document["id"], where):
            common = model.get((key[0], "", key[2]), {})
            stored = model.get(key, common)
            if mode is Mode.PARTIAL:
                after[key] = merged(stored, document, is_top=True)
            else:
                after[key] = kept(stored, document, ignored) if mode is Mode.IGNORE else document
        if all("name" in each for each in after.values()):
            model.update(deepcopy(after))


def step_store(connection: Connection, step: Any, now_ns: int) -> None:
    """Do it to the store."""
    market_ids, shop_ids = step[2]
    target = Target(
        account_id=ACCOUNT, kind=PRODUCT, market_ids=tuple(market_ids), shop_ids=tuple(shop_ids)
    )
    if step[0] == "delete":
        delete_documents(connection, [step[1]], target=target, now_ns=now_ns)
        return
    mode, imported, _, ignored = step
    target = Target(
        account_id=ACCOUNT,
        kind=PRODUCT,
        market_ids=target.market_ids,
        shop_ids=target.shop_ids,
        mode=mode,
        ignored_keys=ignored if mode is Mode.IGNORE else (),
    )
    decoded = decode(json.dumps(imported))
    assert isinstance(decoded, list)
    import_documents(connection, decoded, target=target, now_ns=now_ns)


def stored_at(connection: Connection, now_ns: int | None) -> Model:
    """Return what the store has, or had at a moment, as the model has it."""
    found: Model = {}
    for market_id in MARKETS:
        own = {"account_id": ACCOUNT, "market_id": market_id}
        if now_ns is None:
            entries = catalogs.entries_of_kinds(
                connection, [PRODUCT.name], account_id=ACCOUNT, market_id=market_id
            )
        else:
            revision = catalogs.revision_at(connection, **own, moment_ns=now_ns)
            if revision is None:
                continue
            entries = catalogs.entries_at(connection, [PRODUCT.name], **own, revision=revision)
        for key, document in entries:
            found[market_id, key.shop_id, key.entry_id] = json.loads(document)
    return found


@settings(max_examples=100)
@given(steps)
def test_imports_when_any_sequence_then_as_the_model_now_and_at_every_moment(
    connection: Connection, every_step: list[Any]
) -> None:
    with connection.begin() as transaction:
        model: Model = {}
        history: list[Model] = []
        for now_ns, step in enumerate(every_step, start=1):
            step_model(model, step)
            step_store(connection, step, now_ns)
            history.append(deepcopy(model))
        present = stored_at(connection, None)
        past = [stored_at(connection, moment_ns + 1) for moment_ns in range(len(history))]
        before = catalogs.heads(connection, [ACCOUNT])
        step_store(connection, every_step[-1], 10_000)
        twice = stored_at(connection, None)
        changed = before != catalogs.heads(connection, [ACCOUNT])
        transaction.rollback()

    assert model == present
    assert history == past
    assert changed == (twice != present)
