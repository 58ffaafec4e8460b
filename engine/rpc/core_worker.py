"""Run the stateless core in several processes, each `python -m engine.rpc.core_worker LINE`."""

import asyncio
import sys

import msgspec
import structlog

from engine.errors import TillcoreError
from engine.rpc.log import configure_log
from engine.rpc.ports import holding
from engine.rpc.server import CoreSettings, run_core, stop_signals
from engine.rpc.supervisor import Program, Supervisor
from engine.rpc.worker import STATUS_USELESS, Line, Step, path_from_text


class CoreWorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is given.

    Attributes:
        core: The settings of the core; the port is a real one.
        log_level: What is logged.
    """

    core: CoreSettings
    log_level: str


async def run_core_workers(settings: CoreSettings, *, count: int, log_level: str) -> None:
    """Run the stateless core in several processes until SIGTERM or SIGINT.

    Args:
        settings: The settings.
        count: How many processes.
        log_level: What they log.

    Raises:
        InvalidInput: The address is none that can be shared.
        RuntimeError: The address is taken, or the workers cannot go on.
    """
    log = structlog.get_logger().bind()
    with stop_signals() as signals, holding(settings.listen, field="listen") as listen:
        core = msgspec.structs.replace(settings, listen=listen)
        program = Program(
            module=__spec__.name,
            settings=msgspec.json.encode(
                CoreWorkerSettings(core=core, log_level=log_level), enc_hook=str
            ),
            drain_seconds=settings.drain_seconds + settings.grace_seconds,
        )

        def announce() -> None:
            port = int(listen.rpartition(":")[2])
            log.info("listening", address=settings.listen, port=port, workers=count)

        await Supervisor(program, count=count, log=log).run(signals, on_ready=announce)


def main() -> int:
    """Answer calls until the supervisor says to stop, and return the exit status."""
    try:
        line = Line.open(int(sys.argv[1]))
        settings = line.settings(CoreWorkerSettings, dec_hook=path_from_text)
        configure_log(settings.log_level, worker=line.worker.index)
        line.tell(Step.PREPARED)
        serving = run_core(
            settings.core, is_shared=True, on_listening=lambda _: line.tell(Step.READY)
        )
        asyncio.run(serving)
    except (TillcoreError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_USELESS
    return 0


if __name__ == "__main__":
    sys.exit(main())
