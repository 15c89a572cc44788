"""A flag of django-waffle, asked through a DRF view with the same authentication."""
