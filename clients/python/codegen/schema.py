"""Read and rename a compiled schema: its package, its services, its comments."""

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

SERVER_PACKAGE = "tillcore.v1"
PACKAGE = "tillcore_client.v1"

_SERVER_FOLDER = "tillcore/v1/"
_FOLDER = "tillcore_client/v1/"
_MESSAGE_TAG, _SERVICE_TAG, _METHOD_TAG, _FIELD_TAG = 4, 6, 2, 2
"""Numbers of FileDescriptorProto, ServiceDescriptorProto and DescriptorProto in comment paths."""

READING_VERBS = (
    "Aggregate",
    "EditBasket",
    "Evaluate",
    "ExportJournal",
    "Get",
    "List",
    "LookUp",
    "Prepare",
    "Preview",
    "Read",
    "Render",
    "Search",
    "StreamBaskets",
    "Sum",
    "Watch",
)
"""How the names of methods begin that store nothing; a session of EditBasket is in memory."""

REPEATABLE_VERBS = (
    *READING_VERBS,
    "CompleteCheckouts",
    "Import",
    "RecordStockCount",
    "StreamCheckouts",
)
"""And of those that store the same when they are called again; others say so with `replayed`."""

ID_FIELDS = frozenset(
    {
        "basket_id",
        "batch_id",
        "change_id",
        "checkout_id",
        "close_id",
        "open_id",
        "quote_id",
        "request_id",
        "signup_id",
    }
)
"""Ids of requests: the caller makes them, and an answer to them says whether it is `replayed`."""


class Call(NamedTuple):
    """A method of a service.

    Attributes:
        service: The name of its service.
        method: Its descriptor.
        comment: Its comment.
        request: The message of its request.
        field_comments: The comments of the fields of the request, by name.
        id_field: The field of the request that holds an id of the caller's making; "" for none.
        is_write: Whether something is stored.
        is_repeatable: Whether the same request may be sent again without a second effect.
    """

    service: str
    method: MethodDescriptorProto
    comment: str
    request: DescriptorProto
    field_comments: dict[str, str]
    id_field: str
    is_write: bool
    is_repeatable: bool


def own_files(schema: FileDescriptorSet) -> list[FileDescriptorProto]:
    """Return the files of the package, without what they import from elsewhere."""
    return [file for file in schema.file if file.package == PACKAGE]


def renamed(schema: FileDescriptorSet) -> FileDescriptorSet:
    """Return the schema with the client's package in place of the server's, without options.

    The options of methods are for the server; extensions with one number would exclude each other
    in one descriptor pool.
    """
    result = FileDescriptorSet()
    result.CopyFrom(schema)
    for file in result.file:
        if file.package != SERVER_PACKAGE:
            continue
        file.name = file.name.replace(_SERVER_FOLDER, _FOLDER, 1)
        file.package = PACKAGE
        names = [name.replace(_SERVER_FOLDER, _FOLDER, 1) for name in file.dependency]
        file.ClearField("dependency")
        file.dependency.extend(names)
        file.ClearField("extension")
        for message in file.message_type:
            _rename_message(message)
        for service in file.service:
            for method in service.method:
                method.ClearField("options")
                method.input_type = _rename(method.input_type)
                method.output_type = _rename(method.output_type)
    homes = home_files(result)
    for file in result.file:
        if file.package == PACKAGE:
            _drop_unused(file, homes)
    return result


def home_files(schema: FileDescriptorSet) -> dict[str, str]:
    """Return the names of the files that the top-level types are in, by the names of the types."""
    homes: dict[str, str] = {}
    for file in schema.file:
        for name in type_names(file):
            homes[f".{file.package}.{name}"] = file.name
    return homes


def type_names(file: FileDescriptorProto) -> list[str]:
    """Return the names of the top-level messages and enumerations of a file."""
    return [*(each.name for each in file.message_type), *(each.name for each in file.enum_type)]


def zero_names(schema: FileDescriptorSet) -> dict[str, str]:
    """Return the names of the zero values of the package's enumerations, by their types."""
    return {
        f".{PACKAGE}.{enum.name}": enum.value[0].name
        for file in own_files(schema)
        for enum in file.enum_type
    }


def _drop_unused(file: FileDescriptorProto, homes: dict[str, str]) -> None:
    """Drop the imports that only options needed."""
    used = {type_name for message in file.message_type for type_name in _types(message)}
    for service in file.service:
        used |= {name for each in service.method for name in (each.input_type, each.output_type)}
    kept = {home for name, home in homes.items() if any(_is_in(each, name) for each in used)}
    names = [name for name in file.dependency if name in kept]
    file.ClearField("dependency")
    file.dependency.extend(names)


def _types(message: DescriptorProto) -> Iterator[str]:
    for field in message.field:
        yield field.type_name
    for nested in message.nested_type:
        yield from _types(nested)


def _is_in(type_name: str, top: str) -> bool:
    return type_name == top or type_name.startswith(f"{top}.")


def _rename_message(message: DescriptorProto) -> None:
    for field in message.field:
        if field.type_name:
            field.type_name = _rename(field.type_name)
    for nested in message.nested_type:
        _rename_message(nested)


def _rename(type_name: str) -> str:
    if type_name.startswith(f".{SERVER_PACKAGE}."):
        return type_name.replace(SERVER_PACKAGE, PACKAGE, 1)
    return type_name


def calls(schema: FileDescriptorSet) -> Iterator[Call]:
    """Yield the methods of all services, in the order of their files."""
    messages = {
        f".{PACKAGE}.{message.name}": (file, index, message)
        for file in own_files(schema)
        for index, message in enumerate(file.message_type)
    }
    for file in own_files(schema):
        for service_index, service in enumerate(file.service):
            for method_index, method in enumerate(service.method):
                path = (_SERVICE_TAG, service_index, _METHOD_TAG, method_index)
                source, index, request = messages[method.input_type]
                comments = {
                    field.name: comment_at(source, (_MESSAGE_TAG, index, _FIELD_TAG, place))
                    for place, field in enumerate(request.field)
                }
                response = messages[method.output_type][2]
                is_replayed = any(field.name == "replayed" for field in response.field)
                yield Call(
                    service=service.name,
                    method=method,
                    comment=comment_at(file, path),
                    request=request,
                    field_comments=comments,
                    id_field=_id_field(request) if is_replayed else "",
                    is_write=is_replayed or not method.name.startswith(READING_VERBS),
                    is_repeatable=is_replayed or method.name.startswith(REPEATABLE_VERBS),
                )


def _id_field(request: DescriptorProto) -> str:
    return next((field.name for field in request.field if field.name in ID_FIELDS), "")


def comment_at(file: FileDescriptorProto, path: tuple[int, ...]) -> str:
    """Return the comment before a declaration; "" without one."""
    for location in file.source_code_info.location:
        if tuple(location.path) == path:
            return " ".join(location.leading_comments.split())
    return ""


def is_repeated(field: FieldDescriptorProto) -> bool:
    """Return whether a field is a list or a map."""
    return field.label == FieldDescriptorProto.LABEL_REPEATED
