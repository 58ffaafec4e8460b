"""Name what keeps an integration from answering."""

from engine.errors import StoreUnavailable


class IntegrationUnavailable(StoreUnavailable):
    """An integration does not answer, or not as it should; sending the same id again is safe.

    Attributes:
        why: What was expected, and what was there instead.
    """

    def __init__(self, why: str, advice: str, *, is_unknown: bool) -> None:
        super().__init__(f"{why}; {advice}", is_unknown=is_unknown)
        self.why = why


def unsent(why: str) -> IntegrationUnavailable:
    """Return the error for a request that the integration has not got."""
    advice = "nothing was sent; send the same request again"
    return IntegrationUnavailable(why, advice, is_unknown=False)


def unknown(why: str) -> IntegrationUnavailable:
    """Return the error for a request that the integration may have got."""
    advice = "the outcome is unknown; send the same request again, which is safe"
    return IntegrationUnavailable(why, advice, is_unknown=True)
