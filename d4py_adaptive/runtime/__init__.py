"""Joins the parts: resolves inputs, makes the plan, enacts it, keeps the record.

Start with `session.run`.
"""
