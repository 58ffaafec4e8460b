"""Convert the actions of a session into edits, with the paths that their problems have."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from engine import session
from engine.errors import FieldProblem, InvalidInput, OutOfRange, Reason, TillcoreError, invalid
from engine.model import Basket, BasketLine
from engine.rpc.convert.basket import basket_from_proto
from engine.rpc.convert.fields import Problems, quantity_from_proto
from engine.rpc.status import located
from engine.session import Edit
from engine.strict_json import shown_text
from tillcore.v1 import basket_pb2, edit_basket_pb2

LINES: Final = "line_items"
MODEL_NAMES: Final = {"evaluate_time": "evaluate_time_ns"}
"""Fields of the model whose names are not those of the message."""

Renames = Mapping[str, str]
"""Beginnings of paths, and what stands there instead."""


class Action(NamedTuple):
    """An edit, and where in the action the parts of the basket are that it brings.

    Attributes:
        name: The field of the request.
        edit: The edit; its problems have paths below the action.
        line: The path of the one line that it brings or changes; None when there is none.
        fields: The fields of the basket that it brings in its own `basket`.
    """

    name: str
    edit: Edit
    line: str | None = None
    fields: tuple[str, ...] = ()

    def apply(self, edited: session.EditedBasket) -> session.EditedBasket:
        """Return the basket after the edit; raises InvalidInput with the paths of the message."""
        try:
            return edited.edit(self.edit)
        except TillcoreError as error:
            raise located(error, self.name) from error

    def renamed(self, error: TillcoreError, before: Basket, after: Basket) -> TillcoreError:
        """Return an error of the evaluation with the paths of the message.

        What the action brought is below the action, what was there before is below `basket`.
        """
        renames = {f"basket.{name}": f"{self.name}.basket.{name}" for name in self.fields}
        if self.line is not None:
            renames[f"basket.{LINES}[{_first_change(before, after)}]"] = self.line
        return renamed(located(error, "basket"), renames)


def _first_change(before: Basket, after: Basket) -> int:
    """Return the first index at which the lines are not the same objects."""
    lines = before.line_items
    for index, line in enumerate(after.line_items):
        if index >= len(lines) or lines[index] is not line:
            return index
    return len(after.line_items)


def renamed(error: TillcoreError, renames: Renames) -> TillcoreError:
    """Return an error whose paths have other beginnings."""
    problems = [
        FieldProblem(_renamed_path(each.field, renames), each.reason, each.message)
        for each in error.problems
    ]
    if isinstance(error, InvalidInput):
        return InvalidInput(problems)
    if isinstance(error, OutOfRange) and problems:
        return OutOfRange(problems[0].field, problems[0].message)
    return error


def _renamed_path(path: str, renames: Renames) -> str:
    for old, new in renames.items():
        rest = path.removeprefix(old)
        if path.startswith(old) and rest[:1] in ("", ".", "["):
            return new + rest
    return path


# --- the actions -----------------------------------------------------------------------------


def action_from_proto(request: edit_basket_pb2.EditBasketRequest) -> Action:
    """Return the action of a request that edits the basket.

    Raises:
        InvalidInput: There is no action, or at least one of its fields is bad.
    """
    name = request.WhichOneof("action")
    convert = _ACTIONS.get(name or "")
    if convert is None:
        known = ", ".join(_ACTIONS)
        raise invalid("action", Reason.REQUIRED, f"expected one of {known}, was absent")
    return convert(getattr(request, name or ""))


def _add_line(message: edit_basket_pb2.AddLine) -> Action:
    line = _line_from_proto(message, "add_line")
    position = message.position if message.HasField("position") else None
    edit = partial(session.add_line, line=line, position=position)
    return Action("add_line", edit, line="add_line.line")


def _change_line(message: edit_basket_pb2.ChangeLine) -> Action:
    line = _line_from_proto(message, "change_line")
    return Action("change_line", partial(session.change_line, line=line), line="change_line.line")


def _line_from_proto(
    message: edit_basket_pb2.AddLine | edit_basket_pb2.ChangeLine, name: str
) -> BasketLine:
    if not message.HasField("line"):
        raise invalid(f"{name}.line", Reason.REQUIRED, "expected a line, was absent")
    part = basket_pb2.Basket(line_items=[message.line])
    return _part(part, name, {f"{name}.{LINES}[0]": f"{name}.line"}).line_items[0]


def _set_quantity(message: edit_basket_pb2.SetQuantity) -> Action:
    id_, problems = message.line_item_id, Problems()
    quantity = quantity_from_proto(message.quantity_micros, "set_quantity", problems)
    problems.finish()
    edit = partial(session.set_quantity, line_item_id=id_, quantity_micros=quantity)
    return Action("set_quantity", edit, line="set_quantity")


def _remove_line(message: edit_basket_pb2.RemoveLine) -> Action:
    id_ = message.line_item_id
    return Action("remove_line", partial(session.remove_line, line_item_id=id_))


def _add_coupon(message: edit_basket_pb2.AddCoupon) -> Action:
    part = basket_pb2.Basket(coupons=[message.coupon])
    renames = {"add_coupon.coupons[0]": "add_coupon.coupon"}
    (coupon,) = _part(part, "add_coupon", renames).coupons
    return Action("add_coupon", partial(session.add_coupon, coupon=coupon))


def _remove_coupon(message: edit_basket_pb2.RemoveCoupon) -> Action:
    coupon = message.coupon
    return Action("remove_coupon", partial(session.remove_coupon, coupon=coupon))


def _add_discount(message: edit_basket_pb2.AddDiscount) -> Action:
    part = basket_pb2.Basket(discounts=[message.discount])
    renames = {"add_discount.discounts[0]": "add_discount.discount"}
    (discount,) = _part(part, "add_discount", renames).discounts
    return Action("add_discount", partial(session.add_discount, discount=discount))


def _remove_discount(message: edit_basket_pb2.RemoveDiscount) -> Action:
    id_ = message.discount_id
    return Action("remove_discount", partial(session.remove_discount, discount_id=id_))


def _change_basket(message: edit_basket_pb2.ChangeBasket) -> Action:
    names = tuple(message.update_mask.paths)
    problems = Problems()
    if not names:
        problems.required("change_basket.update_mask", "at least one field of the basket")
    known = {*basket_pb2.Basket.DESCRIPTOR.fields_by_name} - {LINES}
    for index, name in enumerate(names):
        if name not in known:
            problems.add(
                f"change_basket.update_mask.paths[{index}]",
                Reason.UNKNOWN_FIELD,
                f"expected one of {', '.join(sorted(known))}, was {shown_text(name)}",
            )
    problems.finish()
    part = basket_pb2.Basket()
    part.CopyFrom(message.basket)
    for name in {field.name for field, _ in part.ListFields()} - {*names}:
        part.ClearField(name)  # type: ignore[arg-type]  # the stubs want one of the literal names
    values = _part(part, "change_basket.basket", {})
    fields = [MODEL_NAMES.get(name, name) for name in names]
    edit = partial(session.change_fields, values=values, names=fields)
    return Action("change_basket", edit, fields=names)


def _replace_basket(message: edit_basket_pb2.ReplaceBasket) -> Action:
    if not message.HasField("basket"):
        raise invalid("replace_basket.basket", Reason.REQUIRED, "expected a basket, was absent")
    basket = _part(message.basket, "replace_basket.basket", {})
    names = tuple(basket_pb2.Basket.DESCRIPTOR.fields_by_name)
    return Action("replace_basket", partial(session.replace_basket, other=basket), fields=names)


def open_from_proto(message: edit_basket_pb2.OpenSession) -> Action:
    """Return the basket that a session begins with, as an action; raises InvalidInput."""
    basket = _part(message.basket, "open.basket", {})
    names = tuple(basket_pb2.Basket.DESCRIPTOR.fields_by_name)
    return Action("open", partial(session.replace_basket, other=basket), fields=names)


def _reevaluate(_: edit_basket_pb2.Reevaluate) -> Action:
    return Action("reevaluate", session.unchanged)


_ACTIONS: Final[dict[str, Callable[[Any], Action]]] = {
    "add_line": _add_line,
    "change_line": _change_line,
    "set_quantity": _set_quantity,
    "remove_line": _remove_line,
    "add_coupon": _add_coupon,
    "remove_coupon": _remove_coupon,
    "add_discount": _add_discount,
    "remove_discount": _remove_discount,
    "change_basket": _change_basket,
    "replace_basket": _replace_basket,
    "reevaluate": _reevaluate,
}


def _part(message: basket_pb2.Basket, path: str, renames: Renames) -> Basket:
    """Convert parts of a basket by the rules of whole ones."""
    try:
        return basket_from_proto(message, path)
    except InvalidInput as error:
        raise renamed(error, renames) from error
