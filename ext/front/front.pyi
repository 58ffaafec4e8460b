"""Run the fast front in a thread, and pass on what it hands over."""

from typing import Any, final

BUCKET_BOUNDS_NS: tuple[int, ...]

_Event = tuple[int, int, int, bool, int, int, int, int, int, bytes, bytes, bytes, str]

@final
class Front:
    """An HTTP/2 server of the hot methods; `run` is for a thread of its own."""

    def __new__(
        cls,
        *,
        connection_count_max: int,
        stream_count_max: int,
        message_bytes_max: int,
        inline_bytes_max: int,
        metadata_bytes_max: int,
        held_bytes_max: int,
        handed_count_max: int,
        first_ns: int,
        request_ns: int,
        idle_ns: int,
        age_ns: int,
        stall_ns: int,
        ping_ns: int,
        sample_every: int,
        fixed_now_ns: int,
    ) -> Front: ...
    @property
    def event_fd(self) -> int: ...
    def run(self, listener: int) -> None: ...
    def drain(self) -> None: ...
    def stop(self) -> None: ...
    def take_events(self) -> list[_Event]: ...
    def reply_message(self, call_id: int, data: bytes) -> None: ...
    def reply_end(self, call_id: int, trailer: bytes) -> None: ...
    def set_key(self, digest: bytes, account_id: str, methods: int, lifetime_ns: int) -> None: ...
    def forget_key(self, digest: bytes) -> None: ...
    def set_anybody(self, account_id: str, methods: int) -> None: ...
    def set_answerer(self, account_id: str, capsule: Any) -> None: ...
    def counts(self) -> dict[str, Any]: ...
