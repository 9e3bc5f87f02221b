"""Types lines into a shell at a pseudo-terminal: terminal.py NAME SHELL SCRIPT LINE...

Each LINE is typed, then Tab, then x; the shell runs a function that prints the words of the line as <word><word>.
"""

import os
import pty
import re
import select
import sys
import time

name, shell, script, *lines = sys.argv[1:]
START = {
    "bash": ([shell, "--norc", "--noprofile", "-i"], f"source {script}; words() {{ printf '<%s>' \"$@\"; echo; }}"),
    "zsh": (
        [shell, "-f", "-i"],
        f"autoload -Uz compinit; compinit -u -D; source {script}; setopt no_nomatch no_prompt_cr; bindkey -e; "
        "words() { printf '<%s>' \"$@\"; echo }; alias words='noglob words'",
    ),
    "fish": (
        [shell, "--no-config", "-i"],
        f"source {script}; set -g fish_autosuggestion_enabled 0; function words; printf '<%s>' $argv; echo; end",
    ),
}
arguments, setup = START[name]
# The end of a command is a line of its own, so that what was typed is not taken for it.
READY = "do" "ne"


def read(descriptor, until, seconds):
    """Reads until the output matches, or the time is up."""
    text, end = "", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([descriptor], [], [], 0.05)[0]:
            try:
                chunk = os.read(descriptor, 65536)
            except OSError:
                break
            text += chunk.decode(errors="replace")
            # fish asks the terminal what it is, and waits for an answer.
            if b"\x1b[c" in chunk or b"\x1b[0c" in chunk:
                os.write(descriptor, b"\x1b[?1;2c")
            if b"\x1b[6n" in chunk:
                os.write(descriptor, b"\x1b[1;1R")
        elif until is not None and re.search(until, text):
            return text
        elif until is None:
            return text
    return text


pid, descriptor = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm", PS1="$ ", COLUMNS="200", LINES="50")
    os.execv(shell, arguments)
read(descriptor, None, 2)
os.write(descriptor, (setup + '; echo "do""ne"\n').encode())
read(descriptor, rf"(?m)^{READY}\s*$", 20)
plain = re.compile(r"\x1b\[[0-9;?=<>]*[a-zA-Z]|\x1b[()][0-9A-Z]|\x1b[=>]|\r")
for line in lines:
    os.write(descriptor, line.encode())
    time.sleep(0.2)
    os.write(descriptor, b"\t")
    read(descriptor, None, 3)
    time.sleep(0.5)
    read(descriptor, None, 3)
    # To the begin of the line, and on.
    os.write(descriptor, b"x\x01words \x05")
    time.sleep(0.2)
    os.write(descriptor, b"\r")
    text = plain.sub("", read(descriptor, r"(?m)^[^$]*<cms>.*>\s", 5))
    found = re.findall(r"^(?:[^\n]*[^<\n])?(<cms>(?:<[^\n]*>)*)\s*$", text, re.M)
    print(found[-1] if found else repr(text))
os.write(descriptor, b"exit\r")
