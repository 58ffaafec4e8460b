"""Call RenderReceipt, RenderRegisterTotals and RenderRegisterClose, and read what they render."""

import io
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import structlog
from pypdf import PdfReader

from engine.rpc.calls import Calls
from engine.rpc.server import new_server
from server.auth import Scope, required_scopes
from server.exports.sandbox import sandbox
from server.exports.sandbox_child import Limits
from server.registers.recomputing import recomputing
from server.rpc import report_methods
from server.rpc.checkout_service import CheckoutService
from server.rpc.register_service import RegisterService
from server.rpc.report_methods import CloseReportMethods, ReceiptMethods, Transforming
from server.storage import Store
from tests.support.checkouts import THEIRS, Clock, FixedPlans, let_in
from tests.support.core_server import danish_shop
from tests.support.reports import Page, pdf_text, squeezed
from tests.support.server import JOURNAL_KEY
from tests.support.statuses import problems
from tests.support.tills import FAR_TILL, TILL, Tills, add_tills, kinds, totals
from tillcore.v1 import report_pb2

HTML, PDF = report_pb2.REPORT_FORMAT_HTML, report_pb2.REPORT_FORMAT_PDF


@asynccontextmanager
async def reporting_tills(store: Store, transforms: Transforming) -> AsyncIterator[Tills]:
    """Yield running services that render, with an open register that has sold a lamp."""
    clock, plans = Clock(), FixedPlans(danish_shop())
    log = structlog.get_logger().bind()
    await store.write(partial(add_tills, plans=plans))
    with ThreadPoolExecutor(2) as executor:
        async with recomputing(store, JOURNAL_KEY, clock=clock, log=log) as recomputations:
            server = new_server()
            calls = Calls(log, gate=let_in)
            registers = RegisterService(
                store,
                JOURNAL_KEY,
                recomputations,
                clock=clock,
                reports=CloseReportMethods(store, transforms),
            )
            checkouts = CheckoutService(
                store,
                plans,
                JOURNAL_KEY,
                clock=clock,
                executor=executor,
                receipts=ReceiptMethods(store, transforms),
            )
            handlers = (registers.handler(calls), checkouts.handler(calls))
            server.add_generic_rpc_handlers(handlers)
            target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            try:
                async with grpc.aio.insecure_channel(target) as channel:
                    tills = Tills(store, channel, clock, recomputations)
                    await tills.open()
                    yield tills
            finally:
                await server.stop(None)


@pytest.fixture
async def tills(store: Store) -> AsyncIterator[Tills]:
    """Yield running services that render, once for each kind of database."""
    async with (
        sandbox(worker_count=1) as transforms,
        reporting_tills(store, transforms) as running,
    ):
        yield running


def receipt_of(sale_id: str, **fields: Any) -> report_pb2.RenderReceiptRequest:
    """Return a request for the receipt of a sale, as HTML unless told otherwise."""
    return report_pb2.RenderReceiptRequest(sale_id=sale_id, **{"format": HTML} | fields)


def close_of(register_id: str = TILL, **fields: Any) -> report_pb2.RenderRegisterCloseRequest:
    """Return a request for the first Z report of a register, as HTML unless told otherwise."""
    values: dict[str, Any] = {"sequence_number": 1, "format": HTML} | fields
    return report_pb2.RenderRegisterCloseRequest(register_id=register_id, **values)


async def sold(tills: Tills, count: int = 1) -> str:
    """Sell lamps and return the id of the sale."""
    return str((await tills.sell(count=count)).sales[0].identifier)


async def test_render_receipt_when_html_then_has_the_sale(tills: Tills) -> None:
    sale_id = await sold(tills, 2)

    report = (await tills.call(receipt_of(sale_id, language="da"))).report

    text = squeezed("".join(Page(report.content).texts))
    assert "text/html; charset=utf-8" == report.content_type
    assert "receipt-till-1-1.html" == report.file_name
    expected = ["Kvittering", "Hello", "Momsnr.38683829", "IaltDKK3.590,00", "Ekspedientusc"]
    assert [] == [each for each in [*expected, squeezed(sale_id)] if each not in text]


