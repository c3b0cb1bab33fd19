"""What a container's process does first: tie itself to the node's life, then become the command.

Run as a script by a bare interpreter (`python -I -S launch.py PARENT CWD COMMAND…`), so it imports
nothing but the standard library. It must not outlive a killed supervisor: the kernel is asked to
kill it when the parent dies (PR_SET_PDEATHSIG), and the parent is looked at again afterwards, since
it may have died before the kernel was asked.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_MORE_EXPENDABLE = 500
"""When memory runs out the kernel should take a container, not the API server beside it."""


def main() -> None:
    """Become the command. Exits 127 when it does not exist, 126 when it cannot be run."""
    parent, directory, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(_MORE_EXPENDABLE))
    except OSError:
        pass
    try:
        os.chdir(directory)
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}: {error.filename}\n")
        sys.exit(127)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(126)


if __name__ == "__main__":
    main()
