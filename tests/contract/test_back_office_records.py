"""Look at sales, register closes and exports on the pages of the back office."""

import io
from collections.abc import AsyncIterator

import pytest
from pypdf import PdfReader

from server.exports.outcome import Failure
from server.storage import Store
from server.storage.exports import QueueName
from tests.support.back_office import TILL, Office, close_till, open_office, sell
from tests.support.export_queues import a_result, queue, record_results
from tests.support.server import OURS
from tillcore.v1 import (
    export_delivery_pb2,
    export_log_pb2,
    export_queue_pb2,
    export_transform_pb2,
    stock_pb2,
    stock_service_pb2,
)

pytestmark = pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)

EVIL = "<script>alert(1)</script>"
SECRET = "nightingale-4711"
FOLDER = export_delivery_pb2.ExportDelivery(
    folder=export_delivery_pb2.ExportFolder(directory="out")
)


@pytest.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    """Yield a back office."""
    async with open_office(store) as opened:
        yield opened


# --- sales and closes ------------------------------------------------------------------------


async def test_sale_when_shown_then_discount_and_why(office: Office) -> None:
    sale_id = await sell(office)
    async with office.visitor(office.served.owner.key) as visitor:
        listed = await visitor.get("sales", shop_id="aarhus", register_id=TILL)
        shown = await visitor.get("sales/sale", id=sale_id)
        home = await visitor.get("")

    assert "2,872.00\xa0DKK" in listed.html.text
    assert "2,872.00\xa0DKK" in home.html.text
    text = " ".join(shown.html.text.split())
    for expected in (
        "Two lamps: 20% off, by the campaign two-lamps.",
        "Applied to the whole line Lamp. Set off by the whole line Lamp (it takes 2).",
        "-718.00",
        "Card (external)",
    ):
        assert expected in text


async def test_sales_when_language_is_danish_then_amounts_are_too(office: Office) -> None:
    await sell(office)
    async with office.visitor(office.served.owner.key) as visitor:
        await visitor.post("language", language="da")
        listed = await visitor.get("sales")

    assert "2.872,00\xa0DKK" in listed.html.text


