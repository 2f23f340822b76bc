"""Constants of the load forecast that maintenance and the API share."""

from datetime import timedelta

HOUR = timedelta(hours=1)
HORIZON = timedelta(hours=72)
"""How far ahead the forecast goes, counted from the hour in which it was computed."""
