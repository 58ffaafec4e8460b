"""Write the Python modules that are generated beside the messages: names, methods, calls."""

import re
import textwrap
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)

from codegen.schema import (
    PACKAGE,
    SERVER_PACKAGE,
    Call,
    calls,
    home_files,
    is_repeated,
    own_files,
    type_names,
    zero_names,
)

HAND_WRITTEN = frozenset({"BasketService", "AggregationService"})
"""Services whose calls are methods of the clients themselves."""

HAND_WRITTEN_METHODS = frozenset({"CompleteCheckouts", "StreamCheckouts"})
"""And such methods of other services."""

_TIME = "The time for all attempts; that of the client's policy when it is None."
_STREAM_TIME = "The time for the whole stream, which is sent once; any time when it is None."
_WIDTH = 99
_Field = FieldDescriptorProto
_SCALARS = {
    _Field.TYPE_BOOL: ("bool", "False"),
    _Field.TYPE_BYTES: ("bytes", 'b""'),
    _Field.TYPE_INT32: ("int", "0"),
    _Field.TYPE_INT64: ("int", "0"),
    _Field.TYPE_SINT32: ("int", "0"),
    _Field.TYPE_SINT64: ("int", "0"),
    _Field.TYPE_STRING: ("str", '""'),
    _Field.TYPE_UINT32: ("int", "0"),
    _Field.TYPE_UINT64: ("int", "0"),
}
"""The Python type and the default of a field without presence; money is never a float."""


def module_of_names(schema: FileDescriptorSet) -> str:
    """Return the module that gives every message and enumeration a short way: `v1.Basket`."""
    imports: list[str] = []
    names: list[str] = []
    for file in own_files(schema):
        module = file.name.rpartition("/")[2].removesuffix(".proto") + "_pb2"
        found = type_names(file)
        found += [value.name for enum in file.enum_type for value in enum.value]
        if found:
            listed = "".join(f"    {name},\n" for name in sorted(found))
            imports.append(f"from {PACKAGE}.{module} import (\n{listed})\n")
            names += found
    exported = "".join(f'    "{name}",\n' for name in sorted(names))
    purpose = '"""Name all messages in one place, generated from the .proto files."""\n\n'
    return f"{purpose}{''.join(sorted(imports))}\n__all__ = [\n{exported}]\n"


def module_of_methods(schema: FileDescriptorSet) -> str:
    """Return the module with a constant for every method of every service."""
    parts = [
        '"""List the methods of all services, generated from the .proto files."""\n\n',
        f"from {PACKAGE.partition('.')[0]} import v1\n",
        f"from {PACKAGE.partition('.')[0]}.method import Method\n\n",
    ]
    for call in calls(schema):
        request, response = _local(call.method.input_type), _local(call.method.output_type)
        parts.append(
            f"{_constant(call)} = Method(\n"
            f'    "/{SERVER_PACKAGE}.{call.service}/{call.method.name}",\n'
            f"    v1.{request},\n"
            f"    v1.{response},\n"
            f'    id_field="{call.id_field}",\n'
            f"    is_write={call.is_write},\n"
            f"    is_repeatable={call.is_repeatable},\n"
            ")\n"
        )
    return "".join(parts)


def module_of_calls(schema: FileDescriptorSet, *, is_async: bool) -> str:
    """Return the module with a method for every call: those of the sync or the asyncio client."""
    kind = "asyncio" if is_async else "sync"
    transport = "AsyncTransport" if is_async else "Transport"
    types = Types(home_files(schema), zero_names(schema))
    body = [
        _method(call, types, is_async=is_async)
        for call in calls(schema)
        if call.service not in HAND_WRITTEN and call.method.name not in HAND_WRITTEN_METHODS
    ]
    names = ["Iterable", "Mapping", *(["AsyncIterable", "AsyncIterator"] if is_async else [])]
    names += [] if is_async else ["Iterator"]
    parts = [
        f'"""Hold the calls of the {kind} client, generated from the .proto files."""\n\n',
        f"from collections.abc import {', '.join(sorted(names))}\n\n",
        *(f"{line}\n" for line in sorted(types.imports)),
        "\n",
        f"from {PACKAGE.partition('.')[0]} import v1\n",
        f"from {PACKAGE} import methods_pb2_grpc as methods\n",
        f"from {PACKAGE.partition('.')[0]}.transport import {transport}\n\n\n",
        f"class {'AsyncCalls' if is_async else 'Calls'}:\n",
        f'    """The calls of the {kind} client: every method of every service."""\n\n',
        f"    _transport: {transport}\n",
        *body,
    ]
    return "".join(parts)


class Types:
    """Knows where types are; collects what a module imports of other packages than its own."""

    def __init__(self, homes: dict[str, str], zeros: dict[str, str]) -> None:
        """Know the files of types, and the zero values of enumerations."""
        self._homes = homes
        self._zeros = zeros
        self.imports: set[str] = set()

    def zero(self, type_name: str) -> str:
        """Return the name of the zero value of an enumeration."""
        return f"v1.{self._zeros[type_name]}"

    def name(self, type_name: str) -> str:
        """Return the name of a type in a module that imports its module."""
        folder, _, file = self._homes[type_name].rpartition("/")
        module = f"{file.removesuffix('.proto')}_pb2"
        self.imports.add(f"from {folder.replace('/', '.')} import {module}")
        return f"{module}.{type_name.rpartition('.')[2]}"


