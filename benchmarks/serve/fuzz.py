"""Does any request make the service fail? schemathesis over its own OpenAPI document, with the token.

python -m benchmarks.serve.fuzz --work FOLDER [--cases 10000] [--quick]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import venv
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.serve import machine, processes, project, table
from benchmarks.serve.contenders import CONTENDERS, Case, Contender

HERE = Path(__file__).resolve().parent
NEEDS = ("schemathesis==4.32.5",)
MOST_RUNS = 40


def main() -> None:
    """Fuzz until as many cases were sent, and write fuzz.json and the README's part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--envs", type=Path, default=Path("/tmp/serve-peers"))
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=400, help="of an operation and run")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service")
    parser.add_argument("--quick", action="store_true", help="200 cases")
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    wanted, examples = (200, 20) if given.quick else (given.cases, given.examples)
    work, ours = given.work.resolve(), CONTENDERS["cauce"]
    trained = project.make(work / "project-boosting", "boosting")
    (work / "taken").mkdir(exist_ok=True)
    case = Case(trained, work / "taken", given.envs.resolve(), given.workers, processes.free_port(), work / "scratch")
    running = ours.start(case, core=None)
    try:
        ours.ready(running, case)
        token = ours.target(case, 1).token
        tool = _tool(given.envs.resolve())
        found: dict[str, Any] = {"cases": 0, "statuses": Counter(), "by_operation": Counter(), "failed": [], "runs": 0}
        for seed in range(MOST_RUNS):
            _run(tool, case.port, token, work / "scratch" / f"fuzz-{seed}", examples, seed, found)
            print(seed, found["cases"], dict(found["statuses"]), flush=True)
            if found["cases"] >= wanted or running.process.poll() is not None:
                break
        alive, ended = _right(ours, case), running.process.poll()
        said = [line for line in running.log.read_text(errors="replace").splitlines() if "Traceback" in line]
    finally:
        running.stop()
        shutil.rmtree(work / "scratch", ignore_errors=True)
        shutil.rmtree(trained.folder / ".cauce" / "ledger", ignore_errors=True)
    statuses = {str(code): n for code, n in sorted(found["statuses"].items())}
    result = {
        "question": "server errors under made-up requests",
        "machine": machine.described(),
        **machine.now(),
        "tool": NEEDS[0],
        "cases": found["cases"],
        "runs": found["runs"],
        "server_errors": sum(n for code, n in statuses.items() if int(code) >= 500),
        "no_answer": found["statuses"].get(0, 0),
        "statuses": statuses,
        "by_operation": dict(sorted(found["by_operation"].items())),
        "failed": found["failed"][:20],
        "tracebacks_in_log": len(said),
        "alive_and_right_after": alive,
        "ended_with": ended,
        "quick": given.quick,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "fuzz.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table.fill(given.out / "README.md", "fuzz.py", page(result))
    print(page(result))


def _right(ours: Contender, case: Case) -> bool:
    """Whether the service answers, and rightly."""
    try:
        ours.check(case, 1)
    except (OSError, AssertionError, LookupError):
        return False
    return True


def _tool(envs: Path) -> Path:
    folder = envs / "schemathesis"
    tool = folder / "bin" / "schemathesis"
    if not tool.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *NEEDS], check=True)
    return tool


def _run(tool: Path, port: int, token: str, folder: Path, examples: int, seed: int, found: dict[str, Any]) -> None:
    """Run the tool once and add what it sent and got."""
    folder.mkdir(parents=True)
    report = folder / "report.ndjson"
    command: list[str | Path] = [
        tool,
        "run",
        f"http://127.0.0.1:{port}/openapi.json",
        "--header",
        f"Authorization: Bearer {token}",
        "--checks",
        "not_a_server_error",
        "--max-examples",
        str(examples),
        "--seed",
        str(seed),
        "--continue-on-failure",
        "--no-color",
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--suppress-health-check",
        "all",
        "--generation-database",
        "none",
        "--request-timeout",
        "30",
        "--report",
        "har",
        "--report-har-path",
        report,
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=processes.environment(folder),
        capture_output=True,
        text=True,
        timeout=3_600,
        check=False,
    )
    if not report.exists():
        raise RuntimeError(f"schemathesis ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    for entry in json.loads(report.read_text(encoding="utf-8"))["log"]["entries"]:
        status = int(entry["response"]["status"] or 0)
        path = entry["request"]["url"].split("?")[0].split(f":{port}", 1)[-1]
        found["cases"] += 1
        found["statuses"][status] += 1
        found["by_operation"][
            f"{entry['request']['method']} {path}" if len(path) < 60 and status != 404 else "others"
        ] += 1
        if status >= 500:
            found["failed"].append(
                {
                    "method": entry["request"]["method"],
                    "path": path[:200],
                    "status": status,
                    "body": str(entry["request"].get("postData", {}).get("text", ""))[:400],
                    "seed": seed,
                }
            )
    found["runs"] += 1


def page(result: dict[str, Any]) -> str:
    """Return the README's part."""
    quick = "**Quick run.** " if result["quick"] else ""
    about = (
        f"{quick}{result['at'][:10]}, commit {result['commit']}, {result['tool']}: {result['cases']:,} requests, "
        f"**{result['server_errors']} server errors**, {result['no_answer']} without an answer, "
        f"{result['tracebacks_in_log']} tracebacks in the log; afterwards the service "
        f"{'answers rightly' if result['alive_and_right_after'] else 'does not answer'}."
    )
    lines = [
        about,
        "",
        "| status | answers |",
        "|---:|---:|",
    ]
    lines += [f"| {status} | {n:,} |" for status, n in result["statuses"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
