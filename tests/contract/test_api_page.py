"""Read the page about the HTTP interface, and hold it to the document that it is made from."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from server.http import api_page, doors, openapi
from server.storage import StoreSettings, open_store
from tests.support.core_server import danish_shop
from tests.support.http_server import Site, door_settings, open_doors
from tests.support.server import running_server


class Reader(HTMLParser):
    """Reads the page.

    Attributes:
        ids: Of all elements, in their order.
        links: Where links lead.
        tags: The names of all elements.
        text: All text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Yield all doors of a server."""
    async with (
        open_store(StoreSettings(directory=tmp_path, is_migrating=True)) as store,
        running_server(store, contexts=[danish_shop()]) as served,
        open_doors(
            served, lambda tools: doors.new_doors(tools, served.calls, door_settings())
        ) as opened,
    ):
        yield opened


async def read(site: Site) -> tuple[Any, Reader, Any]:
    """Return the document, the page, and the headers of the page."""
    async with site.session.get(openapi.PATH) as answer:
        document = await answer.json()
    async with site.session.get(f"{api_page.PATH}/") as answer:
        assert (200, "text/html") == (answer.status, answer.content_type)
        reader = Reader()
        reader.feed(await answer.text())
        return document, reader, answer.headers


async def test_page_when_read_then_every_operation_and_message_is_there(site: Site) -> None:
    document, page, _ = await read(site)

    wanted = [*document["paths"], *document["components"]["schemas"]]
    texts = page.text
    assert [] == [each for each in wanted if each not in texts]
    operations = sum(len(methods) for methods in document["paths"].values())
    assert operations == sum(each.startswith("operation-") for each in page.ids)


async def test_page_when_links_are_followed_then_each_leads_somewhere_once(site: Site) -> None:
    _, page, _ = await read(site)

    inside = {each.removeprefix("#") for each in page.links if each.startswith("#")}
    assert {openapi.PATH} == {each for each in page.links if not each.startswith("#")}
    assert set() == inside - set(page.ids)
    assert len(page.ids) == len(set(page.ids))


async def test_page_when_looked_at_then_it_runs_and_fetches_nothing(site: Site) -> None:
    _, page, headers = await read(site)

    policy = headers["content-security-policy"]
    assert re.match(r"default-src 'none'; style-src 'sha256-[^']+'; ", policy)
    assert set() == page.tags & {"script", "img", "link", "iframe", "form"}


def test_page_when_a_text_has_markup_then_it_is_shown_as_it_is() -> None:
    document = {
        "info": {"title": "<b>", "version": "1", "description": "<script>"},
        "tags": [],
        "paths": {},
        "components": {"schemas": {"A<i>": {"type": "string", "description": "<u>"}}},
    }

    shown = api_page.page(document, style="")

    assert ["&lt;b&gt;", "&lt;script&gt;", "A&lt;i&gt;", "&lt;u&gt;"] == re.findall(
        r"(?:A)?&lt;\w+&gt;", shown
    )[1:]
