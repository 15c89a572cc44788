from django.urls import path

from benchmarks.peers.idiomatic.views import Check

urlpatterns = [path("api/v1/entitlements/check", Check.as_view())]
