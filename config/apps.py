from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Where the start-up checks and the commands of no other app live."""

    name = "config"

    def ready(self) -> None:
        """Register the start-up checks."""
        from config import checks  # noqa: F401 (importing registers them)
