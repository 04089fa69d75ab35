"""Says whether the schemas of Open Responses were there for the other tests to hold everything against."""
import pytest

import processes


def test_the_description_of_open_responses_is_here():
    if not (processes.ROOT.parent / "shared/data/openresponses/openapi.json").exists():
        pytest.skip("the Open Responses description (../shared/data) is not here: no schema was checked")
