from django.urls import path

from benchmarks.peers.waffle.views import Flag

urlpatterns = [path("api/v1/flags/<slug:name>", Flag.as_view())]
