"""Read changes, keep columns, add up tallies, and show what came of a replay."""

import csv
import io
import json
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import msgspec
import pytest

from engine.errors import InvalidInput
from engine.model import Basket, BasketLine, Customer, Effect, EffectKind, ManualDiscount
from engine.outcome import MANUALS, SALE_PRICES, Given, Source, SourceKind, Sums
from server.catalog.settings import Settings
from server.replay import columns as columns_module
from server.replay.change import read_change
from server.replay.columns import (
    Columns,
    ColumnsWriter,
    StoredBasket,
    baskets_of,
    columns_from_bytes,
    columns_to_bytes,
    lines_of,
)
from server.replay.history import PRESENT, Catalogue, History, Version
from server.replay.kept_columns import KeptColumns
from server.replay.page import page
from server.replay.selection import Selection
from server.replay.tables import campaign_table, day_table, facts_of, notes_of, sums_table
from server.replay.tally import Comparison, Kept, Tally, Usage, Used, merged
from server.replay.terminal import BAR_WIDTH, bar, show
from server.replay.work import Answer
from server.tables.formats import STREAMS, TableFormat
from tests.support.command_line import exact
from tests.support.core_server import danish_shop

UNIT: Final = 1_000_000
CANDY: Final = Source(SourceKind.CAMPAIGN, "candy")
SELECTION: Final = Selection(
    account_id="ours", market_id="dk", currency_code="DKK", from_ns=0, until_ns=1, count=3
)


# --- changes ---------------------------------------------------------------------------------


