"""What every page of the back office has: who asks, what they may do, words, and a layout."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from google.protobuf import message_factory
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from jinja2 import Environment
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from engine.errors import InvalidInput, PermissionDenied, Reason, TillcoreError, invalid
from engine.model import Timing
from engine.rpc.calls import Behaviour, Calls, caller_id
from server.auth import Principal, required_scopes
from server.auth.principal import set_principal
from server.auth.scopes import methods
from server.html_templates import html_templates
from server.http.back_office import words
from server.http.back_office.forms import BadFieldError, Field
from server.http.back_office.posted import NO_FORM, Form, read_form
from server.http.back_office.visitors import (
    CSRF_FIELD,
    PATH,
    VISITOR_COOKIE,
    Visitor,
    check_own_form,
    set_cookie,
    visitor_of,
)
from server.http.errors import status_of
from server.http.tools import HttpTools
from server.reports.writer import Writer
from server.storage import account_tables
from server.storage.places import market_from_text

HERE: Final = Path(__file__).parent
LANGUAGE_COOKIE: Final = "tillcore_language"
PAGE_SIZE: Final = 50

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load: its own style sheet and script, and nothing from anywhere else."""

FRAMED_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""What a document made by somebody else's template may do in its frame: be looked at."""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

Answer = Awaitable[Response]
_METHODS: Final = {method.name: method for method in methods()}


class _Recorded(Calls):
    """Calls that remember the methods themselves, to be called within this process."""

    def __init__(self, log: Any) -> None:
        super().__init__(log)
        self.behaviours: dict[str, Behaviour] = {}

    def unary(self, method: str, behaviour: Behaviour) -> Any:
        """Remember a method."""
        self.behaviours[method] = behaviour
        return super().unary(method, behaviour)


class Office:
    """What all pages share."""

    def __init__(self, tools: HttpTools, *, is_secure: bool) -> None:
        """Make pages over the services of a server.

        Args:
            tools: What the doors share.
            is_secure: Whether browsers come by TLS though requests here do not say so.
        """
        self.tools = tools
        self.is_secure = is_secure
        self.required = required_scopes()
        calls = _Recorded(tools.log)
        for service in tools.services:
            service.handler(calls)
        self.behaviours = calls.behaviours
        self.static = {
            each.name: (each.read_bytes(), _TYPES[each.suffix])
            for each in sorted((HERE / "static").iterdir())
            if each.suffix in _TYPES
        }
        contents = b"".join(content for content, _ in self.static.values())
        self._version = hashlib.sha256(contents).hexdigest()[:12]

    def render(self, template: str, values: Mapping[str, object]) -> str:
        """Return a page."""
        return _templates().get_template(template).render(version=self._version, **values)

    def page(
        self, handler: Callable[["Desk"], Answer], *, is_public: bool = False
    ) -> Callable[[Request], Answer]:
        """Return the endpoint of a handler.

        Args:
            handler: Answers those who are let in, or whom it may concern.
            is_public: Whether it answers everybody.
        """

        async def answer(request: Request) -> Response:
            return await self._answer(request, handler, is_public=is_public)

        return answer

    async def _answer(
        self, request: Request, handler: Callable[["Desk"], Answer], *, is_public: bool
    ) -> Response:
        visitor = await visitor_of(self.tools, request)
        desk = Desk(self, request, visitor)
        try:
            if visitor.principal is not None:
                set_principal(visitor.principal)
                caller_id.set(visitor.principal.account_id)
                await desk.find_out()
            is_post = request.method == "POST"
            if visitor.principal is None and not is_public:
                return desk.sign_in_first(is_post=is_post)
            if is_post:
                desk.form = await read_form(request)
                check_own_form(request, visitor, desk.form.get(CSRF_FIELD, ""))
            answer = await handler(desk)
        except TillcoreError as error:
            answer = desk.error(error)
        except BadFieldError as error:
            # A field that no page of ours leaves so; forms say which ones people have to mend.
            answer = desk.error(invalid("", Reason.MALFORMED, str(error)))
        if visitor.is_new:
            set_cookie(answer, VISITOR_COOKIE, visitor.token, is_secure=desk.is_secure)
        return answer


