"""Convert texts: plain ones, and localized ones with a text for every language or by language."""

from google.protobuf.message import Message

from engine.errors import Reason
from engine.model import L10nString
from engine.rpc.convert.fields import Problems
from tillcore.v1 import localized_string_pb2


def text_to_proto(text: L10nString | None) -> localized_string_pb2.LocalizedString | None:
    """Return the message of a text; None stays None, which a constructor takes for absent."""
    if text is None:
        return None
    if isinstance(text, str):
        return localized_string_pb2.LocalizedString(text=text)
    return localized_string_pb2.LocalizedString(text_by_language=text)


def text_from_proto(
    message: localized_string_pb2.LocalizedString, path: str, problems: Problems
) -> L10nString:
    """Return the text of a message: a plain text, or texts by language."""
    by_language = message.text_by_language
    if message.HasField("text"):
        if by_language:
            problems.add(
                path, Reason.NOT_ALLOWED, "expected either text or text_by_language, was both"
            )
        return problems.text(path, "text", message.text)
    if not by_language:
        problems.required(path, "text or text_by_language")
    texts: dict[str, str] = {}
    for language, text in by_language.items():
        field = problems.key(path, "text_by_language", language)
        texts[language] = problems.text_at(field, text)
    return texts


def optional_text(message: Message, path: str, name: str, problems: Problems) -> L10nString | None:
    """Return the localized text of a field that may be absent."""
    if not message.HasField(name):
        return None
    return text_from_proto(getattr(message, name), f"{path}.{name}", problems)


def required_text(message: Message, path: str, name: str, problems: Problems) -> L10nString:
    """Return the localized text of a required field."""
    text = optional_text(message, path, name, problems)
    if text is None:
        problems.required(f"{path}.{name}", "a text")
        return ""
    return text


def optional_string(message: Message, path: str, name: str, problems: Problems) -> str | None:
    """Return the plain text of an `optional` field."""
    if not message.HasField(name):
        return None
    return problems.text(path, name, getattr(message, name))
