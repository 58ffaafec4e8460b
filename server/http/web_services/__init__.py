"""The cash-register web services: record a sale in one call, reports, lists, links to receipts.

How it is used::

    operations(tools, settings)     # for programs, in the OpenAPI document
    routes(tools, settings)         # the page, the signed links, and refusals that say why
"""

from typing import Any, Final

from starlette.routing import BaseRoute, Route

from server.http.operations import Operation, Parameter
from server.http.tools import HttpTools
from server.http.web_services.answers import guarded
from server.http.web_services.documents import DocumentHandlers
from server.http.web_services.lists import ListHandlers
from server.http.web_services.page import page_routes
from server.http.web_services.parameters import FORM
from server.http.web_services.sale_call import CLIENT_FIELDS
from server.http.web_services.sales import SaleHandlers
from server.http.web_services.settings import WebServiceSettings
from server.tables.formats import CONTENT_TYPES, TableFormat

__all__ = ["WebServiceSettings", "operations", "routes"]

TAG: Final = "web services"
VENDOR_SALE: Final = "/workers/webapp.php"
VENDOR_REPORT: Final = "/workers/getSales.php"
VENDOR_SIGN_IN: Final = "/workers/getAuthToken.php"
SALE: Final = "/web-services/sales"
REPORT: Final = "/web-services/sales-report"

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_INTEGER: Final[Schema] = {"type": "integer"}
_FORMAT: Final[Schema] = {"enum": [*(each.value for each in TableFormat), "xls"]}

_SALE_FIELDS: Final[dict[str, tuple[str, Schema]]] = {
    "idboutique": ("The shop; also `shopID` and `shop`.", _TEXT),
    "key": ("A key with the scope register; better in the header Authorization.", _TEXT),
    "payment": ("A payment type; -2 puts the basket aside, -1 agrees a quote.", _TEXT),
    "paymentAmount": ("What was paid; what the sale costs when it is absent.", _TEXT),
    "deliveryMethod": (
        "0 take away, 1 delivery, 2 on site, 3 drive, 4 counter, 5 relay, 6 shipping.",
        {"type": "integer", "minimum": 0, "maximum": 6},
    ),
    "idUser": ("The cashier; `webservice` when it is absent.", _TEXT),
    "idClient": ("A customer of the catalogue.", _TEXT),
    "idcaisse": ("The register, also `register`; the first open one when it is absent.", _TEXT),
    "dateValeur": ("When, in seconds since 1970-01-01 UTC.", _INTEGER),
    "publicComment": ("For the receipt.", _TEXT),
    "requestID": ("Made by the caller, so that another try is no other sale.", _TEXT),
}
_ITEMS: Final = "itemsList[]"
_ITEMS_DESCRIPTION: Final = (
    "What is sold: `<item>_<quantity>_<title>`, or `-<department>_<price>_<title>`."
)
_SALE_REQUIRED: Final = ("idboutique", "payment", _ITEMS)

_SALE_ANSWER: Final[Schema] = {
    "type": "object",
    "required": ["result", "type", "id", "total", "currency", "replayed"],
    "properties": {
        "result": {"const": "OK"},
        "type": {"enum": ["sale", "quote", "basket"]},
        "id": _TEXT,
        "checkoutID": {"type": ["string", "null"]},
        "number": {"type": ["integer", "null"]},
        "accountNumber": {"type": ["integer", "null"]},
        "registerID": _TEXT,
        "total": {"type": "number"},
        "currency": _TEXT,
        "replayed": {"type": "boolean"},
        "PDFinvoice": {"type": ["string", "null"]},
        "ignored": {"type": "array", "items": _TEXT},
    },
}
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["result", "error"],
    "properties": {
        "result": {"const": "ERROR"},
        "error": {
            "type": "object",
            "required": ["code", "message", "fields"],
            "properties": {
                "code": _TEXT,
                "message": _TEXT,
                "fields": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"field": _TEXT, "reason": _TEXT, "message": _TEXT},
                    },
                },
                "omitted_field_count": _INTEGER,
            },
        },
    },
}
_ERRORS: Final = {
    400: "A parameter is bad; nothing was stored.",
    401: "There is no key, or no good one.",
    403: "The key is not for this.",
    404: "The account has no such shop or register.",
    409: "The register is closed, the report is too large, or a twin is under way.",
    413: "The body is too long.",
    422: "The requestID was used for another sale.",
    429: "Too much is asked for at once.",
    503: "The database does not answer; sending the same again is safe.",
}

_KEY: Final = Parameter("key", "A key; better in the header Authorization.", _TEXT)
_LANGUAGE: Final = Parameter("language", "Of titles, names and numbers for people.", _TEXT)


