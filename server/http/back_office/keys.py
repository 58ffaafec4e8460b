"""Pages of keys: which there are, a new one shown once, and the end of one."""

from typing import Final

from starlette.responses import Response

from engine.errors import InvalidInput
from server.auth.scopes import KEY_SCOPES, NUMBERS
from server.http.back_office import forms
from server.http.back_office.forms import BadFieldError, Field, Kind
from server.http.back_office.office import PAGE_SIZE, Desk
from tillcore.v1 import admin_key_pb2, options_pb2

_SECONDS_PER_DAY: Final = 86_400
_FIELDS: Final = (Field("name", is_required=True), Field("scopes", Kind.LINES), Field("days"))


async def list_keys(desk: Desk) -> Response:
    """Show a page of the keys."""
    return await _list(desk)


async def _list(
    desk: Desk, *, new_key: str = "", problems: list[forms.Problem] | None = None
) -> Response:
    request = admin_key_pb2.ListApiKeysRequest(page_size=PAGE_SIZE, page_token=desk.query("page"))
    answer = await desk.call(request)
    rows = [
        {
            "key": each,
            "scopes": [options_pb2.Scope.Name(number) for number in each.scopes],
            "is_revoked": each.HasField("revoke_time"),
        }
        for each in answer.api_keys
    ]
    return desk.page(
        "keys.html.jinja",
        status=400 if problems else 200,
        rows=rows,
        next_page=answer.next_page_token,
        scopes=[(scope.value, f"SCOPE_{scope.name}") for scope in KEY_SCOPES],
        new_key=new_key,
        values=desk.form,
        chosen=desk.form.every("scopes"),
        problems=problems or (),
    )


async def make_key(desk: Desk) -> Response:
    """Make a key and show it, this once; the page is not kept anywhere."""
    chosen = desk.form.every("scopes")
    request = admin_key_pb2.CreateApiKeyRequest(
        name=desk.form.text("name"),
        scopes=[NUMBERS[scope] for scope in KEY_SCOPES if scope.value in chosen],
    )
    try:
        if desk.form.text("days"):
            seconds = forms.integer(desk.form.text("days")) * _SECONDS_PER_DAY
            request.expire_time.FromSeconds(desk.tools.clock() // 10**9 + seconds)
        answer = await desk.call(request)
    except BadFieldError as error:
        return await _list(desk, problems=_placed([("days", str(error))], desk))
    except InvalidInput as error:
        return await _list(desk, problems=_placed(error.problems, desk))
    return await _list(desk, new_key=answer.key)


def _placed(found: object, desk: Desk) -> list[forms.Problem]:
    return forms.placed(found, _FIELDS, under="api_key", word=desk.word)  # type: ignore[arg-type]  # both are problems


async def revoke_key(desk: Desk) -> Response:
    """End the use of a key; its sessions of the back office end too."""
    await desk.call(admin_key_pb2.RevokeApiKeyRequest(api_key_id=desk.query("id")))
    return desk.see("keys", done="revoked")
