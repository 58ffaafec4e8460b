"""Hold the published reasons and codes of errors to those of the engine."""

import grpc
import pytest
from google.rpc import error_details_pb2

from engine import limits
from engine.errors import (
    AlreadyExists,
    Conflict,
    FieldProblem,
    InvalidInput,
    NotFound,
    OutOfRange,
    Overloaded,
    PermissionDenied,
    Reason,
    StoreUnavailable,
    TillcoreError,
    Unauthenticated,
    WrongState,
    invalid,
)
from engine.rpc.status import CODES, Draining, located, status_of
from tillcore.v1 import error_reason_pb2

PREFIX = "ERROR_REASON_"


def test_error_reason_when_listed_then_the_engine_has_the_same() -> None:
    values = error_reason_pb2.ErrorReason.DESCRIPTOR.values
    published = {value.name.removeprefix(PREFIX) for value in values}

    assert {"UNSPECIFIED", *(reason.name for reason in Reason)} == published


def test_error_reason_when_named_then_name_and_value_agree() -> None:
    assert [reason.name.lower() for reason in Reason] == [reason.value for reason in Reason]


@pytest.mark.parametrize(
    "error",
    [
        invalid("a", Reason.REQUIRED, "m"),
        OutOfRange("a", "m"),
        Draining(),
        NotFound("m"),
        AlreadyExists("m"),
        WrongState("m"),
        Conflict("m"),
        Unauthenticated("m"),
        PermissionDenied("m"),
        Overloaded("m"),
        StoreUnavailable("m"),
    ],
)
def test_codes_when_looked_up_then_the_published_name_of_the_error(error: TillcoreError) -> None:
    assert error.code == CODES[type(error)].name


def test_status_of_when_type_is_derived_then_code_of_the_base() -> None:
    class Unheard(InvalidInput):
        pass

    status = status_of(Unheard([FieldProblem("a", Reason.REQUIRED, "m")]))

    assert grpc.StatusCode.INVALID_ARGUMENT.value[0] == status.code


def test_status_of_when_error_is_foreign_then_nothing_of_it_leaves() -> None:
    status = status_of(ValueError("secret"))

    assert grpc.StatusCode.INTERNAL.value[0] == status.code
    assert b"secret" not in status.SerializeToString()


@pytest.mark.parametrize("text", ["x", "æ", "漢", "\U0001f600"])
def test_status_of_when_problems_are_huge_then_status_fits_the_metadata(text: str) -> None:
    problem = FieldProblem(text * 5_000, Reason.MALFORMED, text * 5_000)

    status = status_of(InvalidInput([problem] * 1_000))

    bad = error_details_pb2.BadRequest()
    status.details[0].Unpack(bad)
    assert 1 <= len(bad.field_violations) <= limits.PROBLEMS_REPORTED_MAX
    assert bad.ByteSize() <= limits.PROBLEM_BYTES_MAX
    base64_and_percent = status.ByteSize() * 4 / 3 + len(status.message.encode()) * 3
    assert base64_and_percent < 8 * 1024 - 512


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("line_items[3].quantity", "basket.line_items[3].quantity_micros"),
        ("line_items[3].id", "basket.line_items[3].id"),
        ("line_items[3].product.retail_price", "basket.line_items[3].product.retail_price"),
        ("payments[0].amount", "basket.payments[0].amount_micros"),
        ("total", "basket.total_micros"),
        ("", "basket"),
    ],
)
def test_located_when_engine_names_a_field_then_the_name_of_the_message(
    field: str, expected: str
) -> None:
    error = located(invalid(field, Reason.REQUIRED, "m"), "basket")

    assert [expected] == [problem.field for problem in error.problems]
