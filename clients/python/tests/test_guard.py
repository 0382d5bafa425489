"""The module against the table of cases that it shares with ``pgauthority guard``.

    PYTHONPATH=src python -m unittest discover tests

``PGAUTHORITY_GUARD_CASES`` names another table.
"""

import io
import json
import os
import subprocess
import sys
import unittest
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import pgauthority_guard as guard
from pgauthority_guard import __main__ as program
from pgauthority_guard._gate import judge

TABLE = Path(__file__).parents[3] / "tests" / "guard_cases.json"
CASES = json.loads(Path(os.environ.get("PGAUTHORITY_GUARD_CASES", TABLE)).read_text("utf-8"))
FUNCTIONS = {
    "show": guard.get_declared_authority,
    "require neon": guard.require_neon,
    "require local": guard.require_local,
    "migrations": guard.require_migrations_allowed,
}


def ask(function, variables):
    """What a function gives or raises, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = function(variables)
        except guard.AuthorityError as error:
            found = error
    return found, caught


def as_json(check):
    fields = {"rule": check.rule, "status": check.status, "message": check.message}
    return fields if check.hint is None else {**fields, "hint": check.hint}


class Table(unittest.TestCase):
    def test_every_rule_says_what_the_table_says(self):
        self.assertGreater(len(CASES), 40)
        for case in CASES:
            with self.subTest(case["name"]):
                _, report = judge(case["demand"], case["variables"])
                self.assertEqual([as_json(check) for check in report.checks], case["checks"])
                self.assertEqual(report.verdict, case["verdict"])
                self.assertEqual(report.exit_code, case["exit_code"])

    def test_every_function_does_what_the_verdict_says(self):
        kinds = {"refused": guard.RefusedError, "not_declared": guard.NotDeclaredError}
        for case in CASES:
            with self.subTest(case["name"]):
                found, caught = ask(FUNCTIONS[case["demand"]], case["variables"])
                findings = [check for check in case["checks"] if check["status"] != "ok"]
                if case["verdict"] == "allowed":
                    self.assertNotIsInstance(found, guard.AuthorityError)
                    said = [str(warning.message) for warning in caught]
                    self.assertEqual(len(said), len(findings))
                    for warning in caught:
                        self.assertIs(warning.category, guard.AuthorityWarning)
                        self.assertEqual(warning.filename, __file__)
                else:
                    self.assertIs(type(found), kinds[case["verdict"]])
                    self.assertEqual(caught, [])
                    said = [str(found)] * len(findings)
                for text, check in zip(said, findings):
                    self.assertIn(f"{check['message']} ({check['rule']})", text)
                    self.assertIn(check.get("hint", ""), text)

    def test_nothing_shows_a_password(self):
        for case in CASES:
            with self.subTest(case["name"]):
                found, caught = ask(FUNCTIONS[case["demand"]], case["variables"])
                text = f"{found!s}{found!r}{[str(warning.message) for warning in caught]}"
                self.assertNotIn("s3cr", text)

    def test_the_program_prints_the_same_table(self):
        for case in CASES:
            environ = mock.patch.dict(os.environ, case["variables"], clear=True)
            printed = io.StringIO()
            with self.subTest(case["name"]), environ, redirect_stdout(printed):
                code = program.main(case["demand"].split())
                self.assertEqual(code, case["exit_code"])
                self.assertEqual(printed.getvalue(), case.get("table", printed.getvalue()))
                self.assertNotIn("s3cr", printed.getvalue())


class Functions(unittest.TestCase):
    PROD = {
        "DB_AUTHORITY": "neon",
        "DB_ENV": "prod-like",
        "DB_ROLE": "prod",
        "DATABASE_URL": "postgresql://app@proxy.internal:7432/nova_prod",
        "DB_VIA": "pgauthority",
        "CONFIRM_PROD_MIGRATIONS": "true",
    }

    def test_the_environment_is_the_default(self):
        with mock.patch.dict(os.environ, {"DB_AUTHORITY": "local", "DB_ENV": "test"}, clear=True):
            self.assertEqual(guard.get_declared_authority(), "local")
            self.assertEqual(guard.assert_db_authority("local").env, "test")
            self.assertRaises(guard.RefusedError, guard.assert_db_authority, "neon")
            self.assertRaises(guard.RefusedError, guard.require_neon)
        self.assertRaises(ValueError, guard.assert_db_authority, "prod")

    @unittest.skipIf(os.name == "nt", "the environment is text there")
    def test_bytes_that_are_no_text_are_no_word(self):
        environ = {os.fsdecode(b"DB_AUTHORITY"): os.fsdecode(b"neo\xff"), "DB_ENV": "dev"}
        found, _ = ask(guard.get_declared_authority, environ)
        self.assertIn('DB_AUTHORITY is "neo\ufffd", which', str(found))

    def test_a_session_says_what_is_declared_to_a_declared_pgauthority(self):
        expected = {
            "authority.expect_authority": "neon",
            "authority.expect_env": "prod-like",
            "authority.expect_role": "prod",
        }
        confirmed = {**expected, "authority.confirm_prod_migrations": "true"}
        migrations = guard.require_migrations_allowed(self.PROD)
        self.assertEqual(migrations.session_parameters(), confirmed)
        # whoever did not ask for migrations confirms none
        self.assertEqual(guard.require_neon(self.PROD).session_parameters(), expected)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            direct = guard.require_migrations_allowed({**self.PROD, "DB_VIA": "direct"})
        self.assertEqual(direct.session_parameters(), {})
        direct.declare_on(None)

    def test_importing_auto_is_the_check(self):
        def run(**variables):
            environ = {
                name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ
            }
            return subprocess.run(
                [sys.executable, "-c", "import pgauthority_guard.auto; print('on')"],
                env={**environ, **variables}, capture_output=True, text=True, check=False,
            )  # fmt: skip

        ran = run(DB_AUTHORITY="local", DB_ENV="dev")
        self.assertEqual((ran.returncode, ran.stdout), (0, "on\n"), ran.stderr)
        ran = run(DB_AUTHORITY="local")
        self.assertEqual((ran.returncode, ran.stdout), (1, ""))
        self.assertIn("NotDeclaredError: DB_ENV is not set (env.declared)", ran.stderr)

    def test_the_program_knows_its_demands(self):
        with mock.patch("sys.stderr", io.StringIO()) as told:
            self.assertEqual(program.main(["require"]), 2)
            self.assertIn("usage:", told.getvalue())


if __name__ == "__main__":
    unittest.main()
