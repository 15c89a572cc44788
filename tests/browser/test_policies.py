"""The pages work under the policies that they are sent with: a real browser finds nothing forbidden."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visitor


@pytest.mark.browser
@pytest.mark.parametrize(
    ("path", "sight"), [("/", "#prices"), ("/api/docs", ".swagger-ui .opblock"), ("/admin/login/", "#id_username")]
)
def test_a_browser_shows_the_page_and_forbids_nothing(farebox: str, visitor: Visitor, path: str, sight: str) -> None:
    visitor.page.goto(farebox + path)

    visitor.page.wait_for_selector(sight)

    assert visitor.complaints == []
