"""Hold the messages of Tillcore: `v1.Basket`, `v1.SALES_QUOTE_STATE_CREATED`.

They are generated from the .proto files, which describe every field with its unit and range, when
the package is built. In this package they are named `tillcore_client.v1.Basket` and so on, so that
they live beside those of the server, or of another version of it, in one process.
"""

from tillcore_client.v1.names_pb2 import *  # noqa: F403  # the generated list of all names
