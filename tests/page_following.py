"""
Follows a page of the documentation as a reader would: all of its blocks, in order, in one shell and one folder.

A block that is followed by nobody is an error, and so is a stand-in for what the page does not show any more.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from command_line import PROGRAM, ROOT, CommandLine

SECONDS = 240
HOW_TO = ROOT / "docs" / "how-to"

_FENCE = re.compile(r"^ *```(\S*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PYTHON = sys.executable
_SETTINGS = "from runpin.settings import load_settings; load_settings()"
_PROGRAMS = Path(__file__).with_name("page_programs.py")
_FILES = {
    "toml": f'cp {{file}} "$RUNPIN_HOME/settings.toml"; {_PYTHON} -c "{_SETTINGS}"',
    "python": f"{_PYTHON} {{file}}",
    "sql": 'psql --quiet --set ON_ERROR_STOP=1 "$RUNPIN_STORE" --file {file}',
}
"""How a block that is a file is followed, by its language."""
_NAMED = re.compile(r"# ([\w/.-]+\.(?:yaml|json|toml))\n")
"""The first line of a block that is a file of the config repository."""


@dataclass(frozen=True, slots=True)
class Step:
    """
    One command, and what the page says it prints.

    Attributes:
        command: for bash.
        shown: the lines below it; `...` stands for anything.
    """

    command: str
    shown: tuple[str, ...] = ()


@dataclass
class Reader:
    """
    Follows one page.

    Attributes:
        line: the home and the config repository, which is the current folder.
        instead: what stands in for names, hosts and passwords that the page shows.
        variables: what is set before the page begins.
        programs: those that stand in for programs that are not here.
        folders: where other programs are.
        elsewhere: the test that reads the blocks of a language, where they are nothing to follow here.
    """

    line: CommandLine
    instead: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    programs: Sequence[str] = ("pip",)
    folders: Sequence[Path] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def follow(self, page: str, *afterwards: str) -> list[str]:
        """
        Follow the page, then run *afterwards* in the same shell, and return what these printed.

        A command that fails, or prints something else than the page says, fails the test.
        """
        folder = self.line.folder / "page"
        folder.mkdir()
        for test in self.elsewhere.values():
            assert page in (ROOT / test).read_text(encoding="utf-8"), f"{test} does not read {page}"
        told = [*self._steps(self._text(page), folder), *map(Step, afterwards)]
        for number, step in enumerate(told):
            (folder / f"{number}.sh").write_text(f"{step.command}\n")
        # Not with `||`, behind which bash goes on after a failure in the middle of a command.
        script = (
            f"set -e -o pipefail; for n in $(seq 0 {len(told) - 1}); do . {folder}/$n.sh > {folder}/$n.out 2>&1; done"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.line.config,
            env=self._environment(folder),
            check=False,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
        printed = [_read(folder / f"{number}.out") for number in range(len(told))]
        ran = sum(each is not None for each in printed)

        assert done.returncode == 0, f"{page}: {told[ran - 1].command}\n{printed[ran - 1]}"
        for step, out in zip(told, printed, strict=True):
            for expected in step.shown:
                assert re.search(pattern(expected), out or ""), f"{page}: {step.command}\n{expected}\nis not in\n{out}"
        return [out or "" for out in printed[len(told) - len(afterwards) :]]

    def _text(self, page: str) -> str:
        text = (HOW_TO / page).read_text(encoding="utf-8")
        for shown, real in self.instead.items():
            assert shown in text, f"{page} does not show {shown} any more"
            text = text.replace(shown, real)
        return text

    def _steps(self, text: str, folder: Path) -> list[Step]:
        found: list[Step] = []
        for number, (language, block) in enumerate(_FENCE.findall(text)):
            named = _NAMED.match(block)
            if language == "console":
                found += steps(block)
            elif named:
                found.append(Step(f"cat > {named[1]} <<'END OF BLOCK'\n{block}END OF BLOCK"))
            elif language not in self.elsewhere:
                assert language in _FILES, f"nobody follows a block of {language or 'nothing'}:\n{block}"
                file = folder / f"block-{number}.{language}"
                file.write_text(block)
                found.append(Step(_FILES[language].format(file=file)))
        return found

    def _environment(self, folder: Path) -> dict[str, str]:
        programs = folder / "programs"
        programs.mkdir()
        for name in self.programs:
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {_PROGRAMS} {name} "$@"\n')
            (programs / name).chmod(0o755)
        folders = (programs, PROGRAM.parent, *self.folders)
        path = os.pathsep.join((*map(str, folders), os.environ["PATH"]))
        return {**self.line.environment(), "PATH": path, **self.variables}


def steps(block: str) -> list[Step]:
    """Return the commands of a console block; lines that begin with `>` go on with the command above them."""
    found: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ ")))
        elif line.startswith("> ") or (found and not found[-1].shown and found[-1].command.endswith("\\")):
            found[-1] = Step(f"{found[-1].command}\n{line.removeprefix('> ')}")
        elif line.strip():
            assert found, f"a console block begins with a command, and not with {line!r}"
            found[-1] = Step(found[-1].command, (*found[-1].shown, line))
    return found


def pattern(line: str) -> str:
    """Return the expression for a line that the page shows; it may be spaced otherwise, and `...` is anything."""
    words = [".*".join(map(re.escape, word.split("..."))) for word in line.split()]
    return r"\s+".join(words)


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None
