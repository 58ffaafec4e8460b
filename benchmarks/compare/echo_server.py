"""Answer every call with the bytes of a file: what grpcio costs when nothing is done.

    python -m benchmarks.compare.echo_server REPLY_FILE

The same `grpc.aio` server with the same options as Tillcore's, and a raw handler: bytes in, bytes
out.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import msgspec

from engine.rpc.server import new_server, settle_memory


class Echo(grpc.GenericRpcHandler):
    """Takes every method as a unary one."""

    def __init__(self, reply: bytes) -> None:
        """Answer with this."""

        async def answer(request: bytes, context: Any) -> bytes:
            del request, context
            return reply

        self._handler: Any = grpc.unary_unary_rpc_method_handler(answer)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the one handler."""
        del handler_call_details
        return self._handler


async def serve(reply: bytes) -> None:
    """Answer on a free port of the loopback until the process is ended."""
    server = new_server()
    server.add_generic_rpc_handlers((Echo(reply),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    settle_memory()
    sys.stderr.write(msgspec.json.encode({"event": "listening", "port": port}).decode() + "\n")
    sys.stderr.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).read_bytes()))
