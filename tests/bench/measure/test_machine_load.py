"""Other programs' use of the processors is told from our own."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.measure.load import LoadMeter

SPIN = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_strangers_work_is_that_of_others() -> None:
    # a process that is no child of ours: its parent, a shell, has ended
    starter = f"exec {sys.executable} -c '{SPIN}' >/dev/null 2>&1 & echo $!"
    meter = LoadMeter()
    started = subprocess.run(["sh", "-c", starter], capture_output=True, text=True, check=True)
    stranger = int(started.stdout)
    try:
        with meter.measuring("beside a stranger"):
            spin(0.7)
    finally:
        subprocess.run(["kill", "-9", str(stranger)], check=True)
    beside = meter.cores_of_others("beside a stranger")
    assert beside is not None
    # the machine may be busy already: then the stranger takes its share from others, and we from both
    assert beside > 0.3
    assert meter.cores_of_others("never measured") is None


def test_a_childs_work_is_ours() -> None:
    import psutil

    def in_all() -> float:
        times = psutil.cpu_times()
        return float(sum(times)) - times.idle - getattr(times, "iowait", 0.0)

    meter, before, started = LoadMeter(), in_all(), time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        with meter.measuring("fit"):
            time.sleep(0.8)
        used = psutil.Process(child.pid).cpu_times()
        busy, seconds = in_all() - before, time.perf_counter() - started
    finally:
        child.kill()
        child.wait()
    others = meter.cores_of_others("fit")
    assert others is not None
    expected = (busy - used.user - used.system) / seconds
    assert abs(others - expected) < 0.35


def test_what_is_too_short_is_not_said() -> None:
    meter = LoadMeter()
    with meter.measuring("fit"):
        pass
    assert meter.cores_of_others("fit") is None