def operations(tools: HttpTools, settings: WebServiceSettings) -> list[Operation]:
    """Return what programs can ask for.

    Args:
        tools: What is shared with the rest of the server.
        settings: What the web services are set up with.
    """
    sales = SaleHandlers(tools, settings)
    methods = ("POST", "GET") if settings.has_query_writes else ("POST",)
    return [
        *(
            _sale_operation(method, path, name, sales)
            for path, name in ((SALE, "recordSale"), (VENDOR_SALE, "recordSaleAsVendor"))
            for method in methods
        ),
        Operation(
            method="GET",
            path=REPORT,
            name="getSalesReport",
            summary="Return the sales of a day.",
            handler=guarded(sales.sales_report),
            tag=TAG,
            parameters=(
                Parameter("shop", "The shop.", _TEXT, is_required=True),
                _KEY,
                Parameter("date", "The day as YYYY-MM-DD; yesterday when it is absent.", _TEXT),
                Parameter("register", "One register of the shop.", _TEXT),
                Parameter("format", "html when it is absent.", _FORMAT),
                _LANGUAGE,
            ),
            answers=_table_answers(),
        ),
        Operation(
            method="GET",
            path=VENDOR_REPORT,
            name="getSalesReportAsVendor",
            summary="Return the sales of a day, asked for as the vendor's clients do.",
            handler=guarded(sales.vendor_report),
            tag=TAG,
            parameters=(
                Parameter("idboutique", "The shop.", _TEXT, is_required=True),
                _KEY,
                *(
                    Parameter(name, f"The {word}; of yesterday when all are absent.", _INTEGER)
                    for name, word in (("d", "day"), ("m", "month"), ("y", "year"))
                ),
                Parameter("formatExport", "Std, PDF, XLS, CSV, or any other format.", _TEXT),
            ),
            answers=_table_answers(),
        ),
        *_list_operations(tools, settings),
        Operation(
            method="POST",
            path=VENDOR_SIGN_IN,
            name="getAuthToken",
            summary="Say that there is no sign-in with a password; keys are made beforehand.",
            handler=guarded(sales.refuse_sign_in),
            tag=TAG,
            answers={501: ("There never is.", {"application/json": _ERROR})},
        ),
    ]


def routes(tools: HttpTools, settings: WebServiceSettings) -> list[BaseRoute]:
    """Return the page, the documents behind signed links, and refusals that say why."""
    sales = SaleHandlers(tools, settings)
    documents = DocumentHandlers(tools, settings)
    refused = () if settings.has_query_writes else (SALE, VENDOR_SALE)
    return [
        *page_routes(),
        Route(
            "/documents/receipts/{sale_id}.pdf",
            guarded(documents.receipt),
            methods=["GET"],
            name="receipt",
        ),
        *(
            Route(path, guarded(sales.refuse_query_write), methods=["GET"], name=f"refuse {path}")
            for path in refused
        ),
    ]


def _sale_operation(method: str, path: str, name: str, sales: SaleHandlers) -> Operation:
    is_query = method == "GET"
    parameters = [
        Parameter(field, description, schema, is_required=field in _SALE_REQUIRED)
        for field, (description, schema) in _SALE_FIELDS.items()
    ]
    parameters.append(
        Parameter(_ITEMS, _ITEMS_DESCRIPTION, _TEXT, is_required=True, is_repeated=True)
    )
    return Operation(
        method=method,
        path=path,
        name=f"{name}ByQuery" if is_query else name,
        summary="Record a sale, a quote or a basket; the same call again records nothing.",
        handler=guarded(sales.record_sale),
        tag=TAG,
        parameters=parameters if is_query else (),
        body={} if is_query else {FORM: _sale_schema()},
        answers={
            200: ("What was recorded, by this call or before.", {"application/json": _SALE_ANSWER}),
            **_errors(_ERRORS),
        },
    )


def _sale_schema() -> Schema:
    properties = {
        name: {**schema, "description": description}
        for name, (description, schema) in _SALE_FIELDS.items()
    }
    client = {f"client[{name}]": {**_TEXT} for name in CLIENT_FIELDS}
    items = {"type": "array", "items": _TEXT, "minItems": 1, "description": _ITEMS_DESCRIPTION}
    return {
        "type": "object",
        "required": list(_SALE_REQUIRED),
        "properties": {**properties, **client, _ITEMS: items},
    }


def _list_operations(tools: HttpTools, settings: WebServiceSettings) -> list[Operation]:
    found = ListHandlers(tools, settings).handlers()
    shop = Parameter("shop", "The shop, whose prices they are.", _TEXT, is_required=True)
    return [
        Operation(
            method="GET",
            path=f"/web-services/{name}",
            name=f"list{name.title().replace('-', '')}",
            summary=f"List {name.replace('-', ' ')} with the ids that a call takes.",
            handler=guarded(handler),
            tag=TAG,
            parameters=(
                *((shop, _LANGUAGE) if name == "items" else ()),
                _KEY,
                Parameter("format", "json when it is absent.", _FORMAT),
            ),
            answers=_table_answers(),
        )
        for name, handler in found.items()
    ]


def _table_answers() -> dict[int, tuple[str, Schema]]:
    schemas: Schema = {
        CONTENT_TYPES[each].partition(";")[0]: (
            {"type": "object"} if each is TableFormat.JSON else _TEXT
        )
        for each in TableFormat
    }
    kept = {status: text for status, text in _ERRORS.items() if status not in (413, 422)}
    return {200: ("The table.", schemas), **_errors(kept)}


def _errors(texts: dict[int, str]) -> dict[int, tuple[str, Schema]]:
    return {status: (text, {"application/json": _ERROR}) for status, text in texts.items()}
