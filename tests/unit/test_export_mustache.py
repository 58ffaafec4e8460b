"""Fill Mustache templates: the official suite, exact numbers, and templates that mean harm."""

import pytest

from server.exports.kinds import ExportKind
from server.exports.queue import Mustache
from server.exports.transforms import mustache
from server.exports.transforms.job import Element, Job, TransformError
from server.exports.transforms.view import view_of
from tests.support import mustache_suite


def filled(template: str, data: str = "{}", **partials: str) -> str:
    """Return a template filled with the data of a JSON text."""
    return mustache.render(template, view_of(data.encode()), partials)


def job(template: str, *elements: tuple[str, bytes], content_type: str = "text/plain") -> Job:
    """Return a job with a template."""
    return Job(
        kind=ExportKind.SALE,
        transform=Mustache(template=template, content_type=content_type),
        elements=tuple(Element(key, payload) for key, payload in elements),
    )


def failures(cases: tuple[mustache_suite.Case, ...]) -> list[str]:
    """Return the names of the cases that do not come out as they should."""
    return [
        case.name
        for case in cases
        if mustache.render(case.template, view_of(bytes(case.data)), case.partials) != case.expected
    ]


@pytest.mark.parametrize("module", mustache_suite.REQUIRED + mustache_suite.OPTIONAL)
def test_official_suite_when_run_then_every_case_passes(module: str) -> None:
    cases = mustache_suite.cases(module)

    assert len(cases) >= 12
    assert [] == failures(cases)


# The rules of the three official cases that the package lacks, and what the suite leaves open.
RULES = [
    ("a dotted name is no key", "{{a.b}}", '{"a.b": 1}', ""),
    ("a dotted name is never a key", "{{a.b}}", '{"a.b": 1, "a": {"b": 2}}', "2"),
    ("an inner object hides an outer one", "{{#a}}{{b.c}}{{/a}}", '{"a":{"b":{}},"b":{"c":1}}', ""),
    ("what is filled in is no template", "{{{a}}}{{b}}", '{"a": "{{b}}", "b": "x"}', "{{b}}x"),
    ("true is printed", "{{a}}", '{"a": true}', "true"),
    ("false is printed", "{{a}}", '{"a": false}', "false"),
    ("null is nothing", "[{{a}}]", '{"a": null}', "[]"),
    ("null is false", "{{#a}}yes{{/a}}{{^a}}no{{/a}}", '{"a": null}', "no"),
    ("an empty text is false", "{{#a}}yes{{/a}}{{^a}}no{{/a}}", '{"a": ""}', "no"),
    ("an empty list is false", "{{#a}}yes{{/a}}{{^a}}no{{/a}}", '{"a": []}', "no"),
    ("an empty object is true", "{{#a}}yes{{/a}}{{^a}}no{{/a}}", '{"a": {}}', "yes"),
    ("zero is false", "{{#a}}yes{{/a}}{{^a}}no{{/a}}", '{"a": 0}', "no"),
    ("0.00 is false and printed", "{{a}}{{^a}}no{{/a}}", '{"a": 0.00}', "0.00no"),
    ("0e5 is false", "{{^a}}no{{/a}}", '{"a": 0e5}', "no"),
    ("0.001 is true", "{{#a}}yes{{/a}}", '{"a": 0.001}', "yes"),
    ("the text false is true", "{{#a}}yes{{/a}}", '{"a": "false"}', "yes"),
    ("an item by its index", "{{a.1}}{{a.2}}{{a.-1}}", '{"a": [1, 2]}', "2"),
    ("an object is printed as JSON", "{{{a}}}", '{"a": {"b": [1.10, null, "é\\n", true]}}',
     '{"b":[1.10,null,"é\\n",true]}'),
    ("& escapes nothing", "{{&a}}{{a}}", '{"a": "<\\"&>"}', '<"&>&lt;&quot;&amp;&gt;'),
]  # fmt: skip


@pytest.mark.parametrize(("template", "data", "expected"), [rule[1:] for rule in RULES],
                         ids=[rule[0] for rule in RULES])  # fmt: skip
def test_template_when_filled_then_follows_the_rule(
    template: str, data: str, expected: str
) -> None:
    assert expected == filled(template, data)


LITERALS = ("1.10", "2", "2.0", "-0", "1E+2", "1.5471910861096148E9", "12345678901234567890.12")


@pytest.mark.parametrize("literal", LITERALS)
def test_number_when_printed_then_is_the_literal_of_the_payload(literal: str) -> None:
    assert f"{literal} {literal}" == filled(
        "{{a}} {{#b}}{{.}}{{/b}}", f'{{"a":{literal},"b":[{literal}]}}'
    )


