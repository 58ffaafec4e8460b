"""Convert between the messages of tillcore.v1 and the models of the engine, one noun a module.

`..._from_proto` checks every field, by the rules of the JSON edge, and names all bad ones at once;
`..._to_proto` trusts the model.
"""

from engine.rpc.convert.basket import basket_from_proto, basket_to_proto
from engine.rpc.convert.context import Brought, context_from_proto, context_to_proto
from engine.rpc.convert.edit import Action, action_from_proto, open_from_proto, renamed
from engine.rpc.convert.evaluated_basket import evaluated_basket_to_proto
from engine.rpc.convert.evaluated_line import evaluated_line_to_proto

__all__ = [
    "Action",
    "Brought",
    "action_from_proto",
    "basket_from_proto",
    "basket_to_proto",
    "context_from_proto",
    "context_to_proto",
    "evaluated_basket_to_proto",
    "evaluated_line_to_proto",
    "open_from_proto",
    "renamed",
]