class Desk:
    """One request of a visitor.

    Attributes:
        office: What all pages share.
        request: What was asked.
        visitor: Who asks.
        form: What was posted.
        writer: Writes in the language of the visitor.
        zone: The time zone of the account's first market, for what belongs to no shop.
        account_name: What the account is called.
    """

    def __init__(self, office: Office, request: Request, visitor: Visitor) -> None:
        """Take a request."""
        self.office = office
        self.tools = office.tools
        self.request = request
        self.visitor = visitor
        self.form: Form = NO_FORM
        self.language = _language(request)
        self.writer = Writer(self.language)
        self.zone = "UTC"
        self.account_name = ""
        self.is_secure = office.is_secure or request.url.scheme == "https"

    async def find_out(self) -> None:
        """Look up what every page shows of the account."""
        account_id = self.principal.account_id

        def work(connection: Connection) -> tuple[str, str]:
            markets, accounts = account_tables.market, account_tables.account
            own = select(markets.c.document).where(markets.c.account_id == account_id)
            document = connection.execute(own.order_by(markets.c.market_id).limit(1)).scalar()
            name = select(accounts.c.name).where(accounts.c.account_id == account_id)
            zone = "UTC" if document is None else market_from_text(document).timezone
            return zone, connection.execute(name).scalar() or account_id

        self.zone, self.account_name = await self.tools.store.read(work)

    # --- who and what ------------------------------------------------------------------------

    @property
    def principal(self) -> Principal:
        """Whom the visitor stands for, on a page that is not public."""
        assert self.visitor.principal is not None, "the page is not public"
        return self.visitor.principal

    @property
    def account_id(self) -> str:
        """Whose account it is."""
        return self.principal.account_id

    def may(self, method: str) -> bool:
        """Return whether the visitor may call a method of the services."""
        return self.visitor.principal is not None and self.principal.may(
            self.office.required[method]
        )

    def require(self, method: str) -> None:
        """Refuse a visitor who may not call a method.

        Raises:
            PermissionDenied: It is one.
        """
        if not self.may(method):
            names = " or ".join(sorted(scope.value for scope in self.office.required[method]))
            raise PermissionDenied(f"expected somebody with the scope {names}")

    async def call(self, message: Message) -> Any:
        """Return the answer of the method that a request is for, as gRPC would.

        Raises:
            TillcoreError: What the method raises, or the visitor may not call it.
        """
        name = message.DESCRIPTOR.name.removesuffix("Request")
        self.require(name)
        data = await self.office.behaviours[name](message.SerializeToString())
        return message_factory.GetMessageClass(_METHODS[name].output_type).FromString(data)

    def query(self, name: str) -> str:
        """Return a parameter of the query without white space around it, empty when absent."""
        # No id has a NUL, and PostgreSQL takes none in a text.
        return self.request.query_params.get(name, "").replace("\0", "").strip()

    # --- words ---------------------------------------------------------------------------------

    def word(self, key: str, **values: object) -> str:
        """Return a text in the language of the visitor."""
        text = words.text(key, self.language)
        return text.format(**values) if values else text

    def choice(self, value: str) -> str:
        """Return what a value of an enumeration is called; in plain words where nobody says."""
        known = words.CHOICES.get(value)
        if known is not None:
            return known[words.LANGUAGES.index(self.language)]
        return value.replace("_", " ").replace("-", " ").capitalize()

    def hint(self, field: Field) -> str:
        """Return what helps to fill a field in, empty where nothing has to be said."""
        key = field.word.replace("field_", "hint_", 1)
        return words.text(key, self.language).format() if key in words.WORDS else ""

    def enum(self, message: Any, name: str) -> str:
        """Return the value of an enumeration in a message as choices have it, such as `active`."""
        enum = message.DESCRIPTOR.fields_by_name[name].enum_type
        prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
        value = enum.values_by_number.get(getattr(message, name))
        return "" if value is None else value.name.removeprefix(prefix).lower()

    def moment(self, time: Timestamp | int, zone: str = "") -> str:
        """Return a moment on the clock of a zone; empty for the moment 0."""
        time_ns = time if isinstance(time, int) else time.ToNanoseconds()
        if not time_ns:
            return ""
        return self.writer.moment(Timing(timestamp_ns=time_ns, timezone=zone or self.zone))

    # --- answers -------------------------------------------------------------------------------

    def link(self, path: str, /, **query: object) -> str:
        """Return the address of a page: parameters that are empty are left out."""
        given = {name: value for name, value in query.items() if value not in ("", None, 0)}
        return f"{PATH}/{path}" + (f"?{urlencode(given)}" if given else "")

    def page(self, template: str, *, status: int = 200, **values: object) -> Response:
        """Return a page for the visitor."""
        done = self.query("done")
        shared = {
            "desk": self,
            "t": self.word,
            "link": self.link,
            "may": self.may,
            "choice": self.choice,
            "done": self.word(f"done_{done}") if f"done_{done}" in words.WORDS else "",
            "here": self.request.url.path,
            "problems": (),
        }
        text = self.office.render(template, shared | values)
        return Response(text, status, html_headers(POLICY, frames="DENY"), "text/html")

    def see(self, path: str, /, **query: object) -> Response:
        """Send the visitor to another page after something was done."""
        return RedirectResponse(self.link(path, **query), 303, {"cache-control": "no-store"})

    def error(self, error: TillcoreError) -> Response:
        """Return the page about an error."""
        problems = error.problems if isinstance(error, InvalidInput) else ()
        return self.page(
            "error.html.jinja", status=status_of(error), error=error, problems=problems
        )

    def sign_in_first(self, *, is_post: bool) -> Response:
        """Send a visitor to the sign-in, who is then sent back; what was posted is lost."""
        if is_post:
            return self.error(PermissionDenied("expected somebody who is signed in, was nobody"))
        url = self.request.url
        return self.see("sign-in", next=url.path + (f"?{url.query}" if url.query else ""))

    def framed(self, content: bytes, content_type: str, *, file_name: str = "") -> Response:
        """Return a file of somebody else's making: shown in a frame, or downloaded under a name."""
        headers = html_headers(FRAMED_POLICY, frames="SAMEORIGIN")
        if file_name:
            headers["content-disposition"] = f'attachment; filename="{file_name}"'
        headers["content-type"] = content_type
        return Response(content, headers=headers)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return html_templates(HERE / "templates", trims_blocks=True)


def html_headers(policy: str, *, frames: str) -> dict[str, str]:
    """Return the headers of a page with data."""
    return {
        "cache-control": "no-store",
        "content-security-policy": policy,
        "x-frame-options": frames,
        "cross-origin-opener-policy": "same-origin",
    }


def _language(request: Request) -> str:
    """Return the language that a visitor has chosen, else one that the browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    wanted = [each.split(";")[0].strip()[:2].lower() for each in _accepted(request)]
    return next((each for each in (chosen, *wanted) if each in words.LANGUAGES), words.LANGUAGES[0])


def _accepted(request: Request) -> Iterable[str]:
    return request.headers.get("accept-language", "").split(",")
