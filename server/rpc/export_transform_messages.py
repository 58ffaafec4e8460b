"""Convert the transforms of export queues between messages and values."""

from typing import Any, Final

from engine.errors import Reason
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from server.exports.csv_rows import (
    CsvColumn,
    CsvEncoding,
    CsvRow,
    CsvTransform,
    RowType,
    TotalType,
)
from server.exports.order_hook import LINK_DAYS, OrderEvent, OrderHook
from server.exports.queue import (
    Handlebars,
    Identity,
    Missing,
    Mustache,
    Report,
    ReportFormat,
    SimpleJson,
    Transform,
)
from tillcore.v1 import export_transform_pb2 as pb

_MISSING: Final = numbers_of(Missing, pb.ExportMissing, "EXPORT_MISSING")
_FORMATS: Final = numbers_of(ReportFormat, pb.ExportReportFormat, "EXPORT_REPORT_FORMAT")
_ENCODINGS: Final = numbers_of(CsvEncoding, pb.ExportCsvEncoding, "EXPORT_CSV_ENCODING")
_ROW_TYPES: Final = numbers_of(RowType, pb.ExportCsvRowType, "EXPORT_CSV_ROW_TYPE")
_TOTAL_TYPES: Final = numbers_of(TotalType, pb.ExportTotalType, "EXPORT_TOTAL_TYPE")

_EVENTS: Final = numbers_of(OrderEvent, pb.ExportOrderEvent, "EXPORT_ORDER_EVENT")

_MISSING_OF: Final = members_of(_MISSING)
_FORMAT_OF: Final = members_of(_FORMATS)
_ENCODING_OF: Final = members_of(_ENCODINGS)
_ROW_TYPE_OF: Final = members_of(_ROW_TYPES)
_EVENT_OF: Final = members_of(_EVENTS)
_TOTAL_TYPE_OF: Final = members_of(_TOTAL_TYPES)

_CONTENT_TYPE: Final = "text/plain; charset=utf-8"


def transform_from_proto(message: pb.ExportTransform, path: str, problems: Problems) -> Transform:
    """Return the transform of a message; what is absent has its default."""
    match message.WhichOneof("kind"):
        case "mustache":
            return Mustache(**_template(message.mustache))
        case "handlebars":
            return Handlebars(**_template(message.handlebars))
        case "csv":
            return _csv_from_proto(message.csv, f"{path}.csv", problems)
        case "simple_json":
            return _simple_json(message.simple_json, f"{path}.simple_json", problems)
        case "report":
            inner = message.report
            chosen = problems.choice(f"{path}.report", "format", inner.format, _FORMAT_OF)
            return Report(format=chosen, language=inner.language)
        case "order_hook":
            hook = message.order_hook
            event = problems.choice(f"{path}.order_hook", "event", hook.event, _EVENT_OF)
            days = hook.link_days or LINK_DAYS
            return OrderHook(event=event, link_base_url=hook.link_base_url, link_days=days)
        case _:
            return Identity()


def transform_to_proto(transform: Transform) -> pb.ExportTransform:
    """Return the message of a transform."""
    match transform:
        case Mustache():
            return pb.ExportTransform(mustache=_template_to_proto(transform))
        case Handlebars():
            return pb.ExportTransform(handlebars=_template_to_proto(transform))
        case CsvTransform():
            return pb.ExportTransform(csv=_csv_to_proto(transform))
        case SimpleJson():
            members = [
                pb.ExportJsonMember(name=name, template=template)
                for name, template in transform.members.items()
            ]
            return pb.ExportTransform(
                simple_json=pb.ExportSimpleJson(
                    members=members,
                    missing=_MISSING[transform.missing],
                    vendor_compat=transform.vendor_compat,
                )
            )
        case Report():
            return pb.ExportTransform(
                report=pb.ExportReport(
                    format=_FORMATS[transform.format], language=transform.language
                )
            )
        case OrderHook():
            return pb.ExportTransform(
                order_hook=pb.ExportOrderHook(
                    event=_EVENTS[transform.event],
                    link_base_url=transform.link_base_url,
                    link_days=transform.link_days,
                )
            )
        case Identity():
            return pb.ExportTransform(identity=pb.ExportIdentity())


# --- templates -------------------------------------------------------------------------------


