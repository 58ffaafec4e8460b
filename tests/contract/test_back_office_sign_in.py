"""Sign in to the back office, and try everything that must not work."""

import io
from collections.abc import AsyncIterator

import pytest

from server.auth import Principal, Scope
from server.http.application import new_application
from server.http.back_office.application import routes
from server.http.back_office.sign_in import FAILURES_MAX
from server.http.back_office.visitors import SESSION_COOKIE
from server.storage import Store
from tests.support.back_office import Office, cookie_of, open_office, session_of
from tests.support.http_server import open_doors
from tests.support.server import OURS

pytestmark = pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)


@pytest.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    """Yield a back office."""
    async with open_office(store) as opened:
        yield opened


# --- keys ------------------------------------------------------------------------------------


async def test_sign_in_when_key_is_good_then_session_with_safe_cookie(office: Office) -> None:
    async with office.visitor() as visitor:
        page = await visitor.sign_in(office.served.owner.key, next="/back-office/sales?date=x")

        assert (303, "/back-office/sales?date=x") == (page.status, page.location)
        flags = {each.strip().lower() for each in cookie_of(page).split(";")[1:]}
        assert {"httponly", "path=/", "samesite=strict"} == flags
        assert len(session_of(page)) == 43
        assert (await visitor.get("")).status == 200


async def test_sign_in_when_behind_tls_then_cookie_is_secure(office: Office) -> None:
    async with open_doors(
        office.served, lambda tools: new_application(routes(tools, is_secure=True))
    ) as site:
        other = Office(site.url, office.served)
        async with other.visitor() as visitor:
            page = await visitor.get("sign-in")

    assert "Secure" in cookie_of(page, "tillcore_visitor")


async def test_sign_in_when_key_is_wrong_then_refused(office: Office) -> None:
    async with office.visitor() as visitor:
        for key in ("", "x", "tillcore_AAAAAAAAAAAA_" + "A" * 49, "\0", "æ"):
            page = await visitor.post("sign-in", key=key)

            assert (401, "") == (page.status, cookie_of(page))
        assert 303 == (await visitor.get("")).status


async def test_sign_in_when_key_is_of_a_till_then_refused(office: Office) -> None:
    device = await office.served.caller(Scope.REGISTER, register_id="till-1")
    async with office.visitor() as visitor:
        assert 403 == (await visitor.post("sign-in", key=device.key)).status


async def test_sign_in_when_many_keys_are_wrong_then_address_has_to_wait(office: Office) -> None:
    async with office.visitor() as visitor:
        for _ in range(FAILURES_MAX):
            assert 401 == (await visitor.post("sign-in", key="wrong")).status

        assert 429 == (await visitor.post("sign-in", key=office.served.owner.key)).status
        office.served.clock.now_ns += 900 * 10**9
        assert 303 == (await visitor.post("sign-in", key=office.served.owner.key)).status


async def test_sign_in_when_next_is_elsewhere_then_first_page(office: Office) -> None:
    for next_path in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/back-office/../evil",
        "/back-office//evil.example",
        "/back-office/\r\nx: y",
        "javascript:alert(1)",
        "/back-office/sign-in",
    ):
        async with office.visitor() as visitor:
            page = await visitor.post("sign-in", key=office.served.owner.key, next=next_path)

        assert "/back-office/" == page.location
        assert "x" not in page.headers


async def test_sign_in_when_cookie_was_planted_then_session_is_another(office: Office) -> None:
    planted = "A" * 43
    async with office.visitor() as visitor:
        visitor.session.cookie_jar.update_cookies({SESSION_COOKIE: planted})
        page = await visitor.sign_in(office.served.owner.key)
        again = await visitor.sign_in(office.served.owner.key)

        assert planted != session_of(page) != session_of(again)
    async with office.visitor() as thief:
        thief.session.cookie_jar.update_cookies({SESSION_COOKIE: session_of(page)})
        assert 303 == (await thief.get("")).status


# --- forms of others -------------------------------------------------------------------------


