"""Make reports of exported elements: receipts of sales and checkouts, Z reports of closes."""

from collections.abc import Callable
from typing import Final

from engine.errors import InvalidInput
from engine.records.sales import read_checkout, read_sale
from engine.register.reading import read_statement
from engine.strict_json import decode
from server.exports.kinds import ExportKind
from server.exports.queue import Report, ReportFormat
from server.exports.transforms.job import OUTPUT_BYTES_MAX, Element, Job, Made, TransformError
from server.reports.document import Document
from server.reports.receipt import checkout_receipts, receipt
from server.reports.register_report import register_report
from server.reports.writer import Writer

PDF_ROWS_MAX: Final = 16_000
"""How many rows a PDF may have: twice as many go beyond the memory of a child process (job.py)."""

_ROWS_A_DOCUMENT: Final = 6
"""What a document costs beside its tables, in rows."""

_Read = Callable[[object, Writer], tuple[Document, ...]]

_DOCUMENTS: Final[dict[ExportKind, _Read]] = {
    ExportKind.SALE: lambda value, writer: (receipt(read_sale(value), writer),),
    ExportKind.CHECKOUT: lambda value, writer: checkout_receipts(read_checkout(value), writer),
    ExportKind.REGISTER_CLOSE_STATEMENT: lambda value, writer: (
        register_report(read_statement(value), writer),
    ),
}


def _x_report(value: object, writer: Writer) -> tuple[Document, ...]:
    return (register_report(read_statement(value), writer, is_interim=True),)


def report_kinds() -> frozenset[ExportKind]:
    """Return what reports can be made of."""
    return frozenset(_DOCUMENTS)


def transform(job: Job) -> Made:
    """Return the report of all elements in one file, each on a page of its own.

    A checkout without sales leaves nothing to deliver.

    Raises:
        TransformError: There are no reports of this kind, an element is none of its kind, or there
            is too much of it.
    """
    assert isinstance(job.transform, Report), "the transform of the job is a report"
    read = _DOCUMENTS.get(job.kind)
    if read is None:
        kinds = " or ".join(sorted(kind.value for kind in _DOCUMENTS))
        raise TransformError(f"expected {kinds} for a report, was {job.kind.value}")
    if job.is_interim:
        read = _x_report
    writer = Writer(job.transform.language)
    documents = tuple(
        document for element in job.elements for document in _documents(element, read, writer)
    )
    made = _rendered(documents, job.transform.format, job.own_templates)
    if made.body is not None and len(made.body) > OUTPUT_BYTES_MAX:
        raise TransformError(f"expected at most {OUTPUT_BYTES_MAX} bytes, was {len(made.body)}")
    return made


def _documents(element: Element, read: _Read, writer: Writer) -> tuple[Document, ...]:
    """Return the documents of an element, which is named where it is bad."""
    try:
        return read(decode(element.payload), writer)
    except InvalidInput as error:
        raise TransformError(f"element {element.key}: {error}") from error


def _rendered(documents: tuple[Document, ...], report_format: ReportFormat, own: str) -> Made:
    # Each renderer brings a library that the other format, and every other transform, has no
    # use for, and that a child process would load at its start.
    if report_format is ReportFormat.PDF:
        _check_size(documents)
        from server.reports.pdf import to_pdf

        body = to_pdf(documents, own_templates=own) if documents else None
        return Made(body=body, content_type="application/pdf", extension=".pdf")
    from server.reports.html import to_html

    body = to_html(documents, own_templates=own) if documents else None
    return Made(body=body, content_type="text/html; charset=utf-8", extension=".html")


def _check_size(documents: tuple[Document, ...]) -> None:
    """Refuse a PDF that a child process could not make.

    Raises:
        TransformError: There are too many rows.
    """
    count = sum(
        _ROWS_A_DOCUMENT + sum(len(table.rows) for table in each.tables) for each in documents
    )
    if count > PDF_ROWS_MAX:
        expected = f"expected at most {PDF_ROWS_MAX} rows in a PDF, was {count}"
        raise TransformError(f"{expected}: choose HTML, or export more often")
