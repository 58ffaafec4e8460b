"""The methods of CheckoutService and RegisterService that render what is stored for people."""

import re
from typing import Final, Protocol

import msgspec

from engine.errors import Overloaded, Reason, WrongState
from engine.model.register import RegisterCloseStatement
from engine.register.rendering import statement_json
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from server.auth import current_principal
from server.exports.kinds import ExportKind
from server.exports.queue import Report, ReportFormat
from server.exports.sandbox import SandboxUnavailable
from server.exports.transforms.job import Element, Job, Made, TransformError
from server.rpc.checkout_messages import answer
from server.rpc.request_ids import required_id
from server.storage import Store
from server.storage.checkouts import get_sale
from server.storage.closes import get_close
from tillcore.v1 import report_pb2

FORMATS: Final = members_of(numbers_of(ReportFormat, report_pb2.ReportFormat, "REPORT_FORMAT"))

CONTENT_BYTES_MAX: Final = 4_000_000
"""How large a report may be: gRPC clients accept messages of 4 MiB unless told otherwise."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH_MAX: Final = 120


class Transforming(Protocol):
    """Makes a file of stored elements, away from this process."""

    async def transform(self, job: Job) -> Made:
        """Return what the job makes.

        Raises:
            TransformError: It could not be done within its limits.
            SandboxUnavailable: It could not be begun.
        """
        ...


class ReceiptMethods:
    """Render receipts."""

    def __init__(self, store: Store, sandbox: Transforming) -> None:
        """Serve a store; `sandbox` does the rendering."""
        self._store = store
        self._sandbox = sandbox

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {"RenderReceipt": self.render_receipt}

    async def render_receipt(self, data: bytes) -> bytes:
        """Answer a RenderReceiptRequest."""
        request = parse(report_pb2.RenderReceiptRequest, data)
        problems = Problems()
        sale_id = required_id(request, "sale_id", problems)
        wanted = wanted_report(request, problems)
        account_id = current_principal().account_id
        row = await self._store.read(
            lambda connection: get_sale(connection, account_id=account_id, sale_id=sale_id)
        )
        job = _job(ExportKind.SALE, wanted, sale_id, row["document"])
        name = f"receipt-{row['register_id']}-{row['sequence_number']}"
        report = await _render(self._sandbox, job, name)
        return answer(report_pb2.RenderReceiptResponse, report=report)


class CloseReportMethods:
    """Render Z reports."""

    def __init__(self, store: Store, sandbox: Transforming) -> None:
        """Serve a store; `sandbox` does the rendering."""
        self._store = store
        self._sandbox = sandbox

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {"RenderRegisterClose": self.render_register_close}

    async def render_totals(
        self, statement: RegisterCloseStatement, wanted: Report
    ) -> report_pb2.RenderedReport:
        """Return the X report of totals that are written as a statement.

        Raises:
            WrongState: They are more than can be rendered within the limits.
            Overloaded: No process can render now.
        """
        key = f"{statement.source.register_id}-{statement.sequence_number}"
        kind = ExportKind.REGISTER_CLOSE_STATEMENT
        job = _job(kind, wanted, key, statement_json(statement))
        name = f"x-report-{key}"
        return await _render(self._sandbox, msgspec.structs.replace(job, is_interim=True), name)

    async def render_register_close(self, data: bytes) -> bytes:
        """Answer a RenderRegisterCloseRequest; a device may ask for its own register."""
        request = parse(report_pb2.RenderRegisterCloseRequest, data)
        problems = Problems()
        register_id = required_id(request, "register_id", problems)
        wanted = wanted_report(request, problems)
        principal = current_principal()
        principal.check_register(register_id)
        row = await self._store.read(
            lambda connection: get_close(
                connection,
                account_id=principal.account_id,
                register_id=register_id,
                sequence_number=request.sequence_number,
            )
        )
        key = f"{register_id}-{request.sequence_number}"
        job = _job(ExportKind.REGISTER_CLOSE_STATEMENT, wanted, key, row["document"])
        report = await _render(self._sandbox, job, f"z-report-{key}")
        return answer(report_pb2.RenderRegisterCloseResponse, report=report)


def wanted_report(
    request: report_pb2.RenderReceiptRequest
    | report_pb2.RenderRegisterCloseRequest
    | report_pb2.RenderRegisterTotalsRequest,
    problems: Problems,
) -> Report:
    """Return the format and the language that are asked for, where nothing else is wrong either.

    Raises:
        InvalidInput: A field is bad.
    """
    language = problems.text_at("language", request.language)
    if request.format not in FORMATS:
        expected = "expected REPORT_FORMAT_HTML or REPORT_FORMAT_PDF"
        reason = Reason.UNKNOWN_VALUE if request.format else Reason.REQUIRED
        problems.add("format", reason, f"{expected}, was {request.format}")
    problems.finish()
    return Report(format=FORMATS[request.format], language=language)


def _job(kind: ExportKind, wanted: Report, key: str, document: bytes) -> Job:
    elements = (Element(key=key, payload=document),)
    return Job(kind=kind, transform=wanted, elements=elements)


async def _render(sandbox: Transforming, job: Job, name: str) -> report_pb2.RenderedReport:
    """Return the file that a job makes.

    Raises:
        WrongState: What is stored is more than can be rendered within the limits.
        Overloaded: No process can render now.
    """
    try:
        made = await sandbox.transform(job)
    except TransformError as error:
        raise WrongState(f"expected a record that can be rendered: {error}") from error
    except SandboxUnavailable as error:
        raise Overloaded("no process can render now; send the call again") from error
    assert made.body is not None, "a sale and a close always have a report"
    if len(made.body) > CONTENT_BYTES_MAX:
        was = f"was {len(made.body)}"
        raise WrongState(f"expected a report of at most {CONTENT_BYTES_MAX} bytes, {was}")
    safe = _UNSAFE.sub("_", name)[:_NAME_LENGTH_MAX]
    return report_pb2.RenderedReport(
        content=made.body,
        content_type=made.content_type,
        file_name=f"{safe}{made.extension}",
    )
