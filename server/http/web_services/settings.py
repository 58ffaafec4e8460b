"""What the web services are set up with."""

from typing import NamedTuple

from server.links import Links
from server.rpc.report_methods import Transforming
from server.tables.rendering import Rendering


class WebServiceSettings(NamedTuple):
    """What the web services are set up with.

    Attributes:
        links: Signs and checks the links to receipts.
        sandbox: Renders receipts.
        rendering: Makes PDFs and workbooks of tables.
        has_query_writes: Whether a sale may be recorded by GET (`compat.query_writes`).
        link_base_url: Where this server is reached from outside, such as `https://shop.example`;
            empty for links that begin with a slash.
    """

    links: Links
    sandbox: Transforming
    rendering: Rendering
    has_query_writes: bool = False
    link_base_url: str = ""
