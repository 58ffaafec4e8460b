"""Read the catalogues of markets from files, as the import endpoints take their bodies."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple, cast

from engine.catalog import read_context
from engine.errors import FieldProblem, InvalidInput, Reason, invalid
from engine.model import Context
from engine.strict_json import decode, is_array, is_object

MARKET_FILE: Final = "market.json"

_LIST_FILES: Final = {
    "products": ("products.json", "products"),
    "campaigns": ("discount_campaigns.json", "campaigns"),
    "product_rules": ("product_rules.json", "product_rules"),
    "purchase_types": ("purchase_types.json", "purchase_types"),
}
"""The optional files: by the member of a context that each fills, its name and its own member."""


class CatalogFiles(NamedTuple):
    """The catalogue of one market as files have it.

    Attributes:
        context: What was read, all of it checked.
        members: The decoded files: the market, and lists by their names in a context.
    """

    context: Context
    members: dict[str, object]

    def documents(self, member: str) -> tuple[object, ...]:
        """Return the objects of a list, each with its id."""
        value = self.members.get(member, ())
        if is_object(value):
            return tuple({**each, "id": id_} for id_, each in value.items() if is_object(each))
        return tuple(value) if is_array(value) else ()


def read_catalogs(paths: Iterable[Path]) -> tuple[Context, ...]:
    """Return the contexts of several catalogues, as `read_catalog_files` reads them.

    Raises:
        InvalidInput: A file is bad, no market is found, or two have the same id.
        OSError: A file cannot be read.
    """
    return tuple(each.context for each in read_catalog_files(paths))


def read_catalog_files(paths: Iterable[Path]) -> tuple[CatalogFiles, ...]:
    """Return what the files of several catalogues have, one for each market.

    A path is one of:

    - a directory with `market.json` and, each optional, `products.json`, `discount_campaigns.json`,
      `product_rules.json` and `purchase_types.json`;
    - a directory with such directories, one for each market;
    - a file with a whole context, as `tillcore evaluate` takes it.

    Raises:
        InvalidInput: A file is bad, no market is found, or two have the same id.
        OSError: A file cannot be read.
    """
    catalogs: list[CatalogFiles] = []
    origins: dict[str, Path] = {}
    for path in paths:
        for place in _places(path):
            catalog = _read_directory(place) if place.is_dir() else _read_file(place)
            market_id = catalog.context.market.id
            if market_id in origins:
                raise invalid(
                    str(place),
                    Reason.DUPLICATE,
                    f"expected a market of its own, was {market_id!r} as in {origins[market_id]}",
                )
            origins[market_id] = place
            catalogs.append(catalog)
    return tuple(catalogs)


def _places(path: Path) -> tuple[Path, ...]:
    """Return the files or directories of single markets at a path."""
    if not path.exists():
        raise FileNotFoundError(f"expected a catalogue at {path}, was nothing")
    if not path.is_dir() or (path / MARKET_FILE).exists():
        return (path,)
    places = tuple(sorted(each.parent for each in path.glob(f"*/{MARKET_FILE}")))
    if not places:
        raise invalid(
            str(path), Reason.REQUIRED, f"expected {MARKET_FILE} here or one level below, was none"
        )
    return places


def _read_file(path: Path) -> CatalogFiles:
    return _read_context(_decode(path), path)


def _read_directory(directory: Path) -> CatalogFiles:
    members = {"market": _decode(directory / MARKET_FILE)}
    for member, (name, key) in _LIST_FILES.items():
        path = directory / name
        if path.exists():
            members[member] = _listed(_decode(path), key)
    return _read_context(members, directory)


def _listed(body: object, key: str) -> object:
    """Return the list of an import's body: the body, its member `key`, or its only `product`."""
    if not isinstance(body, dict):
        return body
    members = cast(dict[str, object], body)
    if key == "products" and "product" in members:
        return [members["product"]]
    return members.get(key, members)


def _decode(path: Path) -> object:
    try:
        return decode(path.read_bytes())
    except InvalidInput as error:
        raise _at(path, error) from error


def _read_context(members: object, path: Path) -> CatalogFiles:
    try:
        context = read_context(members)
    except InvalidInput as error:
        raise _at(path, error) from error

    assert is_object(members), "a context was read of it"
    return CatalogFiles(context, members)


def _at(path: Path, error: InvalidInput) -> InvalidInput:
    """Return an error whose fields begin with the place that they were read from."""
    return InvalidInput(
        FieldProblem(
            f"{path}: {problem.field}" if problem.field else str(path),
            problem.reason,
            problem.message,
        )
        for problem in error.problems
    )
