"""Show the OpenAPI document as one page for people, which fetches nothing and runs nothing."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.html_templates import html_templates
from server.http import openapi
from server.http.message_schemas import REFERENCE

PATH: Final = "/docs"

_TEMPLATES: Final = Path(__file__).parent / "templates"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")
_VERBS: Final = ("get", "post", "put", "patch", "delete")

Node = Mapping[str, Any]


class Word(NamedTuple):
    """A part of a type: its text, and the schema that it leads to; empty for none."""

    text: str
    anchor: str = ""


def routes(described: openapi.Description) -> list[Route]:
    """Return the routes of the page, which is made when somebody first asks for it."""
    made: list[bytes] = []
    style = (_TEMPLATES / "api.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    headers = {
        "cache-control": "no-cache",
        "content-security-policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
    }

    async def show(request: Request) -> Response:
        del request
        if not made:
            made.append(page(described.document(), style=style).encode())
        return Response(made[0], headers=headers, media_type="text/html; charset=utf-8")

    async def redirect(request: Request) -> Response:
        del request
        return RedirectResponse(PATH, 308)

    return [
        Route(PATH, show, methods=["GET"], name="api page"),
        Route(f"{PATH}/", redirect, methods=["GET"]),
    ]


def page(document: Node, *, style: str) -> str:
    """Return the page of an OpenAPI document.

    Args:
        document: As `server.http.openapi` makes it.
        style: The style sheet.
    """
    schemas = document["components"]["schemas"]
    operations = list(_operations(document))
    chapters = [
        {
            "name": tag["name"],
            "anchor": _anchor("chapter", tag["name"]),
            "operations": [each for each in operations if tag["name"] in each["tags"]],
        }
        for tag in document["tags"]
    ]
    shown: str = _template().render(
        info=document["info"],
        # The sheet is a file of ours; escaped it would be another one than its digest says.
        style=Markup(style),
        document_path=openapi.PATH,
        chapters=chapters,
        schemas=[_schema(name, schema) for name, schema in sorted(schemas.items())],
    )
    return shown


def _operations(document: Node) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        for verb in _VERBS:
            if verb in methods:
                yield _operation(path, verb, methods[verb])


def _operation(path: str, verb: str, operation: Node) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    return {
        "anchor": _anchor("operation", operation["operationId"]),
        "method": verb.upper(),
        "path": path,
        "tags": operation["tags"],
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "parameters": [
            {
                "name": each["name"],
                "type": _type(each["schema"]),
                "description": each["description"],
                "is_required": each["required"],
            }
            for each in operation.get("parameters", ())
        ],
        "bodies": [
            {
                "content_type": content_type,
                "type": _type(content["schema"]),
                "fields": _fields(content["schema"]),
                "example": json.dumps(content["example"], indent=2) if "example" in content else "",
            }
            for content_type, content in body.items()
        ],
        "answers": [
            {
                "status": status,
                "description": answer["description"],
                "contents": [
                    {"content_type": content_type, "type": _type(content["schema"])}
                    for content_type, content in answer.get("content", {}).items()
                ],
            }
            for status, answer in sorted(operation["responses"].items())
        ],
    }


def _schema(name: str, schema: Node) -> dict[str, Any]:
    return {
        "name": name,
        "anchor": _anchor("schema", name),
        "description": schema.get("description", ""),
        "fields": _fields(schema),
        "choices": schema.get("enum", ()),
        "type": _type(schema),
    }


def _fields(schema: Node) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "type": _type(each),
            "description": each.get("description", ""),
            "is_required": name in required,
        }
        for name, each in schema.get("properties", {}).items()
    ]


def _type(schema: Node) -> list[Word]:
    """Return what a schema is called, in words that lead to where it is described."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return [Word(name, _anchor("schema", name))]
    for joined in ("oneOf", "anyOf", "allOf"):
        if joined in schema:
            every = [_type(each) for each in schema[joined]]
            return [word for words in every for word in (Word(" or "), *words)][1:]
    if "const" in schema:
        return [Word(json.dumps(schema["const"]))]
    if "enum" in schema:
        return [Word(" | ".join(map(str, schema["enum"])))]
    kind = schema.get("type", "any")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    if kinds == ["array"]:
        return [Word("list of "), *_type(schema.get("items", {}))]
    text = " or ".join(kinds)
    return [Word(f"{text} ({schema['format']})" if "format" in schema else text)]


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{_UNSAFE.sub('-', name).strip('-')}"


@lru_cache(maxsize=1)
def _template() -> Any:
    return html_templates(_TEMPLATES, trims_blocks=True).get_template("api.html.jinja")
