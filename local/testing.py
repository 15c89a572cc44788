"""What the tests run with."""

from __future__ import annotations

from local import stack
from local.home import Home

# Fixed and public: a test never meets the secrets, or the Stripe account, of the clone it runs in.
VALUES = {
    "ENVIRONMENT": "test",
    "DEBUG": "false",
    "SECRET_KEY": "only-the-tests-are-signed-with-this-key-0123456789-abcdefghij",
    "JWT_SECRET": "only-the-tests-verify-tokens-with-this-secret-0123456789",
    "ENCRYPTION_KEY": "0123456789abcdef0123456789abcdef",
    "HISTORY_SIGNING_KEY": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "STRIPE_SECRET_KEY": "sk_test_sandboxtests0123456789abcdef0123",
    "STRIPE_WEBHOOK_SECRET": "whsec_tests0123456789abcdef0123456789",
    # Nobody listens there: a test that calls Stripe without the sandbox fails at once.
    "STRIPE_API_BASE": "http://127.0.0.1:9",
}
# Another number than the running Farebox's, so that neither empties the other's.
VALKEY_DATABASE = 9


def test_environment(home: Home) -> dict[str, str]:
    """Give pytest the servers of this clone and fixed secrets."""
    found = stack.owner_environment(home, "tests") | VALUES
    found["REDIS_URL"] = f"{found['REDIS_URL'].rpartition('/')[0]}/{VALKEY_DATABASE}"
    return found
