"""The double of AWS AppConfig as tests ask for it: a service that lets boto3 in, and a channel mirrored there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appconfig_double_server import Server
    from appconfig_stage import Stage

# What they need is imported when a test asks for them, and not by every other one.


@pytest.fixture
def appconfig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve an empty double, whose lists come in pages of two, and let boto3 into it and nowhere else."""
    from appconfig_double import Double
    from appconfig_double_server import serving
    from appconfig_stage import let_in

    let_in(monkeypatch)
    with serving(Double(page=2)) as server:
        yield server


@pytest.fixture
def mirrored(appconfig: Server) -> Stage:
    """Return a stage whose channel is mirrored by a deployment that reached everybody at once."""
    from appconfig_stage import Stage, furnish
    from runpin.testing.store_contract import SCOPE

    stage = Stage(appconfig)
    furnish(stage)
    stage.published(1)
    stage.mirror.bring(SCOPE, "stable")
    return stage
