"""Tell of sales by the order web hook, and open the receipts behind its links."""

import io
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from pypdf import PdfReader

from server.exports.deliveries.web_hook import _form_of
from server.exports.kinds import ExportKind
from server.exports.order_hook import OrderEvent, OrderHook, with_links
from server.exports.transforms.job import Element, Job, Made, TransformError
from server.exports.transforms.order_hook import receipt_path, transform
from server.storage import Store
from server.storage.checkouts import get_sale
from tests.support.command_line import exact
from tests.support.goldens import ROOT
from tests.support.server import OURS, THEIRS
from tests.support.web_services import LINKS, WebServices, running_web_services

SAMPLE = (ROOT.parent / "support" / "sample_sale.json").read_bytes()
BASE = "https://shop.example"
DAY_NS = 86_400 * 10**9
ON_SQLITE = pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)


@pytest.fixture
async def web(store: Store) -> AsyncIterator[WebServices]:
    """Yield the web services of a shop, once for each kind of database."""
    async with running_web_services(store) as running:
        yield running


def made(*payloads: bytes, kind: ExportKind = ExportKind.SALE, **fields: Any) -> Made:
    """Return what the hook makes of sales."""
    values: dict[str, Any] = {"event": OrderEvent.VALIDATED, "link_base_url": BASE} | fields
    setup: Any = OrderHook(**values)
    setup = with_links(setup, account_id=OURS, link_key=LINKS.key(OURS))
    elements = tuple(Element(str(index), each) for index, each in enumerate(payloads))
    return transform(Job(kind=kind, transform=setup, elements=elements))


def parameters(payload: bytes, **fields: Any) -> Any:
    """Return the parameters of the call about a sale, with exact numbers."""
    body = made(payload, **fields).body
    assert body is not None
    return exact(body)


# --- parameters ------------------------------------------------------------------------------


def test_hook_when_a_sale_is_told_of_then_has_every_parameter_of_the_reference() -> None:
    told = parameters(SAMPLE)

    assert [
        "type",
        "orderID",
        "orderInternalID",
        "price",
        "clientID",
        "customer",
        "cashBoxID",
        "deliveryMethod",
        "PDFinvoice",
        "items",
        "VATs",
        "VAT",
        "isRefund",
    ] == [*told]
    assert ("validated", "1", "DBC5D956-6945-414C-B872-90137F113CD8") == (
        told["type"],
        told["orderID"],
        told["orderInternalID"],
    )
    assert (Decimal("3810.05"), "C2FD043D-4719-4A69-BBFD-5DDFF0EFB8DC", False) == (
        told["price"],
        told["cashBoxID"],
        told["isRefund"],
    )
    assert Decimal("762.01") == told["VAT"]
    assert [{"rate": Decimal("0.25"), "net": Decimal("3048.04"), "amount": Decimal("762.01")}] == (
        told["VATs"]
    )
    first = told["items"][0]
    assert ("1048", "1053", Decimal(2), Decimal("3590.00")) == tuple(
        first[name] for name in ("id", "variantID", "quantity", "total")
    )


def test_hook_when_set_up_for_the_end_then_says_terminated() -> None:
    assert "terminated" == parameters(SAMPLE, event=OrderEvent.TERMINATED)["type"]


def test_hook_when_sent_as_a_form_then_every_parameter_is_a_field() -> None:
    body = made(SAMPLE).body
    assert body is not None

    fields = parse_qs(_form_of(body).decode(), keep_blank_values=True, strict_parsing=True)

    assert (["3810.05"], ["false"], [""]) == (
        fields["price"],
        fields["isRefund"],
        fields["clientID"],
    )
    assert "1048" == exact(fields["items"][0])[0]["id"]


def test_hook_when_made_again_then_is_the_same() -> None:
    assert made(SAMPLE) == made(SAMPLE)


@pytest.mark.parametrize("fields", [{"link_base_url": ""}])
def test_hook_when_there_is_no_address_then_has_no_link(fields: dict[str, Any]) -> None:
    assert "" == parameters(SAMPLE, **fields)["PDFinvoice"]


def test_hook_when_the_sale_was_voided_then_nothing_is_told() -> None:
    document = msgspec.json.decode(SAMPLE)
    voided = msgspec.json.encode(document | {"voided": True})

    assert made(voided).body is None


@pytest.mark.parametrize(
    ("payloads", "kind", "message"),
    [
        ((SAMPLE, SAMPLE), ExportKind.SALE, "expected one sale for each call, was 2"),
        ((SAMPLE,), ExportKind.CHECKOUT, "expected sales for an order hook, was checkouts"),
        ((b"{}",), ExportKind.SALE, "element 0: "),
    ],
)
def test_hook_when_it_cannot_be_told_then_says_what_to_mend(
    payloads: tuple[bytes, ...], kind: ExportKind, message: str
) -> None:
    with pytest.raises(TransformError, match=message):
        made(*payloads, kind=kind)


def test_hook_when_stored_then_has_no_key() -> None:
    setup = OrderHook(event=OrderEvent.VALIDATED, link_base_url=BASE)

    assert {"type": "order_hook", "event": "validated", "link_base_url": BASE} == (
        msgspec.json.decode(msgspec.json.encode(setup))
    )


# --- links -----------------------------------------------------------------------------------


async def payload_of(web: WebServices, sale_id: str) -> bytes:
    """Return a sale as it is exported."""
    row = await web.site.served.store.read(partial(get_sale, account_id=OURS, sale_id=sale_id))
    return bytes(row["document"])


async def test_hook_when_its_link_is_opened_then_is_the_receipt(web: WebServices) -> None:
    answer = await web.post(itemsList=["lamp_2"], deliveryMethod=6, idClient="c-1")

    told = parameters(await payload_of(web, answer["id"]))

    link = told["PDFinvoice"].removeprefix(BASE)
    assert answer["PDFinvoice"] == link
    assert ("6", "c-1", "=1+1 Aps") == (
        told["deliveryMethod"],
        told["clientID"],
        told["customer"]["name"],
    )
    async with web.site.session.get(f"{link}&language=da") as response:
        body = await response.read()
        assert (200, "application/pdf", "no-store") == (
            response.status,
            response.content_type,
            response.headers["cache-control"],
        )
    text = PdfReader(io.BytesIO(body)).pages[0].extract_text()
    assert "3.590,00" in text


@ON_SQLITE
async def test_receipt_when_the_link_is_not_as_it_was_signed_then_is_refused(
    web: WebServices,
) -> None:
    answer = await web.post(itemsList=["lamp_2"])
    path = receipt_path(answer["id"])
    good = answer["PDFinvoice"]
    later = good.replace("expires=1", "expires=2")
    now_ns = web.site.served.clock()
    stranger = LINKS.sign(path, account_id=THEIRS, expires_ns=now_ns + DAY_NS)
    missing = LINKS.sign(receipt_path("ghost"), account_id=OURS, expires_ns=now_ns + DAY_NS)

    found = []
    for link in (path, good[:-1], later, good.replace("ours", "theirs"), stranger, missing):
        async with web.site.session.get(link) as response:
            found.append((response.status, response.headers["cache-control"]))

    # Whose sale it is, nobody learns.
    assert [(status, "no-store") for status in (403, 403, 403, 403, 404, 404)] == found


@ON_SQLITE
async def test_receipt_when_the_link_has_expired_then_is_refused(web: WebServices) -> None:
    answer = await web.post(itemsList=["lamp_2"])
    web.site.served.clock.now_ns += 90 * DAY_NS

    async with web.site.session.get(answer["PDFinvoice"]) as response:
        assert 403 == response.status
        assert "has not expired" in await response.text()
