from django.apps import AppConfig


class EntitlementsConfig(AppConfig):
    name = "entitlements"
    verbose_name = "Entitlements"

    def ready(self) -> None:
        """Hear from the first connection on what the database says of changes."""
        from django.db.backends.signals import connection_created

        from entitlements import announcing

        connection_created.connect(announcing.listen, dispatch_uid="entitlements.announcing")
