"""Keep the sessions and the one-time links of the back office, on both databases."""

import re
from collections.abc import AsyncIterator

import pytest

from server.auth import Scope
from server.http.back_office.links import new_link, print_first_links
from server.http.back_office.visitors import SESSION_COOKIE
from server.storage import Store
from server.storage.sessions import IDLE_NS, LIFE_NS, LINK_NS
from tests.support.account_things import request
from tests.support.back_office import Office, cookie_of, open_office, session_of
from tests.support.server import OURS, THEIRS


@pytest.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    """Yield a back office, once for each kind of database."""
    async with open_office(store) as opened:
        yield opened


# --- sessions --------------------------------------------------------------------------------


async def test_session_when_signed_out_then_cookie_is_worth_nothing(office: Office) -> None:
    async with office.visitor() as visitor:
        token = session_of(await visitor.sign_in(office.served.owner.key))
        page = await visitor.post("sign-out")

        assert 303 == page.status
        visitor.session.cookie_jar.update_cookies({SESSION_COOKIE: token})
        assert "/back-office/sign-in" in (await visitor.get("")).location


async def test_session_when_its_key_is_revoked_then_it_ends(office: Office) -> None:
    reader = await office.served.caller(Scope.READ)
    async with office.visitor(reader.key) as visitor:
        assert 200 == (await visitor.get("")).status
        await office.call(request("RevokeApiKey", api_key_id=reader.key.split("_")[1]))

        assert 303 == (await visitor.get("")).status


async def test_session_when_it_was_not_used_then_it_ends(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        office.served.clock.now_ns += IDLE_NS - 1
        assert 200 == (await visitor.get("")).status
        office.served.clock.now_ns += IDLE_NS

        assert 303 == (await visitor.get("")).status


async def test_session_when_used_all_the_time_then_it_ends_after_a_week(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        statuses = []
        for _ in range(15):
            office.served.clock.now_ns += LIFE_NS // 14 - 1
            statuses.append((await visitor.get("")).status)

    assert [200] * 14 + [303] == statuses


async def test_sessions_when_listed_then_an_owner_can_end_others(office: Office) -> None:
    reader = await office.served.caller(Scope.READ)
    async with (
        office.visitor(office.served.owner.key) as owner,
        office.visitor(reader.key) as other,
    ):
        listed = await owner.get("sessions")
        (ending,) = (each for each in listed.html.actions() if "revoke" in each)
        assert [] == [
            each for each in (await other.get("sessions")).html.actions() if "rev" in each
        ]
        assert 404 == (await other.post("sessions/revoke?id=" + "0" * 64)).status
        assert 303 == (await owner.post(ending)).status
        assert 303 == (await other.get("")).status
        assert 404 == (await owner.post(ending)).status


async def test_session_when_of_another_account_then_not_found(office: Office) -> None:
    theirs = await office.served.caller(Scope.OWNER, account_id=THEIRS)
    async with (
        office.visitor(office.served.owner.key) as ours,
        office.visitor(theirs.key) as other,
        office.visitor(office.served.owner.key),
    ):
        (ending,) = (each for each in (await ours.get("sessions")).html.actions() if "rev" in each)
        assert 404 == (await other.post(ending)).status
        assert 303 == (await ours.post(ending)).status


# --- links -----------------------------------------------------------------------------------


async def test_link_when_opened_then_asks_and_signs_an_owner_in_once(office: Office) -> None:
    now_ns = office.served.clock()
    path = await new_link(office.served.store, account_id=OURS, now_ns=now_ns)
    async with office.visitor() as visitor:
        for _ in range(2):
            page = await visitor.get(path)
            assert (200, "") == (page.status, cookie_of(page))
        token = page.html.value("token")
        assert 303 == (await visitor.post("link", token=token)).status
        await visitor.refresh()
        assert 200 == (await visitor.get("keys")).status
        assert 401 == (await visitor.post("link", token=token)).status


async def test_link_when_too_old_or_replaced_then_refused(office: Office) -> None:
    served = office.served
    first = await new_link(served.store, account_id=OURS, now_ns=served.clock())
    second = await new_link(served.store, account_id=OURS, now_ns=served.clock())
    async with office.visitor() as visitor:
        assert 401 == (await visitor.post("link", token=first.split("=")[1])).status
        served.clock.now_ns += LINK_NS
        assert 401 == (await visitor.post("link", token=second.split("=")[1])).status


async def test_link_when_server_starts_then_printed_until_somebody_is_signed_in(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    served = office.served
    async with office.visitor(served.owner.key):
        await print_first_links(served.store, base_url="http://h", now_ns=served.clock())

    printed = capsys.readouterr().out.splitlines()
    (line,) = (each for each in printed if each.startswith("account"))
    assert re.fullmatch(
        rf"account {THEIRS}, sign in once: http://h/back-office/link\?token=[\w-]{{43}}", line
    )