def _template(message: pb.ExportTemplate) -> dict[str, Any]:
    return {
        "template": message.template,
        "partials": dict(message.partials),
        "content_type": message.content_type or _CONTENT_TYPE,
    }


def _template_to_proto(transform: Mustache | Handlebars) -> pb.ExportTemplate:
    return pb.ExportTemplate(
        template=transform.template,
        partials=transform.partials,
        content_type=transform.content_type,
    )


def _simple_json(message: pb.ExportSimpleJson, path: str, problems: Problems) -> SimpleJson:
    names = [member.name for member in message.members]
    for index, name in enumerate(names):
        if name in names[:index]:
            problems.add(
                f"{path}.members[{index}].name",
                Reason.DUPLICATE,
                f"expected a name of its own, was that of members[{names.index(name)}]",
            )
    return SimpleJson(
        members={member.name: member.template for member in message.members},
        missing=problems.choice(path, "missing", message.missing, _MISSING_OF, Missing.SKIP),
        vendor_compat=message.vendor_compat,
    )


# --- CSV -------------------------------------------------------------------------------------


def _csv_from_proto(message: pb.ExportCsv, path: str, problems: Problems) -> CsvTransform:
    encoding = problems.choice(path, "encoding", message.encoding, _ENCODING_OF, CsvEncoding.UTF_8)
    return CsvTransform(
        columns=tuple(map(_column_from_proto, message.columns)),
        rows=tuple(
            _row_from_proto(row, f"{path}.rows[{index}]", problems)
            for index, row in enumerate(message.rows)
        ),
        separator=message.separator or ";",
        decimal_separator=message.decimal_separator or ",",
        is_across_elements=message.across_elements,
        has_header=message.has_header if message.HasField("has_header") else True,
        language=message.language,
        encoding=encoding,
        line_end=message.line_end or "\n",
        has_formula_guard=(
            message.has_formula_guard if message.HasField("has_formula_guard") else True
        ),
    )


def _column_from_proto(message: pb.ExportCsvColumn) -> CsvColumn:
    return CsvColumn(
        header=message.header,
        value=message.value,
        date=message.date,
        string=message.string,
        format=message.format,
        input_format=message.input_format,
        timezone=message.timezone or "UTC",
    )


def _row_from_proto(message: pb.ExportCsvRow, path: str, problems: Problems) -> CsvRow:
    total_type = problems.choice(
        path, "total_type", message.total_type, _TOTAL_TYPE_OF, TotalType.ALL
    )
    return CsvRow(
        type=problems.choice(path, "type", message.type, _ROW_TYPE_OF),
        values=dict(message.values),
        required_values=tuple(message.required_values),
        aggregates=dict(message.aggregates),
        rate=message.rate,
        payment_type=message.payment_type,
        exclude=tuple(message.exclude),
        total_type=total_type,
        group_by=tuple(message.group_by),
        filters=dict(message.filters),
    )


def _csv_to_proto(transform: CsvTransform) -> pb.ExportCsv:
    return pb.ExportCsv(
        columns=map(_column_to_proto, transform.columns),
        rows=map(_row_to_proto, transform.rows),
        separator=transform.separator,
        decimal_separator=transform.decimal_separator,
        across_elements=transform.is_across_elements,
        has_header=transform.has_header,
        language=transform.language,
        encoding=_ENCODINGS[transform.encoding],
        line_end=transform.line_end,
        has_formula_guard=transform.has_formula_guard,
    )


def _column_to_proto(column: CsvColumn) -> pb.ExportCsvColumn:
    message = pb.ExportCsvColumn(
        header=column.header,
        format=column.format,
        input_format=column.input_format,
        timezone=column.timezone,
    )
    for name in ("value", "date", "string"):
        if content := getattr(column, name):
            setattr(message, name, content)
    return message


def _row_to_proto(row: CsvRow) -> pb.ExportCsvRow:
    return pb.ExportCsvRow(
        type=_ROW_TYPES[row.type],
        values=row.values,
        required_values=row.required_values,
        aggregates=row.aggregates,
        rate=row.rate,
        payment_type=row.payment_type,
        exclude=row.exclude,
        total_type=_TOTAL_TYPES[row.total_type],
        group_by=row.group_by,
        filters=row.filters,
    )
