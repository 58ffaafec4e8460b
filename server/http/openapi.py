"""Describe everything that programs can call over HTTP as an OpenAPI 3.1 document.

The document is made from what is served: the operations, and the methods with one message each way
in the JSON of Connect.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any, Final

import msgspec
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.rpc.calls import Calls
from server.auth.scopes import Scope, methods, scopes_of
from server.http.message_schemas import REFERENCE, Schema, reference_to, schemas_of
from server.http.operations import Operation, Parameter
from server.http.proto_comments import read_comments

PATH: Final = "/openapi.json"

_ABOUT: Final = (
    "Imports and web services for integrations, and every RPC with one message each way over the "
    "Connect protocol. Streams, gRPC-Web and web sockets are in docs/browsers.md."
)
_SECURITY_SCHEMES: Final[Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of the account."},
    "apikey": {
        "type": "apiKey",
        "in": "query",
        "name": "apikey",
        "description": "The same key, where no header can be set.",
    },
}
_ERROR: Final[Schema] = {
    "type": "object",
    "description": "Why a request was refused.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "A stable name."},
                "message": {"type": "string"},
                "fields": {
                    "type": "array",
                    "description": "The first bad fields.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "field": {"type": "string"},
                            "reason": {"type": "string"},
                            "message": {"type": "string"},
                        },
                        "required": ["field", "reason", "message"],
                    },
                },
                "omitted_field_count": {"type": "integer"},
            },
            "required": ["code", "message", "fields"],
        }
    },
    "required": ["error"],
}
_CONNECT_ERROR: Final[Schema] = {
    "type": "object",
    "description": "Why a call was refused, as Connect writes it.",
    "properties": {
        "code": {"type": "string", "description": "The gRPC code, such as `invalid_argument`."},
        "message": {"type": "string"},
        "details": {
            "type": "array",
            "description": "Messages of google.rpc: the bad fields, a stable reason, an id.",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "value": {"type": "string", "description": "In base64 without padding."},
                    "debug": {"type": "object"},
                },
                "required": ["type", "value"],
            },
        },
    },
    "required": ["code", "message"],
}
_REFUSALS: Final[Mapping[int, str]] = {
    400: "A field is bad, or the result is out of range.",
    401: "There is no key, or no good one.",
    403: "The key is not good for this, or the page's site may not call.",
    404: "An id names nothing of the account.",
    405: "The path is called with another HTTP method.",
    409: "The state does not allow it, or another request changed the same thing.",
    413: "The body is too long.",
    415: "The content type is none that is taken.",
    422: "The id is taken by other content.",
    429: "Too much at once.",
    500: "The server is at fault.",
    503: "The server or its database is away; the same request may be sent again.",
}
_RPC_REFUSALS: Final[Mapping[int, str]] = {
    400: "A field is bad, the result is out of range, or the state does not allow it.",
    401: _REFUSALS[401],
    403: _REFUSALS[403],
    404: _REFUSALS[404],
    409: "The id is taken by other content, or another request changed the same thing.",
    415: _REFUSALS[415],
    429: "The message is too long, or too much comes at once.",
    499: "The call was cancelled.",
    500: _REFUSALS[500],
    501: "The encoding of the body is none that is taken.",
    503: _REFUSALS[503],
    504: "The time that the caller stated has passed.",
}
_EXAMPLES: Final[Mapping[str, Schema]] = {
    "EvaluateBasket": {
        "marketId": "dk",
        "basket": {"lineItems": [{"id": "lamp", "quantityMicros": "2000000"}]},
    },
}
"""Requests by method."""


def document(operations: Sequence[Operation], rpcs: Iterable[MethodDescriptor]) -> Schema:
    """Return the document.

    Args:
        operations: What the doors for programs can do.
        rpcs: The methods that take one message and give one.
    """
    every, comments = list(rpcs), read_comments()
    paths: dict[str, Schema] = {}
    names: set[str] = set()
    for operation in operations:
        method = operation.method.lower()
        # What can be asked for in two ways has one name, and the document has it once.
        name = f"{operation.name}_{method}" if operation.name in names else operation.name
        names.add(name)
        paths.setdefault(operation.path, {})[method] = _operation(operation, name)
    for rpc in every:
        path = f"/{rpc.containing_service.full_name}/{rpc.name}"
        paths[path] = {"post": _rpc(rpc, comments)}
    messages = [message for rpc in every for message in (rpc.input_type, rpc.output_type)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tillcore",
            "version": metadata.version("tillcore"),
            "description": _ABOUT,
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Error": _ERROR,
                "ConnectError": _CONNECT_ERROR,
                **schemas_of(messages, comments),
            },
            "securitySchemes": _SECURITY_SCHEMES,
        },
        "tags": [{"name": name} for name in _tags(operations, every)],
    }


class Description:
    """The document of a server, made when somebody first asks for it."""

    def __init__(self, operations: Sequence[Operation], calls: Calls) -> None:
        """Describe a server.

        Args:
            operations: What the doors for programs can do.
            calls: Has the handlers of all services of the server.
        """
        self._operations = operations
        self._calls = calls
        self._made: Schema | None = None

    def document(self) -> Schema:
        """Return the document."""
        if self._made is None:
            rpcs = [
                each
                for each in methods()
                if each.name in self._calls.handlers
                and not (each.client_streaming or each.server_streaming)
            ]
            self._made = document(self._operations, rpcs)
        return self._made


def routes(described: Description) -> list[Route]:
    """Return the route of the document."""

    async def show(request: Request) -> Response:
        del request
        return Response(msgspec.json.encode(described.document()), media_type="application/json")

    return [Route(PATH, show, methods=["GET"], name="openapi")]


def _operation(operation: Operation, name: str) -> Schema:
    found: Schema = {
        "operationId": name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [_parameter(each) for each in operation.parameters],
        "responses": {
            **_refusals(_REFUSALS, "Error"),
            **{
                str(status): _answer(description, content)
                for status, (description, content) in sorted(operation.answers.items())
            },
        },
        "security": [{"bearer": []}],
    }
    if operation.takes_query_key:
        found["security"].append({"apikey": []})
    if operation.body:
        found["requestBody"] = {"content": _content(operation.body)}
    return found


def _parameter(parameter: Parameter) -> Schema:
    schema: Mapping[str, Any] = parameter.schema
    if parameter.is_repeated:
        schema = {"type": "array", "items": schema}
    found: Schema = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.is_required or parameter.place == "path",
        "schema": schema,
    }
    return {**found, "explode": True} if parameter.is_repeated else found


def _rpc(rpc: MethodDescriptor, comments: Mapping[str, str]) -> Schema:
    scopes = scopes_of(rpc)
    is_public = Scope.PUBLIC in scopes
    names = " or ".join(sorted(scope.value for scope in scopes))
    comment = comments.get(rpc.full_name, "")
    needs = "Needs no key." if is_public else f"Needs a key with the scope {names}."
    if rpc.GetOptions().idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS:
        needs += " It changes nothing, and can be asked for by GET (docs/browsers.md)."
    body: Schema = {"schema": reference_to(rpc.input_type)}
    if rpc.name in _EXAMPLES:
        body["example"] = _EXAMPLES[rpc.name]
    return {
        "operationId": rpc.name,
        "summary": comment.partition(".")[0] or rpc.name,
        "description": f"{comment}\n\n{needs}".strip(),
        "tags": [rpc.containing_service.name],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": _answer("The answer.", {"application/json": reference_to(rpc.output_type)}),
            **_refusals(_RPC_REFUSALS, "ConnectError"),
        },
        "security": [] if is_public else [{"bearer": []}],
    }


def _refusals(statuses: Mapping[int, str], schema_name: str) -> Schema:
    content = {"application/json": {"$ref": f"{REFERENCE}{schema_name}"}}
    # Nothing is wrong with a body that the server does not even look at.
    return {
        str(status): _answer(description, {} if status == 415 else content)
        for status, description in statuses.items()
    }


def _answer(description: str, content: Mapping[str, Mapping[str, Any]]) -> Schema:
    found: Schema = {"description": description}
    return {**found, "content": _content(content)} if content else found


def _content(schemas: Mapping[str, Mapping[str, Any]]) -> Schema:
    return {content_type: {"schema": schema} for content_type, schema in schemas.items()}


def _tags(operations: Sequence[Operation], rpcs: Sequence[MethodDescriptor]) -> list[str]:
    names = [each.tag for each in operations] + [each.containing_service.name for each in rpcs]
    return list(dict.fromkeys(names))
