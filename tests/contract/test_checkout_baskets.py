"""Call CheckoutService on both databases: what is kept beside checkouts.

SaveBasket, GetBasket, ListBaskets, DeleteBasket, and SignUpForNewsletter.
"""

import asyncio
from typing import Any

import grpc

from engine.journal.encoding import decode_entry
from engine.model.journal import EntryKind
from engine.model.register import RegisterEvent
from server.storage.basket_tables import newsletter_signup
from server.storage.export_tables import export_entry
from server.storage.journal_tables import journal_entry
from tests.support.checkouts import (
    CLOSED_TILL,
    FAR_TILL,
    NOW_NS,
    OTHER_TILL,
    THEIRS,
    TILL,
    UNIT,
    Desk,
    add_queues,
    bare,
    check_books,
    counted,
    lamps,
    line,
    returning,
)
from tests.support.statuses import problems
from tillcore.v1 import (
    newsletter_pb2,
    saved_basket_pb2,
)

# --- saved baskets ---------------------------------------------------------------------------


def saving(**fields: Any) -> saved_basket_pb2.SaveBasketRequest:
    """Return a SaveBasketRequest."""
    values: dict[str, Any] = {
        "basket_id": "b",
        "register_id": TILL,
        "cashier_id": "usc",
        "name": "The man with the hat",
        "basket": bare(line()),
    }
    return saved_basket_pb2.SaveBasketRequest(**(values | fields))


def getting(basket_id: str = "b") -> saved_basket_pb2.GetBasketRequest:
    """Return a GetBasketRequest."""
    return saved_basket_pb2.GetBasketRequest(basket_id=basket_id)


async def test_save_basket_when_saved_then_another_till_of_the_shop_finds_it(desk: Desk) -> None:
    sold = (await desk.sell(lamps())).sales[0]
    basket = returning(sold.identifier, ("1", UNIT))
    basket.line_items.add(id="lamp")

    answer = await desk.call(saving(basket=basket))
    again = await desk.call(saving(basket=basket))
    found = await desk.call(getting(), device=OTHER_TILL)

    kept = answer.saved_basket
    assert (False, True) == (answer.replayed, again.replayed)
    assert [kept, kept] == [again.saved_basket, found.saved_basket]
    assert ("b", "aarhus", TILL, "usc", "The man with the hat", basket, 1) == (
        kept.basket_id,
        kept.shop_id,
        kept.register_id,
        kept.cashier_id,
        kept.name,
        kept.basket,
        kept.revision,
    )
    assert NOW_NS == kept.save_time.ToNanoseconds()
    assert 1 == await counted(desk, RegisterEvent.BASKET_SAVED)
    entry = decode_entry((await desk.rows(journal_entry))[-1]["entry"])
    assert (EntryKind.BASKET_SAVED, "b") == (entry.kind, entry.references[0].identifier)
    await check_books(desk)


async def test_save_basket_when_register_is_closed_then_kept_all_the_same(desk: Desk) -> None:
    answer = await desk.call(saving(register_id=CLOSED_TILL))

    assert 1 == answer.saved_basket.revision


async def test_save_basket_when_changed_then_revision_counts(desk: Desk) -> None:
    await desk.call(saving())

    second = await desk.call(saving(register_id=OTHER_TILL, basket=lamps(2), revision=1))
    error = await desk.refused(saving(name="late", revision=1))

    assert (2, OTHER_TILL) == (second.saved_basket.revision, second.saved_basket.register_id)
    assert grpc.StatusCode.ABORTED is error.code()


async def test_save_basket_when_fields_are_bad_then_all_are_named(desk: Desk) -> None:
    request = saving(basket_id="", register_id="", cashier_id="", name="\0", revision=-1)
    request.basket.line_items.add()

    error = await desk.refused(request)

    assert {
        "basket_id",
        "register_id",
        "cashier_id",
        "name",
        "revision",
        "basket.line_items[1].id",
    } == {field for field, _ in problems(error)}


