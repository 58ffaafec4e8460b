"""Render receipts as HTML and PDF, and read both back: every name, and the right numbers."""

import io
from decimal import Decimal

import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from engine.model import Checkout, CheckoutSale, Customer, Product
from engine.records.sales import read_sale
from engine.render_sale import checkout_json, sale_json
from engine.strict_json import decode
from server.exports.kinds import ExportKind
from server.exports.queue import ReportFormat
from server.exports.transforms.job import TransformError
from tests.support.goldens import ROOT
from tests.support.reports import (
    BOTH,
    HTML,
    PDF,
    SAMPLE,
    Page,
    body,
    exact,
    made,
    named,
    pdf_text,
    shown,
    squeezed,
)
from tests.support.sales import CITY, FOOD, MOMS, STATE, UNIT, line, paid, sale

GOLDEN = ROOT / "reports" / "receipt_da.html"
TIMES = "\N{MULTIPLICATION SIGN}"


def test_receipt_when_sample_sale_then_html_as_golden() -> None:
    # Its numbers are those of the reference's sample, whose lines, taxes and payments add up.
    content = body(SAMPLE, language="da")

    assert GOLDEN.read_text("utf-8") == content.decode()


AMOUNTS = [
    "3590.00",
    "1795.00",
    "179.00",
    "-8.95",
    "50.00",
    "3810.05",
    "500.00",
    "3310.00",
    "0.05",
    "3048.04",
    "762.01",
]
RECEIPTS = [
    ("en", ".", ",", "Receipt Item Subtotal Total Discount Payments Cash Card VAT no."),
    ("da", ",", ".", "Kvittering Vare Subtotal I alt Rabat Betaling Kontant Kort Momsnr."),
    ("de", ",", ".", "Beleg Artikel Zwischensumme Summe Rabatt Zahlung Bar Karte USt-IdNr."),
    ("sv", ",", "", "Kvitto Artikel Delsumma Totalt Rabatt Betalning Kontant Kort Momsreg.nr"),
    ("nb", ",", "", "Kvittering Vare Delsum Totalt Rabatt Betaling Kontant Kort Org.nr"),
    ("no", ",", "", "Kvittering Vare Delsum Totalt Rabatt Betaling Kontant Kort Org.nr"),
    ("da-DK", ",", ".", "Kvittering Vare Subtotal I alt Rabat Betaling Kontant Kort Momsnr."),
    ("fr", ",", "", "Receipt Item Subtotal Total Discount Payments Cash Card VAT no."),
    ("", ".", ",", "Receipt Item Subtotal Total Discount Payments Cash Card VAT no."),
    ("../x", ".", ",", "Receipt Item Subtotal Total Discount Payments Cash Card VAT no."),
]


@BOTH
@pytest.mark.parametrize(("language", "point", "comma", "labels"), RECEIPTS)
def test_receipt_when_in_a_language_then_has_its_words_and_every_amount(
    language: str, point: str, comma: str, labels: str, report_format: ReportFormat
) -> None:
    text = shown(SAMPLE, report_format, language)

    amounts = [f"{Decimal(each):,}" for each in AMOUNTS]
    swapped = str.maketrans({".": point, ",": comma})
    expected = [each.translate(swapped) for each in amounts]
    expected += [squeezed(each) for each in labels.split() if each not in ("I", "no.")]
    expected += ["AsicsDameAllover", "Asteroids", "Color:Orange", "Size:M", "5%"]
    expected += ["Katrinebjergvej115", "8200Aarhus", "Danmark", "38683829", "Takforhandlen!"]
    expected += ["Varerombyttesikke.", "iPadPro(9.7-inch)", "USC", "2019"]
    expected += ["DBC5D956-6945-414C-B872-90137F113CD8", "C2FD043D-4719-4A69-BBFD-5DDFF0EFB8DC"]
    assert [] == [each for each in expected if each not in text]


@pytest.mark.parametrize(
    ("language", "name"),
    [("", "Ambience Bordlampe"), ("da", "Ambience Bordlampe"), ("de", "Ambience Table lamp")],
)
def test_receipt_when_name_is_localized_then_in_the_language_or_its_fallback(
    language: str, name: str
) -> None:
    assert squeezed(name) in shown(SAMPLE, HTML, language)


