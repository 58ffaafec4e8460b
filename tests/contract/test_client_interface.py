"""Hold the interface of `tillcore_client` against the schema, and its keys in the machine."""

import inspect
import re
from typing import Any

import pytest

import tillcore_client
from tests.support.command_line import ROOT
from tests.unit.test_tidy import methods as method_names
from tillcore.v1 import basket_pb2, options_pb2
from tillcore_client import AsyncClient, Client, Tls, v1
from tillcore_client.connection import is_loopback
from tillcore_client.method import Method
from tillcore_client.v1 import methods_pb2_grpc as methods

BY_HAND = {
    "AggregateSales": "aggregate_sales",
    "EditBasket": "edit_basket",
    "EvaluateBasket": "evaluate",
    "EvaluateBaskets": "evaluate_many",
    "StreamBaskets": "stream",
}


def test_clients_when_compared_then_have_the_same_methods_with_the_same_parameters() -> None:
    def shape(client: type) -> dict[str, list[tuple[str, Any, Any]]]:
        return {
            name: [(each.name, each.kind, each.default) for each in parameters(member)]
            for name, member in inspect.getmembers(client, callable)
            if not name.startswith("_")
        }

    assert shape(Client) == shape(AsyncClient)


def parameters(member: Any) -> list[inspect.Parameter]:
    """Return the parameters of a method."""
    return list(inspect.signature(member).parameters.values())


def test_clients_when_listed_then_have_every_method_of_every_service() -> None:
    lacking = [
        name for name in method_names() if not hasattr(Client, BY_HAND.get(name, snake(name)))
    ]

    assert [] == lacking


def snake(name: str) -> str:
    """Return the name of a method in Python's way."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_ids_when_the_schema_says_that_callers_make_them_then_the_client_does() -> None:
    made = {each.id_field for each in vars(methods).values() if isinstance(each, Method)}
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "proto").rglob("*.proto"))
    comments = re.findall(r"((?:^  //.*\n)+)^  string (\w+) = 1;", text, re.MULTILINE)
    named = {
        field
        for comment, field in comments
        if re.search(r"Required\..*made and kept by", " ".join(comment.split(" //")), re.DOTALL)
    }

    assert "checkout_id" in named
    assert set() == named - made


def test_method_when_a_read_then_may_be_repeated() -> None:
    every = [each for each in vars(methods).values() if isinstance(each, Method)]
    reads = [each.name for each in every if not each.is_write and not each.is_repeatable]
    with_id = [each.name for each in every if each.id_field and not each.is_repeatable]

    assert [] == reads
    assert [] == with_id


def test_messages_when_those_of_the_server_are_loaded_then_are_others_of_the_same_bytes() -> None:
    theirs = basket_pb2.Basket(coupons=["A"], line_items=[basket_pb2.BasketLine(id="coffee")])
    ours = v1.Basket.FromString(theirs.SerializeToString())

    assert "tillcore_client.v1.Basket" == v1.Basket.DESCRIPTOR.full_name
    assert "coffee" == ours.line_items[0].id
    assert type(theirs).__module__ != type(ours).__module__
    assert int(options_pb2.SCOPE_OWNER) == int(v1.SCOPE_OWNER)


def test_package_when_listed_then_every_name_is_there() -> None:
    assert all(hasattr(tillcore_client, name) for name in tillcore_client.__all__)


def test_tls_when_certificate_is_without_key_then_is_refused() -> None:
    with pytest.raises(ValueError, match="expected certificate and key together"):
        Tls(certificate=b"")


def test_tls_when_shown_then_has_no_key() -> None:
    assert "secret" not in repr(Tls(certificate=b"", key=b"secret"))


@pytest.mark.parametrize("client_class", [Client, AsyncClient])
def test_key_when_sent_in_plaintext_to_another_machine_then_is_refused(
    client_class: type[Client] | type[AsyncClient],
) -> None:
    with pytest.raises(ValueError, match="expected tls for a key to till"):
        client_class("till.example:50051", api_key="secret")


def test_key_when_plaintext_is_allowed_then_is_taken() -> None:
    Client("till.example:1", api_key="secret", is_plaintext_key_allowed=True).close()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("127.0.0.1:1", True),
        ("127.8.9.1:1", True),
        ("localhost:1", True),
        ("localhost", True),
        ("[::1]:1", True),
        ("ipv4:127.0.0.1:1", True),
        ("ipv6:[::1]:1", True),
        ("dns:///localhost:1", True),
        ("unix:/run/till.sock", True),
        ("10.0.0.1:1", False),
        ("0.0.0.0:1", False),
        ("127.0.0.1.example:1", False),
        ("localhost.example:1", False),
        ("dns://127.0.0.1/till.example:1", False),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("[::]:1", False),
        ("", False),
    ],
)
def test_target_when_read_then_is_known_to_stay_on_this_machine(
    target: str, *, expected: bool
) -> None:
    assert expected == is_loopback(target)
