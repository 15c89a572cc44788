from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
    verbose_name = "History"

    def ready(self) -> None:
        """Register the start-up checks."""
        from events import checks  # noqa: F401 (importing registers them)
