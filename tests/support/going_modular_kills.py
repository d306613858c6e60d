"""Trains, is killed again and again, and resumes: ``python going_modular_kills.py KILLS SEED OPTION...``.

Run by test_going_modular.py with the folder of the scripts in PYTHONPATH. Each attempt is a fork of
this process, so that PyTorch is imported only once. A moment to die is chosen as "some epochs from
now, and then a part of an epoch": at random over everything an epoch does, on any machine.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path


def lines(out: Path) -> int:
    results = out / "results.jsonl"
    return results.read_bytes().count(b"\n") if results.exists() else 0


def attempt(program, options: list[str], fuse=None) -> int:
    """Starts a training and lights its fuse; returns how it ended, as os.waitpid does."""
    pid = os.fork()
    if pid == 0:
        os._exit(program.utils.run_command("train", program.train, program.parse_arguments(options)))
    if fuse is not None:
        fuse(pid)
    return os.waitpid(pid, 0)[1]


def main(kills: int, seed: int, options: list[str]) -> None:
    # Before the first fork, and not when pytest looks for tests.
    import sklearn.model_selection  # noqa: F401 (the scripts import these two where they need them)
    import torchvision.transforms.v2  # noqa: F401

    from going_modular import train

    out = Path(options[options.index("--out") + 1])
    chance = random.Random(seed)
    startup, epoch = 0.1, 0.02  # seconds; measured below
    writing = 0

    def fuse(pid: int) -> None:
        nonlocal startup, epoch, writing
        begin, before = time.monotonic(), lines(out)
        if chance.random() < 0.2:  # some die before their first epoch
            time.sleep(chance.random() * startup)
        else:
            more = chance.randint(1, 3)
            for done in range(1, more + 1):
                while lines(out) < before + done and time.monotonic() < begin + 100:
                    time.sleep(0.0002)
                if done == 1:
                    startup, begin = time.monotonic() - begin, time.monotonic()
            if more > 1:
                epoch = (time.monotonic() - begin) / (more - 1)
            time.sleep(chance.random() * epoch)
        os.kill(pid, signal.SIGKILL)
        writing += any(out.glob("*.partial"))

    for _ in range(kills):
        ended = attempt(train, [*options, "--resume"], fuse)
        if not (os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL):
            sys.exit(f"ended by itself, status {ended}")
    print(f"killed {kills} times, {writing} of them in the middle of a file; {lines(out)} epochs written")
    sys.exit(os.waitstatus_to_exitcode(attempt(train, [*options, "--resume"])))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
