"""Describe messages as JSON Schema, in the JSON that proto3 maps them to."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

Schema = dict[str, Any]

REFERENCE: Final = "#/components/schemas/"

_INTEGER_64: Final[Schema] = {
    "type": ["string", "integer"],
    "pattern": "^-?[0-9]{1,19}$",
    "format": "int64",
}
_UNSIGNED_64: Final[Schema] = {**_INTEGER_64, "pattern": "^[0-9]{1,20}$", "format": "uint64"}
_INTEGER_32: Final[Schema] = {"type": "integer", "format": "int32"}
_UNSIGNED_32: Final[Schema] = {"type": "integer", "format": "uint32", "minimum": 0}
_NUMBER: Final[Schema] = {"type": "number"}

_SCALARS: Final[Mapping[int, Schema]] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: _NUMBER,
    FieldDescriptor.TYPE_FLOAT: _NUMBER,
    FieldDescriptor.TYPE_INT32: _INTEGER_32,
    FieldDescriptor.TYPE_SINT32: _INTEGER_32,
    FieldDescriptor.TYPE_SFIXED32: _INTEGER_32,
    FieldDescriptor.TYPE_UINT32: _UNSIGNED_32,
    FieldDescriptor.TYPE_FIXED32: _UNSIGNED_32,
    FieldDescriptor.TYPE_INT64: _INTEGER_64,
    FieldDescriptor.TYPE_SINT64: _INTEGER_64,
    FieldDescriptor.TYPE_SFIXED64: _INTEGER_64,
    FieldDescriptor.TYPE_UINT64: _UNSIGNED_64,
    FieldDescriptor.TYPE_FIXED64: _UNSIGNED_64,
}

_WELL_KNOWN: Final[Mapping[str, Schema]] = {
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
    },
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {},
}
"""What proto3 writes in another way than field by field."""


def reference_to(message: Descriptor) -> Schema:
    """Return the schema that refers to the one of a message."""
    return {"$ref": f"{REFERENCE}{message.full_name}"}


def schemas_of(messages: Iterable[Descriptor], comments: Mapping[str, str]) -> dict[str, Schema]:
    """Return the schemas of messages, and of all that their fields hold, by their full names.

    Args:
        messages: The messages.
        comments: What the .proto files say of messages and fields, by their full names.
    """
    found: dict[str, Schema] = {}
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.full_name in found:
            continue
        found[message.full_name] = _message_schema(message, comments)
        waiting += [
            inner
            for field in message.fields
            for inner in _messages_in(field)
            if inner.full_name not in _WELL_KNOWN
        ]
    return dict(sorted(found.items()))


def _messages_in(field: FieldDescriptor) -> Iterable[Descriptor]:
    """Yield the messages that a field holds; the entries of a map are no messages of their own."""
    inner = field.message_type
    if inner is None:
        return
    if inner.GetOptions().map_entry:
        yield from _messages_in(inner.fields_by_name["value"])
    else:
        yield inner


def _message_schema(message: Descriptor, comments: Mapping[str, str]) -> Schema:
    schema: Schema = {"type": "object"}
    if message.full_name in comments:
        schema["description"] = comments[message.full_name]
    schema["properties"] = {
        field.json_name: _described(_field_schema(field), comments.get(field.full_name))
        for field in message.fields
    }
    schema["additionalProperties"] = False
    return schema


def _described(schema: Schema, comment: str | None) -> Schema:
    return schema if comment is None else {**schema, "description": comment}


def _field_schema(field: FieldDescriptor) -> Schema:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return {
            "type": "object",
            "additionalProperties": _value_schema(inner.fields_by_name["value"]),
        }
    if field.is_repeated:
        return {"type": "array", "items": _value_schema(field)}
    return _value_schema(field)


def _value_schema(field: FieldDescriptor) -> Schema:
    """Return the schema of one value of a field."""
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    if field.message_type is None:
        return dict(_SCALARS[field.type])
    known = _WELL_KNOWN.get(field.message_type.full_name)
    return reference_to(field.message_type) if known is None else dict(known)
