"""The back office: pages for the people of a shop, made by the server over the same services.

`application.routes(tools)` is all that the rest of the server needs.
"""
