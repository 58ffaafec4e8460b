"""Tell what a page of another site sends from what a page of this one, or a program, does.

Browsers say where a request comes from, and no script can change it: `Origin` with everything that
is posted, `Sec-Fetch-Site` with everything since 2023. Programs say neither, and need not.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_own_site(headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from a page of this site, or from no page, as far as it says.

    Args:
        headers: Of the request, with names in small letters.
    """
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    host = headers.get("host", "")
    return site in ("same-origin", "none") and (
        origin is None or urlsplit(origin).netloc == host != ""
    )