async def test_form_when_not_of_this_site_then_forbidden_and_nothing_done(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        for headers, token in (
            ({}, ""),
            ({}, "A" * 43),
            ({"origin": "https://evil.example"}, visitor.csrf),
            ({"origin": "null"}, visitor.csrf),
            ({"sec-fetch-site": "cross-site"}, visitor.csrf),
            ({"sec-fetch-site": "same-site"}, visitor.csrf),
        ):
            data = {"id": "evil", "display_name": "E", "csrf": token}
            page = await visitor.send("POST", "cashiers/edit", data=data, headers=headers)

            assert 403 == page.status
        assert "evil" not in (await visitor.get("cashiers")).text


async def test_form_when_token_is_of_another_session_then_forbidden(office: Office) -> None:
    key = office.served.owner.key
    async with office.visitor(key) as one, office.visitor(key) as other:
        page = await one.send("POST", "cashiers/edit", data={"id": "e", "csrf": other.csrf})

    assert 403 == page.status


async def test_form_when_nobody_is_signed_in_then_forbidden(office: Office) -> None:
    async with office.visitor() as visitor:
        assert 403 == (await visitor.post("cashiers/edit", id="evil")).status


async def test_form_when_too_long_then_413(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        body = io.BytesIO(b"text=" + b"x" * (9 * 1024 * 1024))
        headers = {"content-type": "application/x-www-form-urlencoded"}
        page = await visitor.send("POST", "products/import", data=body, headers=headers)

    assert 413 == page.status


async def test_form_when_it_is_none_then_refused(office: Office) -> None:
    url_encoded = "application/x-www-form-urlencoded"
    async with office.visitor(office.served.owner.key) as visitor:
        for body, content_type in (
            (b"{}", "application/json"),
            (b"a=%ff", url_encoded),
            (b"a", "multipart/form-data; boundary=b"),
            (b"--b\r\n\r\n\r\n--b--\r\n", 'multipart/form-data; boundary="b'),
            (b"&".join([b"a=1"] * 2_000), url_encoded),
        ):
            headers = {"content-type": content_type}
            page = await visitor.send("POST", "sign-out", data=body, headers=headers)

            assert page.status in (400, 403)
        assert 200 == (await visitor.get("")).status


# --- what every page says --------------------------------------------------------------------


async def test_page_when_signed_in_then_headers_forbid_what_is_foreign(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        page = await visitor.get("")

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert ("no-store", "DENY") == (
        page.headers["cache-control"],
        page.headers["x-frame-options"],
    )
    html = page.html
    assert [] == [each for each in html.every("script") if "src" not in each]
    assert [] == [tag for tag, attributes in html.elements if "style" in attributes]
    sources = [each.get("src") or each.get("href") or "" for _, each in html.elements]
    assert [] == [each for each in sources if "//" in each]


async def test_page_when_demo_then_everybody_is_in_but_forms_are_checked(store: Store) -> None:
    scopes = frozenset({Scope.READ, Scope.IMPORT, Scope.EXPORT_ADMIN, Scope.REGISTER})
    anybody = Principal(account_id=OURS, scopes=scopes)
    async with open_office(store, anybody=anybody) as office, office.visitor() as visitor:
        assert 200 == (await visitor.get("")).status
        assert 403 == (await visitor.send("POST", "tags/edit", data={"tag": "a"})).status
        assert 303 == (await visitor.post("tags/edit", tag="a", name="A")).status
        assert 403 == (await visitor.post("cashiers/edit", id="e")).status


async def test_page_when_key_is_in_a_header_then_it_opens_nothing(office: Office) -> None:
    headers = {"authorization": f"Bearer {office.served.owner.key}"}
    async with office.visitor() as visitor:
        assert 303 == (await visitor.send("GET", "", headers=headers)).status


async def test_page_when_language_is_chosen_then_kept(office: Office) -> None:
    async with office.visitor(office.served.owner.key) as visitor:
        for language, word in (("da", "Gem"), ("en", "Save")):
            page = await visitor.post("language", language=language, next="/back-office/tags")

            assert "/back-office/tags" == page.location
            shown = await visitor.get("tags/edit")
            assert language == shown.html.every("html")[0]["lang"]
            assert f">{word}</button>" in shown.text
