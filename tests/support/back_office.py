"""Visit the back office of a running server as a browser without scripts does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
from google.protobuf.message import Message

from server.auth import Principal
from server.http.application import new_application
from server.http.back_office.application import routes
from server.http.back_office.visitors import SESSION_COOKIE
from server.storage import Store
from tests.support.account_things import request
from tests.support.checkouts import completing, line
from tests.support.core_server import danish_shop
from tests.support.http_server import open_doors
from tests.support.server import Served, running_server
from tests.support.tills import closing, counted, opening
from tillcore.v1 import basket_pb2, catalog_campaign_pb2

UNIT = 1_000_000
LAMP = 1795
CAMPAIGN = (
    b'{"campaigns":[{"id":"two-lamps","type":"percentage_discount-count_or_more-tag",'
    b'"name":"two","display_name":{"da":"To lamper","en":"Two lamps"},"priority":1,'
    b'"tag":"light","count":2,"percentage":0.2}]}'
)
TILL = "till-1"


class Html(HTMLParser):
    """What a page consists of.

    Attributes:
        elements: Every element: its name and its attributes.
        text: All text outside of elements that are not shown.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._is_hidden = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        self._is_hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        self._is_hidden = self._is_hidden and tag not in ("script", "style")

    def handle_data(self, data: str) -> None:
        """Note text."""
        if not self._is_hidden:
            self.text += data

    def every(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def value(self, name: str) -> str:
        """Return the value of the first field of a form with a name."""
        found = (each.get("value") for each in self.every("input") if each.get("name") == name)
        return next(found, "") or ""

    def actions(self) -> list[str]:
        """Return where the forms of the page post to."""
        return [each["action"] or "" for each in self.every("form") if each["method"] == "post"]


class Page(NamedTuple):
    """An answer."""

    status: int
    headers: Any
    text: str

    @property
    def html(self) -> Html:
        """What the page consists of."""
        return Html(self.text)

    @property
    def location(self) -> str:
        """Where the visitor is sent to."""
        return str(self.headers.get("location", ""))


def cookie_of(page: Page, name: str = SESSION_COOKIE) -> str:
    """Return the header that sets a cookie, empty where there is none."""
    every = page.headers.getall("set-cookie", [])
    return next((each for each in every if each.startswith(f"{name}=")), "")


def session_of(page: Page) -> str:
    """Return the text of the session's cookie."""
    return SimpleCookie(cookie_of(page))[SESSION_COOKIE].value


class Visitor:
    """A browser with cookies of its own.

    Attributes:
        session: What sends its requests.
        csrf: What its forms carry.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.csrf = ""

    async def get(self, path: str, **query: object) -> Page:
        """Return a page below /back-office/."""
        return await self.send("GET", path, query=query)

    async def post(self, path: str, *, query: Any = None, **form: object) -> Page:
        """Post a form as a page of ours does."""
        if not self.csrf:
            await self.refresh()
        return await self.send("POST", path, query=query, data={"csrf": self.csrf, **form})

    async def refresh(self) -> None:
        """Get a page with the token that forms carry now."""
        self.csrf = (await self.get("sessions")).html.value("csrf") or (
            await self.get("sign-in")
        ).html.value("csrf")

    async def send(self, method: str, path: str, *, query: Any = None, **options: Any) -> Page:
        """Send a request and return the answer; nobody follows a redirect."""
        target = path if path.startswith("/") else f"/back-office/{path}"
        if query:
            target += "?" + urlencode(query)
        async with self.session.request(method, target, allow_redirects=False, **options) as answer:
            return Page(answer.status, answer.headers, await answer.text(errors="replace"))

    async def sign_in(self, key: str, **form: object) -> Page:
        """Sign in with a key."""
        page = await self.post("sign-in", key=key, **form)
        await self.refresh()
        return page


class Office(NamedTuple):
    """A back office that is open.

    Attributes:
        url: Where it is.
        served: The server behind it.
    """

    url: str
    served: Served

    @asynccontextmanager
    async def visitor(self, key: str = "") -> AsyncIterator[Visitor]:
        """Yield a browser, which has signed in with a key if there is one."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(base_url=self.url, cookie_jar=jar) as session:
            visitor = Visitor(session)
            if key:
                assert (await visitor.sign_in(key)).status == 303
            yield visitor

    async def call(self, message: Message) -> Any:
        """Call a method as the owner."""
        return await self.served.owner.call(message)


@asynccontextmanager
async def open_office(store: Store, *, anybody: Principal | None = None) -> AsyncIterator[Office]:
    """Yield a back office over a server with a Danish shop, a till and a campaign."""
    async with (
        running_server(store, contexts=[danish_shop()]) as served,
        open_doors(served, lambda tools: new_application(routes(tools)), anybody=anybody) as site,
    ):
        office = Office(site.url, served)
        await office.call(
            request("CreateShop", shop={"id": "aarhus", "market_id": "dk", "name": "Aarhus"})
        )
        await office.call(
            request("CreateRegister", register={"id": TILL, "shop_id": "aarhus", "name": "Till 1"})
        )
        yield office


async def sell(office: Office, count: int = 2) -> str:
    """Sell lamps, two of which have a discount, and return the id of the sale."""
    await office.call(
        catalog_campaign_pb2.ImportCampaignsRequest(market_ids=["dk"], documents_json=CAMPAIGN)
    )
    await office.call(opening(TILL))
    amount = LAMP * count * UNIT if count < 2 else LAMP * count * UNIT * 8 // 10
    payment = basket_pb2.Payment(payment_type="card.external", amount_micros=amount)
    basket = basket_pb2.Basket(line_items=[line("lamp", count)], payments=[payment])
    answer = await office.call(completing(basket, register_id=TILL))
    return str(answer.checkout.sales[0].identifier)


async def close_till(office: Office) -> None:
    """Close the till of the tests."""
    await office.call(closing(TILL, counts=[counted()]))
