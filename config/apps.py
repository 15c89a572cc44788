from django.apps import AppConfig, apps

# What the back office calls the apps of others.
TITLES = {"auth": "Staff", "axes": "Staff: refused logins", "djstripe": "Stripe's objects, a copy"}


class ConfigConfig(AppConfig):
    """Where the start-up checks and the commands of no other app live."""

    name = "config"

    def ready(self) -> None:
        """Register the start-up checks, and name the apps of others."""
        from config import checks  # noqa: F401 (importing registers them)

        for label, title in TITLES.items():
            apps.get_app_config(label).verbose_name = title
