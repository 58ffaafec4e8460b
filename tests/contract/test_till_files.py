"""Ask for the files of the till in the browser."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from engine.errors import InvalidInput
from server.http.application import new_application
from server.http.listener import listening
from server.http.till import routes


@pytest.fixture(name="site")
async def _site() -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        listening("127.0.0.1:0", new_application(routes())) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield session


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/till", "text/html; charset=utf-8"),
        ("/till/", "text/html; charset=utf-8"),
        ("/till/customer.html", "text/html; charset=utf-8"),
        ("/till/main.js", "text/javascript; charset=utf-8"),
        ("/till/style.css", "text/css; charset=utf-8"),
        ("/till/icon.svg", "image/svg+xml"),
    ],
)
async def test_file_when_asked_for_again_then_is_not_sent_again(
    site: aiohttp.ClientSession, path: str, content_type: str
) -> None:
    async with site.get(path) as first:
        headers = first.headers
    async with site.get(path, headers={"if-none-match": headers["etag"]}) as again:
        content = await again.read()

    assert (200, content_type, "no-cache") == (
        first.status,
        headers["content-type"],
        headers["cache-control"],
    )
    policy = headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self' 'sha256-" in policy
    assert "unsafe" not in policy
    assert (304, b"", headers["etag"]) == (again.status, content, again.headers["etag"])


async def test_pictures_when_other_sites_are_named_then_the_page_may_show_theirs() -> None:
    images = "https://images.example"
    application = new_application(routes(pictures=[images]))
    async with (
        listening("127.0.0.1:0", application) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        session.get("/till/") as page,
        session.get("/till/pictures.json") as listed,
    ):
        policy = page.headers["content-security-policy"]
        assert [images] == await listed.json()

    assert f"img-src 'self' {images};" in policy


def test_pictures_when_a_site_is_none_then_refused() -> None:
    with pytest.raises(InvalidInput, match=r"http\.pictures"):
        routes(pictures=["https://images.example; script-src *"])


async def test_file_when_it_has_changed_then_is_sent(site: aiohttp.ClientSession) -> None:
    async with site.get("/till/", headers={"if-none-match": '"another"'}) as answer:
        assert 200 == answer.status


@pytest.mark.parametrize("path", ["/till/__init__.py", "/till/..%2fcli.py", "/till/nothing.js"])
async def test_file_when_it_is_no_page_then_not_found(
    site: aiohttp.ClientSession, path: str
) -> None:
    async with site.get(path) as answer:
        assert 404 == answer.status


async def test_file_when_posted_to_then_refused(site: aiohttp.ClientSession) -> None:
    async with site.post("/till/") as answer:
        assert 405 == answer.status
