"""`migrations audit` over the migrations of packages from PyPI: its graph beside Alembic's own.

    corpus.py PGAUTHORITY FOLDER

PGAUTHORITY is the binary; wheels are kept in FOLDER. One line a project, as a table; exits with 1
where a graph differs. Alembic has to be importable.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import zipfile

HERE = pathlib.Path(__file__).parent
COLUMNS = "{:<22} {:<9} {:>9} {:>5} {:>9} {:>7} {:>8} {:>6} {:>8}"


def unpacked(package, folder):
    """The folder of a package's Python files, downloaded where it is not there yet."""
    place = folder / package.replace("==", "-")
    if place.is_dir():
        return place
    wheels = folder / "wheels" / package
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", "-d", wheels, package]
    subprocess.run(command, check=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith((".py", ".ini", ".toml"))]
        archive.extractall(place, names)
    return place


def ours(binary, arguments, place):
    """What the command reports, and in how many seconds."""
    command = [binary, "migrations", "audit", *arguments, "--format", "json", "--fail-on", "never"]
    started = time.monotonic()
    output = subprocess.run(command, cwd=place, check=True, capture_output=True).stdout
    return json.loads(output), time.monotonic() - started


def alembics(arguments, place):
    """What Alembic reports; with the package's own modules where mocks of them are not enough."""
    command = [sys.executable, HERE / "alembic_graph.py", *arguments]
    run = subprocess.run(command, cwd=place, capture_output=True)
    if run.returncode:
        path = os.environ.get("PYTHONPATH", "") + os.pathsep + str(place.resolve())
        environment = os.environ | {"PYTHONPATH": path}
        run = subprocess.run(command, cwd=place, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(run.stdout)


def differences(audit, alembic):
    """Where the two graphs differ, as lines."""
    ends = ["heads", "heads_without_dependents", "bases", "branch_points", "merge_points"]
    lines = [
        f"{name}: {audit['graph'][name]} and {alembic[name]}"
        for name in ends
        if audit["graph"][name] != alembic[name]
    ]
    fields = ["down_revision", "dependencies", "branch_labels"]

    def told(migrations):
        return {one["revision"]: {name: sorted(one[name]) for name in fields} for one in migrations}

    first, second = told(audit["migrations"]), told(alembic["migrations"])
    lines += [
        f"{revision}: {first.get(revision)} and {second.get(revision)}"
        for revision in sorted(first.keys() | second.keys())
        if first.get(revision) != second.get(revision)
    ]
    return lines


def main():
    binary, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    head = ["package", "version", "revisions", "heads", "graph", "errors", "warnings", "notes", "seconds"]
    print(COLUMNS.format(*head))
    failed = False
    for line in (HERE / "corpus.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        package, *rest = line.split()
        options = [word for word in rest if word.startswith("--")]
        audited, *scripts = [word for word in rest if not word.startswith("--")]
        place = unpacked(package, folder)
        audit, seconds = ours(binary, [audited, *options], place)
        different = differences(audit, alembics([*options, *scripts], place))
        failed |= bool(different)
        name, version = package.split("==")
        summary = audit["summary"]
        print(
            COLUMNS.format(
                name,
                version,
                summary["migrations"],
                len(audit["graph"]["heads"]),
                "differs" if different else "equal",
                summary["errors"],
                summary["warnings"],
                summary["notes"],
                f"{seconds:.2f}",
            ),
            flush=True,
        )
        for difference in different:
            print("   ", difference)
    sys.exit(failed)


main()
