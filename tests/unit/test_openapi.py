"""Hold the OpenAPI document to what is served, and to the words of the .proto files."""

from typing import Any

import msgspec
import pytest
from google.protobuf import json_format, message_factory
from starlette.requests import Request
from starlette.responses import Response

from server.auth.scopes import Scope, methods, scopes_of
from server.http.message_schemas import schemas_of
from server.http.openapi import document
from server.http.operations import Operation, Parameter
from tillcore.v1 import basket_service_pb2, register_service_pb2

UNARY = [each for each in methods() if not (each.client_streaming or each.server_streaming)]


async def handler(request: Request) -> Response:
    raise AssertionError(f"nobody calls {request}")


IMPORT = Operation(
    method="POST",
    path="/imports/{kind}",
    name="importThings",
    summary="Import things.",
    handler=handler,
    tag="Imports",
    parameters=(
        Parameter("kind", "What they are.", {"type": "string"}, place="path"),
        Parameter("ignore", "A field.", {"type": "string"}, is_repeated=True),
    ),
    body={"application/json": {"type": "array"}},
    answers={200: ("Taken.", {"text/plain": {"type": "string"}}), 413: ("Too much.", {})},
    takes_query_key=True,
)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Return the document of one operation and all methods."""
    found = document([IMPORT, IMPORT._replace(method="GET", body={})], UNARY)
    # What is served is the text: nothing in it may be what JSON cannot say.
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return decoded


def references(value: Any) -> set[str]:
    """Return every reference in a value."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_document_when_made_then_every_method_and_operation(made: dict[str, Any]) -> None:
    rpcs = {f"/{each.containing_service.full_name}/{each.name}" for each in UNARY}
    ids = [each["operationId"] for item in made["paths"].values() for each in item.values()]

    assert "3.1.0" == made["openapi"]
    assert rpcs | {"/imports/{kind}"} == made["paths"].keys()
    assert len(ids) == len(set(ids)) == len(rpcs) + 2


def test_document_when_references_are_followed_then_all_are_there(made: dict[str, Any]) -> None:
    prefix = "#/components/schemas/"
    names = {each.removeprefix(prefix) for each in references(made)}

    assert names <= made["components"]["schemas"].keys()
    assert made["components"]["schemas"].keys() - names == set()


def test_operation_when_described_then_as_its_value_says(made: dict[str, Any]) -> None:
    post, get = (made["paths"]["/imports/{kind}"][method] for method in ("post", "get"))

    assert ("importThings", "importThings_get") == (post["operationId"], get["operationId"])
    assert [{"bearer": []}, {"apikey": []}] == post["security"]
    assert {"application/json": {"schema": {"type": "array"}}} == post["requestBody"]["content"]
    assert "requestBody" not in get
    kind, ignore = post["parameters"]
    assert ("path", True) == (kind["in"], kind["required"])
    assert {"type": "array", "items": {"type": "string"}} == ignore["schema"]
    assert "Too much." == post["responses"]["413"]["description"]
    assert "text/plain" in post["responses"]["200"]["content"]
    assert {"400", "401", "403", "503"} <= post["responses"].keys()


def test_method_when_described_then_its_scopes_and_the_words_of_its_file(
    made: dict[str, Any],
) -> None:
    evaluate = made["paths"]["/tillcore.v1.BasketService/EvaluateBasket"]["post"]
    public = [
        made["paths"][f"/{each.containing_service.full_name}/{each.name}"]["post"]["security"]
        for each in UNARY
        if Scope.PUBLIC in scopes_of(each)
    ]
    schemas = made["components"]["schemas"]

    assert "EvaluateBasket evaluates one basket" == evaluate["summary"]
    assert "Needs a key with the scope read or register." in evaluate["description"]
    assert public
    assert [[]] * len(public) == public
    described = schemas["tillcore.v1.EvaluateBasketRequest"]["properties"]["basket"]["description"]
    assert described.startswith("Required. Holds the basket.")


def test_example_when_parsed_then_a_request_of_its_method(made: dict[str, Any]) -> None:
    found = 0
    for each in UNARY:
        path = f"/{each.containing_service.full_name}/{each.name}"
        content = made["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        if "example" in content:
            json_format.ParseDict(
                content["example"], message_factory.GetMessageClass(each.input_type)()
            )
            found += 1

    assert found


def test_schema_when_field_is_of_each_kind_then_as_json_has_it() -> None:
    kinds = (
        basket_service_pb2.EvaluateBasketResponse.DESCRIPTOR,
        register_service_pb2.RecordEventsRequest.DESCRIPTOR,
    )
    schemas = schemas_of(kinds, {})
    basket = schemas["tillcore.v1.EvaluatedBasket"]["properties"]

    assert ["string", "integer"] == basket["totalMicros"]["type"]
    assert "array" == basket["lineItems"]["type"]
    assert {"type": "string", "format": "date-time"} == basket["evaluateTime"]
    assert all(not schema["additionalProperties"] for schema in schemas.values())
    assert not any(name.startswith("google.protobuf") for name in schemas)
    tax = schemas["tillcore.v1.TaxAmount"]["properties"]["type"]
    assert "TAX_TYPE_VAT" in tax["enum"]
    texts = schemas["tillcore.v1.LocalizedString"]["properties"]["textByLanguage"]
    assert {"type": "object", "additionalProperties": {"type": "string"}} == texts
