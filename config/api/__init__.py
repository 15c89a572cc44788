"""Plumbing that the views share: who asks, what he may, how errors and lists look.

Imports no app but `events.context`.
"""