def test_receipt_when_read_back_then_sums_are_those_of_the_sale() -> None:
    lines, totals, payments, taxes = Page(body(SAMPLE)).tables
    expected = read_sale(decode(SAMPLE)).summary

    def micros(rows: list[list[str]], column: int = 1) -> int:
        return int(sum(exact(row[column]) for row in rows if row[column]) * UNIT)

    assert expected.sub_total_micros == micros(lines[1:])
    assert expected.total_micros == micros(totals[1:2])
    assert expected.total_micros == micros(payments[1:])
    assert expected.base_price_micros == micros(taxes[1:], 1)
    assert expected.total_tax_amount_micros == micros(taxes[1:], 2)
    assert expected.sub_total_micros == micros(taxes[1:], 3)


@BOTH
def test_receipt_when_a_return_then_says_so_and_amounts_are_negative(
    report_format: ReportFormat,
) -> None:
    back = sale(
        [line(-100, (MOMS, -25), quantity_micros=-UNIT, discount=-10)],
        is_return=True,
        return_reference="sale-7",
    )

    text = shown(sale_json(back), report_format)

    expected = ["Returnreceipt", "Returnofsalesale-7", "-1", "Discount0.10", "TotalDKK-1.25"]
    assert [] == [each for each in expected if each not in text]


@BOTH
def test_receipt_when_voided_then_warns(report_format: ReportFormat) -> None:
    text = shown(sale_json(sale([line(100)], voided=True)), report_format)

    assert squeezed("Voided: this sale was not completed") in text


@BOTH
def test_receipt_when_paid_in_foreign_currency_then_has_amount_and_rate(
    report_format: ReportFormat,
) -> None:
    payments = [
        replace(paid("cash", 74_600, ("EUR", 10_000)), exchange_rate_micros=7_460_000),
        replace(paid("cash", 500, ("JPY", 10_000)), foreign_currency_amount_micros=1500 * UNIT),
        paid("cash.cashback", -100),
    ]

    text = shown(sale_json(sale([line(75_000)], payments)), report_format)

    expected = ["Cash746.00", "EUR100.00,rate7.46", "100.00EUR,rate7.46", "1,500JPY", "Change-1.00"]
    assert ["EUR100.00,rate7.46"] == [each for each in expected if each not in text]
    assert "0.05" not in text


@BOTH
def test_receipt_when_taxes_are_on_top_then_has_them_and_no_gross(
    report_format: ReportFormat,
) -> None:
    taxed = [line(10_000, (STATE, 400), (CITY, 450)), line(500)]

    text = shown(sale_json(sale(taxed, currency="USD")), report_format)

    expected = ["Subtotal105.00", "Salestax8.50", "TotalUSD113.50", "Notax5.000.00"]
    expected += ["State4%100.004.00", "City4.5%100.004.50"]
    assert [] == [each for each in expected if each not in text]
    assert "Gross" not in text


@BOTH
def test_receipt_when_lines_have_more_to_say_then_says_it_below(
    report_format: ReportFormat,
) -> None:
    card = {"code": "1234567890", "integration_id": "i"}
    deposit = dict.fromkeys(("product_id", "tag", "rule_id", "parent_line_item_id"), "x")
    things = [
        replace(line(100), product=None, behavior={"giftcard": card}),
        replace(
            line(50), behavior={"shipping": {"address": {"street": "Vej 1"}}}, ecom_id="order-1"
        ),
        replace(line(10), behavior={"container_deposit": deposit}),
        replace(line(112), quantity_micros=2_500_000, unit="kg", comment="fresh"),
        replace(line(30), unit_count_micros=3 * UNIT),
        replace(line(10), quantity_micros=3 * UNIT),
    ]
    customer = Customer(
        identifier="b2b", name="Firm", postal_code="8000", city="Aarhus", organization_number="99"
    )
    part = CheckoutSale(
        identifier="s",
        sequence_number=8,
        basket=sale(things, customer=customer, comment="a gift").summary,
        fiscal_rules_data={"signature": "QUJD", "parts": [{"n": True}]},
    )
    whole = sale([])
    checkout = checkout_json(
        Checkout(
            identifier="c-1",
            base_currency_code="DKK",
            source=whole.source,
            timing=whole.timing,
            sales=(part,),
            payments=(paid("mobilepay.integration", 312),),
        )
    )

    text = shown(checkout, report_format, kind=ExportKind.CHECKOUT)

    expected = ["Giftcard…7890", "Shipping", "Vej1", "Onlineorderorder-1", "Deposit"]
    expected += [f"2.5kg{TIMES}0.448", "fresh", f"3{TIMES}0.10", "Firm", "8000Aarhus"]
    expected += ["Org.no.99", "b2b"]
    expected += ["agift", "Fiscaldata,signatureQUJD", "Fiscaldata,parts,ntrue", "MobilePay3.12"]
    expected += ["Checkoutc-1", "Receiptno.8"]
    assert [] == [each for each in expected if each not in text]
    assert "1234567890" not in text


