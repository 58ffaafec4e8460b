"""Run the example of a session against the demo server."""

import subprocess
import sys

from tests.support.command_line import ROOT, SECONDS_MAX, environment, serving

EXPECTED = """\
1 open             lines: 0, to pay: 0.00 DKK
2 coffee           lines: 1, to pay: 28.00 DKK
3 two of them      lines: 1, to pay: 56.00 DKK
4 a ghost          rejected: add_line.line.id: expected a product of the catalogue, was 'ghost'
4 resume           lines: 1, to pay: 56.00 DKK
5 three liquorice  lines: 2, to pay: 76.00 DKK
6 a member         lines: 2, to pay: 72.20 DKK
7 no coffee        lines: 1, to pay: 19.00 DKK
8 close            SESSION_END_REASON_CLOSED
"""


def test_example_when_run_against_the_demo_then_prints_every_step() -> None:
    with serving("serve", "--demo") as server:
        result = subprocess.run(
            [sys.executable, "-m", "clients.examples.edit_basket", server.target],
            capture_output=True,
            cwd=ROOT,
            env=environment(),
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

    assert (0, "") == (result.returncode, result.stderr)
    assert EXPECTED == result.stdout
