"""The same check written as most would: a DRF view, serializers, simplejwt, the cache, a throttle."""
