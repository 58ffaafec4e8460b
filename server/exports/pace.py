"""How often a dispatcher looks at the queues, and how long it waits for what."""

from typing import Final, NamedTuple

NS_PER_SECOND: Final = 10**9


class Pace(NamedTuple):
    """The times of a dispatcher.

    Attributes:
        poll_seconds: How often is asked for what is due: entries that other processes have placed,
            waits that end, changes of a queue that is being dispatched.
        round_seconds: How soon after one round of leases the next one begins at the earliest; what
            was placed meanwhile shares it.
        linger_seconds: How long a lane stays when nothing is due: what is placed meanwhile starts
            at once. A lane that has had so long makes room when there are too many.
        lease_seconds: How long a queue stays with a process that does not say that it is alive.
        renewal_seconds: How often it says so.
        rest_seconds: For how long at most nobody looks at a queue whose first entry or batch is
            to be tried later, and nothing may overtake it.
        defect_seconds: How long a queue is left alone whose lane ended by a mistake of ours.
        grace_seconds: How long attempts that are under way may take when the server drains.
        lanes_max: Queues dispatched at a time by one process.
    """

    poll_seconds: float = 0.5
    round_seconds: float = 0.01
    linger_seconds: float = 2.0
    lease_seconds: int = 15
    renewal_seconds: float = 4.0
    rest_seconds: int = 5
    defect_seconds: int = 60
    grace_seconds: float = 20.0
    lanes_max: int = 500
