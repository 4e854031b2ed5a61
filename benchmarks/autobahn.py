"""Run the Autobahn test suite's fuzzing client against our server, and sum up its reports."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from processes import BUILD, HERE, ServerFailed, end, free_port, serving

PLACE = BUILD / "autobahn"
REPORTS = PLACE / "reports"
AGENT = "fws_gevent"

MISSING = (
    "autobahn: no {} here: give --wstest PATH, from a Python 2.7 virtualenv (virtualenv==20.21.1) "
    "with autobahntestsuite==25.10.1"
)
LIMITS = {
    "max_message_size": 32 << 20,
    "max_fragments": 2_000_000,
    "max_queue": 256 << 20,
    "ping_interval": 0,
    "log_level": "warning",
}
"""The suite sends messages of 16 MiB in small pieces and reads none of the echoes meanwhile."""

FAILURES = {"FAILED", "UNIMPLEMENTED", "UNCLEAN"}
"""The behaviors that fail the run; the suite's own pages show UNCLEAN as a failure too."""
EXCERPT = 200

Case = Mapping[str, Any]


class NoReport(Exception):
    """Raised if the suite didn't finish; the text gives the reason."""


def run_suite(wstest: str, cases: Sequence[str], seconds: float) -> None:
    """Run the cases against our own server. Raises NoReport."""
    if REPORTS.exists():
        shutil.rmtree(REPORTS)
    PLACE.mkdir(parents=True, exist_ok=True)
    port = free_port()
    spec = {
        "outdir": str(REPORTS),
        "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}],
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    path = PLACE / "fuzzingclient.json"
    path.write_text(json.dumps(spec, indent=2), "utf-8")
    flags = [f"--{name}={value}" for name, value in LIMITS.items()]
    server = [sys.executable, str(HERE / "server.py"), f"--port={port}", *flags]
    try:
        with serving(server, port, log=PLACE / "server.log"):
            _run_client([wstest, "-m", "fuzzingclient", "-s", str(path)], seconds)
    except ServerFailed as error:
        raise NoReport(str(error)) from None


def _run_client(command: Sequence[str], seconds: float) -> None:
    log = PLACE / "wstest.log"
    with log.open("wb") as output:
        client = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=PLACE)
        try:
            client.wait(seconds)
        except subprocess.TimeoutExpired:
            last = _last_case(log.read_text("utf-8", "replace"))
            raise NoReport(f"not done after {seconds / 60:g} minutes; {last}") from None
        finally:
            end(client)
    if client.returncode:
        raise NoReport(f"wstest ended with status {client.returncode}; see {log.name} in {PLACE}")


def _last_case(log: str) -> str:
    ran = re.findall(r"Running test case ID (\S+)", log)
    return f"the last case was {ran[-1]}" if ran else "no case had begun"


def read_reports() -> dict[str, Case]:
    """Return the report of each case, by number in order. Raises NoReport if some are missing."""
    try:
        index = json.loads((REPORTS / "index.json").read_text("utf-8"))
    except FileNotFoundError:
        raise NoReport("wstest wrote no report") from None
    entries = index.get(AGENT, {})
    log = (PLACE / "wstest.log").read_text("utf-8", "replace")
    announced = re.search(r"will run (\d+) test cases", log)
    expected = int(announced[1]) if announced else 1
    if len(entries) < max(expected, 1):
        raise NoReport(f"{len(entries)} of {expected} cases have a report; {_last_case(log)}")
    return {
        case: json.loads((REPORTS / entries[case]["reportfile"]).read_text("utf-8"))
        for case in sorted(entries, key=lambda case: [int(part) for part in case.split(".")])
    }


def summary(reports: Mapping[str, Case]) -> str:
    """Return the number of cases of each behavior, and a line for each that is not OK."""
    behavior = Counter(case["behavior"] for case in reports.values())
    closing = Counter(case["behaviorClose"] for case in reports.values())
    names = sorted({*behavior, *closing}, key=lambda name: (name != "OK", name))
    width = max(map(len, names), default=0)
    lines = [f"{len(reports)} cases", f"{'':{width}}  behavior  behaviorClose"]
    lines += [f"{name:{width}}{behavior[name]:>10}{closing[name]:>15}" for name in names]
    for number, case in reports.items():
        if case["behavior"] != "OK" or case["behaviorClose"] != "OK":
            lines += ["", *describe(number, case)]
    return "\n".join(lines)


def describe(number: str, case: Case) -> list[str]:
    """The suite's report of one case."""
    text = re.sub(r"<[^>]*>|\s+", " ", case["description"]).strip()
    close = case["expectedClose"]
    codes = ", ".join(map(str, close.get("closeCode", ()))) or "none"
    who = "the suite" if case["closedByMe"] else "the server"
    return [
        f"{number}: behavior {case['behavior']}, behaviorClose {case['behaviorClose']}: {text}",
        f"  {case['result']}",
        *(f"  expected for {kind}: {_short(events)}" for kind, events in case["expected"].items()),
        f"  received: {_short(case['received'])}",
        f"  {case['resultClose']}; expected close code {codes}, got "
        f"{case['remoteCloseCode']} {case['remoteCloseReason'] or ''}, closed by {who}",
    ]


def _short(events: Any) -> str:
    text = json.dumps(events, ensure_ascii=False)
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]} …"


def main() -> None:
    """Run the suite; the status is 1 if a case failed or is not implemented."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wstest", default="wstest", help="the suite's command (wstest)")
    parser.add_argument("--cases", default="*", help="patterns of cases, with commas (*)")
    parser.add_argument("--minutes", type=float, default=40.0, help="to be done in (40)")
    options = parser.parse_args()
    wstest = shutil.which(options.wstest)
    if wstest is None:
        print(MISSING.format(options.wstest), file=sys.stderr)
        raise SystemExit(2)
    cases = [pattern.strip() for pattern in options.cases.split(",")]
    try:
        run_suite(str(Path(wstest).absolute()), cases, options.minutes * 60)
        reports = read_reports()
    except NoReport as why:
        print(f"autobahn: {why}", file=sys.stderr)
        raise SystemExit(1) from None
    print(summary(reports))
    failed = any(
        case[kind] in FAILURES
        for case in reports.values()
        for kind in ("behavior", "behaviorClose")
    )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