async def test_sales_when_day_is_none_then_bad_request(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        for day in ("x", "2026-13-01", "9999-12-31", EVIL):
            page = await visitor.get("sales", date=day)
            assert 400 == page.status
            assert 1 == len(page.html.every("script"))
        assert 200 == (await visitor.get("sales", date="0001-01-01")).status


async def test_receipt_when_asked_then_sandboxed_page_or_pdf(office: Office) -> None:
    sale_id = await sell(office)
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.get("sales/receipt", id=sale_id)
        session = visitor.session
        path = f"/back-office/sales/receipt?format=pdf&id={sale_id}"
        async with session.get(path) as answer:
            reader = PdfReader(io.BytesIO(await answer.read()))
            disposition = answer.headers["content-disposition"]

    assert page.headers["content-security-policy"].startswith("sandbox;")
    assert "Two lamps" in page.html.text
    assert 1 == len(reader.pages)
    assert 'attachment; filename="receipt-till-1-1.pdf"' == disposition


async def test_close_when_shown_then_all_numbers_and_charts_with_tables(office: Office) -> None:
    await sell(office)
    await close_till(office)
    async with office.visitor(office.served.owner.key) as visitor:
        listed = await visitor.get("closes", shop_id="aarhus")
        shown = await visitor.get("closes/close", register_id=TILL, number=1)
        report = await visitor.get("closes/report", register_id=TILL, number=1)
        wrong = [await visitor.get("closes/close", register_id=TILL, number=n) for n in (2, "x")]

    html = shown.html
    assert f"/back-office/closes/close?register_id={TILL}&number=1" in [
        each.get("href") for each in listed.html.every("a")
    ]
    assert 3 == len(html.every("svg"))
    assert len(html.every("rect")) >= 3
    titles = ("Sales per hour", "Sales per product group", "Payments", "Reconciliation")
    assert [] == [each for each in titles if each not in html.text]
    assert "--expect-head" in html.text
    assert "Z report 1" in report.html.text
    assert [404, 404] == [each.status for each in wrong]


async def test_stock_and_orders_when_listed_then_levels(office: Office) -> None:
    item = stock_pb2.StockItem(product_id="lamp")
    quantity = stock_pb2.StockQuantity(item=item, quantity_micros=-2_500_000)
    await office.call(
        stock_service_pb2.SetStockRequest(
            request_id="r", stock_location_id="aarhus", quantities=[quantity]
        )
    )
    async with office.visitor(office.served.owner.key) as visitor:
        stock = await visitor.get("stock")
        orders = [
            await visitor.get("orders", direction=name) for name in ("", "ORDER_DIRECTION_OUTGOING")
        ]
        logs = [await visitor.get(path) for path in ("imports", "imports/log", "exports/log")]

    assert "-2.5" in stock.html.text
    assert {200} == {each.status for each in (*orders, *logs)}


# --- export queues ---------------------------------------------------------------------------

HOOK = {
    "id": "erp",
    "name": EVIL,
    "kind": "EXPORT_KIND_SALE",
    "trigger": "real_time",
    "transform": "simple_json",
    "transform.simple_json.members": "total: {summary.total}\nno: #{sequence_number}",
    "delivery": "web_hook",
    "delivery.web_hook.url": "https://127.0.0.1/hook",
    "delivery.web_hook.headers": "X-Shop: aarhus",
    "secrets": f"header:X-Key = {SECRET}",
}

SFTP = {
    "secrets": "",
    "delivery": "sftp",
    "delivery.sftp.host": "sftp.example.com",
    "delivery.sftp.username": "till",
    "delivery.sftp.host_key": "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIGpKSWEDDUcAyEpPcWGx2wXMhNSCOO6ZsKZcUXWsTpWV",
}


async def test_queue_when_made_and_edited_then_secrets_stay_and_are_never_shown(
    office: Office,
) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        made = await visitor.post("exports/edit", **HOOK)
        form = await visitor.get("exports/edit", id="erp")
        edited = HOOK | {"name": "New", "secrets": "", "revision": form.html.value("revision")}
        saved = await visitor.post("exports/edit", query={"id": "erp"}, **edited)
        pages = [form, await visitor.get("exports"), await visitor.get("exports/queue", id="erp")]

    stored = await office.call(export_queue_pb2.GetExportQueueRequest(queue_id="erp"))
    assert (303, 303) == (made.status, saved.status)
    assert ("New", ["header:X-Key"]) == (stored.queue.name, list(stored.queue.secret_names))
    members = stored.queue.transform.simple_json.members
    assert [("total", "{summary.total}"), ("no", "#{sequence_number}")] == [
        (each.name, each.template) for each in members
    ]
    assert [] == [each for each in pages if SECRET in each.text]
    assert {1} == {len(each.html.every("script")) for each in pages}


async def test_queue_when_bad_then_field_is_named_and_secret_not_repeated(office: Office) -> None:
    bad = HOOK | {"delivery.web_hook.url": "http://10.0.0.1/", "secrets": SECRET}
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.post("exports/edit", **bad)
        address = await visitor.post("exports/edit", **bad | {"secrets": ""})
        csv = {"transform": "csv", "transform.csv": '{"columnz": 1}'}
        table = await visitor.post("exports/edit", **HOOK | csv)
        sftp = await visitor.post("exports/edit", **HOOK | SFTP)
        typed = {"secret.email.password": "other", "secret.sftp.password": SECRET}
        good = await visitor.post("exports/edit", **HOOK | SFTP | typed)

    stored = await office.call(export_queue_pb2.GetExportQueueRequest(queue_id="erp"))
    assert [400] * 4 == [each.status for each in (page, address, table, sftp)]
    assert "#f-secrets-sftp-password" in sftp.text
    assert 'id="f-secrets-sftp-password"' in sftp.text
    assert (303, ["password"]) == (good.status, list(stored.queue.secret_names))
    assert SECRET not in page.text
    assert "#f-delivery-web-hook-url" in address.text
    assert "columnz" in table.html.text


async def test_queue_when_acted_upon_then_paused_resumed_and_removed(office: Office) -> None:
    await office.call(export_queue_pb2.CreateExportQueueRequest(queue=queue(delivery=FOLDER)))
    await sell(office)
    async with office.visitor(office.served.owner.key) as visitor:
        paused = await visitor.post("exports/pause", query={"id": "erp"})
        shown = await visitor.get("exports/queue", id="erp", done="pause")
        resumed = await visitor.post("exports/resume", query={"id": "erp"})
        ran = await visitor.post("exports/run", query={"id": "erp"})
        kept = await visitor.post("exports/delete", query={"id": "erp"})
        gone = await visitor.post("exports/delete", query={"id": "erp"}, drop_waiting="1")

    assert [303, 303, 409, 409, 303] == [e.status for e in (paused, resumed, ran, kept, gone)]
    assert "The queue is paused." in shown.html.text


async def test_log_when_a_delivery_failed_then_words_of_the_endpoint_and_send_again(
    office: Office,
) -> None:
    await office.call(export_queue_pb2.CreateExportQueueRequest(queue=queue(delivery=FOLDER)))
    sale_id = await sell(office)
    failed = a_result(QueueName(OURS, "erp"), 1, sale_id, Failure.REFUSED)._replace(
        error=EVIL, response=EVIL
    )
    await office.served.store.write(lambda connection: record_results(connection, failed))
    async with office.visitor(office.served.owner.key) as visitor:
        log = await visitor.get("exports/log", queue_id="erp", outcome="EXPORT_OUTCOME_FAILED")
        entry = await visitor.get("exports/entry", queue_id="erp", number=1)
        chosen = await visitor.post("exports/retry", queue_id="erp", number=1, back="entry")
        again = await visitor.post("exports/retry", queue_id="erp", number=1)
        later = failed._replace(generation=1)
        await office.served.store.write(lambda connection: record_results(connection, later))
        every = await visitor.post(
            "exports/retry", queue_id="erp", all=1, state="EXPORT_ENTRY_STATE_FAILED"
        )
        none = await visitor.get("exports/entry", queue_id="erp", number=99)

    assert sale_id in log.html.text
    assert sale_id in entry.html.text
    assert entry.html.text.count(EVIL) >= 2
    assert "done=retried" in chosen.location
    assert "done=retried_none" in again.location
    assert 303 == every.status
    assert 404 == none.status
    assert {1} == {len(each.html.every("script")) for each in (log, entry)}
    found = await office.call(export_log_pb2.GetExportEntryRequest(queue_id="erp", entry_number=1))
    assert found.entry.generation >= 1


async def test_preview_when_template_makes_a_page_then_only_in_a_sandbox(office: Office) -> None:
    template = export_transform_pb2.ExportTemplate(
        template=f"{EVIL}{{{{#elements}}}}{{{{key}}}}{{{{/elements}}}}",
        content_type="text/html; charset=utf-8",
    )
    transform = export_transform_pb2.ExportTransform(mustache=template)
    made = queue(delivery=FOLDER, transform=transform)
    await office.call(export_queue_pb2.CreateExportQueueRequest(queue=made))
    sale_id = await sell(office)
    query = {"id": "erp", "sale_id": sale_id}
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.get("exports/preview", **query)
        content = await visitor.get("exports/preview/content", **query)
        missing = await visitor.get("exports/preview", id="erp", sale_id="none")

    (frame,) = page.html.every("iframe")
    assert "sandbox" in frame
    assert "" == (frame["sandbox"] or "")
    assert 1 == len(page.html.every("script"))
    assert content.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert sale_id in content.text
    assert 400 == missing.status


async def test_preview_when_text_or_pdf_then_shown_or_downloaded(office: Office) -> None:
    report = export_transform_pb2.ExportReport(
        format=export_transform_pb2.EXPORT_REPORT_FORMAT_PDF, language="da"
    )
    transform = export_transform_pb2.ExportTransform(report=report)
    for queue_id, fields in (("json", {}), ("pdf", {"transform": transform})):
        made = queue(queue_id, delivery=FOLDER, **fields)
        await office.call(export_queue_pb2.CreateExportQueueRequest(queue=made))
    sale_id = await sell(office)
    async with office.visitor(office.served.owner.key) as visitor:
        json = await visitor.get("exports/preview", id="json", sale_id=sale_id)
        pdf = await visitor.get("exports/preview", id="pdf", sale_id=sale_id)
        content = await visitor.get("exports/preview/content", id="pdf", sale_id=sale_id)

    assert sale_id in json.html.text
    assert "Download" in pdf.html.text
    assert content.text.startswith("%PDF")
    assert "attachment" in content.headers["content-disposition"]
