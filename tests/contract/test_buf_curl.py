"""Evaluate the sample sale with buf curl, which knows the server by its reflection alone."""

import asyncio
import json
import shutil
import sysconfig
from typing import Any

from tests.support.core_server import running_core

METHOD = "tillcore.v1.BasketService/EvaluateBasket"
SESSION = "tillcore.v1.BasketService/EditBasket"

VAT = {"name": {"text": "Moms"}, "rateMicros": "250000", "type": "TAX_TYPE_VAT"}

SAMPLE_SALE: dict[str, Any] = {
    "context": {
        "market": {"id": "dk", "currencyCode": "DKK", "defaultTaxes": [VAT]},
        "products": [
            {
                "id": "1048",
                "name": {"textByLanguage": {"da": "Ambience Bordlampe"}},
                "retailPrice": {"amountMicros": "1795000000"},
                "variants": [{"id": "1053"}],
            },
            {
                "id": "prodId-36601",
                "name": {"text": "Asics Dame Allover Graphic Kortærmet Top"},
                "retailPrice": {"amountMicros": "179000000"},
            },
            {
                "id": "asteroids",
                "name": {"text": "Asteroids"},
                "retailPrice": {"amountMicros": "50000000"},
                "costPrice": {"amountMicros": "70000000"},
            },
        ],
    },
    "basket": {
        "lineItems": [
            {"id": "1048", "variantId": "1053", "quantityMicros": "2000000"},
            {"id": "prodId-36601", "discounts": [{"type": {"percentageMicros": "50000"}}]},
            {"id": "asteroids"},
        ],
        "payments": [
            {"paymentType": "card.external", "amountMicros": "500000000"},
            {"paymentType": "cash", "amountMicros": "3310000000"},
        ],
    },
}
"""The sale of the reference documents (models), as a request."""


def buf() -> str:
    """Return the path of buf, which comes with the test dependencies (PyPI buf-bin)."""
    path = shutil.which("buf", path=sysconfig.get_path("scripts")) or shutil.which("buf")
    assert path is not None, "expected buf beside this Python, was absent"
    return path


async def curl(method: str, target: str, data: str) -> str:
    """Send messages as JSON with buf curl and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        buf(),
        *("curl", "--http2-prior-knowledge", "--protocol", "grpc", "--data", "@-"),
        f"http://{target}/{method}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(data.encode()), 60)
    assert 0 == process.returncode, errors.decode()
    return output.decode()


async def test_evaluate_basket_when_called_by_buf_curl_then_sample_sale() -> None:
    async with running_core() as core:
        output = await curl(METHOD, core.target, json.dumps(SAMPLE_SALE))

    basket = json.loads(output)["evaluatedBasket"]
    expected = {
        "basePriceMicros": "3048040000",
        "vatAmountMicros": "762010000",
        "totalMicros": "3810050000",
        "totalDiscountsMicros": "8950000",
        "marginMicros": "-30000000",
        "marginTotalMicros": "40000000",
    }
    assert expected == {name: basket[name] for name in expected}
    assert "50000" == basket["payment"]["cashRoundingMicros"]


async def test_edit_basket_when_called_by_buf_curl_then_a_session() -> None:
    actions: list[dict[str, Any]] = [
        {"sequence": 1, "open": {}},
        {"sequence": 2, "addLine": {"line": {"id": "lamp"}}},
        {"sequence": 3, "addLine": {"line": {"id": "ghost"}}},
        {
            "sequence": 4,
            "changeBasket": {
                "basket": {"customer": {"identifier": "C-17"}},
                "updateMask": "customer",
            },
        },
        {"sequence": 5, "close": {}},
    ]
    async with running_core() as core:
        output = await curl(SESSION, core.target, "\n".join(map(json.dumps, actions)))

    answers = json_texts(output)
    assert ["1", "2", "3", "4", "5"] == [answer["sequence"] for answer in answers]
    assert "1795000000" == answers[1]["evaluatedBasket"]["totalMicros"]
    assert 3 == answers[2]["rejection"]["code"]
    assert "C-17" == answers[3]["evaluatedBasket"]["customer"]["identifier"]
    assert "SESSION_END_REASON_CLOSED" == answers[4]["ended"]["reason"]


def json_texts(text: str) -> list[dict[str, Any]]:
    """Return the objects of JSON texts that follow each other."""
    found: list[dict[str, Any]] = []
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found
