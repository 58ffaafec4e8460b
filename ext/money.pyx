# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=False, binding=True
# cython: autotestdict=False
"""Round, multiply, allocate and distribute money exactly, in int64 with 128-bit intermediates.

Callers of the money paths use `round_to_quantum`, `multiply`, `allocate` and `distribute`; kernels
cimport the functions of money.pxd. The rest shows the arithmetic of money128.h to its tests, both
implementations of it.
"""
# Design:
# a) The arithmetic itself is C, in money128.h: Cython has no 128-bit integers.
# b) These functions are thin: convert, call, raise. An argument beyond int64 is refused by the
#    conversion, a result beyond it by the return code, both as OverflowError. Nothing wraps.
# c) Shares are found in two passes: truncate each toward zero, then give the missing units one each
#    to the largest remainders. Which remainders are largest is a sort in Python: callers spread
#    over the lines of one basket. The evaluator has loops of its own, over C structs.
# d) A mode is one of HALF_UP, HALF_EVEN and DOWN, always spelt out by the caller.
# Specification: docs/evaluation.md, section 1 (numbers, allocation, distribution).

from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t

from ext.money cimport (
    TC_DOWN,
    TC_HALF_EVEN,
    TC_HALF_UP,
    TC_USES_WIDE,
    tc_add,
    tc_cmp_frac,
    tc_mul,
    tc_muldiv,
    tc_muldiv_rem,
    tc_sub,
)

cdef extern from "money128.h" nogil:
    int tc_portable_add(int64_t a, int64_t b, int64_t *out) noexcept
    int tc_portable_sub(int64_t a, int64_t b, int64_t *out) noexcept
    int tc_portable_mul(int64_t a, int64_t b, int64_t *out) noexcept
    int tc_portable_muldiv(
        int64_t a, int64_t b, int64_t c, int64_t d, int mode, int64_t *out
    ) noexcept
    int tc_portable_muldiv_rem(
        int64_t a, int64_t b, int64_t c, int64_t *quotient, int64_t *remainder
    ) noexcept
    int tc_portable_cmp_frac(int64_t a, int64_t b, int64_t c, int64_t d) noexcept

HALF_UP = TC_HALF_UP
HALF_EVEN = TC_HALF_EVEN
DOWN = TC_DOWN

USES_INT128 = bool(TC_USES_WIDE)

cdef int64_t MICROS = 1_000_000


cdef int64_t whole(object value) except? -1:
    """Return the integer. Raise TypeError for anything else: a plain int64_t argument would take
    1.5 and drop the half without a word."""
    return PyNumber_Index(value)


cdef int checked_mode(object mode) except -1:
    """Return the mode. Raise ValueError unless it is one of the three."""
    cdef int64_t number = whole(mode)
    if number not in (TC_HALF_UP, TC_HALF_EVEN, TC_DOWN):
        raise ValueError(f"expected mode HALF_UP, HALF_EVEN or DOWN, was {number}")
    return <int>number


cdef int64_t positive(str name, object value) except -1:
    """Return the integer. Raise ValueError unless it is positive."""
    cdef int64_t integer = whole(value)
    if integer <= 0:
        raise ValueError(f"expected {name} > 0, was {integer}")
    return integer


cdef int fit(int failed, str operation) except -1:
    """Raise OverflowError if the operation said that its result does not fit."""
    if failed:
        raise OverflowError(f"expected a result of 64 bits from {operation}, was larger")
    return 0


def round_to_quantum(value_micros, *, quantum_micros, mode):
    """Return the value rounded to a multiple of the quantum."""
    cdef int64_t quantum = positive("quantum_micros", quantum_micros)
    cdef int64_t count = 0, rounded = 0
    fit(
        tc_muldiv(whole(value_micros), 1, quantum, 1, checked_mode(mode), &count)
        or tc_mul(count, quantum, &rounded),
        "round_to_quantum",
    )
    return rounded


def multiply(a_micros, b_micros, *, quantum_micros, mode):
    """Return the product in micro-units, rounded once, to a multiple of the quantum."""
    cdef int64_t quantum = positive("quantum_micros", quantum_micros)
    cdef int64_t count = 0, rounded = 0
    fit(
        tc_muldiv(whole(a_micros), whole(b_micros), MICROS, quantum, checked_mode(mode), &count)
        or tc_mul(count, quantum, &rounded),
        "multiply",
    )
    return rounded


def allocate(amount, weights):
    """Return shares of the amount, in its own unit, that add up to it exactly.

    Each share is amount x weight / sum, truncated toward zero; the missing units go one each to the
    largest remainders, ties to the earlier. All-zero weights give everything to the first.
    """
    cdef int64_t total = whole(amount), weight, weight_sum = 0
    cdef list checked = _of_one_sign(weights)
    for weight in checked:
        fit(tc_add(weight_sum, weight, &weight_sum), "allocate")
    if weight_sum == 0:
        return _all_to_first(total, len(checked))
    if weight_sum < 0:
        # A positive divisor gives each remainder the sign of the share that it is missing from.
        checked, weight_sum = [-value for value in checked], -weight_sum
    return _shares(checked, total, weight_sum, total)


