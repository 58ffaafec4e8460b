"""What every RPC is sent to see that another account's ids are not found: the registry of cases.

A new RPC gets an entry in `CASES`: a `Case` with a request for every field that can name something
of an account, here of the account THEIRS, or a `NoId` that says why there is no such field. Whoever
adds a kind of thing with ids also makes one in `populate`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import grpc.aio

from engine.rpc.convert import context_to_proto
from server.auth import Scope
from tests.support.account_things import THINGS, register, request, shop
from tests.support.catalog_cases import THEIR_ENTRY, catalog_sends, populate_catalog
from tests.support.core_server import danish_shop, lamps
from tests.support.foreign_checkouts import BY_ID, at_register, populate_checkouts
from tests.support.foreign_exports import PREVIEW_COUNT, QUEUE_ID, populate_exports, previews
from tests.support.foreign_exports import REQUESTS as EXPORTS
from tests.support.foreign_integrations import AT_REGISTER, populate_integrations
from tests.support.foreign_integrations import REQUESTS as INTEGRATIONS
from tests.support.foreign_shop_floor import REQUESTS, populate_shop, report_state
from tests.support.server import METHODS, THEIRS, Caller, Served
from tillcore.v1 import (
    admin_account_pb2,
    admin_key_pb2,
    basket_service_pb2,
    edit_basket_pb2,
    options_pb2,
    register_pb2,
    register_service_pb2,
    report_pb2,
)

NOT_FOUND: Final = grpc.StatusCode.NOT_FOUND.value[0]
INVALID_ARGUMENT: Final = grpc.StatusCode.INVALID_ARGUMENT.value[0]

THEIR_ID: Final = {
    "market": "m",
    "shop": "s",
    "register": "their-register",
    "cashier": "their-cashier",
    "payment_type": "their-payment-type",
    "purchase_type": "their-purchase-type",
}
"""The ids in the account THEIRS by kind; the account OURS has none of them."""


class Foreign(NamedTuple):
    """What `populate` has made for the account THEIRS and is not named in `THEIR_ID`."""

    api_key_id: str
    session_id: str
    sale_id: str


Send = Callable[[Caller, Foreign], Awaitable[int]]
"""Calls an RPC with a foreign id and returns the number of the code that it is answered with."""


class Case(NamedTuple):
    """The calls of an RPC that name something of another account.

    Attributes:
        sends: The calls, one for each field with an id.
        code: The number of NOT_FOUND. Where nothing is stored, an id that is not known to the
            caller is INVALID_ARGUMENT, whether another account has it or nobody.
    """

    sends: tuple[Send, ...]
    code: int = NOT_FOUND


class NoId(NamedTuple):
    """Why nothing of another account can be named."""

    reason: str


async def populate(served: Served) -> Foreign:
    """Make one of everything in the account THEIRS."""
    owner = await served.caller(Scope.OWNER, account_id=THEIRS)
    for thing in THINGS:
        example = thing.example(THEIR_ID[thing.noun])
        await owner.call(request(f"Create{thing.camel}", **{thing.noun: example}))
    await populate_shop(owner, served.store, THEIRS)
    await _close_and_open_register(owner)
    await populate_exports(served.store, THEIRS)
    await populate_integrations(owner, register_id=THEIR_ID["register"])
    await populate_catalog(owner, market_id=THEIR_ID["market"], shop_id=THEIR_ID["shop"])
    made = await owner.call(
        admin_key_pb2.CreateApiKeyRequest(name="theirs", scopes=[options_pb2.SCOPE_READ])
    )
    return Foreign(
        api_key_id=made.api_key.id,
        session_id=await _open_session(owner),
        sale_id=await populate_checkouts(owner, register_id=THEIR_ID["register"]),
    )


async def _close_and_open_register(owner: Caller) -> None:
    """Close their register once and leave it open."""
    register_id = THEIR_ID["register"]
    await owner.call(request("OpenRegister", open_id="1", register_id=register_id, cashier_id="c"))
    count = register_service_pb2.PaymentCount(
        payment_type_identifier=THEIR_ID["payment_type"], counted_micros=0
    )
    await owner.call(
        request(
            "CloseRegister", close_id="1", register_id=register_id, cashier_id="c", counts=[count]
        )
    )
    await owner.call(request("OpenRegister", open_id="2", register_id=register_id, cashier_id="c"))


async def _open_session(owner: Caller) -> str:
    """Open a session of EditBasket and leave its stream; return its id."""
    stream = owner.stream("EditBasket")
    opening = edit_basket_pb2.OpenSession(context=context_to_proto(danish_shop()))
    await stream.write(edit_basket_pb2.EditBasketRequest(sequence=1, open=opening))
    answer = await stream.read()
    stream.cancel()
    return str(answer.session_id)


def sent(build: Callable[[Foreign], Any]) -> Send:
    """Return the call of a unary RPC with a request."""

    async def send(caller: Caller, foreign: Foreign) -> int:
        try:
            await caller.call(build(foreign))
        except grpc.aio.AioRpcError as error:
            return int(error.code().value[0])
        return int(grpc.StatusCode.OK.value[0])

    return send


def case(method: str, **fields: Any) -> Case:
    """Return the case of a unary RPC with one foreign id."""
    return Case((sent(lambda _: request(method, **fields)),))


async def _resume(caller: Caller, foreign: Foreign) -> int:
    """Resume a session of another account; the answer is in band."""
    stream = caller.stream("EditBasket")
    resume = edit_basket_pb2.ResumeSession(session_id=foreign.session_id)
    await stream.write(edit_basket_pb2.EditBasketRequest(resume=resume))
    answer = await stream.read()
    stream.cancel()
    return int(answer.rejection.code)


async def _report_state(caller: Caller, _: Foreign) -> int:
    """Report the state of an order of another account; the answer is in band."""
    return await report_state(caller)


async def _stream_basket(caller: Caller, _: Foreign) -> int:
    """Evaluate in a market of another account; the answer is in band."""
    stream = caller.stream("StreamBaskets")
    basket = basket_service_pb2.StreamBasketsRequest(market_id=THEIR_ID["market"], basket=lamps())
    await stream.write(basket)
    answer = await stream.read()
    stream.cancel()
    return int(answer.status.code)


async def _complete_many(caller: Caller, _: Foreign) -> int:
    """Complete a checkout at a register of another account; the answer is in band."""
    own = at_register(THEIR_ID["register"])["CompleteCheckout"]
    many = request("CompleteCheckouts", requests=[request("CompleteCheckout", **own)])
    answer = await caller.call(many)
    return int(answer.results[0].status.code)


async def _stream_checkout(caller: Caller, _: Foreign) -> int:
    """Complete a checkout at a register of another account; the answer is in band."""
    own = at_register(THEIR_ID["register"])["CompleteCheckout"]
    stream = caller.stream("StreamCheckouts")
    await stream.write(request("StreamCheckouts", request=request("CompleteCheckout", **own)))
    answer = await stream.read()
    stream.cancel()
    return int(answer.result.status.code)


def _preview(index: int) -> Send:
    """Return a call that previews an export of something of another account."""

    def build(foreign: Foreign) -> Any:
        fields = previews(
            sale_id=foreign.sale_id,
            register_id=THEIR_ID["register"],
            market_id=THEIR_ID["market"],
            product_id=THEIR_ENTRY,
        )
        return request("PreviewExport", **fields[index])

    return sent(build)


async def _watch(caller: Caller, _: Foreign) -> int:
    """Watch a queue of another account, whose log has a row."""
    call = caller.answers(request("WatchExports", queue_id=QUEUE_ID, after_log_number=0))
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        return int(error.code().value[0])
    call.cancel()
    return int(grpc.StatusCode.OK.value[0])


def _at_their_register(method: str, **fields: Any) -> Case:
    """Return the case of a unary RPC that names a register."""
    return case(method, register_id=THEIR_ID["register"], **fields)


def _at_their_places(method: str, **fields: Any) -> Case:
    """Return the case of a unary RPC that may name a register, a shop or a market."""
    return Case(
        tuple(
            send
            for noun in ("register", "shop", "market")
            for send in case(method, **{f"{noun}_id": THEIR_ID[noun]}, **fields).sends
        )
    )


def _things() -> Mapping[str, Case]:
    """Return the cases of what AdminService manages by id."""
    cases: dict[str, Case] = {}
    for thing in THINGS:
        their_id = THEIR_ID[thing.noun]
        for verb in ("Get", "Delete"):
            method = f"{verb}{thing.camel}"
            cases[method] = case(method, **{f"{thing.noun}_id": their_id})
        method = f"Update{thing.camel}"
        cases[method] = case(method, **{thing.noun: thing.example(their_id)})
    return cases


def _catalog() -> Mapping[str, Case | NoId]:
    """Return the cases of CatalogService; what has no market takes ids of the account alone."""
    market_id, shop_id = THEIR_ID["market"], THEIR_ID["shop"]
    cases: dict[str, Case | NoId] = {
        method.name: NoId("it names things of the account of the key alone")
        for method in METHODS.values()
        if method.containing_service.name == "CatalogService"
    }
    for name, (sends, is_looking_up) in catalog_sends(market_id, shop_id).items():
        cases[name] = Case(sends, code=NOT_FOUND if is_looking_up else INVALID_ARGUMENT)
    return cases


_OWN_LIST = NoId("it lists what belongs to the account of the key")
_OWN_ID = NoId("it makes something under an id of the account of the key")

CASES: Final[Mapping[str, Case | NoId]] = {
    # AdminService
    **_things(),
    "GetAccount": NoId("it returns the account of the key"),
    "UpdateAccount": case("UpdateAccount", account=admin_account_pb2.Account(id=THEIRS, name="x")),
    "CreateMarket": _OWN_ID,
    "ListMarkets": _OWN_LIST,
    "CreateShop": case("CreateShop", shop=shop("ours")),
    "ListShops": case("ListShops", market_id=THEIR_ID["market"]),
    "CreateRegister": case("CreateRegister", register=register("ours")),
    "ListRegisters": case("ListRegisters", shop_id=THEIR_ID["shop"]),
    "CreateCashier": _OWN_ID,
    "ListCashiers": _OWN_LIST,
    "CreatePaymentType": _OWN_ID,
    "ListPaymentTypes": _OWN_LIST,
    "CreatePurchaseType": _OWN_ID,
    "ListPurchaseTypes": _OWN_LIST,
    "CreateApiKey": NoId("it makes a key of the account of the key"),
    "ListApiKeys": _OWN_LIST,
    "RevokeApiKey": Case(
        (sent(lambda f: admin_key_pb2.RevokeApiKeyRequest(api_key_id=f.api_key_id)),)
    ),
    "CreateEnrolmentCode": case("CreateEnrolmentCode", register_id=THEIR_ID["register"]),
    "EnrolDevice": NoId("its code is a secret that tells the account itself"),
    # CatalogService
    **_catalog(),
    # BasketService
    "EvaluateBasket": case("EvaluateBasket", market_id=THEIR_ID["market"], basket=lamps())._replace(
        code=INVALID_ARGUMENT
    ),
    "EvaluateBaskets": case(
        "EvaluateBaskets", market_id=THEIR_ID["market"], baskets=[lamps()]
    )._replace(code=INVALID_ARGUMENT),
    "StreamBaskets": Case((_stream_basket,), code=INVALID_ARGUMENT),
    "CompleteCheckouts": Case((_complete_many,)),
    "StreamCheckouts": Case((_stream_checkout,)),
    "EditBasket": Case((_resume,)),
    # StockService, OrderService
    **{name: case(name, **fields) for name, fields in REQUESTS.items()},
    "ImportOutgoingOrderStateChanges": Case((_report_state,)),
    # CheckoutService
    **{name: case(name, **fields) for name, fields in BY_ID.items()},
    **{name: case(name, **each) for name, each in at_register(THEIR_ID["register"]).items()},
    "GetSale": Case((sent(lambda f: request("GetSale", sale_id=f.sale_id)),)),
    "RenderReceipt": Case(
        (
            sent(
                lambda f: request(
                    "RenderReceipt", sale_id=f.sale_id, format=report_pb2.REPORT_FORMAT_HTML
                )
            ),
        )
    ),
    "PrepareReturn": Case(
        (
            sent(
                lambda f: request(
                    "PrepareReturn", sale_id=f.sale_id, register_id=THEIR_ID["register"]
                )
            ),
        )
    ),
    "ListSales": _at_their_places("ListSales"),
    "ListBaskets": case("ListBaskets", shop_id=THEIR_ID["shop"]),
    "ListQuotes": case("ListQuotes", shop_id=THEIR_ID["shop"]),
    # RegisterService
    "OpenRegister": _at_their_register("OpenRegister", open_id="o", cashier_id="c"),
    "RecordEvents": _at_their_register(
        "RecordEvents",
        batch_id="b",
        events=[
            register_service_pb2.ReportedEvent(event=register_pb2.REGISTER_EVENT_CASH_DRAWER_OPENED)
        ],
    ),
    "GetRegisterTotals": Case(
        tuple(
            _at_their_register("GetRegisterTotals", x_report_id=x_report_id).sends[0]
            for x_report_id in ("", "x")
        )
    ),
    "CloseRegister": _at_their_register("CloseRegister", close_id="c", cashier_id="c"),
    "GetRegisterClose": _at_their_register("GetRegisterClose", sequence_number=1),
    "RenderRegisterClose": _at_their_register(
        "RenderRegisterClose", sequence_number=1, format=report_pb2.REPORT_FORMAT_HTML
    ),
    "RenderRegisterTotals": Case(
        tuple(
            _at_their_register(
                "RenderRegisterTotals",
                x_report_id=x_report_id,
                format=report_pb2.REPORT_FORMAT_HTML,
            ).sends[0]
            for x_report_id in ("", "x")
        )
    ),
    "ListRegisterCloses": _at_their_places("ListRegisterCloses"),
    "SumRegisterCloses": _at_their_places(
        "SumRegisterCloses", first_date="2020-01-01", last_date="2030-01-01"
    ),
    "ExportJournal": NoId("it exports the journal of the account of the key"),
    # ExportService
    "CreateExportQueue": _OWN_ID,
    "ListExportQueues": _OWN_LIST,
    **{name: case(name, **fields) for name, fields in EXPORTS.items()},
    "PreviewExport": Case(tuple(map(_preview, range(PREVIEW_COUNT)))),
    "WatchExports": Case((_watch,)),
    # IntegrationService
    "CreateIntegration": _OWN_ID,
    "ListIntegrations": _OWN_LIST,
    "ListIntegrationCalls": _OWN_LIST,
    "ListIntegrationPayments": _OWN_LIST,
    **{name: case(name, **fields) for name, fields in INTEGRATIONS.items()},
    **{name: _at_their_register(name, **fields) for name, fields in AT_REGISTER.items()},
    # AggregationService
    "AggregateSales": NoId("it totals the sales that it is sent, and looks nothing up"),
}
