"""The operations of the import endpoints, and the way of a request through them."""

import asyncio
from functools import partial
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from engine.errors import InvalidInput, TillcoreError, Unauthenticated, invalid
from engine.readers import id_complaint
from server.auth import Principal, Scope
from server.http.gate import address_of
from server.http.imports.endpoints import ENDPOINTS, Endpoint
from server.http.imports.log import Log
from server.http.imports.query import COMMON, PARAMETERS, integration_of, logged_text, read_query
from server.http.imports.report import Tally
from server.http.imports.spooling import MEMORY_BYTES_MAX, Budget, spooled
from server.http.imports.work import Request
from server.http.operations import Operation
from server.http.tools import HttpTools
from server.storage.import_logs import Access

LARGE_AT_ONCE_MAX: Final = 2
SMALL_AT_ONCE_MAX: Final = 4
"""How many bodies are taken apart and stored at once; others wait, and small ones for small ones
alone."""

REPETITION_HEADER: Final = "idempotency-key"

_SCOPES: Final = frozenset({Scope.IMPORT})
_JSON: Final = "application/json"
_COUNT: Final = {"type": "integer", "minimum": 0}
_FIELD: Final = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("field", "reason", "message")},
}
_ANSWER: Final = {
    "type": "object",
    "properties": {
        "status": {"const": "OK"},
        "message": {"type": "string"},
        "import_number": {"type": "integer", "description": "Finds the request in the log."},
        **dict.fromkeys(("created", "updated", "unchanged", "deleted", "refused"), _COUNT),
        "failures": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "properties": {
                    "index": _COUNT,
                    "id": {"type": "string"},
                    "message": {"type": "string"},
                    "fields": {"type": "array", "items": _FIELD},
                },
            },
        },
    },
}
_ERROR: Final = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {"type": "array", "items": _FIELD},
            },
        }
    },
}
_ERRORS: Final = {
    400: "The request itself is bad; nothing was stored.",
    401: "There is no key, no good one, or it is of another account.",
    403: "The key has not the scope import.",
    404: "The stock location is none of the account.",
    408: "The client sent nothing for too long.",
    413: "The body is too long.",
    415: "The body is not application/json in UTF-8, or encoded otherwise than by gzip.",
    422: "The Idempotency-Key was used with other content.",
    429: "Too much is imported at once.",
    503: "The database does not answer; what was stored stays, and sending it again is safe.",
}


def operations(tools: HttpTools) -> list[Operation]:
    """Return what the import endpoints can do."""
    doors = _Doors(tools)
    return [
        Operation(
            method=each.method,
            path=each.path,
            name=f"{'import' if each.method == 'POST' else 'delete'}_{each.type}",
            summary=each.summary,
            handler=partial(doors.answer, each),
            tag="imports",
            parameters=[PARAMETERS[name] for name in (*COMMON, *each.parameters)],
            body={} if each.schema is None else {_JSON: each.schema},
            answers=_answers(),
            takes_query_key=True,
        )
        for each in ENDPOINTS
    ]


def _answers() -> dict[int, tuple[str, dict[str, Any]]]:
    taken = "It was taken: what became of each item is counted, and the first failures are named."
    answers: dict[int, tuple[str, dict[str, Any]]] = {200: (taken, {_JSON: _ANSWER})}
    return answers | {status: (words, {_JSON: _ERROR}) for status, words in _ERRORS.items()}


class _Doors:
    """What the requests of all import endpoints share."""

    def __init__(self, tools: HttpTools) -> None:
        self._tools = tools
        self._budget = Budget()
        self._small = asyncio.Semaphore(SMALL_AT_ONCE_MAX)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE_MAX)

    async def answer(self, endpoint: Endpoint, request: HttpRequest) -> Response:
        """Answer a request.

        Raises:
            TillcoreError: See `_ERRORS`.
            HTTPException: See `_ERRORS`.
        """
        parameters = request.query_params
        principal = await self._tools.gate.let_in(
            request, _SCOPES, query_key=parameters.get("apikey", "")
        )
        account = parameters.get("account", "")
        if account and account != principal.account_id:
            # In the words for a bad key: whether there is such an account, nobody learns.
            raise Unauthenticated("expected a key that is valid, was none")
        log = Log(self._tools, _access(endpoint, request, principal, self._tools.clock()))
        try:
            document = await self._take(endpoint, request, principal, log)
        except ClientDisconnect:
            await log.ended("the client went away before the end of its body")
            return Response(status_code=400)
        except HTTPException as error:
            await log.ended(error.detail)
            raise
        except TillcoreError as error:
            await log.ended(error)
            raise
        return JSONResponse(document, headers={"cache-control": "no-store"})

    async def _take(
        self, endpoint: Endpoint, request: HttpRequest, principal: Principal, log: Log
    ) -> dict[str, Any]:
        """Take a request in, and return the answer."""
        query = read_query(request.query_params, known=endpoint.parameters)
        repetition_id = _repetition_id(request)
        async with spooled(request, self._budget, bytes_max=endpoint.bytes_max) as body:
            lane = self._large if body.size > MEMORY_BYTES_MAX else self._small
            async with lane:
                tally = await self._store(
                    endpoint,
                    Request(self._tools, principal.account_id, query, body, repetition_id),
                    log,
                )
        return tally.document(
            noun=endpoint.noun,
            import_number=log.import_number,
            is_deletion=endpoint.method == "DELETE",
        )

    async def _store(self, endpoint: Endpoint, request: Request, log: Log) -> Tally:
        """Store what a request brings, one transaction after the other."""
        task = await endpoint.handler(request)
        await log.began()
        try:
            async for work in task.works:
                await log.stored(work)
        finally:
            if log.tally.count:
                await task.finish()
        await log.done()
        return log.tally


def _access(endpoint: Endpoint, request: HttpRequest, principal: Principal, now_ns: int) -> Access:
    return Access(
        account_id=principal.account_id,
        integration=integration_of(request.query_params),
        type=endpoint.type,
        method=endpoint.method,
        parameters=logged_text(request.query_params),
        key_id=principal.key_id,
        address=address_of(request),
        received_ns=now_ns,
    )


def _repetition_id(request: HttpRequest) -> str:
    """Return the id by which a repetition is known, empty when the request brings none.

    Raises:
        InvalidInput: It brings one that cannot be an id.
    """
    value = request.headers.get(REPETITION_HEADER, "")
    complaint = id_complaint(value) if value else None
    if complaint is not None:
        raise _header_error(*complaint)
    return value


def _header_error(*complaint: Any) -> InvalidInput:
    return invalid(REPETITION_HEADER, *complaint)