def distribute(numerators, *, multiplier, divisor, mode):
    """Return whole shares of numerator x multiplier / divisor that add up to their rounded sum.

    Each line's exact value is truncated toward zero; the units that the rounded sum has over or
    under go one each to the largest remainders in that direction, ties to the earlier.
    """
    cdef int64_t factor = whole(multiplier), parts = positive("divisor", divisor)
    cdef int64_t numerator, numerator_sum = 0, rounded_sum = 0
    cdef list checked = [whole(value) for value in numerators]
    for numerator in checked:
        fit(tc_add(numerator_sum, numerator, &numerator_sum), "distribute")
    fit(
        tc_muldiv(numerator_sum, factor, parts, 1, checked_mode(mode), &rounded_sum),
        "distribute",
    )
    return _shares(checked, factor, parts, rounded_sum)


cdef list _of_one_sign(weights):
    """Return the weights as a list. Raise ValueError if both signs occur: shares would explode."""
    cdef list checked = [whole(weight) for weight in weights]
    if checked and min(checked) < 0 < max(checked):
        raise ValueError(f"expected weights of one sign, was {min(checked)} and {max(checked)}")
    return checked


cdef list _all_to_first(int64_t amount, Py_ssize_t count):
    """Return the shares when no weight says how: everything to the first."""
    if count == 0:
        if amount != 0:
            raise ValueError(f"expected a weight to allocate {amount} to, was none")
        return []
    return [amount] + [0] * (count - 1)


cdef list _shares(list numerators, int64_t factor, int64_t divisor, int64_t total):
    """Return whole shares of numerator x factor / divisor that add up to the total."""
    cdef int64_t numerator, share = 0, remainder = 0, missing = total
    cdef list shares = [], remainders = []
    for numerator in numerators:
        fit(tc_muldiv_rem(numerator, factor, divisor, &share, &remainder), "a share")
        fit(tc_sub(missing, share, &missing), "a sum of shares")
        shares.append(share)
        remainders.append(remainder)
    if missing != 0:
        _give(shares, remainders, missing)
    return shares


cdef int _give(list shares, list remainders, int64_t missing) except -1:
    """Give the missing units, of either sign, one each to the largest remainders that way."""
    cdef int64_t unit = 1 if missing > 0 else -1
    order = sorted(range(len(shares)), key=lambda index: -unit * remainders[index])
    # The exact values add up to within a unit of the total, and each remainder is less than a unit.
    # So there are at least as many remainders of that sign as missing units: nobody gets two.
    assert abs(missing) <= len(shares)
    for index in order[: abs(missing)]:
        shares[index] += unit
    return 0


def add(a, b, *, bint portable=False):
    """Return a + b."""
    cdef int64_t x = whole(a), y = whole(b), result = 0
    fit(tc_portable_add(x, y, &result) if portable else tc_add(x, y, &result), "add")
    return result


def sub(a, b, *, bint portable=False):
    """Return a - b."""
    cdef int64_t x = whole(a), y = whole(b), result = 0
    fit(tc_portable_sub(x, y, &result) if portable else tc_sub(x, y, &result), "sub")
    return result


def mul(a, b, *, bint portable=False):
    """Return a * b."""
    cdef int64_t x = whole(a), y = whole(b), result = 0
    fit(tc_portable_mul(x, y, &result) if portable else tc_mul(x, y, &result), "mul")
    return result


def muldiv(a, b, c, d, *, mode, bint portable=False):
    """Return a*b/(c*d), rounded once."""
    cdef int64_t x = whole(a), y = whole(b), z = positive("c", c), w = positive("d", d), result = 0
    cdef int rounding = checked_mode(mode)
    if portable:
        fit(tc_portable_muldiv(x, y, z, w, rounding, &result), "muldiv")
    else:
        fit(tc_muldiv(x, y, z, w, rounding, &result), "muldiv")
    return result


def muldiv_rem(a, b, c, *, bint portable=False):
    """Return a*b/c truncated toward zero, and the remainder with the sign of a*b."""
    cdef int64_t x = whole(a), y = whole(b), z = whole(c), quotient = 0, remainder = 0
    if z == 0:
        raise ValueError("expected c != 0, was 0")
    if portable:
        fit(tc_portable_muldiv_rem(x, y, z, &quotient, &remainder), "muldiv_rem")
    else:
        fit(tc_muldiv_rem(x, y, z, &quotient, &remainder), "muldiv_rem")
    return quotient, remainder


def cmp_frac(a, b, c, d, *, bint portable=False):
    """Return the sign of a/b - c/d."""
    cdef int64_t x = whole(a), y = positive("b", b), z = whole(c), w = positive("d", d)
    return tc_portable_cmp_frac(x, y, z, w) if portable else tc_cmp_frac(x, y, z, w)
