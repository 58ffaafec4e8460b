"""What HTTP doors can do, as values: routes for the server, pages for the OpenAPI document."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]
Schema = Mapping[str, Any]


class Parameter(NamedTuple):
    """A parameter of a query or a path.

    Attributes:
        name: Its name.
        description: What it says.
        schema: Of its value, as JSON Schema.
        place: `query` or `path`.
        is_required: Whether a request without it is refused.
        is_repeated: Whether it may come several times.
    """

    name: str
    description: str
    schema: Schema
    place: str = "query"
    is_required: bool = False
    is_repeated: bool = False


class Operation(NamedTuple):
    """One method at one path.

    Attributes:
        method: In capitals.
        path: With `{names}` of path parameters.
        name: Unique; the `operationId`.
        summary: One sentence.
        handler: Answers it.
        tag: The chapter of the document that it belongs to.
        parameters: Of the query and the path.
        body: Content types of the body and the schema of each; empty for none.
        answers: Statuses, and for each what it means and content types with schemas.
        takes_query_key: Whether the key may come as `apikey` in the query.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    tag: str
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Schema] = {}
    answers: Mapping[int, tuple[str, Mapping[str, Schema]]] = {}
    takes_query_key: bool = False


def routes_of(operations: Sequence[Operation]) -> list[Route]:
    """Return the routes of operations, one for each path and method."""
    return [
        Route(each.path, each.handler, methods=[each.method], name=each.name) for each in operations
    ]
