"""The methods of CheckoutService about quotes."""

from collections.abc import Callable
from typing import Final

from google.protobuf.message import Message

from engine.errors import InvalidInput, OutOfRange, Reason
from engine.model import Source
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems, members_of
from engine.rpc.status import located
from server.auth import current_principal
from server.checkouts.quoting import QuoteDesk
from server.rpc.checkout_messages import STATES, answer, fitting, sales_quote
from server.rpc.checkout_requests import quote_from_proto
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import the_id
from server.storage import Connection, Store, quotes
from server.storage.account_tables import shop
from server.storage.places import get_place
from server.storage.quotes import StoredQuote
from server.storage.resources import get_row
from tillcore.v1 import sales_quote_pb2

Clock = Callable[[], int]

_STATES: Final = members_of(STATES)


class QuoteMethods:
    """Give quotes and find them."""

    def __init__(self, store: Store, desk: QuoteDesk, *, clock: Clock) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            desk: Gives quotes.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        """
        self._store = store
        self._desk = desk
        self._clock = clock

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {
            "CreateQuote": self.create_quote,
            "GetQuote": self.get_quote,
            "ListQuotes": self.list_quotes,
        }

    async def create_quote(self, data: bytes) -> bytes:
        """Answer a CreateQuoteRequest."""
        request = parse(sales_quote_pb2.CreateQuoteRequest, data)
        now_ns = self._clock()
        wish = quote_from_proto(request, now_ns=now_ns)
        principal = current_principal()
        principal.check_register(wish.register_id)
        account_id = principal.account_id
        try:
            given = await self._desk.give(account_id, wish)
        except (InvalidInput, OutOfRange) as error:
            raise located(error, "basket") from error
        source = await self._store.read(lambda c: _source(c, account_id, given.quote))
        return answer(
            sales_quote_pb2.CreateQuoteResponse,
            sales_quote=sales_quote(given.quote, source, now_ns=now_ns),
            replayed=given.replayed,
        )

    async def get_quote(self, data: bytes) -> bytes:
        """Answer a GetQuoteRequest."""
        request = parse(sales_quote_pb2.GetQuoteRequest, data)
        quote_id = the_id(request, "quote_id")
        account_id, now_ns = current_principal().account_id, self._clock()

        def work(connection: Connection) -> sales_quote_pb2.SalesQuote:
            found = quotes.get_quote(connection, account_id=account_id, quote_id=quote_id)
            return sales_quote(found, _source(connection, account_id, found), now_ns=now_ns)

        found = await self._store.read(work)
        return answer(sales_quote_pb2.GetQuoteResponse, sales_quote=found)

    async def list_quotes(self, data: bytes) -> bytes:
        """Answer a ListQuotesRequest."""
        request = parse(sales_quote_pb2.ListQuotesRequest, data)
        problems = Problems()
        state = None
        if request.state:
            state = _STATES.get(request.state)
            if state is None:
                known = ", ".join(each.name for each in _STATES.values())
                message = f"expected one of {known}, was {request.state}"
                problems.add("state", Reason.UNKNOWN_VALUE, message)
        conditions = {
            name: problems.id_at(name, value)
            for name in ("shop_id", "customer_id")
            if (value := str(getattr(request, name)))
        }
        problems.finish()
        account_id, now_ns = current_principal().account_id, self._clock()
        count = page_size(request.page_size)
        about = conditions | {"state": "" if state is None else state.value}
        after = after_id(request.page_token, method="ListQuotes", conditions=about)

        def work(connection: Connection) -> tuple[list[Message], str]:
            if request.shop_id:
                get_row(connection, shop, account_id=account_id, row_id=request.shop_id)
            found = quotes.list_quotes(
                connection,
                account_id=account_id,
                conditions=conditions,
                state=state,
                now_ns=now_ns,
                after_id=after,
                count=count,
            )
            every = map(quotes.quote_of, found.rows)
            page = fitting(
                sales_quote(each, _source(connection, account_id, each), now_ns=now_ns)
                for each in every
            )
            token = ""
            if found.has_more or len(page) < len(found.rows):
                last = found.rows[len(page) - 1]["quote_id"]
                token = page_token(last, method="ListQuotes", conditions=about)
            return page, token

        page, token = await self._store.read(work)
        return answer(sales_quote_pb2.ListQuotesResponse, sales_quotes=page, next_page_token=token)


def _source(connection: Connection, account_id: str, quote: StoredQuote) -> Source:
    """Return where and by whom a quote was given, with the names of today."""
    return get_place(
        connection,
        account_id=account_id,
        register_id=quote.register_id,
        cashier_id=quote.cashier_id,
    ).source