async def test_render_receipt_when_pdf_then_has_the_same_texts(tills: Tills) -> None:
    sale_id = await sold(tills)

    page = Page((await tills.call(receipt_of(sale_id))).report.content)
    report = (await tills.call(receipt_of(sale_id, format=PDF))).report

    text = pdf_text(report.content)
    assert ("application/pdf", "receipt-till-1-1.pdf") == (report.content_type, report.file_name)
    assert [] == [each for each in page.texts if squeezed(each) not in text]


async def test_render_register_close_when_closed_then_has_the_statement(tills: Tills) -> None:
    await sold(tills, 3)
    statement = (await tills.close()).statement

    html = (await tills.call(close_of())).report
    pdf = (await tills.call(close_of(format=PDF, language="nb"))).report

    text = squeezed("".join(Page(html.content).texts))
    expected = ["Zreport1", "Total5,385.000.000.005,385.00", "Cash,DKK100.00100.000.00"]
    expected += [statement.journal.hash, statement.register_summary.id]
    assert [] == [each for each in expected if each not in text]
    assert "z-report-till-1-1.html" == html.file_name
    assert "z-report-till-1-1.pdf" == pdf.file_name
    assert "Z-rapport1" in pdf_text(pdf.content)
    assert 1 <= len(PdfReader(io.BytesIO(pdf.content)).pages) <= 2


BAD: list[tuple[Any, str]] = [
    (report_pb2.RenderReceiptRequest(format=HTML), "sale_id"),
    (report_pb2.RenderReceiptRequest(sale_id="s"), "format"),
    (receipt_of("s", format=99), "format"),
    (receipt_of("s", language="x" * 10_001), "language"),
    (close_of(""), "register_id"),
    (close_of(format=0), "format"),
]


async def test_render_when_a_field_is_bad_then_refused(tills: Tills) -> None:
    errors = [await tills.refused(request) for request, _ in BAD]

    assert {grpc.StatusCode.INVALID_ARGUMENT} == {each.code() for each in errors}
    named = [[field for field, _ in problems(each)] for each in errors]
    assert [[field] for _, field in BAD] == named


async def test_render_when_id_is_of_another_account_then_not_found(tills: Tills) -> None:
    sale_id = await sold(tills)
    await tills.close()
    requests = (receipt_of(sale_id), receipt_of("none"), close_of(), close_of(sequence_number=2))

    errors = [await tills.refused(requests[0], account_id=THEIRS)]
    errors.append(await tills.refused(requests[1]))
    errors.append(await tills.refused(requests[2], account_id=THEIRS))
    errors.append(await tills.refused(requests[3]))

    assert [grpc.StatusCode.NOT_FOUND] * 4 == [each.code() for each in errors]


async def test_render_register_close_when_device_of_another_register_then_denied(
    tills: Tills,
) -> None:
    await tills.close()

    error = await tills.refused(close_of(), device=FAR_TILL)

    assert grpc.StatusCode.PERMISSION_DENIED == error.code()


async def test_render_when_beyond_its_limits_then_failed_precondition(store: Store) -> None:
    async with (
        sandbox(worker_count=1, limits=Limits(output_bytes=100)) as transforms,
        reporting_tills(store, transforms) as tills,
    ):
        error = await tills.refused(receipt_of(await sold(tills)))

    assert grpc.StatusCode.FAILED_PRECONDITION == error.code()
    assert "can be rendered: expected at most 100 bytes" in str(error.details())


async def test_render_when_there_is_no_sandbox_then_resource_exhausted(store: Store) -> None:
    async with sandbox(worker_count=1) as transforms:
        pass
    async with reporting_tills(store, transforms) as tills:
        error = await tills.refused(receipt_of(await sold(tills)))

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == error.code()


async def test_render_when_larger_than_a_message_then_failed_precondition(
    tills: Tills, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_methods, "CONTENT_BYTES_MAX", 1_000)

    error = await tills.refused(receipt_of(await sold(tills)))

    assert grpc.StatusCode.FAILED_PRECONDITION == error.code()
    assert "expected a report of at most 1000 bytes" in str(error.details())


