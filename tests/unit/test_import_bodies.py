"""The bodies of the import endpoints, in every spelling."""

import pytest

from engine.errors import InvalidInput, Reason
from engine.import_bodies import (
    DeletionBody,
    ImportBody,
    deletion_body,
    listed_body,
    products_body,
)
from engine.strict_json import decode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '{"products": [{"id": "a"}, {"id": "b"}]}',
            ImportBody(documents=({"id": "a"}, {"id": "b"})),
            id="an array",
        ),
        pytest.param(
            '{"products": {"a": {"name": "A"}}}',
            ImportBody(documents=({"id": "a", "name": "A"},)),
            id="an object by id",
        ),
        pytest.param(
            '{"product": {"id": "a"}}', ImportBody(documents=({"id": "a"},)), id="one product"
        ),
        pytest.param(
            '{"products": [], "shops": {"x": true, "y": true}}',
            ImportBody(documents=(), shops=("x", "y")),
            id="shops as an object",
        ),
        pytest.param(
            '{"products": [], "shops": ["x"], '
            '"metadata": {"markets": {"dk": true}, "channels": {"pos": true}}}',
            ImportBody(documents=(), shops=("x",), markets=("dk",)),
            id="shops as an array, markets in the metadata",
        ),
    ],
)
def test_products_body_in_every_spelling(text: str, expected: ImportBody) -> None:
    assert products_body(decode(text)) == expected


def test_products_body_when_an_entry_is_no_object_then_it_is_kept_for_its_reader() -> None:
    assert products_body({"products": ["a"]}).documents == ("a",)


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("[]", "", Reason.WRONG_TYPE),
        ("{}", "products", Reason.REQUIRED),
        ('{"products": 1}', "products", Reason.WRONG_TYPE),
        ('{"product": {}, "products": []}', "product", Reason.NOT_ALLOWED),
        ('{"products": [], "shop": ["x"]}', "shop", Reason.UNKNOWN_FIELD),
        ('{"products": [], "shops": {"x": false}}', "shops.x", Reason.WRONG_TYPE),
        ('{"products": [], "metadata": {"market": {}}}', "metadata.market", Reason.UNKNOWN_FIELD),
    ],
)
def test_products_body_when_bad_then_the_member_is_named(
    text: str, field: str, reason: Reason
) -> None:
    with pytest.raises(InvalidInput) as caught:
        products_body(decode(text))
    assert (field, reason) in [(each.field, each.reason) for each in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        '[{"tag": "a", "name": "A"}]',
        '{"tags": [{"tag": "a", "name": "A"}]}',
        '{"tags": {"a": {"name": "A"}}}',
    ],
)
def test_listed_body_in_every_spelling(text: str) -> None:
    body = listed_body(decode(text), member="tags", key="tag")
    assert body == ImportBody(documents=({"tag": "a", "name": "A"},))


def test_listed_body_when_the_list_is_missing_then_it_is_named() -> None:
    with pytest.raises(InvalidInput, match="campaigns: expected an array, was absent"):
        listed_body({}, member="campaigns")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["a", "b"]', DeletionBody(ids=("a", "b"))),
        ('{"ids": ["a"]}', DeletionBody(ids=("a",))),
        ('{"ids": {"a": true}, "shops": {"x": true}}', DeletionBody(ids=("a",), shops=("x",))),
    ],
)
def test_deletion_body_in_every_spelling(text: str, expected: DeletionBody) -> None:
    assert deletion_body(decode(text)) == expected


@pytest.mark.parametrize("text", ['"a"', "{}", '{"ids": [1]}', '{"ids": [], "shop": []}'])
def test_deletion_body_when_bad_then_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        deletion_body(decode(text))
