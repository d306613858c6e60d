"""The training program with one process that fails in its first epoch; run by test_going_modular.py."""

import os
import sys


def fails(*args, **kwargs):
    raise RuntimeError("this process fails on purpose")


if __name__ == "__main__":
    from going_modular import engine, train, utils  # not when pytest looks for tests

    if os.environ["RANK"] == "1":
        engine.train_epoch = fails
    sys.exit(utils.run_command("train", train.train, train.parse_arguments()))