WALKS = (
    "{{text.__class__}}", "{{text.__doc__}}", "{{text.upper}}", "{{number.__len__}}",
    "{{list.append}}", "{{list.__class__}}", "{{list.__doc__}}", "{{object.items}}",
    "{{object.__class__}}", "{{yes.real}}", "{{yes.__doc__}}", "{{nothing.__class__}}",
    "{{__class__}}", "{{__doc__}}", "{{#text}}{{__doc__}}{{/text}}",
    "{{#list}}{{__doc__}}{{/list}}",
    "{{^absent}}{{__doc__}}{{__class__}}{{__hash__}}{{/absent}}", "{{> *text.__doc__}}",
)  # fmt: skip


@pytest.mark.parametrize("template", WALKS)
def test_attribute_when_asked_for_then_yields_nothing(template: str) -> None:
    data = '{"text":"a","number":1,"list":[1],"object":{"a":1},"yes":true,"nothing":null}'

    assert "" == filled(template, data)


MALFORMED = [
    ("{{a", "unclosed tag at line 1"),
    ("{{#a}}", 'the tag "a" was never closed'),
    ("x\n{{/a}}", 'Trying to close tag "a"'),
    ("{{}}", "empty or malformed tag"),
    ("{{= =}}", "empty or malformed tag"),
]


@pytest.mark.parametrize(("template", "message"), MALFORMED)
def test_template_when_malformed_then_error_says_where(template: str, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        filled(template)


def test_partial_when_it_contains_itself_then_ends() -> None:
    with pytest.raises(RecursionError):
        filled("{{> a}}", a="{{> a}}")


def test_partial_when_a_file_has_its_name_then_is_empty() -> None:
    assert "[]" == filled("[{{> README.md}}{{> ../README}}]")


def test_elements_when_listed_then_come_in_the_order_of_the_queue() -> None:
    made = mustache.transform(
        job("{{#elements}}{{key}}={{value.total}};{{/elements}}{{b.total}}",
            ("b", b'{"total":1.10}'), ("a", b'{"total":2}')),
    )  # fmt: skip

    assert (b"b=1.10;a=2;1.10", "text/plain", ".txt") == (
        made.body, made.content_type, made.extension,
    )  # fmt: skip


def test_elements_when_one_has_that_key_then_the_list_wins() -> None:
    made = mustache.transform(job("{{#elements}}{{key}}{{/elements}}", ("elements", b'{"key":1}')))

    assert b"elements" == made.body


def test_elements_when_two_have_one_key_then_both_are_listed() -> None:
    template = "{{#elements}}{{value}}{{/elements}}{{a}}"

    assert b"122" == mustache.transform(job(template, ("a", b"1"), ("a", b"2"))).body


def test_result_when_the_content_type_has_a_charset_then_is_of_it() -> None:
    content_type = "text/csv; charset=iso-8859-1"

    made = mustache.transform(job("{{a}}", ("a", '"å"'.encode()), content_type=content_type))

    assert (b"\xe5", ".csv") == (made.body, made.extension)


REFUSED = [
    ("text/plain; charset=ascii", "å", r"expected characters of ascii, was U\+00E5"),
    ("text/plain; charset=klingon", "a", "expected a charset such as utf-8, was klingon"),
    ("text/plain", "\\ud800", r"expected characters of utf-8, was U\+D800"),
]


@pytest.mark.parametrize(("content_type", "text", "message"), REFUSED)
def test_result_when_its_charset_lacks_a_character_then_error_names_it(
    content_type: str, text: str, message: str
) -> None:
    wanted = job("{{a}}", ("a", f'"{text}"'.encode()), content_type=content_type)

    with pytest.raises(TransformError, match=message):
        mustache.transform(wanted)


@pytest.mark.parametrize("payload", [b"{", b"NaN", b"\xff", b""])
def test_payload_when_no_json_then_error_names_the_element(payload: bytes) -> None:
    with pytest.raises(TransformError, match="element a: expected JSON"):
        mustache.transform(job("{{a}}", ("a", payload)))


EXTENSIONS = [
    ("application/json", ".json"),
    ("Application/LD+JSON; charset=utf-8", ".json"),
    ("text/html; charset=utf-8", ".html"),
    ("application/atom+xml", ".xml"),
    ("text/strange", ".txt"),
    ("application/strange", ".bin"),
]


@pytest.mark.parametrize(("content_type", "extension"), EXTENSIONS)
def test_extension_when_a_content_type_is_given_then_fits(
    content_type: str, extension: str
) -> None:
    assert extension == mustache.transform(job("", content_type=content_type)).extension
