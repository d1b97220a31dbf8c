"""Lets files written for dispel4py run here: its module names, in both generations, lead to this package."""
