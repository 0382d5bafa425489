"""``python -m pgauthority_guard``: what ``pgauthority guard`` says, where there is only Python."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from ._gate import Report, declared, judge

USAGE = "usage: python -m pgauthority_guard show | require neon | require local | migrations"
DEMANDS = ("show", "require neon", "require local", "migrations")
MARKS = {"ok": "ok", "warning": "warning", "refused": "REFUSED", "not_declared": "NOT DECLARED"}


def table(variables: Mapping[str, str], demand: str, report: Report) -> str:
    """The report for people."""
    text = ""
    if demand == "show":
        rows = [
            [name, "(not set)" if value is None else value] for name, value in declared(variables)
        ]
        text = _aligned(rows) + "\n"
    rows = []
    for check in report.checks:
        rows.append([MARKS[check.status], check.rule, check.message])
        if check.hint:
            rows.append(["", "", f"hint: {check.hint}"])
    return f"{text}{_aligned(rows)}{report.verdict.replace('_', ' ')}\n"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Gives the exit code: 0 allowed, 1 refused, 78 not declared, 2 wrong usage."""
    demand = " ".join(arguments)
    if demand not in DEMANDS:
        print(USAGE, file=sys.stderr)
        return 2
    variables, report = judge(demand)
    sys.stdout.write(table(variables, demand, report))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