def _method(call: Call, types: Types, *, is_async: bool) -> str:
    """Return the source of one call."""
    method = call.method
    response = f"v1.{_local(method.output_type)}"
    if method.client_streaming and method.server_streaming:
        raise ValueError(f"expected a call by hand for {call.service}.{method.name}, was none")
    name = _snake(method.name)
    if method.client_streaming:
        request = f"v1.{_local(method.input_type)}"
        stream = f"Iterable[{request}]"
        stream = f"{stream} | AsyncIterable[{request}]" if is_async else stream
        parameters = [f"requests: {stream}"]
        documented = [("requests", "The messages of the stream.")]
        given = "requests"
        way = "collect"
    else:
        parameters = ["*", *_parameters(call, types)]
        documented = [(f.name, _about(call, f)) for f in call.request.field]
        given = _request(call)
        way = "iterate" if method.server_streaming else "call"
    parameters += [] if "*" in parameters else ["*"]
    parameters.append("timeout_seconds: float | None = None")
    is_stream = method.client_streaming or method.server_streaming
    documented.append(("timeout_seconds", _STREAM_TIME if is_stream else _TIME))
    is_generator = method.server_streaming
    returned = response
    if is_generator:
        returned = f"{'AsyncIterator' if is_async else 'Iterator'}[{response}]"
    define = "async def" if is_async and not is_generator else "def"
    wait = "await " if is_async and not is_generator else ""
    listed = "".join(f"        {each},\n" for each in parameters)
    return (
        f"\n    {define} {name}(\n        self,\n{listed}    ) -> {returned}:\n"
        f"{_docstring(call, documented)}"
        f"        return {wait}self._transport.{way}(\n"
        f"            methods.{_constant(call)},\n"
        f"            {given},\n"
        f"            timeout_seconds=timeout_seconds,\n"
        f"        )\n"
    )


def _parameters(call: Call, types: Types) -> Iterator[str]:
    """Yield the parameters of the fields: required ones without a default come first."""
    required: list[str] = []
    optional: list[str] = []
    for field in call.request.field:
        kind, default = _type(field, call.request, types)
        is_required = call.field_comments[field.name].startswith("Required.")
        if is_required and field.name != call.id_field:
            required.append(f"{field.name}: {kind.removesuffix(' | None')}")
        else:
            optional.append(f"{field.name}: {kind} = {default}")
    yield from required
    yield from optional


def _type(field: _Field, request: DescriptorProto, types: Types) -> tuple[str, str]:
    """Return the annotation of a field and its default."""
    element, default = _element_type(field, types)
    if is_repeated(field):
        entry = _map_entry(field, request)
        if entry is not None:
            key, value = (_element_type(each, types)[0] for each in entry.field)
            return f"Mapping[{key}, {value}] | None", "None"
        return f"Iterable[{element}]", "()"
    has_presence = field.HasField("oneof_index") or field.type == field.TYPE_MESSAGE
    return (f"{element} | None", "None") if has_presence else (element, default)


def _element_type(field: _Field, types: Types) -> tuple[str, str]:
    local = _local(field.type_name)
    if field.type == field.TYPE_ENUM:
        return f"v1.{local}.ValueType", types.zero(field.type_name)
    if field.type == field.TYPE_MESSAGE:
        if field.type_name.startswith(f".{PACKAGE}."):
            return f"v1.{local}", "None"
        return types.name(field.type_name), "None"
    return _SCALARS[field.type]


def _map_entry(field: _Field, request: DescriptorProto) -> DescriptorProto | None:
    """Return the message of a map's entries; None when the field is a plain list."""
    for nested in request.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{request.name}.{nested.name}"):
            return nested
    return None


def _request(call: Call) -> str:
    """Return the expression that builds the request from the parameters."""
    listed = "".join(
        f"                {field.name}={field.name},{_excuse(field)}\n"
        for field in call.request.field
    )
    name = f"v1.{_local(call.method.input_type)}"
    return f"{name}(\n{listed}            )" if listed else f"{name}()"


def _excuse(field: _Field) -> str:
    """Return what keeps the type checker quiet where the stub knows less than the message."""
    is_alternative = field.HasField("oneof_index") and not field.proto3_optional
    if not is_alternative or field.type == field.TYPE_MESSAGE:
        return ""
    return "  # type: ignore[arg-type]  # None leaves it out"


def _about(call: Call, field: _Field) -> str:
    """Return what a parameter is for."""
    text = call.field_comments[field.name].removeprefix("Required. ").removeprefix("Optional. ")
    if field.name == call.id_field:
        text += " One is made when it is empty, and kept over the attempts."
    return text


def _docstring(call: Call, documented: list[tuple[str, str]]) -> str:
    """Return the docstring of a call in Google's form."""
    first, _, rest = call.comment.partition(". ")
    parts = [_filled(f'"""{first.rstrip(".")}.', 8)]
    if rest:
        parts.append(_filled(rest, 8))
    arguments = "".join(
        textwrap.fill(
            f"{name}: {text}",
            _WIDTH,
            initial_indent=" " * 12,
            subsequent_indent=" " * 16,
            break_long_words=False,
        )
        + "\n"
        for name, text in documented
    )
    parts.append(f"        Args:\n{arguments}")
    parts.append("        Raises:\n            CallError: The call failed; see its classes.\n")
    text = "\n".join(parts)
    return text.replace("\\", "\\\\") + '        """\n'


def _filled(text: str, indent: int) -> str:
    margin = " " * indent
    return textwrap.fill(text, _WIDTH, initial_indent=margin, subsequent_indent=margin) + "\n"


def _local(type_name: str) -> str:
    """Return a type's name within its package."""
    if type_name.startswith(f".{PACKAGE}."):
        return type_name.removeprefix(f".{PACKAGE}.")
    return type_name.rpartition(".")[2]


def _snake(name: str) -> str:
    """Return the name of a method in Python's way."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _constant(call: Call) -> str:
    return _snake(call.method.name).upper()
