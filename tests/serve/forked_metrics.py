"""Two workers forked from a parent without threads: one is killed and replaced, and both answer for the whole service.

Prints, as JSON, the figures that each process sees at each stage.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from cauce.serve.metrics import Metrics


def figures(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        ",".join([sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))]): sample.value
        for family in families
        for sample in family.samples
    }


class Worker:
    """A forked process that runs one step for each line that it is sent, and says what it sees."""

    def __init__(self, metrics: Metrics, place: int, steps: list[Callable[[Metrics], None]]) -> None:
        ask_out, ask_in = os.pipe()
        say_out, say_in = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            metrics.attach(place)
            with os.fdopen(ask_out, "rb") as asked, os.fdopen(say_in, "w") as said:
                for step in steps:
                    asked.readline()
                    step(metrics)
                    said.write(json.dumps(figures(metrics)) + "\n")
                    said.flush()
                asked.readline()
            os._exit(0)
        self._ask, self._said = os.fdopen(ask_in, "wb", buffering=0), os.fdopen(say_out)

    def step(self) -> dict[str, float]:
        """Let it take its next step."""
        self._ask.write(b"\n")
        return dict(json.loads(self._said.readline()))

    def kill(self) -> None:
        """End it at once, and wait for it as its parent must."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@contextmanager
def ended(*workers: Worker) -> Iterator[None]:
    """End the workers, whatever happens."""
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()


def resident_bytes(pid: int) -> int:
    """Memory of one process, shared pages included."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def predict(n_rows: int, version: int = 1) -> Callable[[Metrics], None]:
    """A step that counts rows and holds a request."""

    def step(metrics: Metrics) -> None:
        metrics.observe_predictions("dropout", version, "champion", n_rows, 0.004)
        metrics.in_flight.set(2)
        metrics.version.labels("dropout").set(version)

    return step


def burn(metrics: Metrics) -> None:
    """Use the processor for a good part of a second."""
    begun = os.times().user
    while os.times().user - begun < 0.3:
        sum(range(10_000))


def main() -> None:
    """Run the story."""
    metrics = Metrics(["dropout"], workers=2)
    first = Worker(metrics, 1, [predict(3), burn, predict(4)])
    second = Worker(metrics, 2, [predict(10), lambda _: None, lambda _: None])
    seen = {}
    with ended(second):
        first.step()
        seen["both"] = second.step()
        seen["resident"] = {"each": sum(map(resident_bytes, (os.getpid(), first.pid, second.pid)))}
        first.step()
        seen["burnt"] = figures(metrics)
        first.kill()
        metrics.ended(1, restarted=True)
        seen["killed"] = second.step()
        # The new one must find versions that only the dead one knew, and go on from its counts.
        third = Worker(metrics, 1, [lambda _: None, predict(5, version=2)])
        with ended(third):
            seen["back"] = third.step()
            seen["replaced"] = third.step()
            seen["others"] = second.step()
            seen["parent"] = figures(metrics)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
