"""The last step before a server process: become the right user, die with the parent, then exec. A script, not a module.

Run as `python -I -S postgres_stage.py HOW UID GID PARENT SIGNAL COMMAND…`; HOW is same, namespace or user; PARENT is 0 when the
command outlives its parent. It imports nothing of ours, so it starts in 15 ms, and it has one thread, which `unshare` asks for.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PARENT_POLL_S = 0.5


def enter_namespace(uid: int, gid: int) -> None:
    """Be `uid` inside and ourselves outside: files keep their owner, and PostgreSQL does not see root."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        code = ctypes.get_errno()
        raise OSError(code, f"a user namespace is refused: {os.strerror(code)}")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def become(how: str, uid: int, gid: int) -> None:
    """Change user as asked; `same` changes nothing."""
    if how == "namespace":
        enter_namespace(uid, gid)
    elif how == "user":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def run_watched(command: Sequence[str], parent: int, death_signal: int) -> int:
    """Where the kernel has no parent-death signal (macOS): stay as the child's parent and pass the news on."""
    child = subprocess.Popen(command)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(name, lambda number, _: child.send_signal(number))
    while os.getppid() == parent:
        try:
            return child.wait(PARENT_POLL_S)
        except subprocess.TimeoutExpired:
            continue
    child.send_signal(death_signal)
    return child.wait()


def main(how: str, uid: int, gid: int, parent: int, death_signal: int, command: Sequence[str]) -> None:
    """Set up this process, then become `command`."""
    os.umask(0o077)
    become(how, uid, gid)
    if parent and (sys.platform != "linux" or os.environ.pop("COUNTERFOIL_WATCH_PARENT", "")):
        sys.exit(run_watched(command, parent, death_signal))
    if parent:
        # After the change of user, which clears it. The parent may have died before this line: then nobody would tell us.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            sys.exit("the parent is gone")
    os.execv(command[0], list(command))  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    uid, gid, parent, death_signal = (int(number) for number in sys.argv[2:6])
    main(sys.argv[1], uid, gid, parent, death_signal, sys.argv[6:])
