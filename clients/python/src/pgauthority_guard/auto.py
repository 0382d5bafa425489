"""Importing this module is the check.

The import fails unless ``DB_AUTHORITY`` and ``DB_ENV`` are declared.
"""

from . import get_declared_authority

get_declared_authority()
