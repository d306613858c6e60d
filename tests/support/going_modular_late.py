"""The training program whose first process takes its time to write; run by test_going_modular.py."""

import os
import sys
import time

if __name__ == "__main__":
    from going_modular import checkpoints, train, utils  # not when pytest looks for tests

    write = checkpoints.write_file

    def writes_late(path, data):
        time.sleep(1)  # a slow disk
        write(path, data)

    if os.environ["RANK"] == "0":
        checkpoints.write_file = writes_late
    sys.exit(utils.run_command("train", train.train, train.parse_arguments()))
