"""Write words, names, numbers and moments in the language of a reader."""

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.numbers import format_decimal, format_percent

from engine import limits
from engine.instants import zone_of
from engine.model import L10nString, Timing
from engine.numbers import CURRENCY_SCALES
from server.reports.words import LANGUAGES, Word

_TAG: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_NS_PER_SECOND: Final = 10**9
_SAME: Final = {"no": ("nb",), "nb": ("no",), "nn": ("no", "nb")}
"""Norwegian under its codes; Nynorsk reads Bokmål rather than English."""

_DIGITS: Final = limits.FRACTION_DIGITS_MAX
_PLAIN: Final = "#,##0." + "#" * _DIGITS


class Writer:
    """Writes in one language; numbers are exact, to the last digit that they have."""

    def __init__(self, language: str) -> None:
        """Write in a language.

        Args:
            language: A code such as `da` or `da-DK`. Words without a translation are English, and
                so are all of them under a code that is unknown or empty; names are then in the
                first language that they have.
        """
        tag = language if _TAG.fullmatch(language) else ""
        base = re.split("[-_]", tag.lower())[0]
        codes = (tag, base, *_SAME.get(base, ()))
        self._wanted = tuple(dict.fromkeys(each for each in codes if each))
        known = [each for each in self._wanted if each in LANGUAGES]
        self.language: Final = known[0] if known else "en"
        # Norwegian numbers and months are kept under the code of Bokmål.
        self._locale = _locale("nb" if base == "no" else tag) or _locale(self.language)

    def word(self, word: Word) -> str:
        """Return a word of ours."""
        return word[LANGUAGES.index(self.language)]

    def text(self, text: L10nString | None) -> str:
        """Return a text of the merchant; in English, else in its first language, as a fallback."""
        if text is None or isinstance(text, str):
            return text or ""
        wanted = (*self._wanted, "en") if self._wanted else ()
        found = (text[each] for each in wanted if text.get(each))
        return next(found, None) or next(iter(text.values()), "")

    def amount(self, micros: int | None, currency_code: str) -> str:
        """Return an amount with the digits of its currency, and more where it has more."""
        if micros is None:
            return ""
        scale = CURRENCY_SCALES.get(currency_code, 2)
        pattern = f"#,##0.{'0' * scale}{'#' * (_DIGITS - scale)}"
        return format_decimal(_decimal(micros), format=pattern, locale=self._locale)

    def money(self, micros: int, currency_code: str) -> str:
        """Return an amount with the code of its currency."""
        return f"{self.amount(micros, currency_code)}\N{NO-BREAK SPACE}{currency_code}"

    def number(self, micros: int) -> str:
        """Return a quantity or an exchange rate without trailing zeros."""
        return format_decimal(_decimal(micros), format=_PLAIN, locale=self._locale)

    def count(self, count: int | None) -> str:
        """Return a whole number."""
        return "" if count is None else format_decimal(count, format="#,##0", locale=self._locale)

    def percentage(self, micros: int) -> str:
        """Return a rate or a discount as a percentage without trailing zeros."""
        return format_percent(_decimal(micros), locale=self._locale, decimal_quantization=False)

    def moment(self, timing: Timing) -> str:
        """Return a moment on the clock of its time zone, to the second."""
        seconds = timing.timestamp_ns // _NS_PER_SECOND
        local = datetime.fromtimestamp(seconds, zone_of(timing.timezone))
        return format_datetime(local, "medium", locale=self._locale)


def _decimal(micros: int) -> Decimal:
    return Decimal(micros).scaleb(-_DIGITS)


@lru_cache(maxsize=64)
def _locale(tag: str) -> Locale | None:
    """Return how numbers and dates are written in a language; None where nobody knows."""
    try:
        return Locale.parse(tag.replace("_", "-"), sep="-") if tag else None
    except (ValueError, UnknownLocaleError):
        return None
