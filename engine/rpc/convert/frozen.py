"""Convert the returns and quotes of a basket: records of earlier sales, and of agreed terms."""

from collections.abc import Sequence

from engine import limits
from engine.errors import FieldProblem
from engine.model import EvaluatedLine, Quote, ReturnedLine, ReturnedSale
from engine.records.lines import line_problems
from engine.rpc.convert.evaluated_line import evaluated_line_to_proto
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.recorded_line import recorded_line_from_proto
from tillcore.v1 import evaluated_line_pb2, frozen_pb2


def returned_sale_to_proto(sale: ReturnedSale) -> frozen_pb2.ReturnedSale:
    """Return the message of what comes back of a sale."""
    return frozen_pb2.ReturnedSale(
        return_reference=sale.return_reference,
        line_items=[
            frozen_pb2.ReturnedLine(
                line_item=evaluated_line_to_proto(entry.line_item),
                quantity_micros=entry.quantity_micros,
                returned_before_micros=entry.returned_before_micros,
            )
            for entry in sale.line_items
        ],
    )


def quote_to_proto(quote: Quote) -> frozen_pb2.Quote:
    """Return the message of a quote."""
    return frozen_pb2.Quote(
        quote_reference=quote.quote_reference,
        line_items=map(evaluated_line_to_proto, quote.line_items),
    )


def returns_from_proto(
    messages: Sequence[frozen_pb2.ReturnedSale], path: str, problems: Problems
) -> tuple[ReturnedSale, ...]:
    """Return the returns of a basket, whose path is `path`."""
    if not problems.fits(path, "returns", len(messages), limits.RETURNS_PER_BASKET_MAX):
        return ()
    return tuple(
        _returned_sale_from_proto(message, f"{path}.returns[{index}]", problems)
        for index, message in enumerate(messages)
    )


def quotes_from_proto(
    messages: Sequence[frozen_pb2.Quote], path: str, problems: Problems
) -> tuple[Quote, ...]:
    """Return the quotes of a basket, whose path is `path`."""
    if not problems.fits(path, "quotes", len(messages), limits.QUOTES_PER_BASKET_MAX):
        return ()
    return tuple(
        _quote_from_proto(message, f"{path}.quotes[{index}]", problems)
        for index, message in enumerate(messages)
    )


def _returned_sale_from_proto(
    message: frozen_pb2.ReturnedSale, path: str, problems: Problems
) -> ReturnedSale:
    lines = message.line_items
    is_short = problems.fits(path, "line_items", len(lines), limits.LINES_PER_BASKET_MAX)
    return ReturnedSale(
        return_reference=problems.required_id(path, "return_reference", message.return_reference),
        line_items=tuple(
            _returned_line_from_proto(each, f"{path}.line_items[{index}]", problems)
            for index, each in enumerate(lines)
        )
        if is_short
        else (),
    )


def _returned_line_from_proto(
    message: frozen_pb2.ReturnedLine, path: str, problems: Problems
) -> ReturnedLine:
    quantity = None
    if message.HasField("quantity_micros"):
        quantity = problems.between(
            path, "quantity_micros", message.quantity_micros, 1, limits.QUANTITY_MICROS_MAX
        )
    before = message.returned_before_micros
    return ReturnedLine(
        line_item=_record_from_proto(message.line_item, f"{path}.line_item", problems),
        quantity_micros=quantity,
        returned_before_micros=problems.between(
            path, "returned_before_micros", before, 0, limits.QUANTITY_MICROS_MAX
        ),
    )


def _quote_from_proto(message: frozen_pb2.Quote, path: str, problems: Problems) -> Quote:
    lines = message.line_items
    is_short = problems.fits(path, "line_items", len(lines), limits.LINES_PER_BASKET_MAX)
    return Quote(
        quote_reference=problems.required_id(path, "quote_reference", message.quote_reference),
        line_items=tuple(
            _record_from_proto(each, f"{path}.line_items[{index}]", problems)
            for index, each in enumerate(lines)
        )
        if is_short
        else (),
    )


def _record_from_proto(
    message: evaluated_line_pb2.EvaluatedLine, path: str, problems: Problems
) -> EvaluatedLine:
    """Return a record whose numbers do not contradict each other."""
    before = problems.count
    line = recorded_line_from_proto(message, path, problems)
    if problems.count == before:
        found = line_problems(line)
        named = (FieldProblem(f"{p.field}_micros", p.reason, p.message) for p in found)
        problems.add_all(path, named)
    return line
