# cython: language_level=3, boundscheck=True, wraparound=False
# cython: auto_pickle=False, autotestdict=False
# Design:
# a) A recorded line is mostly the same text as the last one of its product: what differs are the
#    numbers. They are written into one buffer between the texts that stay, in one pass.
# b) A number is 64 bits of micros; its size is known before the buffer is: 27 characters at most.
# c) Nothing is rounded or looked up: a digit is written where the value has it, or where the
#    currency always shows it.
# d) Specification: docs/interfaces.md, section 4: amounts with the digits of the currency, others
#    without trailing zeros. engine.numbers.format_micros says the same in Python.
"""Write numbers of micros as exact decimal literals, alone or between texts that stay the same."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    FRACTION_DIGITS = 6
    LITERAL_BYTES_MAX = 27

TEXT = 255
"""Among the digits of `filled`: the value is bytes, which are written as they are."""

cdef uint64_t MICROS = 1_000_000


cdef int64_t whole(object value) except? -1:
    """Return the integer. Raise TypeError for anything else: a plain int64_t argument would take
    1.5 and drop the half without a word."""
    return PyNumber_Index(value)


cdef char *write_literal(char *out, int64_t micros, int fraction_digits_min) noexcept nogil:
    """Write a literal, and return where it ends. At most 6 digits are always shown."""
    cdef char digits[24]
    cdef int count = 0
    cdef int shown = FRACTION_DIGITS
    cdef int index
    # Of INT64_MIN there is no magnitude in int64_t.
    cdef uint64_t size = (<uint64_t> 0) - <uint64_t> micros if micros < 0 else <uint64_t> micros
    cdef uint64_t part = size % MICROS
    size //= MICROS
    if micros < 0:
        out[0] = c"-"
        out += 1
    while True:
        digits[count] = <char> (c"0" + <int> (size % 10))
        count += 1
        size //= 10
        if size == 0:
            break
    while count:
        count -= 1
        out[0] = digits[count]
        out += 1
    while shown > fraction_digits_min and part % 10 == 0:
        part //= 10
        shown -= 1
    if shown == 0:
        return out
    out[0] = c"."
    for index in range(shown, 0, -1):
        out[index] = <char> (c"0" + <int> (part % 10))
        part //= 10
    return out + shown + 1


cdef int checked_digits(int fraction_digits_min) except -1:
    if not 0 <= fraction_digits_min <= FRACTION_DIGITS:
        raise ValueError(f"expected 0 to {FRACTION_DIGITS} digits, was {fraction_digits_min}")
    return fraction_digits_min


def literal(object micros, object fraction_digits_min) -> bytes:
    """Return the exact decimal literal of a number of micros, without an exponent.

    Raises:
        TypeError: The number is no integer.
        OverflowError: It does not fit 64 bits.
        ValueError: The digits that are always written are not 0 to 6.
    """
    cdef char buffer[LITERAL_BYTES_MAX]
    cdef int64_t number = whole(micros)
    cdef char *end = write_literal(buffer, number, checked_digits(<int> whole(fraction_digits_min)))
    return PyBytes_FromStringAndSize(buffer, end - buffer)


def filled(tuple texts not None, bytes digits not None, tuple values not None) -> bytes:
    """Return texts with values between them.

    Args:
        texts: Bytes, one more than there are values.
        digits: For each value a byte: how many digits after the point a number always shows, 0 to
            6; `TEXT` where the value is bytes.
        values: Integers of micros, and bytes.

    Raises:
        TypeError: A value is no integer, or a text or a value is no bytes where it should be.
        OverflowError: A number does not fit 64 bits.
        ValueError: The lengths do not go together, or digits are not 0 to 6.
    """
    cdef Py_ssize_t count = len(values)
    cdef Py_ssize_t index
    cdef Py_ssize_t size = 0
    cdef bytes text
    cdef bytes result
    cdef char *start
    cdef char *out
    cdef const unsigned char[:] kinds = digits
    if len(texts) != count + 1 or kinds.shape[0] != count:
        raise ValueError(f"expected a text around each of {count} values, was {len(texts)} texts")
    for index in range(count + 1):
        text = texts[index]
        size += PyBytes_GET_SIZE(needed(text))
    for index in range(count):
        if kinds[index] == 255:
            text = values[index]
            size += PyBytes_GET_SIZE(needed(text))
        else:
            checked_digits(kinds[index])
            size += LITERAL_BYTES_MAX
    result = PyBytes_FromStringAndSize(NULL, size)
    start = out = PyBytes_AS_STRING(result)
    for index in range(count + 1):
        text = texts[index]
        out = copied(out, text)
        if index == count:
            break
        if kinds[index] == 255:
            text = values[index]
            out = copied(out, text)
        else:
            out = write_literal(out, whole(values[index]), kinds[index])
    return result[:out - start]


cdef bytes needed(bytes text):
    """Return bytes that are there; None passes for bytes until it is looked at."""
    if text is None:
        raise TypeError("expected bytes, was None")
    return text


cdef char *copied(char *out, bytes text) noexcept:
    """Write a text, and return where it ends."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
    memcpy(out, PyBytes_AS_STRING(text), size)
    return out + size