HOSTILE = [
    '#panic() #read("/etc/passwd") $x^2$ *bold* _it_ `raw` @ref <label> \\ // /* = h - l + e',
    "<script>alert(1)</script><img src=x onerror=y> &amp; {{ 7 * 7 }} {% raw %} \"'",
    "\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645",
    "Ωμέγα Жук Łódź Øl ğüş €",
]


@BOTH
@pytest.mark.parametrize("name", HOSTILE[:2] + HOSTILE[3:])
def test_receipt_when_name_is_markup_then_it_is_text(
    name: str, report_format: ReportFormat
) -> None:
    text = shown(sale_json(named(name)), report_format)

    assert squeezed(name) in text


@pytest.mark.parametrize("name", HOSTILE)
def test_receipt_when_name_is_markup_then_html_has_no_other_elements(name: str) -> None:
    plain = Page(body(sale_json(named("Lamp"))))

    page = Page(body(sale_json(named(name))))

    assert plain.tags == page.tags


@BOTH
@pytest.mark.parametrize(
    ("name", "expected"),
    [("a\x07b\x9bc", "a\ufffdb\ufffdc"), ("\u202egnp.exe\u2066", "\ufffdgnp.exe\ufffd")],
)
def test_receipt_when_name_has_characters_that_command_then_they_are_replaced(
    name: str, expected: str, report_format: ReportFormat
) -> None:
    text = shown(sale_json(named(name)), report_format)

    assert expected in text


@pytest.mark.parametrize("name", ["日本語 ไทย 한국어", "\ue000", "😀", HOSTILE[2], "x" * 10_000])
def test_pdf_when_a_font_may_lack_a_character_then_is_made_all_the_same(name: str) -> None:
    content = body(sale_json(named(name)), PDF)

    assert "TotalDKK1.25" in pdf_text(content)


@BOTH
def test_receipt_when_one_name_is_a_megabyte_then_refused_with_the_field(
    report_format: ReportFormat,
) -> None:
    payload = sale_json(named("y" * 2**20))

    with pytest.raises(TransformError, match=r"element one: .*name: expected at most 10000"):
        made(payload, report_format)


@BOTH
def test_receipt_when_sale_has_300_lines_then_has_them_all_on_one_page(
    report_format: ReportFormat,
) -> None:
    things = [
        replace(line(100 + i), product=Product(id=str(i), name=f"Thing {i}.")) for i in range(300)
    ]

    content = body(sale_json(sale(things)), report_format)

    text = pdf_text(content) if report_format is PDF else squeezed("".join(Page(content).texts))
    rows = [f"Thing{i}.{Decimal(100 + i) / 100:.2f}" for i in range(300)]
    assert [] == [each for each in rows if each not in text]
    assert "TotalDKK748.50" in text
    if report_format is PDF:
        assert 1 == len(PdfReader(io.BytesIO(content)).pages)


def test_pdf_when_receipt_is_longer_than_a_page_may_be_then_is_cut_into_pages() -> None:
    content = body(sale_json(sale([line(100)] * 1_100)), PDF)

    pages = PdfReader(io.BytesIO(content)).pages
    assert len(pages) > 1
    # 297 mm in points.
    assert {841} == {int(page.mediabox.height) for page in pages}


FOOD_SALE = sale([line(10_000, (FOOD, 1200))])


@pytest.mark.parametrize(("language", "name"), [("da", "Fødevarer12%"), ("en", "Food12%")])
def test_receipt_when_tax_has_a_localized_name_then_in_the_language(
    language: str, name: str
) -> None:
    assert name in shown(sale_json(FOOD_SALE), HTML, language)
