import subprocess
import sys
from pathlib import Path

import pytest

from tifo.app.cli.output import show

_PROGRAM = """
import resource, sys, structlog
from tifo.app.cli.output import log_to_stderr
log_to_stderr()
log = structlog.get_logger("tifo")
log.info("before")
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))
log.warning("lost")
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
log.error("after", answer="400: no")
"""


def test_a_log_line_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        assert subprocess.run([sys.executable, "-c", _PROGRAM], stderr=file, check=False).returncode == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert [("before" in line, "lost" in line, "after" in line) for line in lines] == [
        (True, False, False),
        (False, False, True),
    ]
    assert '"answer": "400: no"' in lines[1]


def test_a_thing_within_a_thing_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"name": "hook", "latency_ms": {"p50": 4.5, "p95": None, "p99": 12}}], as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split("  ")[-1].strip() == "p50 4.5, p99 12"


@pytest.mark.parametrize("many", [False, True])
def test_what_a_stranger_wrote_is_shown_as_it_is_but_does_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], many: bool
) -> None:
    thing = {"answer": "[/b] no [write key] \x1b[2J\x07 here", "nothing": None}
    show([thing] if many else thing, as_json=False)
    printed = capsys.readouterr().out
    assert "[/b] no [write key] \ufffd[2J\ufffd here" in printed
    assert "None" not in printed