def written(path: Path, value: object) -> Path:
    """Return a file with JSON."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def coffee(**fields: object) -> dict[str, object]:
    """Return a campaign as imports take it."""
    return {
        "id": "coffee",
        "type": "percentage_discount-single_product",
        "name": "coffee",
        "display_name": "Coffee",
        "priority": 60,
        "product_id": "coffee",
        "percentage": 0.2,
    } | fields


def test_change_when_campaigns_are_in_both_files_then_those_of_campaigns_count(
    tmp_path: Path,
) -> None:
    market = {"id": "dk", "currency": "DKK", "default_taxes": []}
    catalog = {
        "market": market,
        "products": [{"id": "tea", "name": "Tea", "retail_price": 20}],
        "campaigns": [coffee(percentage=0.5), coffee(id="other")],
    }

    change = read_change(
        campaigns=written(tmp_path / "campaigns.json", {"campaigns": [coffee()]}),
        without=("gone",),
        catalog=written(tmp_path / "context.json", catalog),
    )

    values = {each.id: each.effect.value_micros for each in change.campaigns}
    assert {"coffee": 200_000, "other": 200_000} == values
    assert frozenset({"gone"}) == change.without
    assert ["tea"] == [product.id for product in change.products]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"campaigns": [coffee(), coffee(percentage=2)]}, "campaigns[1].percentage"),
        ({"campaigns": [coffee(), coffee()]}, "campaigns[1].id"),
        ({"products": []}, "campaigns"),
    ],
)
def test_change_when_campaigns_are_bad_then_file_and_field_are_named(
    tmp_path: Path, value: object, field: str
) -> None:
    path = written(tmp_path / "campaigns.json", value)

    with pytest.raises(InvalidInput) as caught:
        read_change(campaigns=path, without=(), catalog=None)

    assert f"{path}: {field}" in [each.field for each in caught.value.problems]


def test_change_when_applied_then_replaced_and_left_out_campaigns_are_gone(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "campaigns.json", [coffee(id=id_) for id_ in ("a", "b", "new")])
    old = read_change(campaigns=path, without=(), catalog=None).campaigns[:2]
    context = msgspec.structs.replace(danish_shop(), campaigns=old)
    path = written(path, [coffee(id=id_, percentage=0.9) for id_ in ("b", "new")])

    change = read_change(campaigns=path, without=("a",), catalog=None)

    found = {each.id: each.effect.value_micros for each in change.applied(context).campaigns}
    assert {"b": 900_000, "new": 900_000} == found


# --- histories -------------------------------------------------------------------------------


def test_catalogue_when_revisions_follow_then_each_moment_has_its_own() -> None:
    catalogue = Catalogue(history())

    revisions = [catalogue.revision_at(moment) for moment in (99, 100, 199, 200)]

    assert [None, 3, 3, 4] == revisions
    assert [3, 4] == catalogue.revisions_near(150, 50)
    assert [4, 3] == catalogue.revisions_near(210, 50)
    assert [4] == catalogue.revisions_near(999, 50)


def test_catalogue_when_a_product_has_versions_then_that_of_the_revision_and_shop() -> None:
    catalogue = Catalogue(history())

    found = [
        catalogue.product("tea", shop, revision)
        for shop, revision in (("a", 3), ("a", 4), ("b", 3), ("b", 4))
    ]

    assert [0, 1, 2, 2] == found
    assert catalogue.product("milk", "a", 3) is None


def history() -> History:
    """Return a product that changed, which one shop has a copy of."""
    rows = [("", 1, 4), ("", 4, PRESENT), ("b", 2, PRESENT)]
    return History(
        market_id="dk",
        revisions=(3, 4),
        begins_ns=(100, 200),
        versions=tuple(Version("products", "tea", *row, "{}") for row in rows),
        settings=Settings(market=danish_shop().market),
    )


# --- columns ---------------------------------------------------------------------------------


def stored(**fields: object) -> StoredBasket:
    """Return a basket with something of everything."""
    values = {
        "day": "2026-11-22",
        "revision": 7,
        "head": Basket(
            evaluate_time_ns=5,
            shop="aarhus",
            purchase_type="take_away",
            customer=Customer(identifier="C1", groups=("gold",), exempt=True),
            coupons=("SUN",),
            discounts=(
                ManualDiscount(effect=Effect(kind=EffectKind.AMOUNT, value_micros=UNIT), id="1"),
            ),
        ),
        "kept": None,
        "is_inferred": True,
        "has_records": False,
        "sums": Sums(1, 2, 3, 4, 5, 6),
        "record_sums": Sums(-1, -2, -3, -4, -5, -6),
        "given": {CANDY: Given(2, UNIT), MANUALS: Given(1, 7)},
        "record_given": {CANDY: Given(1, -UNIT)},
    } | fields
    return StoredBasket(**values)  # type: ignore[arg-type]  # the values have the types of the fields


def chunk() -> Columns:
    """Return a chunk of two baskets."""
    card: dict[str, object] = {"giftcard": {"code": "1", "integration_id": "cards"}}
    writer = ColumnsWriter()
    tea = BasketLine(id="tea", line_item_id="1", quantity_micros=UNIT, comment="hot", ecom_id="E")
    other = BasketLine(id="tea", line_item_id="2", quantity_micros=UNIT)
    writer.add(stored(), [tea, other, BasketLine(id="card", line_item_id="3", behavior=card)])
    writer.add(stored(kept=Kept.DIFFERS, head=Basket(evaluate_time_ns=9)), [])
    return writer.columns()


def test_columns_when_read_back_then_every_basket_is_as_it_was() -> None:
    read = columns_from_bytes(columns_to_bytes(chunk()))

    first, second = baskets_of(read)
    assert [0, 0, 1] == first.line_numbers.tolist()
    assert stored() == first._replace(line_numbers=stored().line_numbers)
    assert (Kept.DIFFERS, Basket(evaluate_time_ns=9)) == (second.kept, second.head)


def test_columns_when_lines_repeat_then_the_table_has_them_once_without_print() -> None:
    tea, card = lines_of(columns_from_bytes(columns_to_bytes(chunk())))

    assert BasketLine(id="tea") == tea
    assert {"giftcard": {"code": "1", "integration_id": "cards"}} == card.behavior


def test_columns_when_a_customer_has_a_name_then_it_stays_behind() -> None:
    writer = ColumnsWriter()
    customer = Customer(identifier="C1", name="Ann", email="ann@example.org", groups=("gold",))

    writer.add(stored(head=Basket(evaluate_time_ns=1, customer=customer)), [])

    assert (Customer(identifier="C1", groups=("gold",)),) == writer.columns().customers


@pytest.mark.parametrize("data", [b"", b"\x80", columns_to_bytes(chunk())[:-1]])
def test_columns_when_bytes_are_none_then_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="expected a chunk"):
        columns_from_bytes(data)


def test_columns_when_form_is_another_then_refused() -> None:
    other = msgspec.structs.replace(chunk(), form=columns_module.FORM + 1)

    with pytest.raises(InvalidInput, match="gather them anew"):
        columns_from_bytes(columns_to_bytes(other))


def test_kept_columns_when_finished_then_found_for_the_same_baskets_only(tmp_path: Path) -> None:
    kept = KeptColumns(tmp_path / "columns")
    kept.begin(history())
    for number in (1, 0):
        kept.add(Answer(number, 2 + number, Tally(), b"%d" % number))
    assert kept.find(SELECTION) is None

    kept.finish(SELECTION)

    manifest = kept.find(SELECTION)
    assert manifest is not None
    assert [(0, 2, b"0"), (1, 3, b"1")] == [tuple(each)[:3] for each in kept.tasks(manifest)]
    assert history() == kept.history()
    assert kept.find(msgspec.structs.replace(SELECTION, count=4)) is None


def test_kept_columns_when_begun_anew_then_the_old_ones_are_gone(tmp_path: Path) -> None:
    kept = KeptColumns(tmp_path)
    kept.begin(history())
    kept.add(Answer(0, 2, Tally(), b"0"))
    kept.finish(SELECTION)

    kept.begin(history())

    assert (None, ["history.msgpack"]) == (
        kept.find(SELECTION),
        [path.name for path in tmp_path.iterdir()],
    )


# --- results ---------------------------------------------------------------------------------


def tally() -> Tally:
    """Return the sums of three baskets on two days, one of them left as it is."""
    result = Tally(basket_count=3, replayed_count=2, changed_count=1, kept={Kept.DIFFERS: 1})
    result.days = {
        "2026-11-01": Comparison(
            Sums(100 * UNIT, 10 * UNIT, 20 * UNIT, 0, 30 * UNIT, 80 * UNIT),
            Sums(95 * UNIT, 15 * UNIT, 19 * UNIT, 0, 26 * UNIT, 76 * UNIT),
        ),
        "2026-11-02": Comparison(
            Sums(50 * UNIT, 0, 10 * UNIT, 0, 0, 0), Sums(50 * UNIT, 0, 10 * UNIT, 0, 0, 0)
        ),
    }
    result.usages = {
        ("2026-11-01", CANDY): Usage(Used(1, 2, 10 * UNIT), Used(1, 3, 15 * UNIT)),
        ("2026-11-02", SALE_PRICES): Usage(Used(1, 1, UNIT), Used(1, 1, UNIT)),
    }
    return result


def test_tally_when_merged_then_every_count_and_sum_is_added() -> None:
    both = merged([tally(), tally()])

    assert (6, 4, 2, {Kept.DIFFERS: 2}) == (
        both.basket_count,
        both.replayed_count,
        both.changed_count,
        both.kept,
    )
    assert 2 * 145 * UNIT == both.total().after.sub_total
    assert Usage(Used(2, 4, 20 * UNIT), Used(2, 6, 30 * UNIT)) == both.by_source()[CANDY]


def test_tally_when_made_then_shares_nothing_with_another() -> None:
    first, second = Tally(), Tally()

    first.keep(Kept.VOIDED)

    assert {} == second.kept


def test_sums_table_when_there_is_no_sales_tax_then_no_row_of_it() -> None:
    rows = sums_table(SELECTION, tally(), ()).rows

    assert ["retail price", "discounts", "turnover", "of it VAT", "margin"] == [r[0] for r in rows]
    assert ("turnover", 150 * UNIT, 145 * UNIT, -5 * UNIT) == rows[2]


def test_day_table_when_written_as_csv_then_a_row_for_each_day_and_source() -> None:
    data = b"".join(STREAMS[TableFormat.CSV](day_table(SELECTION, tally(), ()))).decode()

    rows = list(csv.DictReader(io.StringIO(data)))

    assert ["candy", ""] == [row["campaign"] for row in rows]
    assert ("10.00", "15.00", "5.00") == tuple(
        rows[0][name] for name in ("discount_before", "discount_after", "difference")
    )


def test_day_table_when_written_as_json_then_numbers_are_exact() -> None:
    facts = tuple(facts_of(SELECTION, tally(), first_day="2026-11-01", last_day="2026-11-02"))

    value = exact(b"".join(STREAMS[TableFormat.JSON](day_table(SELECTION, tally(), facts))))

    assert ("3", "2", "1") == (value["baskets"], value["replayed"], value["changed"])
    assert [5, 0] == [row["difference"] for row in value["rows"]]


def test_page_when_names_have_markup_then_it_is_escaped_and_well_formed() -> None:
    odd = tally()
    odd.usages["2026-11-01", Source(SourceKind.CAMPAIGN, "<script>&")] = Usage(
        Used(1, 1, UNIT), Used()
    )
    made = page(
        SELECTION,
        odd,
        facts=facts_of(SELECTION, odd, first_day="a", last_day="b"),
        notes=notes_of(odd),
        tables=[sums_table(SELECTION, odd, ()), campaign_table(SELECTION, odd)],
    ).decode()

    assert "<script" not in made
    assert ["campaigns", "days"] == [
        svg.attrib["aria-labelledby"] for svg in ElementTree.fromstring(body(made)).iter("svg")
    ]


def body(made: str) -> str:
    """Return the body of a page, which is well-formed XML."""
    start, end = made.index("<body>"), made.index("</html>")
    return made[start:end].strip()


@pytest.mark.parametrize(
    ("value", "most", "expected"),
    [
        (0, 0, ""),
        (8, 8, "+" + BAR_WIDTH * "█"),
        (-4, 8, "-" + BAR_WIDTH // 2 * "█"),
        (1, 8 * BAR_WIDTH, "+▏"),
        (0, 8, ""),
    ],
)
def test_bar_when_drawn_then_its_length_is_the_share_of_the_largest(
    value: int, most: int, expected: str
) -> None:
    assert expected == bar(value, most)


def test_terminal_when_shown_then_sums_campaigns_and_reasons(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = facts_of(SELECTION, tally(), first_day="2026-11-01", last_day="2026-11-02")

    show(
        facts,
        notes_of(tally()),
        sums_table(SELECTION, tally(), ()),
        campaign_table(SELECTION, tally()),
    )

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Account ours, market dk, 2026-11-01 to 2026-11-02" == lines[0]
    assert "3 baskets, 2 evaluated again, 1 changed" == lines[1]
    assert "1 left as stored: what was sent cannot be worked back from what is stored" == lines[2]
    assert "turnover 150.00 145.00 -5.00" in lines
    assert f"candy 1 → 1 2 → 3 10.00 → 15.00 5.00 +{BAR_WIDTH * '█'}" in lines
