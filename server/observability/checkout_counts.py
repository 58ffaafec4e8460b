"""Count the checkouts that are recorded."""


class CheckoutCounts:
    """Checkouts by outcome.

    Attributes:
        completed: Recorded as sold.
        voided: Recorded as abandoned after a payment.
        replayed: Answered again as before.
    """

    __slots__ = ("completed", "replayed", "voided")

    def __init__(self) -> None:
        self.completed = 0
        self.voided = 0
        self.replayed = 0

    def recorded(self, *, is_voided: bool, is_replayed: bool) -> None:
        """Count a checkout that is stored."""
        if is_replayed:
            self.replayed += 1
        elif is_voided:
            self.voided += 1
        else:
            self.completed += 1
