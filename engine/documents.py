"""Write decoded JSON back with every number as it was written: what is stored of an import."""

import msgspec

from engine.strict_json import NumberLiteral, is_array, is_object

_ENCODER = msgspec.json.Encoder()


def encode_document(value: object) -> bytes:
    """Return a value of `engine.strict_json.decode` as UTF-8 JSON without line breaks.

    Keys keep their order and numbers their digits, so that decoding gives an equal value.
    """
    return _ENCODER.encode(_with_raw_numbers(value))


def _with_raw_numbers(value: object) -> object:
    if isinstance(value, NumberLiteral):
        return msgspec.Raw(value.encode())
    if is_object(value):
        return {key: _with_raw_numbers(member) for key, member in value.items()}
    if is_array(value):
        return [_with_raw_numbers(member) for member in value]
    return value
