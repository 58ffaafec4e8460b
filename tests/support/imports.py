"""Send imports over HTTP to a server of the tests, and look at what it keeps of them."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from starlette.types import ASGIApp

from server.auth import Scope
from server.http.application import new_application
from server.http.imports.operations import operations
from server.http.operations import routes_of
from server.http.tools import HttpTools
from tests.support.http_server import Site, open_doors
from tests.support.server import Caller, Served
from tillcore.v1 import import_log_pb2

SUCCEEDED = import_log_pb2.IMPORT_OUTCOME_SUCCEEDED
FAILED = import_log_pb2.IMPORT_OUTCOME_FAILED


class Answer(NamedTuple):
    """What a request was answered with.

    Attributes:
        status: Its status.
        json: Its body.
        headers: Its headers.
        text: Its body as it came.
    """

    status: int
    json: Any
    headers: Any
    text: str

    @property
    def counts(self) -> dict[str, int]:
        """What became of the items, without what there was none of."""
        fates = ("created", "updated", "unchanged", "deleted", "refused")
        return {fate: self.json[fate] for fate in fates if self.json.get(fate)}

    @property
    def problems(self) -> list[tuple[str, str]]:
        """The bad fields of a request that was refused, with the reasons."""
        return [(each["field"], each["reason"]) for each in self.json["error"]["fields"]]


class Importer(NamedTuple):
    """An integration that sends imports.

    Attributes:
        site: The doors.
        caller: Has its key.
    """

    site: Site
    caller: Caller

    @property
    def served(self) -> Served:
        """The server behind the doors."""
        return self.site.served

    async def post(self, path: str, value: Any, **options: Any) -> Answer:
        """Import a value to `/imports/` and the path, which may have a query."""
        return await self.send("POST", path, value, **options)

    async def delete(self, path: str, value: Any = None, **options: Any) -> Answer:
        """Delete what a value names, or the query of the path."""
        return await self.send("DELETE", path, value, **options)

    async def send(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        data: Any = None,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request.

        Args:
            method: Of it.
            path: Below `/imports/`.
            value: The body as a value, None for none.
            data: The body as bytes.
            key: In place of that of the integration; empty for none.
            headers: In place of the content type.
        """
        own = {"content-type": "application/json"} if headers is None else dict(headers)
        key = self.caller.key if key is None else key
        if key:
            own["authorization"] = f"Bearer {key}"
        body = data if value is None else json.dumps(value).encode()
        if body is None:
            own.pop("content-type", None)
        # The client warns of long bodies as bytes.
        is_bytes = isinstance(body, bytes)
        request = self.site.session.request(
            method,
            f"/imports/{path}",
            data=io.BytesIO(body) if is_bytes else body,
            headers=own,
            skip_auto_headers=("content-type",),
        )
        async with request as response:
            text = await response.text()
            is_json = bool(text) and response.content_type == "application/json"
            return Answer(
                response.status, json.loads(text) if is_json else None, response.headers, text
            )

    async def log(self, **wanted: Any) -> list[Any]:
        """Return all rows of the log that are wanted, the newest first."""
        request = import_log_pb2.ListImportLogRequest(**wanted)
        rows: list[Any] = []
        while True:
            answer = await self.caller.call(request)
            rows += answer.entries
            request.page_token = answer.next_page_token
            if not request.page_token:
                return rows

    async def runs(self, **wanted: Any) -> list[Any]:
        """Return the requests as they were logged, the newest first."""
        request = import_log_pb2.ListImportsRequest(**wanted)
        return list((await self.caller.call(request)).imports)


def import_doors(tools: HttpTools) -> ASGIApp:
    """Return an application of the import endpoints alone."""
    return new_application(routes_of(operations(tools)))


@asynccontextmanager
async def importing(served: Served) -> AsyncIterator[Importer]:
    """Yield an integration of the account OURS, and doors for it."""
    async with open_doors(served, import_doors) as site:
        yield Importer(site, await served.caller(Scope.IMPORT))
