"""Dashboards: stored as they are put, checked as AWS checks them, and drawn as pictures.

`check` finds what is wrong with a body, `graph` reads a metric widget and its data, `picture` draws; `operations` is the API.
"""
