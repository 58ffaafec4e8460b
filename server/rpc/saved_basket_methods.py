"""The methods of CheckoutService about baskets that are put aside."""

from collections.abc import Callable
from functools import partial

from google.protobuf.message import Message

from engine.errors import PermissionDenied
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems
from engine.strict_json import shown_text
from server.auth import Principal, current_principal
from server.checkouts.saving import Kept, put_aside
from server.journal_key import JournalKey
from server.rpc.checkout_messages import answer, fitting, saved_basket
from server.rpc.checkout_requests import checked_basket
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import required_id, the_id
from server.storage import Connection, Store
from server.storage import resources as rows
from server.storage.account_tables import register, shop
from server.storage.basket_tables import saved_basket as table
from server.storage.places import get_place
from server.storage.saved_baskets import Saving, find_saved
from tillcore.v1 import saved_basket_pb2

Clock = Callable[[], int]


class SavedBasketMethods:
    """Keep baskets by shop."""

    def __init__(self, store: Store, key: JournalKey, *, clock: Clock) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            key: Signs the journal.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        """
        self._store = store
        self._key = key
        self._clock = clock

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {
            "SaveBasket": self.save_basket,
            "GetBasket": self.get_basket,
            "ListBaskets": self.list_baskets,
            "DeleteBasket": self.delete_basket,
        }

    async def save_basket(self, data: bytes) -> bytes:
        """Answer a SaveBasketRequest."""
        request = parse(saved_basket_pb2.SaveBasketRequest, data)
        problems = Problems()
        for name in ("basket_id", "register_id", "cashier_id"):
            required_id(request, name, problems)
        problems.text_at("name", request.name)
        problems.between_at("revision", request.revision, 0, 2**63 - 1)
        checked_basket(request, problems)
        problems.finish()
        principal = current_principal()
        principal.check_register(request.register_id)
        work = partial(self._put_aside, request, principal.account_id, self._clock())
        settled = partial(self._settled, request, principal.account_id)
        kept = await self._store.write(work, settled=settled)
        return answer(
            saved_basket_pb2.SaveBasketResponse,
            saved_basket=saved_basket(kept.row),
            replayed=kept.replayed,
        )

    def _put_aside(
        self,
        request: saved_basket_pb2.SaveBasketRequest,
        account_id: str,
        now_ns: int,
        connection: Connection,
    ) -> Kept:
        at = get_place(connection, account_id=account_id, register_id=request.register_id)
        return put_aside(
            connection,
            _saving(request, shop_id=at.source.shop_id, now_ns=now_ns),
            account_id=account_id,
            timezone=at.market.timezone,
            key=self._key,
        )

    def _settled(
        self,
        request: saved_basket_pb2.SaveBasketRequest,
        account_id: str,
        connection: Connection,
    ) -> Kept | None:
        saving = _saving(request, shop_id="", now_ns=0)
        row = find_saved(connection, saving, account_id=account_id)
        return None if row is None else Kept(row, replayed=False)

    async def get_basket(self, data: bytes) -> bytes:
        """Answer a GetBasketRequest."""
        request = parse(saved_basket_pb2.GetBasketRequest, data)
        basket_id, principal = the_id(request, "basket_id"), current_principal()

        def work(connection: Connection) -> saved_basket_pb2.SavedBasket:
            row = rows.get_row(connection, table, account_id=principal.account_id, row_id=basket_id)
            _check_shop(connection, principal, row["shop_id"])
            return saved_basket(row)

        found = await self._store.read(work)
        return answer(saved_basket_pb2.GetBasketResponse, saved_basket=found)

    async def list_baskets(self, data: bytes) -> bytes:
        """Answer a ListBasketsRequest."""
        request = parse(saved_basket_pb2.ListBasketsRequest, data)
        principal, count = current_principal(), page_size(request.page_size)
        asked = {"shop_id": request.shop_id} if request.shop_id else {}
        after = after_id(request.page_token, method="ListBaskets", conditions=asked)

        def work(connection: Connection) -> tuple[list[Message], str]:
            conditions = dict(asked)
            if asked:
                rows.get_row(
                    connection, shop, account_id=principal.account_id, row_id=request.shop_id
                )
                _check_shop(connection, principal, request.shop_id)
            elif (own := _shop_of(connection, principal)) is not None:
                conditions["shop_id"] = own
            found = rows.list_rows(
                connection,
                table,
                account_id=principal.account_id,
                conditions=conditions,
                after_id=after,
                count=count,
            )
            page = fitting(map(saved_basket, found.rows))
            token = ""
            if found.has_more or len(page) < len(found.rows):
                last = found.rows[len(page) - 1]["basket_id"]
                token = page_token(last, method="ListBaskets", conditions=asked)
            return page, token

        page, token = await self._store.read(work)
        return answer(
            saved_basket_pb2.ListBasketsResponse, saved_baskets=page, next_page_token=token
        )

    async def delete_basket(self, data: bytes) -> bytes:
        """Answer a DeleteBasketRequest."""
        request = parse(saved_basket_pb2.DeleteBasketRequest, data)
        basket_id, principal = the_id(request, "basket_id"), current_principal()

        def work(connection: Connection) -> None:
            row = rows.get_row(
                connection,
                table,
                account_id=principal.account_id,
                row_id=basket_id,
                is_locked=True,
            )
            _check_shop(connection, principal, row["shop_id"])
            rows.check_revision(row, request.revision)
            rows.delete_row(connection, table, row)

        await self._store.write(work)
        return answer(saved_basket_pb2.DeleteBasketResponse)


def _saving(request: saved_basket_pb2.SaveBasketRequest, *, shop_id: str, now_ns: int) -> Saving:
    return Saving(
        basket_id=request.basket_id,
        shop_id=shop_id,
        register_id=request.register_id,
        cashier_id=request.cashier_id,
        name=request.name,
        basket=request.basket.SerializeToString(deterministic=True),
        saved_ns=now_ns,
        revision=request.revision,
    )


def _shop_of(connection: Connection, principal: Principal) -> str | None:
    """Return the shop of a device, None for an integration, which sees all shops."""
    if principal.register_id is None:
        return None
    row = rows.get_row(
        connection, register, account_id=principal.account_id, row_id=principal.register_id
    )
    return str(row["shop_id"])


def _check_shop(connection: Connection, principal: Principal, shop_id: str) -> None:
    """Refuse a device of another shop.

    Raises:
        PermissionDenied: It is.
    """
    if _shop_of(connection, principal) not in (None, shop_id):
        was = shown_text(shop_id)
        raise PermissionDenied(f"expected the shop of this device, was {was}")
