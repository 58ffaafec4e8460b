"""Convert the behaviour of lines, which the model keeps as the JSON of the reference documents."""

from typing import cast

from google.protobuf.message import Message

from engine.behaviors import BEHAVIORS, behavior_of
from engine.errors import InvalidInput
from engine.render_line import carried_json
from engine.rpc.convert.fields import Problems
from engine.strict_json import decode
from tillcore.v1 import line_behavior_pb2

REPORT = "report"
"""The member that is one JSON value: text in a message, the value itself in the model."""


def behavior_to_proto(behavior: dict[str, object] | None) -> line_behavior_pb2.LineBehavior | None:
    """Return the message of a behaviour; members that the message does not know are left out."""
    if behavior is None:
        return None
    message = line_behavior_pb2.LineBehavior()
    for kind, members in behavior.items():
        if kind in BEHAVIORS:
            chosen: Message = getattr(message, kind)
            chosen.SetInParent()
            _fill(chosen, members)
    return message


def _fill(message: Message, members: object) -> None:
    """Set the fields of a message from the members of an object of the same names."""
    if not isinstance(members, dict):
        return
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in cast(dict[str, object], members).items():
        field = fields.get(name)
        if field is None or value is None:
            continue
        if field.message_type is not None:
            inner: Message = getattr(message, name)
            inner.SetInParent()
            _fill(inner, value)
        elif name == REPORT:
            setattr(message, name, carried_json(value).decode())
        elif isinstance(value, list | tuple):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)


def behavior_from_proto(
    message: line_behavior_pb2.LineBehavior, path: str, problems: Problems
) -> dict[str, object]:
    """Return the behaviour of a message as the JSON of the reference documents."""
    kind = message.WhichOneof("kind")
    if kind is None:
        problems.required(path, f"one of {', '.join(BEHAVIORS)}")
        return {}
    chosen: Message = getattr(message, kind)
    members = _members(chosen, f"{path}.{kind}", problems)
    return behavior_of({kind: members}, path, problems) or {}


def _members(message: Message, path: str, problems: Problems) -> dict[str, object]:
    """Return the fields that are set as members of an object."""
    members: dict[str, object] = {}
    for field, value in message.ListFields():
        if isinstance(value, Message):
            members[field.name] = _members(value, f"{path}.{field.name}", problems)
        elif field.name == REPORT:
            members[field.name] = _report(value, f"{path}.{field.name}", problems)
        else:
            members[field.name] = value if isinstance(value, str) else list(value)
    return members


def _report(text: str, path: str, problems: Problems) -> object:
    """Return the value of a JSON text; None after a problem."""
    try:
        return decode(text)
    except InvalidInput as error:
        problems.add_all(path, error.problems)
        return None
