"""Give out receipts as PDF to whoever has a signed link."""

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import Overloaded, WrongState
from server.exports.kinds import ExportKind
from server.exports.queue import Report, ReportFormat
from server.exports.sandbox import SandboxUnavailable
from server.exports.transforms.job import Element, Job, TransformError
from server.exports.transforms.order_hook import receipt_path
from server.http.tools import HttpTools
from server.http.web_services.answers import NO_STORE
from server.http.web_services.parameters import query_parameters
from server.http.web_services.settings import WebServiceSettings
from server.storage.checkouts import get_sale

_LANGUAGE_CHARACTERS_MAX: Final = 35
"""No language tag is longer than this (RFC 5646, section 4.4.1)."""


class DocumentHandlers:
    """Answers to signed links."""

    def __init__(self, tools: HttpTools, settings: WebServiceSettings) -> None:
        """Answer over the store of a server."""
        self._tools = tools
        self._settings = settings

    async def receipt(self, request: Request) -> Response:
        """Give out the receipt of a sale; the signature stands in for a key."""
        sale_id = str(request.path_params["sale_id"])
        parameters = query_parameters(request)
        account_id = parameters.one("account")
        self._settings.links.check(
            receipt_path(sale_id),
            account_id=account_id,
            expires=parameters.one("expires"),
            signature=parameters.one("signature"),
            now_ns=self._tools.clock(),
        )
        row = await self._tools.store.read(
            partial(get_sale, account_id=account_id, sale_id=sale_id)
        )
        language = parameters.one("language")[:_LANGUAGE_CHARACTERS_MAX]
        job = Job(
            kind=ExportKind.SALE,
            transform=Report(format=ReportFormat.PDF, language=language),
            elements=(Element(key=sale_id, payload=row["document"]),),
        )
        try:
            made = await self._settings.sandbox.transform(job)
        except TransformError as error:
            raise WrongState(f"expected a record that can be rendered: {error}") from error
        except SandboxUnavailable as error:
            raise Overloaded("no process can render now; send the request again") from error
        name = f"receipt-{row['sequence_number']}.pdf"
        headers = {**NO_STORE, "content-disposition": f'inline; filename="{name}"'}
        return Response(made.body, headers=headers, media_type=made.content_type)
