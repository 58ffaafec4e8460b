"""Describe one method of a service: where it is called, what it takes, what a retry does."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


@dataclass(frozen=True, slots=True)
class Method(Generic[RequestT, ResponseT]):
    """A method of a service.

    Attributes:
        path: Service and method, as they are called.
        request: The class of the request.
        response: The class of the response.
        id_field: The field of the request that holds an id of the caller's making; "" for none.
        is_write: Whether something is stored, so that a broken call leaves a question.
        is_repeatable: Whether the same request may be sent again without a second effect.
    """

    path: str
    request: type[RequestT]
    response: type[ResponseT]
    id_field: str
    is_write: bool
    is_repeatable: bool

    @property
    def name(self) -> str:
        """The name without its service."""
        return self.path.rpartition("/")[2]
