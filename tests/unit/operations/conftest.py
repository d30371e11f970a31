from pathlib import Path

import pytest

from tests.conftest import NewState
from tests.twins import TwinBackend


@pytest.fixture
def backend(new_state: NewState, tmp_path: Path) -> TwinBackend:
    return TwinBackend(new_state("sqlite"), tmp_path)