async def test_get_basket_when_device_is_of_another_shop_then_denied(desk: Desk) -> None:
    await desk.call(saving())
    deletion = saved_basket_pb2.DeleteBasketRequest(basket_id="b")
    listing = saved_basket_pb2.ListBasketsRequest(shop_id="aarhus")

    codes = [
        (await desk.refused(each, device=FAR_TILL)).code()
        for each in (getting(), deletion, listing, saving(register_id=FAR_TILL))
    ]
    foreign = await desk.refused(getting(), account_id=THEIRS)

    assert [grpc.StatusCode.PERMISSION_DENIED] * 4 == codes
    assert grpc.StatusCode.NOT_FOUND is foreign.code()


async def test_list_baskets_when_filtered_and_paged_then_those_of_the_shop(desk: Desk) -> None:
    for number in range(3):
        await desk.call(saving(basket_id=f"b{number}"))
    await desk.call(saving(basket_id="far", register_id=FAR_TILL))

    async def listed(device: str = "", **fields: Any) -> tuple[list[str], str]:
        request = saved_basket_pb2.ListBasketsRequest(**fields)
        page = await desk.call(request, device=device)
        return [each.basket_id for each in page.saved_baskets], page.next_page_token

    assert (["b0", "b1", "b2", "far"], "") == await listed()
    assert (["far"], "") == await listed(shop_id="odense")
    assert (["far"], "") == await listed(device=FAR_TILL)
    first, token = await listed(page_size=2, shop_id="aarhus")
    assert (["b0", "b1"], (["b2"], "")) == (
        first,
        await listed(page_size=2, shop_id="aarhus", page_token=token),
    )


async def test_delete_basket_when_deleted_then_gone(desk: Desk) -> None:
    await desk.call(saving())

    early = await desk.refused(saved_basket_pb2.DeleteBasketRequest(basket_id="b", revision=2))
    await desk.call(saved_basket_pb2.DeleteBasketRequest(basket_id="b", revision=1))
    late = await desk.refused(saved_basket_pb2.DeleteBasketRequest(basket_id="b"))

    assert grpc.StatusCode.ABORTED is early.code()
    assert grpc.StatusCode.NOT_FOUND is late.code()


# --- newsletter signups ----------------------------------------------------------------------


def signing(**fields: Any) -> newsletter_pb2.SignUpForNewsletterRequest:
    """Return a SignUpForNewsletterRequest."""
    values = {"signup_id": "n", "register_id": TILL, "email": "jane@example.com"}
    return newsletter_pb2.SignUpForNewsletterRequest(**(values | fields))


async def test_sign_up_for_newsletter_when_signed_up_then_kept_and_exported_once(
    desk: Desk,
) -> None:
    await desk.store.write(add_queues)
    request = signing(first_name="Jane", last_name="Doe")

    answers = await asyncio.gather(*(desk.call(request) for _ in range(4)))
    other = await desk.refused(signing())

    assert 1 == sum(not answer.replayed for answer in answers)
    assert grpc.StatusCode.ALREADY_EXISTS is other.code()
    (row,) = await desk.rows(newsletter_signup)
    expected = '{"email":"jane@example.com","first_name":"Jane","last_name":"Doe"}'
    assert ("aarhus", expected) == (row["shop_id"], row["document"])
    assert [("q-newsletter_signups", "n", expected.encode())] == [
        (each["queue_id"], each["element_key"], each["payload"])
        for each in await desk.rows(export_entry)
    ]


async def test_sign_up_for_newsletter_when_bad_then_refused(desk: Desk) -> None:
    absent = await desk.refused(newsletter_pb2.SignUpForNewsletterRequest())
    wrong = await desk.refused(signing(email="jane", first_name="\0"))
    ghost = await desk.refused(signing(register_id="ghost"))
    denied = await desk.refused(signing(), device=OTHER_TILL)

    assert [
        ("signup_id", "REQUIRED"),
        ("register_id", "REQUIRED"),
        ("email", "REQUIRED"),
    ] == problems(absent)
    assert {"email", "first_name"} == {field for field, _ in problems(wrong)}
    assert grpc.StatusCode.NOT_FOUND is ghost.code()
    assert grpc.StatusCode.PERMISSION_DENIED is denied.code()