def test_render_when_scopes_are_listed_then_registers_and_readers_may() -> None:
    scopes = required_scopes()

    expected = {Scope.REGISTER, Scope.READ}
    assert expected == set(scopes["RenderReceipt"])
    assert expected == set(scopes["RenderRegisterClose"])
    assert expected == set(scopes["RenderRegisterTotals"])


# --- templates -------------------------------------------------------------------------------


async def test_receipt_when_the_operator_has_a_template_then_it_is_made_of_it(
    store: Store, tmp_path: Path
) -> None:
    html = "<!DOCTYPE html><h1>{{ documents[0].seller }} <{{ documents[0].title }}></h1>"
    (tmp_path / "document.html.jinja").write_text(html)
    async with (
        sandbox(worker_count=1, own_templates=str(tmp_path)) as transforms,
        reporting_tills(store, transforms) as tills,
    ):
        sale_id = await sold(tills)
        own = (await tills.call(receipt_of(sale_id))).report
        ours = (await tills.call(receipt_of(sale_id, format=PDF))).report

    assert own.content.startswith(b"<!DOCTYPE html><h1>")
    assert b"<Receipt></h1>" in own.content
    assert "Receipt" in pdf_text(ours.content)


async def test_report_when_the_template_of_the_operator_is_bad_then_said_so(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "document.html.jinja").write_text("{{ nothing.here }}")
    (tmp_path / "document.typ").write_text('#read("/etc/hostname")')
    async with (
        sandbox(worker_count=1, own_templates=str(tmp_path)) as transforms,
        reporting_tills(store, transforms) as tills,
    ):
        sale_id = await sold(tills)
        errors = [await tills.refused(receipt_of(sale_id, format=each)) for each in (HTML, PDF)]

    assert {grpc.StatusCode.FAILED_PRECONDITION} == {each.code() for each in errors}


# --- X reports -------------------------------------------------------------------------------


def totals_report(**fields: Any) -> report_pb2.RenderRegisterTotalsRequest:
    """Return a request for the X report of the open register, as HTML unless told otherwise."""
    return report_pb2.RenderRegisterTotalsRequest(register_id=TILL, **{"format": HTML} | fields)


async def x_report_count(tills: Tills) -> int:
    """Return how many X reports are in the journal."""
    return (await kinds(tills)).count("x_report_generated")


async def test_render_totals_when_html_and_pdf_then_an_x_report_with_the_sales(
    tills: Tills,
) -> None:
    await sold(tills, 2)

    html = (await tills.call(totals_report(language="da"))).report
    pdf = (await tills.call(totals_report(language="da", format=PDF))).report

    text = squeezed("".join(Page(html.content).texts))
    assert ["x-report-till-1-1.html", "x-report-till-1-1.pdf"] == [html.file_name, pdf.file_name]
    expected = ["X-rapport1", "3.590,00", "Momsnr.38683829", "Tidspunkt"]
    assert [] == [each for each in expected if each not in text]
    assert [] == [each for each in expected if each not in squeezed(pdf_text(pdf.content))]
    assert "Lukket" not in text


async def test_render_totals_when_nothing_is_to_be_counted_then_nothing_is(tills: Tills) -> None:
    await tills.call(totals_report())

    assert 0 == await x_report_count(tills)


async def test_render_totals_when_with_an_id_then_counted_once_and_shown(tills: Tills) -> None:
    first = await tills.call(totals_report(x_report_id="x1"))
    again = await tills.call(totals_report(x_report_id="x1", format=PDF))
    known = await tills.call(totals(TILL, x_report_id="x1"))

    assert [False, True, True] == [each.replayed for each in (first, again, known)]
    assert 1 == await x_report_count(tills)
    assert "Xreports1" in squeezed("".join(Page(first.report.content).texts))


async def test_render_totals_when_closed_or_a_field_is_bad_then_refused_and_nothing_is_counted(
    tills: Tills,
) -> None:
    bad = await tills.refused(totals_report(x_report_id="x1", format=0))
    await tills.close()
    closed = await tills.refused(totals_report(x_report_id="x1"))

    assert [("format", "REQUIRED")] == problems(bad)
    assert grpc.StatusCode.FAILED_PRECONDITION is closed.code()
    assert 0 == await x_report_count(tills)
