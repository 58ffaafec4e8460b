"""The services that keep something: decode, run a work of the store, encode; one file a service.

Their methods are registered through `engine.rpc.calls.Calls`, whose gate has asked for the key:
`server.auth.current_principal()` tells whose call it is.
"""
