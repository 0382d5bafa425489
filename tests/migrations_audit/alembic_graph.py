"""What Alembic itself reports of a project's revisions, as JSON on standard output.

    alembic_graph.py [--recursive] SCRIPT_FOLDER [VERSIONS_FOLDER...]

Migrations import the packages that they belong to. What is not installed is put in as mocks: the
revision variables of a file do not depend on it.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
import warnings

from alembic.script import ScriptDirectory
from alembic.util import pyfiles


class Stand:
    """Stands for anything: it can be called, subclassed, iterated over, and has every attribute."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stand()

    def __call__(self, *arguments, **named):
        return Stand()

    def __mro_entries__(self, bases):
        return ()

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    def __bool__(self):
        return True

    def __contains__(self, item):
        return False

    def __getitem__(self, item):
        return Stand()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False

    def __or__(self, other):
        return Stand()

    __ror__ = __and__ = __add__ = __radd__ = __mod__ = __sub__ = __mul__ = __or__
    __lt__ = __le__ = __gt__ = __ge__ = __or__


class Mocked(types.ModuleType):
    """A module in which every name stands for anything."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stand()


class MissingModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands behind every other finder, and finds what none of them has."""

    def find_spec(self, fullname, path=None, target=None):
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        return Mocked(spec.name)

    def exec_module(self, module):
        pass


def load_module(module_id, path):
    """Alembic's load_module_py; what fails behind the revision variables does not matter."""
    spec = importlib.util.spec_from_file_location(module_id, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:
        if not hasattr(module, "down_revision"):
            raise
    return module


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--recursive", action="store_true")
    arguments.add_argument("folder")
    arguments.add_argument("versions", nargs="*")
    arguments = arguments.parse_args()
    sys.meta_path.append(MissingModules())
    warnings.simplefilter("ignore")
    pyfiles.load_module_py = load_module

    scripts = ScriptDirectory(
        arguments.folder,
        version_locations=arguments.versions or None,
        recursive_version_locations=arguments.recursive,
    )
    revisions = scripts.revision_map
    heads = sorted(revisions.heads)
    migrations = [
        {
            "revision": revision.revision,
            "down_revision": sorted(revision._versioned_down_revisions),
            "dependencies": sorted(revision._resolved_dependencies),
            "branch_labels": sorted(revision._orig_branch_labels),
        }
        for name, revision in revisions._revision_map.items()
        # branch labels are names of their revisions too
        if revision is not None and name == revision.revision
    ]
    json.dump(
        {
            "heads": heads,
            "heads_without_dependents": sorted(revisions._real_heads),
            "bases": sorted(revisions.bases),
            "branch_points": sorted(
                one["revision"]
                for one in migrations
                if revisions.get_revision(one["revision"]).is_branch_point
            ),
            "merge_points": sorted(
                one["revision"]
                for one in migrations
                if revisions.get_revision(one["revision"]).is_merge_point
            ),
            "migrations": sorted(migrations, key=lambda one: one["revision"]),
        },
        sys.stdout,
        indent=1,
    )


main()
