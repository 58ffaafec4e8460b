"""Check that a schema which the wire codec does not know builds no codec, and names the field."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

import setup
from tillcore.v1 import basket_service_pb2, evaluated_line_pb2

Change = Callable[[DescriptorProto], None]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Return the generator as the build loads it."""
    return setup.wire_fields()


def _schema() -> FileDescriptorSet:
    """Return the schema of the generated modules with everything that they import."""
    found: dict[str, FileDescriptorProto] = {}
    waiting = [basket_service_pb2.DESCRIPTOR, evaluated_line_pb2.DESCRIPTOR]
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found[file.name] = FileDescriptorProto.FromString(file.serialized_pb)
            waiting += file.dependencies
    return FileDescriptorSet(file=found.values())


def _changed(message: str, change: Change) -> bytes:
    """Return the schema with a change of one message."""
    schema = _schema()
    (found,) = (each for file in schema.file for each in file.message_type if each.name == message)
    change(found)
    return schema.SerializeToString()


def _add_field(message: DescriptorProto) -> None:
    message.field.add(
        name="loyalty_card",
        number=77,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )


def _remove_last(message: DescriptorProto) -> None:
    del message.field[-1]


def _retype_first(message: DescriptorProto) -> None:
    message.field[0].type = FieldDescriptorProto.TYPE_INT64
    message.field[0].ClearField("type_name")


def _renumber_email(message: DescriptorProto) -> None:
    (email,) = (field for field in message.field if field.name == "email")
    email.number = 99


def _renumber_first(message: DescriptorProto) -> None:
    message.field[0].number = 500


def test_tags_when_the_schema_is_this_one_then_are_those_of_the_build(
    generator: ModuleType,
) -> None:
    text = generator.tags_of(_schema().SerializeToString())

    assert sorted(setup.WIRE_FIELDS.read_text("utf-8").splitlines()) == sorted(text.splitlines())


@pytest.mark.parametrize(
    ("message", "change", "named"),
    [
        ("Basket", _add_field, "tillcore.v1.Basket.loyalty_card (string = 77): not known"),
        ("Customer", _add_field, "tillcore.v1.Customer.loyalty_card"),
        ("EvaluatedLine", _add_field, "tillcore.v1.EvaluatedLine.loyalty_card"),
        ("DiscountType", _remove_last, "tillcore.v1.DiscountType.new_price_per_item_micros: "),
        ("BasketLine", _retype_first, "tillcore.v1.BasketLine.id: expected string, was int64"),
        ("UnitRange", _renumber_first, "tillcore.v1.UnitRange: expected the numbers in the order"),
        ("Customer", _renumber_email, "tillcore.v1.Customer: expected numbers without a gap"),
        ("Customer", _renumber_first, "tillcore.v1.Customer: expected the numbers in the order"),
    ],
)
def test_tags_when_a_message_differs_then_the_build_fails_and_names_the_field(
    generator: ModuleType, message: str, change: Change, named: str
) -> None:
    schema = _changed(message, change)

    with pytest.raises(generator.Drift, match=re.escape(named)):
        generator.tags_of(schema)


def test_tags_when_an_enum_has_another_member_then_the_build_fails_and_names_it(
    generator: ModuleType,
) -> None:
    schema = _schema()
    (enum,) = (
        each for file in schema.file for each in file.enum_type if each.name == "ContributionStatus"
    )
    enum.value.add(name="CONTRIBUTION_STATUS_BLUE", number=9)

    with pytest.raises(generator.Drift, match=r"tillcore\.v1\.ContributionStatus"):
        generator.tags_of(schema.SerializeToString())


def test_tags_when_written_again_then_the_file_keeps_its_time(
    generator: ModuleType, tmp_path: Path
) -> None:
    schema, target = tmp_path / "schema", tmp_path / "fields.pxi"
    schema.write_bytes(_schema().SerializeToString())
    generator.write_tags(schema, target)
    before = target.stat().st_mtime_ns

    generator.write_tags(schema, target)

    assert before == target.stat().st_mtime_ns
