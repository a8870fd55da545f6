"""
From a config repository at one commit to the documents of each scope.

The manifest says what there is, overlays are merged in order, and every value keeps the line it came from.
The same files give the same bytes, in whatever order a source lists them.
"""

from __future__ import annotations

from runpin.compiling.declared import Application, Repository, read_repository
from runpin.compiling.documents import compile_environment, compile_scope, compile_scopes, document_of
from runpin.compiling.explaining import Explained, explain
from runpin.compiling.files import MANIFEST
from runpin.compiling.merging import merge

__all__ = [
    "MANIFEST",
    "Application",
    "Explained",
    "Repository",
    "compile_environment",
    "compile_scope",
    "compile_scopes",
    "document_of",
    "explain",
    "merge",
    "read_repository",
]
